"""Optima: restarts grouped up to a permutation of labels (statistics, section 3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.compare.labels import assigned
from workbench.fit import Fit, Restarts, Status
from workbench.inference.em.climb import LOST
from workbench.models import Mixture
from workbench.problem import Problem

SAME_OBJECTIVE = 1e-6
"""Nats per observation within which two polished objectives may be one optimum."""
SAME_PARAMETERS = 1e-3
"""Largest difference of an unconstrained coordinate within which two polished solutions may be one optimum."""
GROUPING_ROWS = 2_000
"""Rows by which components are matched; with more, evenly spaced ones."""
MATCHING_NUMBERS = 20_000_000
"""Responsibilities of all restarts by which components are matched; with more, fewer rows."""


@dataclass(frozen=True, eq=False)
class Optimum:
    """A distinct end of restarts.

    Attributes
    ----------
    restarts : numbers of the restarts that ended here, best first
    objective : polished
    singular, spurious : by statistics, section 3
    lost : components of weight 0. Where losing one is nothing singular (tied covariance, discrete families), this is an optimum of
        fewer components, regular like any other
    """

    restarts: tuple[int, ...]
    objective: float
    singular: bool
    spurious: bool
    lost: int = 0

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
    gone = lost(problem, restarts.polished).sum(axis=-1)
    found = [
        Optimum(
            tuple(group), float(restarts.polished_objective[group[0]]), *(flags[group[0]].item() for flags in (singular, spurious, gone))
        )
        for group in groups
    ]
    return sorted(found, key=lambda optimum: (not optimum.regular, -np.nan_to_num(optimum.objective, nan=-np.inf)))


def lost(problem: Problem, mixture: Mixture) -> np.ndarray:
    """Which components have no row left (*batch, K)."""
    return np.asarray(mixture.weights * problem.data.counts.sum() < LOST)


def _groups(problem: Problem, restarts: Restarts, polished: Mixture, objective: np.ndarray) -> list[list[int]]:
    """Restarts by optimum; every singular end that has run off stands with its like, for none has an objective of its own.

    A restart that went wrong is at no optimum.
    """
    kinds = np.asarray(restarts.singular) + 2 * np.asarray(restarts.spurious) + 4 * lost(problem, polished).sum(axis=-1)
    ends = (Status.SINGULAR, Status.SINGULAR_BEYOND, Status.LOST_COMPONENT)
    run_off = [i for i, status in enumerate(restarts.status) if status in ends and kinds[i] % 4 == 1]
    usable = np.array([status.at_optimum for status in restarts.status])
    usable[run_off] = False
    groups = Matcher(problem, polished, objective, kinds).groups(np.flatnonzero(usable))
    return [*groups, run_off] if run_off else groups


def _filled(mixture: Mixture, gone: np.ndarray) -> Mixture:
    """Lost components with the parameters of the heaviest, as nothing determines their own."""
    heaviest = mixture.weights.argmax(axis=-1)[..., None]
    return Mixture(mixture.weights, mixture.components.relabelled(np.where(gone, heaviest, np.arange(mixture.n_components))))


class Matcher:
    """Which ends are at the same optimum: of one kind, as good, and with equal parameters up to a permutation of components.

    ``kinds`` are whole numbers (end,); ends of different kinds are at different optima.
    """

    def __init__(self, problem: Problem, polished: Mixture, objective: np.ndarray, kinds: np.ndarray) -> None:
        count = min(problem.data.n_rows, GROUPING_ROWS, max(50, MATCHING_NUMBERS // polished.weights.size))
        rows = np.linspace(0, problem.data.n_rows - 1, count).astype(int)
        x, self.counts = problem.data.x[rows], problem.data.counts[rows, None]
        self.polished = _filled(polished, lost(problem, polished))
        self.objective, self.kinds = objective, kinds
        self.tolerance = SAME_OBJECTIVE * problem.data.n_observed_rows
        self.chart = problem.family.coordinates(problem.data, problem.n_components)  # which no prior moves
        with np.errstate(all="ignore"):  # of what has run off to infinity, or is a part of one row
            shares = polished.responsibilities(x)
        self.shares = np.nan_to_num(shares)
        self.known = np.isfinite(shares).all(axis=(-2, -1))
        self.by_weight = np.argsort(-self.polished.weights, axis=-1, kind="stable")

    def groups(self, members: np.ndarray) -> list[list[int]]:
        """Ends by optimum, best first; each stands with the best that it is the same as."""
        order = members[np.argsort(-self.objective[members], kind="stable")]
        groups: list[list[int]] = []
        while order.size:
            together = self.same(int(order[0]), order)
            groups.append(order[together].tolist())
            order = order[~together]
        return groups

    def same(self, first: int, others: np.ndarray) -> np.ndarray:
        """Which of the ``others`` are at the optimum of end ``first``; flags. ``first`` is the same as itself."""
        alike = (self.kinds[others] == self.kinds[first]) & ~(np.abs(self.objective[others] - self.objective[first]) > self.tolerance)
        flags = others == first
        if alike.any():
            flags[alike] |= self._near(first, others[alike])
        return np.asarray(flags)

    def _near(self, first: int, others: np.ndarray) -> np.ndarray:
        """Flags of ``others`` with the same parameters but for labels."""
        overlaps = (self.shares[first] * self.counts).T @ self.shares[others]
        known = self.known[others] & self.known[first]
        turned = self.polished.take(others).relabelled(np.where(known[:, None], assigned(overlaps), self._ranked(first, others)))
        with np.errstate(all="ignore"):
            one, all_others = self.chart.bounded(self.polished.take(first)), self.chart.bounded(turned)
            gaps = np.abs(all_others - one)
            gaps = np.where(
                (all_others == one) | (np.isnan(all_others) & np.isnan(one)), 0.0, gaps
            )  # a variance of 0 is the same as another
        return np.asarray(gaps.max(axis=-1, initial=0.0) < SAME_PARAMETERS)

    def _ranked(self, first: int, others: np.ndarray) -> np.ndarray:
        """Heaviest to heaviest, where responsibilities do not say which is which."""
        found = np.empty((others.size, self.by_weight.shape[-1]), int)
        found[:, self.by_weight[first]] = self.by_weight[others]
        return found
