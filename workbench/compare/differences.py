"""``agreement.csv`` and ``parameters.csv``: how far methods are from each other, from known classes, and from the truth."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from workbench.compare.cell import Cell
from workbench.compare.curvature import Curvature
from workbench.compare.intervals import wald
from workbench.compare.labels import adjusted_rand, alignment, coclustering_difference
from workbench.compare.settled import Settled
from workbench.models import Mixture

Row = dict[str, Any]

INTERVAL = (0.055, 0.945)
"""An equal-tailed interval of 89 %, ArviZ's default."""
MOST_ROWS = 20_000
"""Rows up to which all pairs are compared for co-clustering; above, the cell is empty."""


def agreement_rows(cell: Cell, settled: Mapping[str, Settled]) -> Iterator[Row]:
    """Every pair of methods under the common labelling; and every method against the known classes.

    Every fitted row is one row here, whatever its count (design, section 12).
    """
    for a, b in itertools.combinations(settled, 2):
        first, second = settled[a].rows, settled[b].rows
        variation = np.abs(first.mean - second.mean).sum(axis=1) / 2.0
        few = first.mean.shape[0] <= MOST_ROWS
        yield {
            "method_a": a,
            "method_b": b,
            "mean_total_variation": float(variation.mean()),
            "max_total_variation": float(variation.max()),
            "adjusted_rand": adjusted_rand(first.labels, second.labels),
            "rows_with_other_label": int((first.labels != second.labels).sum()),
            "coclustering_difference": coclustering_difference(first.mean, second.mean) if few else None,
        }
    classes = cell.problem.data.classes
    if classes is None:
        return
    known = np.array([name != "" for name in classes])
    if not known.any():
        return
    names = np.array(classes)[known]
    for label, each in settled.items():
        yield {"method_a": label, "method_b": "classes", "adjusted_rand": adjusted_rand(each.rows.labels[known], names)}


def parameter_rows(label: str, cell: Cell, settled: Settled, curved: Curvature) -> Iterator[Row]:
    """Mean, sd and an 89 % interval over aligned draws, beside the truth where it is known.

    Of a point its value, standard error and 95 % interval from the observed information; empty where it has none.
    """
    truth = None if cell.truth is None else _aligned_truth(cell, cell.truth, settled)
    point = settled.fit.estimate == "point"
    summaries = _of_point(settled, curved) if point else {name: _of_draws(value) for name, value in settled.draws.parameters().items()}
    for at in cell.problem.family.addresses(cell.problem.data, cell.problem.n_components):
        values = {name: None if array is None else float(array[at.index]) for name, array in summaries[at.parameter].items()}
        known = None if truth is None else float(truth.parameters()[at.parameter][at.index])
        names = {key: getattr(at, key) for key in ("parameter", "component", "feature", "feature_2", "level")}
        yield {"method": label, **names, "row": None, **values, "truth": known}


def _of_draws(values: np.ndarray) -> dict[str, np.ndarray | None]:
    lower, upper = np.quantile(values, INTERVAL, axis=0)
    sd = values.std(axis=0, ddof=1) if values.shape[0] > 1 else None
    return {"mean": values.mean(axis=0), "sd": sd, "lower": lower, "upper": upper}


def _of_point(settled: Settled, curved: Curvature) -> dict[str, dict[str, np.ndarray | None]]:
    point = settled.draws.take(0)
    errors = curved.standard_errors
    if curved.point is None or errors is None:
        return {name: {"mean": value, "sd": None, "lower": None, "upper": None} for name, value in point.parameters().items()}
    turned = settled.fit.family.mixture(errors).relabelled(settled.rows.permutations[0]).parameters()
    found: dict[str, dict[str, np.ndarray | None]] = {}
    for name, value in point.parameters().items():
        lower, upper = wald(curved.point.chart.scales[name], value, turned[name])
        found[name] = {"mean": value, "sd": turned[name], "lower": lower, "upper": upper}
    return found


def _aligned_truth(cell: Cell, truth: Mixture, settled: Settled) -> Mixture | None:
    shapes = {name: array.shape for name, array in truth.parameters().items()}
    if shapes != {name: array.shape[1:] for name, array in settled.draws.parameters().items()}:
        return None  # another K, another structure, or a level that no row has: there is no truth for these parameters
    return truth.relabelled(alignment(truth.responsibilities(cell.problem.data.x), settled.rows.mean, cell.problem.data.counts))
