"""Basins: how much of each sample climbs to which optimum of EM, which samples may weigh them, and who disagrees with those."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from workbench.report.blocks import Field, Grid, Head
from workbench.report.numerals import count, difference, fraction, listed, nats
from workbench.report.wording import axis

if TYPE_CHECKING:
    from workbench.report.slices import Slice

MOST = 6
"""Optima that are listed."""
OF_NOTE = 0.01
"""Share of some sample's draws from which an optimum is listed whatever its place."""
APART = 4.0
"""Standard errors beyond which two samples' shares of a basin are not the same."""
LOOSE = 0.1
"""Standard error of a share beyond which chains that agree with anything have said nothing."""
WEIGHERS = ("exact", "smc")
"""Kinds whose draws can know what each basin weighs; chains know only where they have been."""
NOTE = (
    "Some draws of every chain are followed by EM to where it ends. Share of them that end at the optimum; between brackets the least "
    "and the largest of the chains."
)
CHAINS = "A chain that never leaves a basin says nothing of what others weigh; exact draws and smc do."


@dataclasses.dataclass(frozen=True, eq=False)
class Weighed:
    """What one sample puts into the basins of one method's optima.

    Attributes
    ----------
    shares : ndarray (chain, optimum + 1), the last of draws that climb to none of them
    draws : followed of each chain
    """

    sample: str
    shares: np.ndarray
    draws: float

    @property
    def mean(self) -> np.ndarray:
        return np.asarray(self.shares.mean(axis=0))

    @property
    def error(self) -> np.ndarray:
        """Standard error by the chains' spread, or of as many independent draws if that is larger."""
        mean, chains = self.mean, self.shares.shape[0]
        binomial = np.sqrt(np.maximum(mean * (1.0 - mean), 0.0) / (chains * self.draws))
        return np.asarray(binomial if chains == 1 else np.maximum(binomial, self.shares.std(axis=0, ddof=1) / math.sqrt(chains)))


def weighed(cell: Slice) -> tuple[str, list[Weighed]] | None:
    """The method whose optima are climbed to, of the posterior if there is one, and each sample's shares; None where there are none."""
    table = cell.tables["basins"]
    climbed = list(dict.fromkeys(table["climbs"]))
    if not climbed:
        return None
    point = min(climbed, key=lambda method: cell.objective_name(method) != "log_posterior")
    found = []
    for sample, rows in table[table["climbs"] == point].groupby("method", sort=False):
        wide = rows.assign(optimum=rows["optimum"].fillna(math.inf)).pivot_table(index="chain", columns="optimum", values="share")
        found.append(Weighed(str(sample), wide.sort_index(axis=1).to_numpy(dtype=float), float(rows["draws"].iloc[0])))
    return point, found


def grids(cell: Slice) -> Iterator[Grid]:
    """Optima down, samples across."""
    if (found := weighed(cell)) is None:
        return
    point, samples = found
    heights = _heights(cell, point)
    noted = np.max([each.mean[:-1] for each in samples], axis=0) >= OF_NOTE
    shown = [i for i in range(noted.size) if i < 1 or noted[i]][:MOST]
    if noted.size < 2:
        return
    rows = [(Head(count(i)), (Field(nats(heights.get(i, math.nan))), *(Field(_share(each, i)) for each in samples))) for i in shown]
    rest = [(math.nan, each.mean[[i for i in range(noted.size) if i not in shown]].sum()) for each in samples]
    if noted.size > len(shown):
        rows.append((Head("the others"), (Field(""), *(Field(fraction(float(share))) for _, share in rest))))
    rows.append((Head("none of them"), (Field(""), *(Field(_share(each, -1)) for each in samples))))
    heads = (Head(axis(cell.objective_name(point))), *(Head(each.sample, method=each.sample) for each in samples))
    yield Grid(f"Which optimum of {point} do draws climb to?", heads, tuple(rows), (NOTE, CHAINS), "basins")


