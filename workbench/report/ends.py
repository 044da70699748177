"""Findings about restarts: where they ended, what they missed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from workbench.fit import LIKELIHOODS, Status
from workbench.report.numerals import count, difference, fraction, listed, nats
from workbench.report.wording import figure, spoken, unit

if TYPE_CHECKING:
    import pandas as pd

    from workbench.report.slices import Slice

VISIBLE = 1e-3
"""A difference in nats that the page's three decimals show."""
FEW_METHODS = 3
"""Methods that have a sentence each; more share one."""


def ended(cell: Slice) -> Iterator[str]:
    """Where the restarts of each method ended."""
    for method in cell.methods:
        restarts, optima = cell.rows("restarts", method), cell.rows("optima", method)
        if len(restarts) > 1:
            yield ended_at_optima(method, restarts, optima) if len(optima) else ended_between(method, restarts)


def ended_at_optima(method: str, restarts: pd.DataFrame, optima: pd.DataFrame) -> str:
    objective = restarts["objective_name"].iloc[0]
    total, name = len(restarts), spoken(objective)
    strange = (optima["singular"].isin([True])) | (optima["spurious"].isin([True]))
    regular, at = optima[~strange], "near" if wanders(restarts) else "at"
    if regular.empty:
        start = f"None of the {total} restarts of {method} ended {at} a regular optimum"
    else:
        best = regular.iloc[0]
        hits = "All" if best["restarts"] == total else f"{count(best['restarts'])} of"
        start = f"{hits} {total} restarts of {method} ended {at} the best optimum, {name} {nats(best['objective'])}"
    parts = [start, *worse(regular.iloc[1:], at, unit(objective)), *smaller(regular), *strangers(optima, at)]
    unplaced = total - int(optima["restarts"].sum())
    if unplaced > 0:
        parts.append(f"{unplaced} {at} none")
    return "; ".join(parts) + "."


def wanders(restarts: pd.DataFrame) -> bool:
    """Whether the method settles around a solution and converges to none."""
    return "status" in restarts and bool((restarts["status"] == Status.RAN.value).any())


def worse(others: pd.DataFrame, at: str, measure: str) -> Iterator[str]:
    """Regular optima below the best."""
    lower = f"{measure} lower".strip()
    if len(others) == 1:
        yield f"{count(others['restarts'].iloc[0])} {at} a worse one, {difference(others['gap'].iloc[0])} {lower}"
    elif len(others):
        low, high = difference(others["gap"].min()), difference(others["gap"].max())
        yield f"{count(others['restarts'].sum())} {at} {len(others)} worse ones, {low} to {high} {lower}"


def strangers(optima: pd.DataFrame, at: str) -> Iterator[str]:
    """Singular and spurious ends."""
    meanings = {"singular": "a component collapsed", "spurious": "a component of a few rows in a line"}
    for column, meaning in meanings.items():
        these = optima[optima[column].isin([True])]
        if len(these):
            yield f"{count(these['restarts'].sum())} {at} {column} ones ({meaning}), never counted as best"


def smaller(regular: pd.DataFrame) -> Iterator[str]:
    """Regular optima of fewer components."""
    these = regular[regular["lost_components"] > 0]
    if len(these):
        yield f"{count(these['restarts'].sum())} of these lost a component (no row is left to it): theirs are optima of fewer"


def ended_between(method: str, restarts: pd.DataFrame) -> str:
    values = restarts["objective"].dropna()
    name = spoken(restarts["objective_name"].iloc[0])
    if values.empty:
        return f"None of the {len(restarts)} restarts of {method} has a final {name}."
    low, high = nats(values.min()), nats(values.max())
    where = f"at {name} {high}" if low == high else f"between {name} {low} and {high}; the best is reported"
    where += ", its ELBO estimated anew from the draws that are kept" if name == "ELBO" else ""
    return f"The {len(restarts)} restarts of {method} ended {where}."


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
        none = "which is therefore not the highest" if len(behind) == 1 else "none of which is therefore the highest"
        yield (
            f"{other} has a point of log likelihood {nats(best[other])}, {listed(gaps)}, {none}: "
            "what leads on from there was missed, or is singular or spurious."
        )


def maximises(cell: Slice, method: str) -> bool:
    """Whether a method's point is a maximum of the likelihood, as far as its restarts found them."""
    rows = cell.rows("restarts", method)
    return bool(rows["objective_name"].isin(LIKELIHOODS).any()) and not wanders(rows)


def unseen(cell: Slice) -> Iterator[str]:
    """How likely it is that the restarts missed an optimum."""
    found = {}
    for method in cell.fitted:
        if cell.row(method).number("n_components") == 1:
            continue  # one component has one optimum
        rows = cell.rows("diagnostics", method)
        values = {quantity: figure(value) for quantity, value in zip(rows["quantity"], rows["value"], strict=True)}
        share, *ends = (values.get(name, math.nan) for name in ("unseen_optimum", "unseen_optimum_lower", "unseen_optimum_upper"))
        if math.isfinite(share):
            found[method] = (share, *ends)
    if len(found) > FEW_METHODS:
        yield unseen_by_many(found)
        return
    for method, (share, *ends) in found.items():
        yield f"One more restart of {method} would find an optimum not seen yet with {probability(share, *ends)}."


def unseen_by_many(found: Mapping[str, tuple[float, ...]]) -> str:
    """One sentence for all methods: the probabilities, each with its upper bound."""
    each = [f"{fraction(share)} ({method}, at most {fraction(upper)})" for method, (share, _, upper) in found.items()]
    return f"One more restart would find an optimum not seen yet with an estimated probability (95 % bound) of {listed(each)}."


def probability(share: float, lower: float, upper: float) -> str:
    """An estimated probability with its interval; at an end, where the estimate says nothing, the bound alone."""
    if share == 0 and math.isfinite(upper):
        return f"a probability of at most {fraction(upper)} (95 % bound; no optimum was seen only once)"
    if share == 1:
        return "a probability near 1: every restart ended at an optimum of its own"
    between = f" (95 % interval {fraction(lower)} to {fraction(upper)})" if math.isfinite(lower) and math.isfinite(upper) else ""
    return f"an estimated probability of {fraction(share)}{between}"
