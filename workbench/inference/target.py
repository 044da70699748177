"""CompiledTarget: the posterior in unconstrained coordinates, thousands of points at once by the compiled E step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.inference.em.engine import Engine, engine
from workbench.models import Mixture, Prior
from workbench.models.shapes import Coordinates, PerFit
from workbench.problem import Problem, Target


@dataclass(frozen=True, eq=False)
class CompiledTarget:
    """``Problem.target()`` on the compiled E step: the same numbers, value and gradient from one pass.

    Batches are flat, (point, dim). Points where the density is not a number count as impossible: -inf, with gradient 0.
    """

    plain: Target
    engine: Engine

    @classmethod
    def of(cls, problem: Problem, threads: int = 1) -> CompiledTarget:
        """The posterior of ``problem``.

        Raises
        ------
        PriorError
            If there is no prior.
        """
        return cls(problem.target(), engine("fast", threads))

    @property
    def problem(self) -> Problem:
        return self.plain.problem

    @property
    def prior(self) -> Prior:
        return self.plain.prior

    @property
    def dim(self) -> int:
        return self.plain.dim

    def mixture(self, u: Coordinates) -> Mixture:
        return self.plain.mixture(u)

    def log_likelihood(self, mixture: Mixture) -> PerFit:
        """Sum of log p(x_n) over the rows for a batch of mixtures (point,)."""
        with np.errstate(all="ignore"):
            return np.asarray(self.engine.expect(mixture, self.problem.data).log_likelihood)

    def log_posterior(self, mixture: Mixture) -> PerFit:
        """log p(x, theta) over the natural parameters, (point,)."""
        return np.asarray(self.log_likelihood(mixture) + self.prior.log_density(mixture))

    def log_density(self, u: Coordinates) -> PerFit:
        """log p(x, theta(u)) + log |d theta / d u|, constants included; (point,)."""
        log_likelihood, log_prior = self.parts(u)
        return np.asarray(log_likelihood + log_prior)

    def parts(self, u: Coordinates) -> tuple[PerFit, PerFit]:
        """log p(x | theta(u)) and log p(theta(u)) + log |d theta / d u|, both -inf where either is not a number."""
        with np.errstate(all="ignore"):
            mixture, log_jacobian = self.prior.unflatten(u)
            log_likelihood = self.log_likelihood(mixture)
            log_prior = self.prior.log_density(mixture) + log_jacobian
        bad = ~(np.isfinite(log_likelihood) & np.isfinite(log_prior))
        return np.where(bad, -np.inf, log_likelihood), np.where(bad, -np.inf, log_prior)

    def value_and_gradient(self, u: Coordinates) -> tuple[PerFit, Coordinates]:
        """``log_density`` and its gradient (point, dim), by Fisher's identity from one E step."""
        (log_likelihood, log_prior), (by_likelihood, by_prior) = self.parts_and_gradients(u)
        return log_likelihood + log_prior, by_likelihood + by_prior

    def parts_and_gradients(self, u: Coordinates) -> tuple[tuple[PerFit, PerFit], tuple[Coordinates, Coordinates]]:
        """``parts``, and the gradient of each."""
        prior = self.prior
        with np.errstate(all="ignore"):
            mixture, log_jacobian = prior.unflatten(u)
            found = self.engine.expect(mixture, self.problem.data)
            log_prior = prior.log_density(mixture) + log_jacobian
            by_likelihood = prior.slope(u, found.statistics)
            by_prior = prior.log_density_slope(u) + prior.log_jacobian_slope(u)
        good = np.isfinite(found.log_likelihood) & np.isfinite(log_prior)
        good &= np.isfinite(by_likelihood).all(axis=-1) & np.isfinite(by_prior).all(axis=-1)
        values = (np.where(good, value, -np.inf) for value in (found.log_likelihood, log_prior))
        slopes = (np.where(good[:, None], slope, 0.0) for slope in (by_likelihood, by_prior))
        return (next(values), next(values)), (next(slopes), next(slopes))
