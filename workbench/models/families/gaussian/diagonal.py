"""Diagonal covariance: independent features within a component, each with the one-dimensional conjugate prior."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from workbench.data import Dataset
from workbench.models.components import Components, Outside, Regularity, beyond
from workbench.models.families.gaussian import independent, moments
from workbench.models.families.gaussian.conjugate import ConjugatePrior
from workbench.models.families.gaussian.independent import DiagonalStatistics, DiagonalTerms
from workbench.models.families.gaussian.missing import LOG_2PI
from workbench.models.families.gaussian.structure import Structure
from workbench.models.hyperparameters import numeric, positive
from workbench.models.shapes import Cells, Coordinates, Flags, Labels, Means, PerComponent, PerFit, Rows, Variances, Weights


@dataclass(frozen=True, eq=False)
class DiagonalComponents(Components):
    """Normal components with independent features.

    Attributes
    ----------
    means : ndarray (*batch, K, D), in the data's units
    variances : ndarray (*batch, K, D), in the data's units squared
    """

    dims: ClassVar[dict[str, tuple[str, ...]]] = {
        "means": ("component", "feature"),
        "variances": ("component", "feature"),
    }

    means: Means
    variances: Variances

    def terms(self, weights: Weights) -> DiagonalTerms:
        return independent.terms(weights, self.means, self.variances)

    def maximise(self, statistics: DiagonalStatistics) -> DiagonalComponents:
        """Weighted means and variances; a feature of which nothing was seen stays as it is."""
        unseen = ~(statistics.seen > 0)
        variances = statistics.scatters / np.where(unseen, 1.0, statistics.seen)
        return type(self)(np.where(unseen, self.means, statistics.means), np.where(unseen, self.variances, variances))

    def sample(self, rng: np.random.Generator, labels: Labels) -> Rows:
        noise = rng.standard_normal((labels.size, self.means.shape[-1]))
        return np.asarray(self.means[labels] + np.sqrt(self.variances[labels]) * noise)

    def conditional(self, x: Rows) -> tuple[Cells, Cells]:
        return independent.conditional(x, self.means, self.variances)

    def outside(self) -> Iterator[Outside]:
        yield from beyond("variances", self.variances, ~(self.variances > 0.0), "give variances above 0")

    def regularity(self, weights: Weights, data: Dataset) -> Regularity:
        """By variance relative to the data's and to the pooled within variance, and by count (statistics, section 3)."""
        pooled = (weights[..., None] * self.variances).sum(axis=-2, keepdims=True)
        spread = np.diagonal(moments.covariance(data))
        with np.errstate(divide="ignore", invalid="ignore"):
            in_data = self.variances / spread
            in_pooled = self.variances / pooled
        thin = (~(in_data >= 1e-6) & ~(in_pooled >= 1e-6)) | ~(spread > 0)
        singular = thin.any(axis=-1) | (data.n_observed_rows * weights < 2.0)
        return Regularity(singular.any(axis=-1), np.zeros(self.batch_shape, bool))

    def collapsed(self, scale: np.ndarray) -> Flags:
        """A variance is zero in working precision."""
        return np.asarray(~(self.variances / scale**2 > 1e-16).all(axis=(-1, -2)))


