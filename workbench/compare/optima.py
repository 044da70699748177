"""Optima: restarts grouped up to a permutation of labels (statistics, section 3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.compare.labels import alignment
from workbench.fit import Fit, Restarts, Status
from workbench.models import Mixture
from workbench.problem import Problem

SAME_OBJECTIVE = 1e-6
"""Nats per observation within which two polished objectives may be one optimum."""
SAME_PARAMETERS = 1e-3
"""Largest difference of an unconstrained coordinate within which two polished solutions may be one optimum."""
GROUPING_ROWS = 2_000
"""Rows by which components are matched; with more, evenly spaced ones."""


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
    groups: list[list[_End]] = []
    for i in order:
        mixture = polished.take(i)
        end = _End(i, float(objective[i]), tuple(kinds[i].tolist()), mixture, mixture.responsibilities(x))
        match = next((group for group in groups if end.is_at(group[0], problem, tolerance)), None)
        if match is None:
            groups.append([end])
        else:
            match.append(end)
    found = [[end.restart for end in group] for group in groups]
    return [*found, run_off] if run_off else found


@dataclass(frozen=True, eq=False)
class _End:
    """Where a restart ended: its objective, what kind of solution, its parameters, its rows."""

    restart: int
    objective: float
    kind: tuple[bool, bool]
    mixture: Mixture
    shares: np.ndarray

    def is_at(self, other: _End, problem: Problem, tolerance: float) -> bool:
        """Equal objective, kind, and parameters up to a permutation of components."""
        if self.kind != other.kind or abs(self.objective - other.objective) > tolerance:
            return False
        turned = self.mixture.relabelled(alignment(self.shares, other.shares))
        chart = problem.coordinates
        limits = chart.boundaries
        with np.errstate(invalid="ignore"):  # of what has run off to infinity
            mine, theirs = (np.clip(chart.flatten(mixture)[0], -limits, limits) for mixture in (turned, other.mixture))
            return bool(np.abs(mine - theirs).max(initial=0.0) < SAME_PARAMETERS)
