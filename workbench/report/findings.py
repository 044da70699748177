"""Findings in plain sentences, made from the numbers of one cell's tables."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from workbench.report.ends import ended, overtaken, unseen
from workbench.report.numerals import LEVEL, POINT_LEVEL, count, counted, difference, estimated, exact, fraction, listed, nats, rounded
from workbench.report.slices import records
from workbench.report.wording import capital, figure, is_wrong, sentence

if TYPE_CHECKING:
    from workbench.report.slices import Slice

FEW_PAIRS = 3
ALIKE = 4.0
"""Sums of log predictive densities closer than that are no finding (Sivula, Magnusson, Matamoros & Vehtari 2020)."""
MOST_WARNINGS = 6


def findings(cell: Slice) -> list[str]:
    """What the cell shows: what failed first, then scores, restarts, draws, agreement."""
    makers = (failed, held_out, ended, overtaken, unseen, sampled, bounded, averaged, agreed, classed, covered, warned)
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
    where = "On the held-out rows" if cell.n_held_out is None else f"On the {counted(cell.n_held_out, 'held-out row')}"
    if others and scores[best] - scores[others[-1]] < ALIKE:
        each = listed([f"{method} {nats(scores[method])}" for method in ranked])
        yield f"{where} all methods predict alike: log predictive density {each}. Differences below {ALIKE:g} nats in all tell no method from another."
        return
    tail = f"; behind it {listed(behind)} nats" if behind else ""
    few = f" Those less than {ALIKE:g} behind cannot be told from it." if others and scores[best] - scores[others[0]] < ALIKE else ""
    yield f"{where} {best} predicts best, with a log predictive density of {nats(scores[best])}{tail}.{few}"


def sampled(cell: Slice) -> Iterator[str]:
    """Did the chains mix: divergences, the worst R-hat and the fewest effective draws of diagnostics.csv."""
    for method in cell.estimates("sample"):
        rows = cell.rows("diagnostics", method)
        values = {quantity: figure(value) for quantity, value in zip(rows["quantity"], rows["value"], strict=True)}
        parts = []
        if "divergences" in values:
            parts.append("no divergences" if values["divergences"] == 0 else counted(values["divergences"], "divergence"))
        if rhats := [value for quantity, value in values.items() if quantity.startswith("rhat")]:
            parts.append(f"R-hat {max(rhats):.3f}")
        if draws := [value for quantity, value in values.items() if quantity.startswith("ess_bulk")]:
            parts.append(f"at least {count(min(draws))} effective draws")
        if parts:
            yield f"{method}: {listed(parts)}."


def bounded(cell: Slice) -> Iterator[str]:
    """The ELBO of each approximation, and how far it is below the evidence where that is known."""
    elbos = {}
    for method in cell.estimates("approximation"):
        row = cell.row(method)
        elbo = row.number("elbo")
        if math.isfinite(elbo):
            elbos[method] = elbo
            yield f"{method}: ELBO {estimated(elbo, row.number('elbo_mcse'))} nats{gap(cell, method)}."
    if len(elbos) > 1:
        best, last = max(elbos, key=lambda m: elbos[m]), min(elbos, key=lambda m: elbos[m])
        yield f"The ELBO of {best} is {difference(elbos[best] - elbos[last])} nats above that of {last}: so much at least does {last} lose by its form of q or its optimiser."


def gap(cell: Slice, method: str) -> str:
    rows = cell.rows("evidence", method)
    known = rows[rows["kl"].notna()]
    if known.empty:
        return "; no estimate of the log evidence in this run, so its gap is not known"
    row = known.iloc[0]
    return f", {estimated(row['kl'], row['kl_mcse'])} below the log evidence by {row['reference']}: the price of the approximation"


def averaged(cell: Slice) -> Iterator[str]:
    """Where the mean over draws lies below the best point, the p/2 that is expected of any posterior beside it."""
    scores = {method: cell.row(method).number("log_likelihood") for method in cell.estimates("point")}
    finite = [method for method in scores if math.isfinite(scores[method])]
    if not finite:
        return
    best = max(finite, key=lambda method: scores[method])
    below = {method: scores[best] - cell.row(method).number("log_likelihood") for method in cell.estimates("approximation", "sample")}
    parts = [f"{difference(value)} nats ({method})" for method, value in below.items() if math.isfinite(value)]
    p = cell.row(best).number("n_parameters")
    if parts and math.isfinite(p):
        yield (
            f"Averaged over draws, the log likelihood lies {listed(parts)} below the point of {best}. With {count(p)} parameters about p/2 = {p / 2:g} is "
            f"expected of an average over any posterior: {verdict(below, p)}."
        )


def verdict(below: Mapping[str, float], p: float) -> str:
    """Twice the log likelihood that a draw loses is about chi-squared with p degrees of freedom; three of its sd beyond p/2 is another place."""
    far = [method for method, value in below.items() if value > p / 2 + 3 * math.sqrt(p / 2)]
    if not far:
        return "this is not a verdict on a method"
    return f"the draws of {listed(far)} lie further below: around another optimum, around several, or spread too widely"


def agreed(cell: Slice) -> Iterator[str]:
    """How far the methods' responsibilities lie apart: from the first method, and the furthest pair."""
    table = cell.tables["agreement"]
    table = table[(table["method_b"] != "classes") & table["mean_total_variation"].notna()]
    if table.empty or cell.single:
        return
    if len(table) <= FEW_PAIRS:
        yield from (apart(row) for row in records(table))
        return
    hub = next(method for method in cell.methods if method in set(table["method_a"]) | set(table["method_b"]))
    mine = [row for row in records(table) if hub in (row["method_a"], row["method_b"])]
    parts = [
        f"{fraction(row['mean_total_variation'])} ({row['method_b'] if row['method_a'] == hub else row['method_a']}{moved(row)})"
        for row in mine
    ]
    same = "" if any(row["rows_with_other_label"] for row in mine) else "; every row gets the same label"
    yield f"From the responsibilities of {hub} the others differ on average (total variation) by {listed(parts)}{same}."
    furthest = max(records(table), key=lambda row: float(row["mean_total_variation"]))
    yield f"Furthest apart: {apart(furthest, '')}"


