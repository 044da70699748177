"""Tables of EM's restarts and steps, and of every fit's rows and parameters (design, section 12): assembled, never computed twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from workbench.compare.basins import Basins
from workbench.compare.curvature import Curvature
from workbench.compare.evaluation import RowView
from workbench.compare.optima import Optimum
from workbench.fit import Fit, Path
from workbench.models import Mixture
from workbench.problem import Problem

Row = dict[str, Any]
"""A row by column, or a block of rows: some values are arrays of one length, the others stand in every row."""


def restart_rows(label: str, fit: Fit, found: list[Optimum]) -> Iterator[Row]:
    """``restarts.csv``: how every restart stopped, and the optimum it belongs to.

    ``objective`` is where the restart stopped; ``polished_objective``, in the same unit, is the same end followed to working
    precision, from inside where it stuck at a boundary below a maximum, and after split-and-merge moves where there are any: what
    optima are told apart by.
    """
    restarts = fit.restarts
    if restarts is None:
        return
    optimum_of = {restart: number for number, optimum in enumerate(found) for restart in optimum.restarts}
    for i, status in enumerate(restarts.status):
        yield {
            "method": label,
            "restart": i,
            "start_seed": int(restarts.start_seed[i]),
            "init": restarts.init[i],
            "iterations": int(restarts.iterations[i]),
            "objective_name": fit.objective_name,
            "objective": restarts.objective[i],
            "polished_objective": None if restarts.polished_objective is None else float(restarts.polished_objective[i]),
            "gain_left": restarts.gain_left[i],
            "log_likelihood": restarts.log_likelihood[i],
            "log_posterior": restarts.log_posterior[i],
            "status": status.value,
            "optimum": optimum_of.get(i),
        }


def optimum_rows(
    label: str, problem: Problem, fit: Fit, found: list[Optimum], curved: Curvature, held: Basins | None = None
) -> Iterator[Row]:
    """``optima.csv``: distinct optima, best regular one first; ``held`` are the basins of the sample that weighs them."""
    restarts = fit.restarts
    if restarts is None or restarts.polished is None or not found:
        return
    best = found[0].objective if found[0].regular else float("nan")
    for number, optimum in enumerate(found):
        mixture = restarts.polished.take(optimum.restarts[0])
        log_likelihood = float(problem.log_likelihood(mixture))
        yield {
            "method": label,
            "optimum": number,
            "objective": optimum.objective,
            "log_likelihood": log_likelihood,
            "log_posterior": log_likelihood + float(problem.log_prior(mixture)),
            "gap": best - optimum.objective if optimum.regular else float("nan"),
            "restarts": len(optimum.restarts),
            "share": len(optimum.restarts) / len(restarts.status),
            "local_maximum": curved.is_maximum(number),
            "singular": optimum.singular,
            "spurious": optimum.spurious,
            "lost_components": optimum.lost,
            "posterior_share": None if held is None or not optimum.regular else float(held.shares[number]),
            "posterior_share_method": None if held is None or not optimum.regular else held.sample,
        }


def trace_rows(label: str, fit: Fit) -> Iterator[Row]:
    """``trace.csv``: the method's own objective, and the log likelihood beside it where that is another; a block a name."""
    trace = fit.trace
    if trace is None:
        return
    series = {fit.objective_name: trace.objective}
    if trace.log_likelihood is not None:
        series["log_likelihood"] = trace.log_likelihood
    if trace.entered is not None:
        series["rows_entered"] = trace.entered
    for name, values in series.items():
        yield {
            "method": label,
            "restart": trace.restart,
            "iteration": trace.iteration,
            "seconds": trace.seconds,
            "objective_name": name,
            "objective": values,
        }


def path_rows(label: str, problem: Problem, path: Path | None) -> Iterator[Row]:
    """``path.csv``: parameters by iteration, in one block."""
    if path is None:
        return
    parameters = path.mixture.parameters()
    places = problem.family.addresses(problem.data, problem.n_components)
    steps = path.iteration.size
    index: list[tuple[Any, ...]] = [(slice(None), *place.index) for place in places]
    values = np.stack([parameters[place.parameter][at] for place, at in zip(places, index, strict=True)], axis=1)
    names = ("parameter", "component", "feature", "feature_2", "level")
    yield {
        "method": label,
        "restart": np.repeat(path.restart, len(places)),
        "iteration": np.repeat(path.iteration, len(places)),
        **{name: np.tile(np.array([getattr(place, name) for place in places], dtype=object), steps) for name in names},
        "value": values.ravel(),
    }


def entries(problem: Problem, mixture: Mixture) -> Iterator[Row]:
    """Every number of an unbatched mixture, with its parameter, component and features by name."""
    parameters = mixture.parameters()
    for place in problem.family.addresses(problem.data, problem.n_components):
        yield {
            "parameter": place.parameter,
            "component": place.component,
            "feature": place.feature,
            "feature_2": place.feature_2,
            "level": place.level,
            "value": float(parameters[place.parameter][place.index]),
        }


def component_rows(label: str, problem: Problem, weights: np.ndarray, view: RowView) -> Iterator[Row]:
    """``components.csv``: weight, expected count, and how decidedly rows are assigned."""
    for k in range(problem.n_components):
        own = view.mean[view.labels == k, k]
        yield {
            "method": label,
            "component": k,
            "weight": float(weights[k]),
            "count": float((view.mean[:, k] * problem.data.counts).sum()),
            "rows_assigned": own.size,
            "mean_responsibility_assigned": float(own.mean()) if own.size else None,
        }


def assignment_rows(label: str, problem: Problem, view: RowView) -> Iterator[Row]:
    """``assignments.csv``: the likeliest component of every fitted row, under the user's own row names; in one block."""
    data = problem.data
    yield {
        "method": label,
        "row": data.rows,
        "id": None if data.ids is None else np.array(data.ids, dtype=object),
        "label": view.labels,
        "responsibility": view.mean[np.arange(data.n_rows), view.labels],
    }


def responsibility_rows(label: str, problem: Problem, view: RowView) -> Iterator[Row]:
    """``responsibilities.csv``: mean and sd over aligned draws, in one block; a point has no sd."""
    yield {
        "method": label,
        "row": np.repeat(problem.data.rows, problem.n_components),
        "component": np.tile(np.arange(problem.n_components), problem.data.n_rows),
        "mean": view.mean.ravel(),
        "sd": None if view.sd is None else view.sd.ravel(),
    }


__all__ = [
    "assignment_rows",
    "component_rows",
    "entries",
    "optimum_rows",
    "path_rows",
    "responsibility_rows",
    "restart_rows",
    "trace_rows",
]
