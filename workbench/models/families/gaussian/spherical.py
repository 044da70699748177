"""Spherical covariance: a mean and one variance for every component, the same in all directions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
class SphericalComponents(Components):
    """Normal components with covariance variance_k times the identity: the soft version of k-means.

    Attributes
    ----------
    means : ndarray (*batch, K, D), in the data's units
    variances : ndarray (*batch, K), in the data's units squared; features should have one unit
    """

    dims: ClassVar[dict[str, tuple[str, ...]]] = {
        "means": ("component", "feature"),
        "variances": ("component",),
    }

    means: Means
    variances: PerComponent

    def terms(self, weights: Weights) -> DiagonalTerms:
        return independent.terms(weights, self.means, self._by_feature())

    def maximise(self, statistics: DiagonalStatistics) -> SphericalComponents:
        """Weighted means, and the mean square of all deviations; where nothing was seen they stay as they are."""
        total = statistics.seen.sum(axis=-1)
        variances = statistics.scatters.sum(axis=-1) / np.where(total > 0, total, 1.0)
        return type(self)(
            np.where(statistics.seen > 0, statistics.means, self.means),
            np.where(total > 0, variances, self.variances),
        )

    def sample(self, rng: np.random.Generator, labels: Labels) -> Rows:
        noise = rng.standard_normal((labels.size, self.means.shape[-1]))
        return np.asarray(self.means[labels] + np.sqrt(self.variances[labels])[:, None] * noise)

    def conditional(self, x: Rows) -> tuple[Cells, Cells]:
        return independent.conditional(x, self.means, self._by_feature())

    def _by_feature(self) -> Variances:
        return np.broadcast_to(self.variances[..., None], self.means.shape)

    def outside(self) -> Iterator[Outside]:
        yield from beyond("variances", self.variances, ~(self.variances > 0.0), "give variances above 0")

    def regularity(self, weights: Weights, data: Dataset) -> Regularity:
        """By variance relative to the data's largest and to the pooled within variance, and by count (statistics, section 3).

        The smallest eigenvalue of variance times the identity, where the data's covariance is the identity, is the variance
        over the largest eigenvalue of the data's covariance.
        """
        largest = np.linalg.eigvalsh(moments.covariance(data))[-1] if data.n_rows > 1 else 0.0
        pooled = (weights * self.variances).sum(axis=-1, keepdims=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            thin = (~(self.variances / largest >= 1e-6) & ~(self.variances / pooled >= 1e-6)) | ~(largest > 0)
        singular = thin | (data.n_observed_rows * weights < 2.0)
        return Regularity(singular.any(axis=-1), np.zeros(self.batch_shape, bool))

    def collapsed(self, scale: np.ndarray) -> Flags:
        """A variance is zero in working precision, measured by the widest feature."""
        return np.asarray(~(self.variances / (scale**2).max() > 1e-16).all(axis=-1))


@dataclass(frozen=True, eq=False)
class SphericalNormalInverseGamma(ConjugatePrior):
    """means | variances ~ N(mean, variance / mean_strength I), variances ~ inverse-gamma(dof / 2, scale / 2).

    Leading axes: none for a prior, (*batch, K) after an update. Fraley & Raftery 2007, section 3.2 (scale here is theirs).

    Attributes
    ----------
    mean : ndarray (..., D)
    mean_strength : ndarray () of a prior, (*batch, K, D) after an update: features may be seen more or less often
    dof, scale : ndarray (...)
    """

    def log_densities(self, components: SphericalComponents) -> PerComponent:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            logs = np.log(components.variances)
            squares = (self.mean_strength * (components.means - self.mean) ** 2).sum(axis=-1)
            kernel = -(self.dof + 2.0 + self.n_features) * logs / 2.0 - (self.scale + squares) / components.variances / 2.0
        return np.asarray(kernel - self.log_normaliser())

    def log_normaliser(self) -> np.ndarray:
        from scipy.special import gammaln

        half = self.dof / 2.0
        spread = ((LOG_2PI - np.log(self.mean_strength)) / 2.0 + np.zeros(self.n_features)).sum(axis=-1)
        return np.asarray(gammaln(half) - half * np.log(self.scale / 2.0) + spread)

    def posterior(self, statistics: DiagonalStatistics) -> SphericalNormalInverseGamma:
        """A row's D cells are D observations of the variance, and one of the mean (statistics, section 1)."""
        seen = statistics.seen
        strength = self.mean_strength + seen
        gap = statistics.means - self.mean
        between = (self.mean_strength * seen / strength) * gap**2
        scale = self.scale + (statistics.scatters + between).sum(axis=-1)
        return type(self)(self.mean + (seen / strength) * gap, strength, self.dof + seen.sum(axis=-1), scale)

    def mode(self) -> SphericalComponents:
        return SphericalComponents(self.mean, self.scale / (self.dof + self.n_features + 2.0))

    def centre(self) -> SphericalComponents:
        return SphericalComponents(self.mean, self.scale / self.dof)

    def expected_terms(self, log_weights: PerComponent) -> DiagonalTerms:
        return independent.expected_terms(log_weights, self.mean, 1.0 / self.mean_strength, self.dof[..., None], self.scale[..., None])

    def divergence(self, prior: SphericalNormalInverseGamma) -> PerFit:
        squares = (self.dof / self.scale)[..., None] * (self.mean - prior.mean) ** 2
        means = self._mean_divergence(prior, squares, 1).sum(axis=-1)
        return np.asarray((means + independent.divergence(self.dof, self.scale, prior.dof, prior.scale)).sum(axis=-1))

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...]) -> SphericalComponents:
        c = rng.chisquare(np.broadcast_to(self.dof, shape))
        return self._from_coordinates(c, rng.standard_normal((*shape, self.n_features)))

    def _from_coordinates(self, c: np.ndarray, eps: np.ndarray) -> SphericalComponents:
        variances = self.scale / c
        return SphericalComponents(self.mean + np.sqrt(variances[..., None] / self.mean_strength) * eps, variances)

    def dim(self, n_components: int) -> int:
        return n_components * (self.n_features + 1)

    def flatten(self, components: SphericalComponents) -> tuple[Coordinates, PerFit]:
        """log c (K) with c = scale / variance, then eps (K, D) with mean + sqrt(variance / mean_strength) eps."""
        with np.errstate(divide="ignore", invalid="ignore"):
            log_c = np.log(self.scale) - np.log(components.variances)
            eps = (components.means - self.mean) * np.sqrt(self.mean_strength / components.variances[..., None])
        return np.concatenate([log_c, eps.reshape(*components.batch_shape, -1)], axis=-1), self._log_jacobian(log_c)

    def unflatten(self, u: Coordinates, n_components: int) -> tuple[SphericalComponents, PerFit]:
        log_c, eps = u[..., :n_components], u[..., n_components:].reshape(*u.shape[:-1], n_components, self.n_features)
        return self._from_coordinates(np.exp(log_c), eps), self._log_jacobian(log_c)

    def slope(self, u: Coordinates, statistics: DiagonalStatistics) -> Coordinates:
        return self._slope(u, statistics.seen, statistics.scatters, statistics.seen, statistics.means - self.mean)

    def log_density_slope(self, u: Coordinates, n_components: int) -> Coordinates:
        """The variance's power and scale, a D-th for each of the D features that share it."""
        size = self.n_features
        each = np.ones((n_components, size))
        powers, scatters = (self.dof + 2.0 + size)[..., None] / size * each, self.scale[..., None] / size
        return self._slope(u, powers, scatters, self.mean_strength, np.zeros_like(each))

    def _slope(self, u: Coordinates, powers: np.ndarray, scatters: np.ndarray, strengths: np.ndarray, centres: np.ndarray) -> Coordinates:
        count = powers.shape[-2]
        log_c, eps = u[..., :count, None], u[..., count:].reshape(*u.shape[:-1], count, -1)
        by_log_c, by_eps = independent.kernel_slope(
            log_c, eps, self.scale[..., None], self.mean_strength, powers, scatters, (strengths, centres)
        )
        return np.concatenate([by_log_c.sum(axis=-1), by_eps.reshape(*u.shape[:-1], -1)], axis=-1)

    def log_jacobian_slope(self, u: Coordinates, n_components: int) -> Coordinates:
        slope = np.zeros(self.dim(n_components))
        slope[:n_components] = -1.0 - self.n_features / 2.0
        return np.broadcast_to(slope, u.shape)

    def _log_jacobian(self, log_c: np.ndarray) -> PerFit:
        """d variance / d log c = -variance; d mean / d eps = sqrt(variance / mean_strength), D times."""
        size = self.n_features
        log_variance = np.log(self.scale) - log_c
        strengths = (np.log(self.mean_strength) + np.zeros(size)).sum(axis=-1)
        return np.asarray(((1.0 + size / 2.0) * log_variance - strengths / 2.0).sum(axis=-1))