def moved(row: Mapping[str, Any]) -> str:
    """`, 3 rows get another label`, or nothing."""
    return f", {relabelled(row)}" if row["rows_with_other_label"] else ""


def apart(row: Mapping[str, Any], start: str = "Responsibilities of ") -> str:
    return (
        f"{start}{row['method_a']} and {row['method_b']} differ by {fraction(row['mean_total_variation'])} on average "
        f"(total variation; {fraction(row['max_total_variation'])} at most); {relabelled(row)}."
    )


def relabelled(row: Mapping[str, Any]) -> str:
    number = row["rows_with_other_label"]
    return counted(number, "row gets", "rows get") + " another label" if number else "every row gets the same label"


def classed(cell: Slice) -> Iterator[str]:
    """Known classes, never used in fitting."""
    table = cell.tables["agreement"]
    table = table[(table["method_b"] == "classes") & table["adjusted_rand"].notna()]
    if len(table):
        parts = [f"{method} {value:.3f}" for method, value in zip(table["method_a"], table["adjusted_rand"], strict=True)]
        yield f"Adjusted Rand index against the known classes (1 is equal, 0 is chance): {listed(parts)}."


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


def warned(cell: Slice) -> Iterator[str]:
    """Diagnostics beyond their threshold."""
    table = cell.tables["diagnostics"]
    told = {method for method in cell.methods if method not in cell.fitted}  # `failed` has said why
    wrong = [row for row in records(table) if is_wrong(row["verdict"]) and not (row["quantity"] == "status" and row["method"] in told)]
    for row in itertools.islice(wrong, MOST_WARNINGS):
        limit = f" (threshold {exact(row['threshold'])})" if row["threshold"] else ""
        value, advice = rounded(row["value"]), row["advice"] or row["verdict"]
        about = "" if value == advice else f"{row['quantity'].replace('_', ' ')} is {value}{limit}. "
        yield f"Look at {row['method']}: {about}{capital(sentence(advice)) if about else sentence(advice)}"
    if len(wrong) > MOST_WARNINGS:
        yield f"{counted(len(wrong) - MOST_WARNINGS, 'more warning stands', 'more warnings stand')} under Diagnostics."
