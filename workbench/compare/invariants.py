"""``label_free.csv``: numbers of a fit that are the same whatever its components are called, and how well chains agree about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.compare.calibration.quantities import SPREADS, log_determinants
from workbench.compare.differences import INTERVAL
from workbench.compare.mixing import MEASURES, mixing
from workbench.compare.settled import Settled
from workbench.problem import Problem

Row = dict[str, Any]

PLACES = 10
"""Features (of categorical ones: levels of features) of each parameter whose order statistics are kept: the first of the data."""
DENSITIES = ("log_likelihood", "log_posterior")
COUNTS = ("occupied_components",)
"""Whole numbers: their ranks are ties, so that one excursion of one chain makes a large R-hat."""


@dataclass(frozen=True, eq=False)
class Invariant:
    """One label-free quantity over draws.

    Attributes
    ----------
    quantity : its name; of an order statistic the parameter's
    values : ndarray (chain, draw); (1, S) where only S draws of the flattened chains were looked at
    order : 0 for the smallest over the components, K - 1 for the largest; None for what is no order statistic
    feature, level : of the parameter
    """

    quantity: str
    values: np.ndarray
    order: int | None = None
    feature: str | None = None
    level: str | None = None


def invariants(problem: Problem, settled: Settled) -> list[Invariant]:
    """Densities, all K order statistics of weights, means, probabilities and rates, the log determinant of the pooled covariance, and
    what each draw's responsibilities say (:func:`workbench.compare.evaluation.label_free_of`).

    None of these needs an alignment: all draws are used, but for responsibilities those within the budget of rows.
    """
    fit, view = settled.fit, settled.rows
    shape = fit.log_likelihood.shape
    found = [Invariant(name, values) for name in DENSITIES if np.isfinite(values := getattr(fit, name)).all()]
    found += list(_order_statistics(problem, settled))
    assert fit.draws is not None  # what is settled has draws
    found += [Invariant(name, values.reshape(shape)) for name, values in log_determinants(fit.draws).items()]
    if problem.n_components > 1:
        whole = view.draws.size == fit.log_likelihood.size
        found += [Invariant(name, values.reshape(shape if whole else (1, -1))) for name, values in view.label_free.items()]
    return found


def _order_statistics(problem: Problem, settled: Settled) -> Iterator[Invariant]:
    """Of every parameter but spreads, sorted over the components of each draw."""
    assert settled.fit.draws is not None
    parameters = settled.fit.draws.parameters()
    groups: dict[str, dict[tuple[str | None, str | None], list[np.ndarray]]] = {}
    for place in problem.family.addresses(problem.data, problem.n_components):
        if place.parameter.startswith(SPREADS) or (place.parameter == "weights" and problem.n_components == 1):
            continue
        own = groups.setdefault(place.parameter, {})
        if (where := (place.feature, place.level)) in own or len(own) < PLACES:
            index: Any = (..., *place.index)
            own.setdefault(where, []).append(parameters[place.parameter][index])
    for name, places in groups.items():
        for (feature, level), values in places.items():
            ordered = np.sort(np.stack(values), axis=0)
            for k, each in enumerate(ordered):
                yield Invariant(name, each, k if len(values) > 1 else None, feature, level)


def label_free_rows(problem: Problem, settled: Settled) -> list[Row]:
    """Mean, sd and an 89 % interval over draws, R-hat and effective draws of chains; of a point the value alone.

    R-hat is empty where a quantity never moves, for draws of an approximation, which are independent, and where rows are so many that
    not every draw was looked at.
    """
    found, fit = invariants(problem, settled), settled.fit
    shape = fit.log_likelihood.shape
    measured = [i for i, each in enumerate(found) if fit.estimate == "sample" and each.values.shape == shape]
    mixed = mixing(np.stack([found[i].values for i in measured])) if measured else np.zeros((0, len(MEASURES)))
    of = dict(zip(measured, mixed, strict=True))
    return [_row(each, fit.estimate == "point", of.get(i)) for i, each in enumerate(found)]


def _row(each: Invariant, point: bool, mixed: np.ndarray | None) -> Row:
    row: Row = {name: getattr(each, name) for name in ("quantity", "order", "feature", "level")}
    row["mean"] = float(each.values.mean())
    if not point and each.values.size > 1:
        row["sd"] = float(each.values.std(ddof=1))
        row["lower"], row["upper"] = map(float, np.quantile(each.values, INTERVAL))
    if mixed is not None:
        row |= {name: float(value) for name, value in zip(MEASURES, mixed, strict=True)}
    return row


def worst(rows: Sequence[Row], measure: str) -> Row | None:
    """The row of the largest R-hat, or of the fewest effective draws, counts apart; None where none is known."""
    known = [row for row in rows if row["quantity"] not in COUNTS and not np.isnan(row.get(measure, np.nan))]
    sign = -1.0 if measure == "rhat" else 1.0
    return min(known, key=lambda row: sign * row[measure], default=None)


def spelt(row: Row, n_components: int) -> str:
    """`2nd smallest means[waiting]`, `largest weights`, `log determinant`."""
    where = ", ".join(str(row[name]) for name in ("feature", "level") if row[name])
    name = f"{row['quantity']}[{where}]" if where else str(row["quantity"]).replace("_", " ")
    order = row["order"]
    if order is None or order != order:
        return name
    place = int(order) + 1
    if place in (1, n_components):
        return f"{'smallest' if place == 1 else 'largest'} {name}"
    suffix = "th" if place % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{suffix} smallest {name}"
