"""The prior of categorical components: a Dirichlet over the levels of every feature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from workbench.models.families.categorical.components import CategoricalComponents, CategoricalStatistics, CategoricalTerms
from workbench.models.families.discrete import LOG_ZERO, Powers, finite_log
from workbench.models.prior import PROBABILITY_BOUNDARY
from workbench.models.shapes import Coordinates, PerComponent, PerFit
from workbench.models.simplex import simplex_backward, simplex_forward, simplex_slope


@dataclass(frozen=True, eq=False)
class Dirichlets(Powers):
    """The levels' probabilities of each feature ~ Dirichlet(alpha), alike for all components.

    Attributes
    ----------
    alpha : ndarray (D, L), (*batch, K, D, L) after an update; 1 for levels that a feature has not
    n_levels : the number of levels of each feature
    """

    boundary: ClassVar[float] = PROBABILITY_BOUNDARY

    alpha: np.ndarray
    n_levels: tuple[int, ...]

    @property
    def there(self) -> np.ndarray:
        """Which levels each feature has (D, L)."""
        return np.asarray(np.arange(self.alpha.shape[-1]) < np.array(self.n_levels)[:, None])

    def log_densities(self, components: CategoricalComponents) -> PerComponent:
        """The density of the first L_d - 1 probabilities of each feature."""
        from scipy.special import xlogy

        kernel = np.where(self.there, xlogy(self.alpha - 1.0, components.probs), 0.0).sum(axis=-1)
        return np.asarray((kernel - self._log_betas()).sum(axis=-1))

    def exponents(self) -> np.ndarray:
        return np.asarray(self.alpha[..., self.there] - 1.0)

    def factors(self, components: CategoricalComponents) -> np.ndarray:
        return finite_log(components.probs[..., self.there])

    def log_normaliser(self) -> np.ndarray:
        return np.asarray(self._log_betas().sum(axis=-1))

    def _log_betas(self) -> np.ndarray:
        from scipy.special import gammaln

        logs = np.where(self.there, gammaln(self.alpha), 0.0).sum(axis=-1)
        return np.asarray(logs - gammaln(np.where(self.there, self.alpha, 0.0).sum(axis=-1)))

    def posterior(self, statistics: CategoricalStatistics) -> Dirichlets:
        return type(self)(self.alpha + statistics.totals, self.n_levels)

    def mode(self) -> CategoricalComponents:
        """(alpha - 1) over its sum; a flat posterior (nothing seen, alpha = 1) gives equal probabilities."""
        excess = np.where(self.there, np.maximum(self.alpha - 1.0, 0.0), 0.0)
        total = excess.sum(axis=-1, keepdims=True)
        flat = np.where(self.there, 1.0 / np.array(self.n_levels)[:, None], 0.0) + np.zeros_like(excess)
        return CategoricalComponents(np.divide(excess, total, out=flat, where=total > 0))

    def centre(self) -> CategoricalComponents:
        own = np.where(self.there, self.alpha, 0.0)
        return CategoricalComponents(own / own.sum(axis=-1, keepdims=True))

    def expected_terms(self, log_weights: PerComponent) -> CategoricalTerms:
        return CategoricalTerms(log_weights, np.where(self.there, self._expected_logs(), LOG_ZERO))

    def _expected_logs(self) -> np.ndarray:
        """E log p of each level (Bishop 2006, eq. B.21); of levels that a feature has not nothing that counts."""
        from scipy.special import digamma

        return np.asarray(digamma(self.alpha) - digamma(np.where(self.there, self.alpha, 0.0).sum(axis=-1))[..., None])

    def divergence(self, prior: Dirichlets) -> PerFit:
        kernel = np.where(self.there, (self.alpha - prior.alpha) * self._expected_logs(), 0.0).sum(axis=-1)
        return np.asarray((kernel - self._log_betas() + prior._log_betas()).sum(axis=(-1, -2)))

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...]) -> CategoricalComponents:
        size = (*shape, *self.alpha.shape[-2:])
        draws = np.where(self.there, rng.standard_gamma(np.broadcast_to(self.alpha, size)), 0.0)
        return CategoricalComponents(draws / draws.sum(axis=-1, keepdims=True))

    def numbers(self) -> dict[str, Any]:
        """One number where all are equal, else a list of each feature's own."""
        values = self.alpha[self.there]
        if (values == values[0]).all():
            return {"alpha": float(values[0])}
        return {"alpha": [row[:n].tolist() for row, n in zip(self.alpha, self.n_levels, strict=True)]}

    def dim(self, n_components: int) -> int:
        return n_components * sum(n - 1 for n in self.n_levels)

    def bounded(self, components: CategoricalComponents, near: float) -> Coordinates:
        """Every level's own log odds (K, levels): a centred log ratio says nothing beside a probability of 0."""
        probs = components.probs[..., self.there]
        with np.errstate(divide="ignore"):
            odds = np.log(probs) - np.log1p(-probs)
        return np.asarray(np.clip(odds, -near, near).reshape(*components.batch_shape, -1))

    def flatten(self, components: CategoricalComponents) -> tuple[Coordinates, PerFit]:
        """Feature by feature PyMC's simplex coordinates (K, L_d - 1); infinite where a probability is 0."""
        parts, total = [], np.zeros(components.batch_shape)
        for d, n in enumerate(self.n_levels):
            u, jacobian = simplex_forward(components.probs[..., d, :n])
            parts.append(u.reshape(*components.batch_shape, -1))
            total = total + jacobian.sum(axis=-1)
        return np.concatenate(parts, axis=-1), total

    def unflatten(self, u: Coordinates, n_components: int) -> tuple[CategoricalComponents, PerFit]:
        probs = np.zeros((*u.shape[:-1], n_components, *self.alpha.shape[-2:]))
        total, start = np.zeros(u.shape[:-1]), 0
        for d, n in enumerate(self.n_levels):
            size = n_components * (n - 1)
            own = u[..., start : start + size].reshape(*u.shape[:-1], n_components, n - 1)
            probs[..., d, :n], jacobian = simplex_backward(own)
            total, start = total + jacobian.sum(axis=-1), start + size
        return CategoricalComponents(probs), total

    def slope(self, u: Coordinates, statistics: CategoricalStatistics) -> Coordinates:
        return self._slope(u, statistics.totals)

    def log_density_slope(self, u: Coordinates, n_components: int) -> Coordinates:
        return self._slope(u, np.broadcast_to(self.alpha - 1.0, (n_components, *self.alpha.shape[-2:])))

    def log_jacobian_slope(self, u: Coordinates, n_components: int) -> Coordinates:
        return self._slope(u, np.ones((n_components, *self.alpha.shape[-2:])))

    def _slope(self, u: Coordinates, exponents: np.ndarray) -> Coordinates:
        """Gradient of the sum of exponents log probs, feature by feature."""
        probs = self.unflatten(u, exponents.shape[-3])[0].probs
        parts = (simplex_slope(probs[..., d, :n], exponents[..., d, :n]).reshape(*u.shape[:-1], -1) for d, n in enumerate(self.n_levels))
        return np.concatenate(list(parts), axis=-1)
