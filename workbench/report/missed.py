"""Findings about optima that restarts missed: those that another method or its draws found, those that nobody has seen."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from workbench.fit import LIKELIHOODS
from workbench.inference.advice import listed
from workbench.report.basins import Weighed, weighed
from workbench.report.ends import VISIBLE, wanders
from workbench.report.numerals import difference, fraction, nats
from workbench.report.slices import records
from workbench.report.wording import capital, figure, is_wrong, sentence, spoken

if TYPE_CHECKING:
    from workbench.report.slices import Slice


def overtaken(cell: Slice) -> Iterator[str]:
    """Maxima of the likelihood below a point or a draw of another method."""
    best = {method: cell.row(method).number("log_likelihood_best") for method in cell.fitted}
    best = {method: value for method, value in best.items() if math.isfinite(value)}
    if not best:
        return
    other = max(best, key=lambda m: best[m])
    behind = [
        method for method in cell.estimates("point") if method in best and best[other] - best[method] > VISIBLE and maximises(cell, method)
    ]
    if behind:
        gaps = [f"{difference(best[other] - best[method])} nats above the best optimum of {method}" for method in behind]
        none = "That one is not the highest" if len(behind) == 1 else "None of those is the highest"
        yield f"{other} has a point of log likelihood {nats(best[other])}, {listed(gaps)}. {none}: what leads on from there was missed, or is singular or spurious."


def climbed_past(cell: Slice) -> Iterator[str]:
    """Draws that climb to optima above the best that restarts found."""
    rows = above_best(cell)
    if not rows or (found := weighed(cell)) is None:
        return
    point, samples = found
    heights = samples[0].heights
    above = [i for i in range(samples[0].found, heights.size) if heights[i] - heights[0] > VISIBLE]
    top, name = float(heights[above[0]]), spoken(cell.objective_name(point))
    more = f"; with {len(above) - 1} more above it that makes {_of_draws(samples, above)}" if len(above) > 1 else ""
    yield (
        f"{_of_draws(samples, above[:1])} climb to an optimum of {name} {nats(top)}, {difference(top - float(heights[0]))} nats above the "
        f"best that the restarts of {point} found{more}. {capital(sentence(rows[0]['advice']))}"
    )


def _of_draws(samples: list[Weighed], places: list[int]) -> str:
    """Which shares of the samples climb to some places."""
    shares = {each.sample: float(each.mean[places].sum()) for each in samples}
    return listed([f"{fraction(share)} of {sample}'s draws" for sample, share in shares.items() if share > 0.0])


def above_best(cell: Slice) -> list[dict[str, Any]]:
    """The warnings that draws climb higher than restarts."""
    return [row for row in records(cell.tables["diagnostics"]) if row["quantity"] == "basins_above_best" and is_wrong(row["verdict"])]


def maximises(cell: Slice, method: str) -> bool:
    """Whether a method's point is a maximum of the likelihood, as far as its restarts found them."""
    rows = cell.rows("restarts", method)
    return bool(rows["objective_name"].isin(LIKELIHOODS).any()) and not wanders(rows)


def unseen(cell: Slice) -> Iterator[str]:
    """How likely it is that the restarts missed an optimum: a finding for each method that needs more, one for all others."""
    enough: dict[str, list[str]] = {}
    for method in cell.fitted:
        if cell.row(method).number("n_components") == 1:
            continue  # one component has one optimum
        rows = {row["quantity"]: row for row in records(cell.rows("diagnostics", method))}
        names = ("unseen_optimum", "unseen_optimum_lower", "unseen_optimum_upper")
        share, lower, upper = (figure(rows[name]["value"]) if name in rows else math.nan for name in names)
        if not math.isfinite(share):
            continue
        row = rows["unseen_optimum"]
        if is_wrong(row["verdict"]):
            advice = f" {capital(sentence(row['advice']))}" if row["advice"] else ""
            yield f"One more restart of {method} would find an optimum not seen yet with {probability(share, lower, upper)}.{advice}"
        else:
            enough.setdefault(fraction(upper), []).append(method)
    if enough:
        bounds = [f"at most {bound} for {listed(methods)}" for bound, methods in enough.items()]
        yield f"The probability that one more restart finds an optimum not seen yet is {listed(bounds)} (95 % bound)."


def probability(share: float, lower: float, upper: float) -> str:
    """An estimated probability with its interval; where every restart ended elsewhere the estimate says only that."""
    if share == 1:
        return "a probability near 1: every restart ended at an optimum of its own"
    between = f" (95 % interval {fraction(lower)} to {fraction(upper)})" if math.isfinite(lower) and math.isfinite(upper) else ""
    return f"an estimated probability of {fraction(share)}{between}"
