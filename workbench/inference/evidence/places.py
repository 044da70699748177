"""Places: where the posterior may have mass that draws or optima know nothing of - about modes, and where components are empty.

A component that no row belongs to follows its prior, with a weight near 0: no mode is there, and climbing finds none. Given that j of K
exchangeable components are empty, the others' posterior is that of a mixture of K - j, and under a symmetric Dirichlet(a)

    p(x, those j are empty) = p_{K-j}(x) G(K a) G(N + (K-j) a) / (G((K-j) a) G(N + K a)),   G the gamma function,

times the number of ways to choose them, as the weights are integrated out (Nobile 2004 uses the same identity).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from workbench.inference.evidence.laplace import Mode, modes
from workbench.inference.evidence.symmetry import Symmetry
from workbench.inference.target import CompiledTarget
from workbench.models import Prior, Statistics
from workbench.models.shapes import Coordinates
from workbench.problem import Problem

SWEEPS = 2
"""Of data augmentation from the points near a mode of fewer components: the normal about it is not the posterior."""


@dataclass(frozen=True, eq=False)
class Place:
    """A part of the posterior, known by a mode of it, or of the posterior of fewer components.

    Attributes
    ----------
    log_mass : of p(x, theta) there, by Laplace, all relabellings together
    target, mode : the posterior, of as many components as are not empty there, and its mode
    n_components : all of them
    """

    log_mass: float
    target: CompiledTarget
    mode: Mode
    n_components: int

    @classmethod
    def about(cls, target: CompiledTarget, mode: Mode) -> Place:
        return cls(mode.log_mass, target, mode, target.prior.n_components)

    def labelled(self, parts: int, rng: np.random.Generator) -> Statistics:
        """Statistics (parts,) of the rows under labels drawn there."""
        from workbench.inference.gibbs.augmentation import Augmented, labelled_statistics, sweep

        u = self.mode.u + rng.standard_normal((parts, self.mode.u.size)) @ self.mode.scale_tril.T
        rows, mixture = Augmented.of(self.target.problem), self.target.prior.unflatten(u)[0]
        for _ in range(SWEEPS if self.target.prior.n_components < self.n_components else 0):
            mixture = sweep(mixture, rows, self.target.prior, rng)
        return _padded(labelled_statistics(mixture, rows, rng), self.n_components)


def fewer(problem: Problem, n_components: int) -> Problem:
    """The problem of mixtures of fewer components, each as it was a priori; of one whose components are exchangeable."""
    assert problem.prior is not None  # a target has one
    prior = Prior(problem.prior.concentration[:n_components], problem.prior.components)
    return Problem(problem.data, problem.family, n_components, prior)


def emptied(prior: Prior, found: CompiledTarget, ends: Coordinates) -> list[Place]:
    """Places with empty components.

    Parameters
    ----------
    prior : of all components
    found : the posterior of fewer (:func:`fewer`)
    ends : (start, dim) points of ``found`` to climb from
    """
    units = float(found.problem.data.counts[~np.isnan(found.problem.data.x).all(axis=1)].sum())
    share = _log_share(prior, found.prior.n_components, units)
    climbed = modes(found, Symmetry.of(found.prior), ends)
    return [Place(mode.log_mass + share, found, mode, prior.n_components) for mode in climbed]


def _log_share(prior: Prior, occupied: int, units: float) -> float:
    """Log of p(x, all components but some ``occupied`` are empty) / p(x) of as many components."""
    count, each = prior.n_components, float(prior.concentration[0])
    fewer, all_of_them = occupied * each, count * each
    ratio = math.lgamma(all_of_them) + math.lgamma(units + fewer) - math.lgamma(fewer) - math.lgamma(units + all_of_them)
    return math.log(math.comb(count, occupied)) + ratio


def _padded(statistics: Statistics, count: int) -> Statistics:
    """With components that have no rows."""

    def longer(array: np.ndarray) -> np.ndarray:
        return np.concatenate([array, np.zeros((array.shape[0], count - array.shape[1], *array.shape[2:]))], axis=1)

    return statistics.mapped(longer)
