"""Proposals: densities over unconstrained coordinates that estimators of the evidence draw from."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from workbench.models import Prior
from workbench.models.shapes import Coordinates, PerFit
from workbench.models.terms import log_sum_exp


@runtime_checkable
class Proposal(Protocol):
    """A density over unconstrained coordinates that can be drawn from."""

    def log_density(self, u: Coordinates) -> PerFit:
        """Of points (n, dim): (n,)."""
        ...

    def sample(self, rng: np.random.Generator, size: int) -> Coordinates:
        """Independent draws (size, dim)."""
        ...


@dataclass(frozen=True, eq=False)
class StudentMixture:
    """A mixture of multivariate Student t densities with one number of degrees of freedom; infinitely many are normal.

    Attributes
    ----------
    weights : ndarray (J,)
    means : ndarray (J, dim)
    scale_trils : ndarray (J, dim, dim), lower factors of the scale matrices
    dof : degrees of freedom
    """

    weights: np.ndarray
    means: np.ndarray
    scale_trils: np.ndarray
    dof: float

    @classmethod
    def normal(cls, mean: np.ndarray, scale_tril: np.ndarray) -> StudentMixture:
        """One normal, N(mean, scale_tril scale_tril')."""
        return cls(np.ones(1), mean[None], scale_tril[None], math.inf)

    def log_density(self, u: Coordinates) -> PerFit:
        return np.asarray(log_sum_exp(self.log_joint(u)[0]))

    def log_joint(self, u: Coordinates) -> tuple[np.ndarray, np.ndarray]:
        """log weights_j + the log density of part j, and squared Mahalanobis distances, each (n, J)."""
        parts, size = self.weights.size, u.shape[-1]
        z = u @ self._whiteners.reshape(parts * size, size).T - np.einsum("jab,jb->ja", self._whiteners, self.means).ravel()
        squares = np.einsum("njd,njd->nj", z.reshape(-1, parts, size), z.reshape(-1, parts, size))
        constants = np.log(self.weights) - np.log(np.diagonal(self.scale_trils, axis1=1, axis2=2)).sum(axis=-1)
        if math.isinf(self.dof):
            return constants - squares / 2.0 - size / 2.0 * math.log(2.0 * math.pi), squares
        half = (self.dof + size) / 2.0
        constants += math.lgamma(half) - math.lgamma(self.dof / 2.0) - size / 2.0 * math.log(self.dof * math.pi)
        return constants - half * np.log1p(squares / self.dof), squares

    @functools.cached_property
    def _whiteners(self) -> np.ndarray:
        """Inverses of the factors: one matrix product for all parts, where triangular solves are ten times slower."""
        return np.asarray(np.linalg.inv(self.scale_trils))

    def sample(self, rng: np.random.Generator, size: int) -> Coordinates:
        chosen = np.sort(rng.choice(self.weights.size, size=size, p=self.weights))
        z = rng.standard_normal((size, self.means.shape[1]))
        if math.isfinite(self.dof):
            z /= np.sqrt(rng.chisquare(self.dof, size=(size, 1)) / self.dof)
        u = self.means[chosen]
        for j in np.unique(chosen):
            u[chosen == j] += z[chosen == j] @ self.scale_trils[j].T
        return np.asarray(u)


@dataclass(frozen=True, eq=False)
class Conjugate:
    """A density of the prior's own form over mixtures, such as variational Bayes' q, in the coordinates of ``chart``."""

    chart: Prior
    density: Prior

    def log_density(self, u: Coordinates) -> PerFit:
        mixture, log_jacobian = self.chart.unflatten(u)
        return np.asarray(self.density.log_density(mixture) + log_jacobian)

    def sample(self, rng: np.random.Generator, size: int) -> Coordinates:
        return self.chart.flatten(self.density.sample(rng, (size,)))[0]