@dataclass(frozen=True, eq=False)
class NormalInverseGamma(ConjugatePrior):
    """The normal-inverse-Wishart of one dimension, feature by feature: variance ~ inverse-gamma(dof / 2, scale / 2).

    Leading axes: none for a prior, (*batch, K) after an update.

    Attributes
    ----------
    mean, scale : ndarray (..., D)
    mean_strength, dof : ndarray () of a prior, (*batch, K, D) after an update: features may be seen more or less often
    """

    def log_densities(self, components: DiagonalComponents) -> PerComponent:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            logs = np.log(components.variances)
            squares = self.mean_strength * (components.means - self.mean) ** 2
            kernel = -(self.dof + 3.0) * logs / 2.0 - (self.scale + squares) / components.variances / 2.0
        return np.asarray(kernel.sum(axis=-1) - self.log_normaliser())

    def log_normaliser(self) -> np.ndarray:
        from scipy.special import gammaln

        half = self.dof / 2.0
        spread = (LOG_2PI - np.log(self.mean_strength)) / 2.0
        return np.asarray((gammaln(half) - half * np.log(self.scale / 2.0) + spread).sum(axis=-1))

    def posterior(self, statistics: DiagonalStatistics) -> NormalInverseGamma:
        """Counts of means and variances grow apart (statistics, section 1)."""
        seen = statistics.seen
        strength = self.mean_strength + seen
        gap = statistics.means - self.mean
        mean = self.mean + (seen / strength) * gap
        between = (self.mean_strength * seen / strength) * gap**2
        return type(self)(mean, strength, self.dof + seen, self.scale + statistics.scatters + between)

    def mode(self) -> DiagonalComponents:
        return DiagonalComponents(self.mean, self.scale / (self.dof + 3.0))

    def centre(self) -> DiagonalComponents:
        return DiagonalComponents(self.mean, self.scale / self.dof)

    def expected_terms(self, log_weights: PerComponent) -> DiagonalTerms:
        return independent.expected_terms(log_weights, self.mean, 1.0 / self.mean_strength, self.dof, self.scale)

    def divergence(self, prior: NormalInverseGamma) -> PerFit:
        means = self._mean_divergence(prior, self.dof / self.scale * (self.mean - prior.mean) ** 2, 1)
        return np.asarray((means + independent.divergence(self.dof, self.scale, prior.dof, prior.scale)).sum(axis=(-1, -2)))

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...]) -> DiagonalComponents:
        size = (*shape, self.n_features)
        c = rng.chisquare(np.broadcast_to(self.dof, size))
        return self._from_coordinates(c, rng.standard_normal(size))

    def _from_coordinates(self, c: np.ndarray, eps: np.ndarray) -> DiagonalComponents:
        variances = self.scale / c
        return DiagonalComponents(self.mean + np.sqrt(variances / self.mean_strength) * eps, variances)

    def dim(self, n_components: int) -> int:
        return 2 * n_components * self.n_features

    def flatten(self, components: DiagonalComponents) -> tuple[Coordinates, PerFit]:
        """log c (K, D) with c = scale / variance, then eps (K, D) with mean + sqrt(variance / mean_strength) eps."""
        with np.errstate(divide="ignore", invalid="ignore"):
            log_c = np.log(self.scale) - np.log(components.variances)
            eps = (components.means - self.mean) * np.sqrt(self.mean_strength / components.variances)
        parts = [part.reshape(*components.batch_shape, -1) for part in (log_c, eps)]
        return np.concatenate(parts, axis=-1), self._log_jacobian(log_c)

    def unflatten(self, u: Coordinates, n_components: int) -> tuple[DiagonalComponents, PerFit]:
        parts = u.reshape(*u.shape[:-1], 2, n_components, self.n_features)
        log_c, eps = parts[..., 0, :, :], parts[..., 1, :, :]
        return self._from_coordinates(np.exp(log_c), eps), self._log_jacobian(log_c)

    def slope(self, u: Coordinates, statistics: DiagonalStatistics) -> Coordinates:
        return self._slope(u, statistics.seen, statistics.scatters, statistics.seen, statistics.means - self.mean)

    def log_density_slope(self, u: Coordinates, n_components: int) -> Coordinates:
        each = np.ones((n_components, self.n_features))
        return self._slope(u, (self.dof + 3.0) * each, self.scale, self.mean_strength, np.zeros_like(each))

    def _slope(self, u: Coordinates, powers: np.ndarray, scatters: np.ndarray, strengths: np.ndarray, centres: np.ndarray) -> Coordinates:
        parts = u.reshape(*u.shape[:-1], 2, *powers.shape[-2:])
        log_c, eps, pulls = parts[..., 0, :, :], parts[..., 1, :, :], (strengths, centres)
        slopes = independent.kernel_slope(log_c, eps, self.scale, self.mean_strength, powers, scatters, pulls)
        return np.stack(slopes, axis=-3).reshape(u.shape)

    def log_jacobian_slope(self, u: Coordinates, n_components: int) -> Coordinates:
        return np.broadcast_to(np.repeat([-1.5, 0.0], self.dim(n_components) // 2), u.shape)

    def _log_jacobian(self, log_c: np.ndarray) -> PerFit:
        """d variance / d log c = -variance; d mean / d eps = sqrt(variance / mean_strength)."""
        log_variance = np.log(self.scale) - log_c
        return np.asarray((1.5 * log_variance - np.log(self.mean_strength) / 2.0).sum(axis=(-1, -2)))


def _prior(numbers: Mapping[str, Any], n_features: int) -> NormalInverseGamma:
    return NormalInverseGamma(
        mean=numeric(numbers["mean"], "mean", (n_features,)),
        mean_strength=positive(numbers["mean_strength"], "mean_strength", ()),
        dof=positive(numbers["dof"], "dof", ()),
        scale=positive(numbers["scale"], "scale", (n_features,)),
    )


def _maximise(statistics: DiagonalStatistics) -> DiagonalComponents:
    blank = DiagonalComponents(np.zeros_like(statistics.means), np.zeros_like(statistics.scatters))
    return blank.maximise(statistics)


DIAGONAL = Structure(
    components=DiagonalComponents,
    maximise=_maximise,
    prior=_prior,
    default_dof=lambda n_features: 3.0,
    scale=lambda covariance: np.diagonal(covariance).copy(),
    spreads=lambda covariance, shape: np.broadcast_to(np.diagonal(covariance), (*shape, covariance.shape[-1])),
    check=moments.check_spread,
    n_parameters=lambda n_components, n_features: 2 * n_components * n_features,
)

__all__ = ["DIAGONAL", "DiagonalComponents", "DiagonalStatistics", "DiagonalTerms", "NormalInverseGamma"]
