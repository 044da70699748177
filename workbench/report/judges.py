"""Findings about basins: where the posterior is, which samples may weigh its basins, and who disagrees with those."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from workbench.inference.advice import listed
from workbench.report.basins import Weighed, one_basin, place, weighed
from workbench.report.missed import above_best
from workbench.report.numerals import difference, fraction
from workbench.report.slices import records
from workbench.report.trust import WEIGHERS, knows
from workbench.report.wording import capital, figure, is_wrong, sentence

if TYPE_CHECKING:
    from workbench.report.slices import Slice

APART = 4.0
"""Standard errors beyond which two samples' shares of a basin are not the same."""
LOOSE = 0.1
"""Standard error of a share beyond which chains that agree with anything have said nothing."""


def basins(cell: Slice) -> Iterator[str]:
    """Where the posterior is, if not at the best optimum; and samples that weigh the basins otherwise, or not at all."""
    if (found := weighed(cell)) is None or one_basin(found[1]):
        return
    point, samples = found
    able = [each for each in samples if each.error.max() <= LOOSE]
    knowing = [each for each in able if knows(cell, each.sample)]
    judge = min(knowing, key=lambda each: WEIGHERS.index(cell.row(each.sample).text("kind")), default=None)
    scattered = [each for each in samples if each is not judge and (each not in able or _warns(cell, each.sample))]
    firm = [each for each in samples if each not in scattered]
    told = judge or _unanimous(firm)
    yield from _missed(cell, point, told)
    if told is not None:
        yield from _heaviest(point, told)
    if judge is not None:
        yield from _judged(cell, point, judge, [each for each in firm if each is not judge])
    elif told is not None:
        yield f"{listed([each.sample for each in firm])} weigh the basins of {point}'s optima alike."
    for each in scattered:
        yield _scatter(cell, point, each, told)
    if told is None and (scattered or len(samples) > 1):
        yield from _nobody(cell, point, samples, firm)


def _missed(cell: Slice, point: str, told: Weighed | None) -> Iterator[str]:
    """Draws that climb to none of the optima that restarts found."""
    rows = {row["method"]: row for row in records(cell.tables["diagnostics"]) if row["quantity"] == "basins_elsewhere"}
    wrong = {method: figure(row["value"]) for method, row in rows.items() if is_wrong(row["verdict"])}
    if not wrong:
        return
    draws = listed([f"{fraction(share)} of {sample}'s draws" for sample, share in wrong.items()])
    most = told is not None and wrong.get(told.sample, 0.0) > 0.5
    start = f"Most of the posterior is in no basin that the restarts of {point} found: " if most else ""
    end = "" if above_best(cell) else f" {capital(sentence(rows[next(iter(wrong))]['advice']))}"  # told there
    yield f"{start}{draws} climb to optima at which no restart{'' if most else f' of {point}'} ended.{end}"


def _heaviest(point: str, judge: Weighed) -> Iterator[str]:
    """Where most draws climb, if that is an optimum found and not the best."""
    mean, error = judge.mean, judge.error
    top = int(np.argmax(mean[: judge.found]))
    if top == 0 or mean[top] - mean[0] <= APART * math.hypot(error[top], error[0]) or mean[judge.found :].sum() >= mean[top]:
        return
    lower = difference(float(judge.heights[0] - judge.heights[top]))
    most = "is not where most of the posterior is" if mean[top] > 0.5 else "does not have the largest share of the posterior"
    yield (
        f"The best optimum of {point} {most}: {fraction(float(mean[top]))} of {judge.sample}'s draws climb to optimum {top}, "
        f"{lower} nats lower, and {fraction(float(mean[0]))} to the best."
    )


def _judged(cell: Slice, point: str, judge: Weighed, others: list[Weighed]) -> Iterator[str]:
    """Who weighs the basins as one does that can know, and who does not."""
    agreeing = [each.sample for each in others if _distance(each, judge).max() <= APART]
    if agreeing:
        yield f"{listed(agreeing)} weigh{'s' if len(agreeing) == 1 else ''} the basins as {judge.sample} does."
    for each in others:
        if each.sample not in agreeing:
            i = int(np.argmax(_distance(each, judge)))
            yield (
                f"{fraction(float(each.mean[i]))} of {each.sample}'s draws climb to {place(cell, each, i, point)}, "
                f"{fraction(float(judge.mean[i]))} of {judge.sample}'s. "
                f"Chains cannot tell what a basin weighs where they have not been: trust {judge.sample}."
            )


def _scatter(cell: Slice, point: str, each: Weighed, told: Weighed | None) -> str:
    """A sample whose chains are in different basins."""
    i = int(np.argmax(np.ptp(each.shares, axis=0)))
    low, high = each.between(i)
    weight = "" if told is None else f" By {told.sample} it is {fraction(float(told.mean[i]))}."
    return (
        f"The chains of {each.sample} have from {low} to {high} of their draws where EM climbs to {place(cell, each, i, point)}: "
        f"chains so far apart do not weigh basins.{weight}"
    )


def _nobody(cell: Slice, point: str, samples: list[Weighed], firm: list[Weighed]) -> Iterator[str]:
    """Several samples, and none that can be believed."""
    present = [each.sample for each in samples if cell.row(each.sample).text("kind") == "smc"]
    more = f"raise draws or chains of {present[0]}, until its log evidence is trusted" if present else "add smc"
    if len(firm) > 1:
        yield (
            f"{listed([each.sample for each in firm])} do not weigh the basins of {point}'s optima alike, "
            f"and chains cannot tell who is right; {more}."
        )
    else:
        yield f"No sample here tells how much of the posterior is in each basin of {point}'s optima; {more}."


def _unanimous(samples: list[Weighed]) -> Weighed | None:
    """The first of several samples, if all weigh the basins alike."""
    if len(samples) < 2:
        return None
    first = samples[0]
    return first if all(_distance(each, first).max() <= APART for each in samples[1:]) else None


def _distance(one: Weighed, other: Weighed) -> np.ndarray:
    """Of shares, in standard errors."""
    error = np.hypot(one.error, other.error)
    gap = np.abs(one.mean - other.mean)
    return np.asarray(np.divide(gap, error, out=np.where(gap > 0.0, np.inf, 0.0), where=error > 0.0))


def _warns(cell: Slice, sample: str) -> bool:
    """Whether the chains of a sample are said to be in different basins."""
    return any(row["quantity"] == "basins_disagreement" and is_wrong(row["verdict"]) for row in records(cell.rows("diagnostics", sample)))