def basins(cell: Slice) -> Iterator[str]:
    """Findings: where most of the posterior is, if not at the best optimum; and samples that weigh the basins otherwise."""
    if (found := weighed(cell)) is None or found[1][0].mean.size < 3:
        return
    point, samples = found
    judge = next((each for kind in WEIGHERS for each in samples if _knows(cell, each.sample, kind)), None)
    told = judge or _unanimous(samples)
    if told is not None:
        yield from _heaviest(cell, point, told)
    if judge is None:
        if len(samples) > 1 and told is None:
            names = listed([each.sample for each in samples])
            yield f"{names} do not weigh the basins of {point}'s optima alike, and chains cannot tell who is right; add smc."
        return
    others = [each for each in samples if each is not judge]
    loose = [each for each in others if each.error.max() > LOOSE]
    agreeing = [each.sample for each in others if each not in loose and _distance(each, judge).max() <= APART]
    if agreeing:
        yield f"{listed(agreeing)} weigh{'s' if len(agreeing) == 1 else ''} the basins as {judge.sample} does."
    for each in others:
        if each in loose:
            i = int(np.argmax(each.error))
            own = each.shares[:, i]
            yield (
                f"The chains of {each.sample} have from {fraction(float(own.min()))} to {fraction(float(own.max()))} of their draws where EM "
                f"climbs to {_place(each, i, point)}: they stay where they began, and do not weigh basins. "
                f"By {judge.sample} it is {fraction(float(judge.mean[i]))}."
            )
        elif each.sample not in agreeing:
            i = int(np.argmax(_distance(each, judge)))
            shares = f"{fraction(float(each.mean[i]))} of {each.sample}'s draws climb to {_place(each, i, point)}"
            yield (
                f"{shares}, {fraction(float(judge.mean[i]))} of {judge.sample}'s. "
                f"Chains cannot tell what a basin weighs where they have not been: trust {judge.sample}."
            )


def _place(each: Weighed, i: int, point: str) -> str:
    return f"optimum {i} of {point}" if i < each.mean.size - 1 else f"no listed optimum of {point}"


def _heaviest(cell: Slice, point: str, judge: Weighed) -> Iterator[str]:
    """Where most draws climb, if not to the best optimum."""
    top = int(np.argmax(judge.mean[:-1]))
    lead = judge.mean[top] - judge.mean[0]
    if top == 0 or lead <= APART * math.hypot(judge.error[top], judge.error[0]):
        return
    heights = _heights(cell, point)
    gap = heights.get(0, math.nan) - heights.get(top, math.nan)
    most = f"{fraction(float(judge.mean[top]))} of {judge.sample}'s draws climb to optimum {top}, {difference(gap)} nats lower"
    yield f"The best optimum of {point} is not where most of the posterior is: {most}, and {fraction(float(judge.mean[0]))} to the best."


def _unanimous(samples: list[Weighed]) -> Weighed | None:
    """The first of several samples, if all weigh the basins alike."""
    first = samples[0]
    return first if len(samples) > 1 and all(_distance(each, first).max() <= APART for each in samples[1:]) else None


def _distance(one: Weighed, other: Weighed) -> np.ndarray:
    """Of shares, in standard errors."""
    error = np.hypot(one.error, other.error)
    gap = np.abs(one.mean - other.mean)
    return np.asarray(np.divide(gap, error, out=np.where(gap > 0.0, np.inf, 0.0), where=error > 0.0))


def _knows(cell: Slice, sample: str, kind: str) -> bool:
    """Whether a sample is of the kind, and its log evidence may be believed."""
    if cell.row(sample).text("kind") != kind:
        return False
    own = cell.rows("evidence", sample)
    return bool(own[own["estimator"] == kind]["standing"].isin(["reference", "trusted"]).any())


def _heights(cell: Slice, point: str) -> dict[int, float]:
    rows = cell.rows("optima", point)
    return {int(number): float(value) for number, value in zip(rows["optimum"], rows["objective"], strict=True)}


def _share(each: Weighed, i: int) -> str:
    own = each.shares[:, i]
    between = f" [{fraction(float(own.min()))}, {fraction(float(own.max()))}]" if own.size > 1 else ""
    return fraction(float(each.mean[i])) + between