def _prior(numbers: Mapping[str, Any], n_features: int) -> SphericalNormalInverseGamma:
    return SphericalNormalInverseGamma(
        mean=numeric(numbers["mean"], "mean", (n_features,)),
        mean_strength=positive(numbers["mean_strength"], "mean_strength", ()),
        dof=positive(numbers["dof"], "dof", ()),
        scale=positive(numbers["scale"], "scale", ()),
    )


def _maximise(statistics: DiagonalStatistics) -> SphericalComponents:
    blank = SphericalComponents(np.zeros_like(statistics.means), np.zeros_like(statistics.counts))
    return blank.maximise(statistics)


def _mean_variance(covariance: np.ndarray) -> np.ndarray:
    return np.asarray(np.diagonal(covariance).mean())


def _check(covariance: np.ndarray, features: Sequence[str]) -> None:
    """Some column varies: the variance is shared."""
    if not _mean_variance(covariance) > 0:
        moments.check_spread(covariance, features)


SPHERICAL = Structure(
    components=SphericalComponents,
    maximise=_maximise,
    prior=_prior,
    default_dof=lambda n_features: n_features + 2.0,
    scale=_mean_variance,
    spreads=lambda covariance, shape: np.broadcast_to(_mean_variance(covariance), shape),
    check=_check,
    n_parameters=lambda n_components, n_features: n_components * (n_features + 1),
)
