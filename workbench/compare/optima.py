"""Optima: restarts grouped up to a permutation of labels (statistics, section 3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.fit import Fit, Restarts, Status
from workbench.models import Mixture
from workbench.problem import Problem

SAME_OBJECTIVE = 1e-6
"""Nats per observation within which two polished objectives may be one optimum."""
SAME_PARAMETERS = 1e-3
"""Largest difference in responsibilities within which two polished solutions may be one optimum."""
GROUPING_ROWS = 2_000
"""Rows at which solutions are compared; with more, evenly spaced ones."""


@dataclass(frozen=True, eq=False)
class Optimum:
    """A distinct end of restarts.

    Attributes
    ----------
    restarts : numbers of the restarts that ended here, best first
    objective : polished
    singular, spurious : by statistics, section 3
    """

    restarts: tuple[int, ...]
    objective: float
    singular: bool
    spurious: bool

    @property
    def regular(self) -> bool:
        return not (self.singular or self.spurious)


def optima(problem: Problem, fit: Fit) -> list[Optimum]:
    """Distinct optima of a fit's restarts: regular ones first, best first; singular and spurious ones last."""
    restarts = fit.restarts
    if restarts is None or restarts.polished is None or restarts.polished_objective is None:
        return []
    groups = _groups(problem, restarts, restarts.polished, restarts.polished_objective)
    singular, spurious = np.asarray(restarts.singular), np.asarray(restarts.spurious)
    found = [
        Optimum(tuple(group), float(restarts.polished_objective[group[0]]), bool(singular[group[0]]), bool(spurious[group[0]]))
        for group in groups
    ]
    return sorted(found, key=lambda optimum: (not optimum.regular, -np.nan_to_num(optimum.objective, nan=-np.inf)))


def _groups(problem: Problem, restarts: Restarts, polished: Mixture, objective: np.ndarray) -> list[list[int]]:
    """Restarts by optimum; every singular end that has run off stands with its like, for none has an objective of its own.

    A restart that went wrong is at no optimum.
    """
    x = problem.data.x[np.linspace(0, problem.data.n_rows - 1, min(problem.data.n_rows, GROUPING_ROWS)).astype(int)]
    tolerance = SAME_OBJECTIVE * problem.data.n_observed_rows
    kinds = np.stack([np.asarray(restarts.singular), np.asarray(restarts.spurious)], axis=-1)
    ends = (Status.SINGULAR, Status.LOST_COMPONENT)
    run_off = [i for i, status in enumerate(restarts.status) if status in ends and kinds[i, 0]]
    order = [int(i) for i in np.argsort(-objective, kind="stable") if restarts.status[i].at_optimum and int(i) not in run_off]
    groups: list[list[int]] = []
    shapes: list[np.ndarray] = []
    for i in order:
        shape = polished.take(i).responsibilities(x)
        match = next(
            (
                g
                for g, group in enumerate(groups)
                if abs(objective[group[0]] - objective[i]) <= tolerance and (kinds[group[0]] == kinds[i]).all() and _same(shape, shapes[g])
            ),
            None,
        )
        if match is None:
            groups.append([i])
            shapes.append(shape)
        else:
            groups[match].append(i)
    return [*groups, run_off] if run_off else groups


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    """Equal up to a permutation of components."""
    from workbench.compare.labels import alignment

    return bool(np.abs(one[:, alignment(one, other)] - other).max() < SAME_PARAMETERS)
