"""Means normal, variances inverse-gamma, independent of each other: a variance for each feature (diagonal), or one for all (spherical)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from workbench.models.families.gaussian import independent
from workbench.models.families.gaussian.diagonal import DiagonalComponents
from workbench.models.families.gaussian.independent import DiagonalStatistics, DiagonalTerms
from workbench.models.families.gaussian.missing import LOG_2PI
from workbench.models.families.gaussian.semiconjugate.factorised import picked, settled
from workbench.models.families.gaussian.semiconjugate.prior import SemiConjugatePrior
from workbench.models.families.gaussian.spherical import SphericalComponents
from workbench.models.shapes import Coordinates, Means, PerComponent, PerFit, Variances

GaussianComponents = DiagonalComponents | SphericalComponents


@dataclass(frozen=True, eq=False)
class NormalAndInverseGamma(SemiConjugatePrior):
    """means ~ N(mean, mean_covariance) and, independently, variances ~ inverse-gamma(dof / 2, scale / 2), feature by feature.

    Leading axes: none for a prior, (*batch, K) after an update.

    Attributes
    ----------
    mean, mean_covariance : ndarray (..., D), of each feature its variance
    dof : ndarray () of a prior, (*batch, K, D) after an update: features may be seen more or less often
    scale : ndarray (..., D)
    """

    of: ClassVar[type[Any]] = DiagonalComponents
    shared: ClassVar[bool] = False
    """Whether a component's features have one variance; dof and scale are then (...) without features."""

    @property
    def n_features(self) -> int:
        return int(self.mean.shape[-1])

    def _each(self, array: np.ndarray) -> np.ndarray:
        """What there is of each variance, as there were one for each feature."""
        return np.asarray(array)[..., None] if self.shared else array

    def _pooled(self, array: np.ndarray) -> np.ndarray:
        """What there is of each feature, summed over those that share a variance."""
        return np.asarray(array.sum(axis=-1)) if self.shared else array

    def _summed(self, array: np.ndarray) -> np.ndarray:
        """What there is of each variance, summed over a component's."""
        return np.asarray(array if self.shared else (array + np.zeros(self.n_features)).sum(axis=-1))

    def log_densities(self, components: GaussianComponents) -> PerComponent:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            squares = (components.means - self.mean) ** 2 / self.mean_covariance
            of_variances = -(self.dof / 2.0 + 1.0) * np.log(components.variances) - self.scale / components.variances / 2.0
        return np.asarray(self._summed(of_variances) - squares.sum(axis=-1) / 2.0 - self.log_normaliser())

    def log_normaliser(self) -> np.ndarray:
        means = ((np.log(self.mean_covariance) + LOG_2PI) / 2.0).sum(axis=-1)
        return np.asarray(means + self._summed(self._variance_log_normaliser()))

    def _variance_log_normaliser(self) -> np.ndarray:
        from scipy.special import gammaln

        return np.asarray(gammaln(self.dof / 2.0) - self.dof / 2.0 * np.log(self.scale / 2.0))

    def posterior(self, statistics: DiagonalStatistics) -> NormalAndInverseGamma:
        """The best q(means) q(variances): each the other's optimum in turn, from means at the rows' and from means at the prior's.

        A larger precision brings means nearer to the rows and makes them surer, which makes for a larger precision: so the two ends are
        the outermost optima. There may be two, where prior and few rows disagree: the better one counts.
        """
        far = (statistics.means - self.mean) ** 2 + self.mean_covariance
        dof = np.asarray(self.dof + self._pooled(statistics.seen))

        def given(squares: np.ndarray) -> tuple[NormalAndInverseGamma, np.ndarray, np.ndarray]:
            mean, variance = self._means(statistics, dof / self._scale(statistics, squares))
            after = (statistics.means - mean) ** 2 + variance
            scale = self._scale(statistics, after)
            return type(self)(mean, variance, np.broadcast_to(dof, scale.shape), scale), after, scale

        with np.errstate(all="ignore"):  # of statistics that no rows have
            q = settled(given, np.stack([np.zeros_like(far), far]))
            heights = q._variance_log_normaliser() - self._pooled(q._mean_divergence(self))
            better = np.where(heights[0] >= heights[1], 0, 1)
            own = np.broadcast_to(self._each(better), far.shape)
            return type(self)(picked(q.mean, own), picked(q.mean_covariance, own), dof, picked(q.scale, better))

    def _scale(self, statistics: DiagonalStatistics, squares: np.ndarray) -> np.ndarray:
        """Updated, with ``squares`` (..., K, D) of the gaps between the rows' means and the components'."""
        return np.asarray(self.scale + self._pooled(statistics.scatters + statistics.seen * squares))

    def _means(self, statistics: DiagonalStatistics, precisions: np.ndarray) -> tuple[Means, Variances]:
        """The normal of the means given precisions of the rows: mean and variance (..., K, D)."""
        weighed = statistics.seen * self._each(precisions)
        variance = 1.0 / (1.0 / self.mean_covariance + weighed)
        return self.mean + variance * weighed * (statistics.means - self.mean), variance

    def maximise(self, statistics: DiagonalStatistics, current: GaussianComponents) -> GaussianComponents:
        """The variances given the current means, then the means given those: each step up (Meng & Rubin 1993)."""
        scale = self._scale(statistics, (statistics.means - current.means) ** 2)
        variances = scale / (self.dof + self._pooled(statistics.seen) + 2.0)
        return self._components(self._means(statistics, 1.0 / variances)[0], variances)

    def drawn(self, statistics: DiagonalStatistics, current: GaussianComponents, rng: np.random.Generator) -> GaussianComponents:
        """The means given the current variances, then the variances given those."""
        means = self._means_drawn(statistics, current, rng)
        scale = self._scale(statistics, (statistics.means - means) ** 2)
        return self._components(means, scale / rng.chisquare(self.dof + self._pooled(statistics.seen), size=scale.shape))

    def drawn_there_and_back(
        self, statistics: DiagonalStatistics, current: GaussianComponents, rng: np.random.Generator
    ) -> GaussianComponents:
        """Means, variances, and means again."""
        found = self.drawn(statistics, current, rng)
        return self._components(self._means_drawn(statistics, found, rng), found.variances)

    def _means_drawn(self, statistics: DiagonalStatistics, current: GaussianComponents, rng: np.random.Generator) -> Means:
        mean, variance = self._means(statistics, 1.0 / current.variances)
        return mean + np.sqrt(variance) * rng.standard_normal(mean.shape)

    def _components(self, means: Means, variances: np.ndarray) -> GaussianComponents:
        found: GaussianComponents = self.of(means, variances)
        return found

    def mode(self) -> GaussianComponents:
        return self._components(self.mean, self.scale / (self.dof + 2.0))

    def centre(self) -> GaussianComponents:
        return self._components(self.mean, self.scale / self.dof)

    def expected_terms(self, log_weights: PerComponent) -> DiagonalTerms:
        dof, scale = self._each(self.dof), self._each(self.scale)
        return independent.expected_terms(log_weights, self.mean, dof / scale * self.mean_covariance, dof, scale)

    def divergence(self, prior: NormalAndInverseGamma) -> PerFit:
        means = self._mean_divergence(prior).sum(axis=-1)
        variances = self._summed(independent.divergence(self.dof, self.scale, prior.dof, prior.scale))
        return np.asarray((means + variances).sum(axis=-1))

    def _mean_divergence(self, prior: NormalAndInverseGamma) -> np.ndarray:
        """KL of each mean's normal from the prior's, (*batch, K, D)."""
        ratio = self.mean_covariance / prior.mean_covariance
        return np.asarray((ratio + (self.mean - prior.mean) ** 2 / prior.mean_covariance - 1.0 - np.log(ratio)) / 2.0)

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...]) -> GaussianComponents:
        size = (*shape, self.n_features)
        c = rng.chisquare(np.broadcast_to(self.dof, shape if self.shared else size))
        return self._from_coordinates(c, rng.standard_normal(size))

    def _from_coordinates(self, c: np.ndarray, z: np.ndarray) -> GaussianComponents:
        return self._components(self.mean + np.sqrt(self.mean_covariance) * z, self.scale / c)

    def dim(self, n_components: int) -> int:
        return n_components * ((1 if self.shared else self.n_features) + self.n_features)

    def flatten(self, components: GaussianComponents) -> tuple[Coordinates, PerFit]:
        """log c (K, D), or (K) where features share it, with c = scale / variance, then z (K, D) with mean + sqrt(mean_covariance) z."""
        with np.errstate(divide="ignore", invalid="ignore"):
            log_c = np.log(self.scale) - np.log(components.variances)
        z = (components.means - self.mean) / np.sqrt(self.mean_covariance)
        parts = [part.reshape(*components.batch_shape, -1) for part in (log_c, z)]
        return np.concatenate(parts, axis=-1), self._log_jacobian(log_c, components.n_components)

    def unflatten(self, u: Coordinates, n_components: int) -> tuple[GaussianComponents, PerFit]:
        log_c, z = self._parts(u, n_components)
        return self._from_coordinates(np.exp(log_c), z), self._log_jacobian(log_c, n_components)

    def _parts(self, u: Coordinates, n_components: int) -> tuple[np.ndarray, np.ndarray]:
        """log c (*batch, K[, D]) and z (*batch, K, D)."""
        shape = (*u.shape[:-1], n_components, self.n_features)
        cut = u.shape[-1] - n_components * self.n_features
        return u[..., :cut].reshape(shape[:-1] if self.shared else shape), u[..., cut:].reshape(shape)

    def slope(self, u: Coordinates, statistics: DiagonalStatistics) -> Coordinates:
        log_c, z = self._parts(u, statistics.seen.shape[-2])
        gaps = statistics.means - self.mean - np.sqrt(self.mean_covariance) * z
        precisions = self._each(np.exp(log_c) / self.scale)
        squares = (statistics.scatters + statistics.seen * gaps**2) * precisions
        return self._joined(
            u, self._pooled(statistics.seen - squares) / 2.0, statistics.seen * gaps * precisions * np.sqrt(self.mean_covariance)
        )

    def log_density_slope(self, u: Coordinates, n_components: int) -> Coordinates:
        log_c, z = self._parts(u, n_components)
        return self._joined(u, (self.dof + 2.0 - np.exp(log_c)) / 2.0, -z)

    def _joined(self, u: Coordinates, *parts: np.ndarray) -> Coordinates:
        return np.concatenate([part.reshape(*u.shape[:-1], -1) for part in parts], axis=-1)

    def log_jacobian_slope(self, u: Coordinates, n_components: int) -> Coordinates:
        slope = np.zeros(self.dim(n_components))
        slope[: slope.size - n_components * self.n_features] = -1.0
        return np.broadcast_to(slope, u.shape)

    def _log_jacobian(self, log_c: np.ndarray, n_components: int) -> PerFit:
        """d variance / d log c = -variance; d mean / d z = sqrt(mean_covariance)."""
        logs = (np.log(self.scale) - log_c).reshape(*log_c.shape[: log_c.ndim - (1 if self.shared else 2)], -1).sum(axis=-1)
        means = np.log(self.mean_covariance).sum(axis=-1) / 2.0 + np.zeros(n_components)
        return np.asarray(logs + means.sum(axis=-1))


@dataclass(frozen=True, eq=False)
class SphericalNormalAndInverseGamma(NormalAndInverseGamma):
    """The same with one variance for a component's features."""

    of: ClassVar[type[Any]] = SphericalComponents
    shared: ClassVar[bool] = True
