"""Tables of EM's restarts and steps, and of every fit's rows and parameters (design, section 12): assembled, never computed twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from workbench.compare.curvature import Curvature
from workbench.compare.evaluation import RowView
from workbench.compare.optima import Optimum
from workbench.fit import Fit, Path
from workbench.models import Mixture
from workbench.problem import Problem

Row = dict[str, Any]


def restart_rows(label: str, fit: Fit, found: list[Optimum]) -> Iterator[Row]:
    """``restarts.csv``: how every restart stopped, and the optimum it belongs to."""
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
            "gain_left": restarts.gain_left[i],
            "log_likelihood": restarts.log_likelihood[i],
            "log_posterior": restarts.log_posterior[i],
            "status": status.value,
            "optimum": optimum_of.get(i),
        }


def optimum_rows(label: str, problem: Problem, fit: Fit, found: list[Optimum], curved: Curvature) -> Iterator[Row]:
    """``optima.csv``: distinct optima, best regular one first; ``posterior_share`` stays empty."""
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
            "posterior_share": None,
        }


def trace_rows(label: str, fit: Fit) -> Iterator[Row]:
    """``trace.csv``: the method's own objective, and the log likelihood beside it where that is another."""
    trace = fit.trace
    if trace is None:
        return
    series = {fit.objective_name: trace.objective}
    if trace.log_likelihood is not None:
        series["log_likelihood"] = trace.log_likelihood
    for name, values in series.items():
        for restart, iteration, seconds, value in zip(trace.restart, trace.iteration, trace.seconds, values, strict=True):
            yield {
                "method": label,
                "restart": int(restart),
                "iteration": int(iteration),
                "seconds": seconds,
                "objective_name": name,
                "objective": value,
            }


def path_rows(label: str, problem: Problem, path: Path | None) -> Iterator[Row]:
    """``path.csv``: parameters by iteration."""
    if path is None:
        return
    for i in range(path.iteration.size):
        for entry in entries(problem, path.mixture.take(i)):
            yield {"method": label, "restart": int(path.restart[i]), "iteration": int(path.iteration[i]), **entry}


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
    """``assignments.csv``: the likeliest component of every fitted row, under the user's own row names."""
    data = problem.data
    for n, component in enumerate(view.labels):
        name = None if data.ids is None else data.ids[n]
        number = int(data.rows[n])
        yield {"method": label, "row": number, "id": name, "label": int(component), "responsibility": float(view.mean[n, component])}


def responsibility_rows(label: str, problem: Problem, view: RowView) -> Iterator[Row]:
    """``responsibilities.csv``: mean and sd over aligned draws; a point has no sd."""
    for n, row in enumerate(problem.data.rows):
        for k in range(problem.n_components):
            sd = None if view.sd is None else float(view.sd[n, k])
            yield {"method": label, "row": int(row), "component": k, "mean": float(view.mean[n, k]), "sd": sd}


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
