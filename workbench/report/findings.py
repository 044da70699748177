"""Findings in plain sentences, made from the numbers of one cell's tables."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from workbench.inference.advice import listed
from workbench.report.agreement import agreed, classed
from workbench.report.alarms import warned
from workbench.report.calibration import calibrated
from workbench.report.ends import ended
from workbench.report.evidence import weighed
from workbench.report.hidden import hidden
from workbench.report.judges import basins
from workbench.report.missed import climbed_past, overtaken, unseen
from workbench.report.numerals import LEVEL, POINT_LEVEL, count, counted, difference, nats
from workbench.report.replicates import reproduced
from workbench.report.scores import drops
from workbench.report.trust import verdict
from workbench.report.wording import figure, sentence

if TYPE_CHECKING:
    from workbench.report.slices import Slice

ALIKE = 4.0
"""Sums of log predictive densities closer than that are no finding (Sivula, Magnusson, Matamoros & Vehtari 2020)."""
DRAWN = "_as_drawn"
"""How quantities end that depend on what components were called: no measure of mixing."""


def findings(cell: Slice) -> list[str]:
    """What the cell shows: what failed first, then predictions, optima, what not to trust, agreement, truth, what more restarts would give."""
    makers = (
        failed,
        held_out,
        ended,
        overtaken,
        climbed_past,
        sampled,
        weighed,
        bounded,
        basins,
        elsewhere,
        calibrated,
        warned,
        agreed,
        hidden,
        classed,
        covered,
        reproduced,
        unseen,
    )
    return [sentence for maker in makers for sentence in maker(cell)]


def failed(cell: Slice) -> Iterator[str]:
    """Methods that have nothing to show, with the reason that they gave."""
    for method in cell.methods:
        if method not in cell.fitted:
            yield f"{method} gave no result: {sentence(cell.row(method).text('status') or 'it says no reason')}"


def held_out(cell: Slice) -> Iterator[str]:
    """With held-out rows, the one score that ranks points and draws together."""
    scores = {method: cell.row(method).number("held_out_lpd") for method in cell.fitted}
    ranked = sorted((m for m in scores if math.isfinite(scores[m])), key=lambda method: -scores[method])
    if not ranked:
        return
    best, *others = ranked
    behind = [f"{method} by {difference(scores[best] - scores[method])}" for method in others]
    where = "On the held-out rows" if cell.held_out is None else f"On the {counted(cell.held_out.n_rows, 'held-out row')}"
    if others and scores[best] - scores[others[-1]] < ALIKE:
        each = listed([f"{method} {nats(scores[method])}" for method in ranked])
        yield f"{where} all methods predict alike. The log predictive densities are {each}; differences below {ALIKE:g} nats in all tell no method from another."
        return
    tail = f" Behind it {listed(behind)} nats." if behind else ""
    few = f" Those less than {ALIKE:g} behind cannot be told from it." if others and scores[best] - scores[others[0]] < ALIKE else ""
    yield f"{where} {best} predicts best, with a log predictive density of {nats(scores[best])}.{tail}{few}"


def sampled(cell: Slice) -> Iterator[str]:
    """Did the chains mix: divergences, the worst R-hat and the fewest effective draws of diagnostics.csv, labels as they were drawn apart."""
    for method in cell.estimates("sample"):
        rows = cell.rows("diagnostics", method)
        values = {
            quantity: figure(value) for quantity, value in zip(rows["quantity"], rows["value"], strict=True) if not quantity.endswith(DRAWN)
        }
        parts = []
        if "divergences" in values:
            parts.append("no divergences" if values["divergences"] == 0 else counted(values["divergences"], "divergence"))
        if rhats := [value for quantity, value in values.items() if quantity.startswith("rhat")]:
            parts.append(f"R-hat {max(rhats):.3f}")
        if draws := [value for quantity, value in values.items() if quantity.startswith("ess_bulk")]:
            parts.append(f"at least {count(min(draws))} effective draws")
        if parts:
            yield " ".join(filter(None, (f"{method}: {listed(parts)}.", verdict(cell, method))))


def bounded(cell: Slice) -> Iterator[str]:
    """How far the ELBOs of the approximations are below each other's."""
    elbos = {method: cell.row(method).number("elbo") for method in cell.estimates("approximation")}
    elbos = {method: elbo for method, elbo in elbos.items() if math.isfinite(elbo)}
    if len(elbos) > 1:
        best, last = max(elbos, key=lambda m: elbos[m]), min(elbos, key=lambda m: elbos[m])
        yield f"The ELBO of {best} is {difference(elbos[best] - elbos[last])} nats above that of {last}. At least so much does {last} lose by its form of q or its optimiser."


def elsewhere(cell: Slice) -> Iterator[str]:
    """Draws whose mean log likelihood lies further below the best point than an average over a posterior does.

    Twice the log likelihood that a draw loses is about chi-squared with p degrees of freedom; three of its sd beyond p/2 is
    another place.
    """
    drop = drops(cell)
    if drop is None:
        return
    for method, value in drop.below.items():
        if value > drop.p / 2 + 3 * math.sqrt(drop.p / 2):
            yield (
                f"The draws of {method} have a mean log likelihood {difference(value)} nats below the point of {drop.best}, where p/2 = {drop.p / 2:g} is expected. "
                "They lie around another optimum, around several, or spread too widely."
            )


def covered(cell: Slice) -> Iterator[str]:
    """Where the truth is known, how many parameters' intervals hold it."""
    table = cell.tables["parameters"].dropna(subset=["truth", "lower", "upper"])
    place = {feature: i for i, feature in enumerate(cell.data.features)}
    first, second = (table[key].map(lambda feature: place.get(feature, -1)) for key in ("feature", "feature_2"))
    table = table[(second < 0) | (first <= second)]  # of a covariance's two equal entries one
    for method, rows in table.groupby("method", sort=False):
        held = int(((rows["lower"] <= rows["truth"]) & (rows["truth"] <= rows["upper"])).sum())
        level = POINT_LEVEL if cell.row(str(method)).text("estimate") == "point" else LEVEL
        yield f"The {level} intervals of {method} hold the truth for {held} of {counted(len(rows), 'parameter')}."
