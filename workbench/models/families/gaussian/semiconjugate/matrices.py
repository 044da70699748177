"""Means normal, covariance matrices inverse-Wishart, independent of each other: one matrix each (full), or one for all (tied)."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from workbench.models.families.gaussian import wishart
from workbench.models.families.gaussian.full import FullComponents
from workbench.models.families.gaussian.missing import LOG_2PI
from workbench.models.families.gaussian.quadratic import FullStatistics, FullTerms
from workbench.models.families.gaussian.semiconjugate.factorised import picked, settled
from workbench.models.families.gaussian.semiconjugate.prior import SemiConjugatePrior
from workbench.models.families.gaussian.tied import TiedComponents
from workbench.models.families.gaussian.triangular import cholesky, diagonal, inverse, transposed
from workbench.models.shapes import Coordinates, Means, PerComponent, PerFit

GaussianComponents = FullComponents | TiedComponents


@dataclass(frozen=True, eq=False)
class NormalAndInverseWishart(wishart.InverseWishart, SemiConjugatePrior):
    """means ~ N(mean, mean_covariance) and, independently, covariances ~ inverse-Wishart(dof, scale), one each.

    Leading axes: none for a prior, (*batch, K) after an update (Richardson & Green 1997 with D = 1; Gelman et al. 2013, section 3.7).

    Attributes
    ----------
    mean : ndarray (..., D)
    mean_covariance : ndarray (..., D, D)
    dof : ndarray (...)
    scale : ndarray (..., D, D)
    """

    of: ClassVar[type[Any]] = FullComponents
    shared: ClassVar[bool] = False
    """Whether all components have one covariance; dof and scale of an updated prior are then (*batch) and (*batch, D, D)."""

    @functools.cached_property
    def mean_factor(self) -> np.ndarray:
        """R with R R' the means' covariance."""
        return cholesky(self.mean_covariance)

    @functools.cached_property
    def mean_root(self) -> np.ndarray:
        """Its inverse."""
        return inverse(self.mean_factor)

    def _each(self, array: np.ndarray, rank: int = 0) -> np.ndarray:
        """What there is of each matrix, ``rank`` axes of its own last, as there were one for each component."""
        return np.expand_dims(array, -1 - rank) if self.shared else array

    def _pooled(self, array: np.ndarray, rank: int = 0) -> np.ndarray:
        """What there is of each component, summed over those that share a matrix."""
        return np.asarray(array.sum(axis=-1 - rank)) if self.shared else array

    def log_densities(self, components: GaussianComponents) -> PerComponent:
        with np.errstate(invalid="ignore", over="ignore"):
            shift = _times(self.mean_root, components.means - self.mean)
            own = -(shift**2).sum(axis=-1) / 2.0 - self._mean_log_normaliser()
        return np.asarray(own if self.shared else own + self._of_covariances(components))

    def shared_log_density(self, components: GaussianComponents) -> PerFit:
        return self._of_covariances(components) if self.shared else super().shared_log_density(components)

    def _of_covariances(self, components: GaussianComponents) -> np.ndarray:
        factor = cholesky(components.covariances)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            log_det = 2.0 * np.log(diagonal(factor)).sum(axis=-1)
            trace = ((inverse(factor) @ self.factor) ** 2).sum(axis=(-1, -2))  # of scale Sigma^-1
            kernel = -((self.dof + self.n_features + 1.0) * log_det + trace) / 2.0
        return np.asarray(kernel - self.wishart_log_normaliser())

    def _mean_log_normaliser(self) -> np.ndarray:
        return np.asarray(np.log(diagonal(self.mean_factor)).sum(axis=-1) + self.n_features / 2.0 * LOG_2PI)

    def log_normaliser(self) -> np.ndarray:
        """Of one component by itself, its covariance with it."""
        means, covariances = self._mean_log_normaliser(), self.wishart_log_normaliser()
        return np.asarray(means + (self._each(covariances) if means.ndim else covariances))

    def joint_log_normaliser(self, n_components: int) -> PerFit:
        if not self.shared:
            return super().joint_log_normaliser(n_components)
        return np.asarray(self.wishart_log_normaliser() + (self._mean_log_normaliser() + np.zeros(n_components)).sum(axis=-1))

    def posterior(self, statistics: FullStatistics) -> NormalAndInverseWishart:
        """The best q(means) q(covariances): each the other's optimum in turn, from means at the rows' and from means at the prior's.

        E (x - mean)(x - mean)' over the rows is their scatter and ``seen`` times E of the gap's square, which is all that q(means)
        has to say to q(covariances). There may be two optima, where prior and few rows disagree: the better one counts.
        """
        gap = statistics.means - self.mean
        far = _square(gap) + self.mean_covariance
        dof = np.asarray(self.dof + self._pooled(statistics.seen))

        def given(squares: np.ndarray) -> tuple[NormalAndInverseWishart, np.ndarray, np.ndarray]:
            before = self._scale(statistics, squares)
            mean, covariance = self._means(statistics, dof[..., None, None] * _inverse(before))
            left = statistics.means - mean
            after = _square(left) + covariance
            scale = self._scale(statistics, after)
            return type(self)(mean, covariance, np.broadcast_to(dof, scale.shape[:-2]), scale), after, diagonal(scale)

        with np.errstate(all="ignore"):  # of statistics that no rows have
            q = settled(given, np.stack([np.zeros_like(far), far]))
            heights = q.wishart_log_normaliser() - self._pooled(q.mean_divergence(self))
            better = np.where(heights[0] >= heights[1], 0, 1)
            own = np.broadcast_to(self._each(better), gap.shape[:-1])
            mean, covariance = (picked(array, own) for array in (q.mean, q.mean_covariance))
            return type(self)(mean, covariance, dof, picked(q.scale, better))

    def _scale(self, statistics: FullStatistics, squares: np.ndarray) -> np.ndarray:
        """Updated, with ``squares`` (..., K, D, D) of the gaps between the rows' means and the components'."""
        return np.asarray(self.scale + self._pooled(statistics.scatters + statistics.seen[..., None, None] * squares, 2))

    def _means(self, statistics: FullStatistics, precisions: np.ndarray) -> tuple[Means, np.ndarray]:
        """The normal of the means given precisions of the rows, (..., K, D) and (..., K, D, D)."""
        weighed = statistics.seen[..., None, None] * self._each(precisions, 2)
        covariance = _inverse(transposed(self.mean_root) @ self.mean_root + weighed)
        return self.mean + _times(covariance, _times(weighed, statistics.means - self.mean)), covariance

    def maximise(self, statistics: FullStatistics, current: GaussianComponents) -> GaussianComponents:
        """The covariances given the current means, then the means given those: each step up (Meng & Rubin 1993)."""
        freedom = self.dof + self._pooled(statistics.seen) + self.n_features + 1.0
        covariances = self._scale(statistics, _square(statistics.means - current.means)) / freedom[..., None, None]
        return self._components(self._means(statistics, _inverse(covariances))[0], covariances)

    def drawn(self, statistics: FullStatistics, current: GaussianComponents, rng: np.random.Generator) -> GaussianComponents:
        """The means given the current covariances, then the covariances given those."""
        means = self._means_drawn(statistics, current, rng)
        dof = np.asarray(self.dof + self._pooled(statistics.seen))
        factor = cholesky(self._scale(statistics, _square(statistics.means - means)))
        bartlett = wishart.drawn_triangle(rng, dof, self.n_features, factor.shape[:-2])
        return self._components(means, _covariances(factor, bartlett))

    def drawn_there_and_back(self, statistics: FullStatistics, current: GaussianComponents, rng: np.random.Generator) -> GaussianComponents:
        """Means, covariances, and means again."""
        found = self.drawn(statistics, current, rng)
        return self._components(self._means_drawn(statistics, found, rng), found.covariances)

    def _means_drawn(self, statistics: FullStatistics, current: GaussianComponents, rng: np.random.Generator) -> Means:
        mean, covariance = self._means(statistics, _inverse(current.covariances))
        return np.asarray(mean + _times(cholesky(covariance), rng.standard_normal(mean.shape)))

    def _components(self, means: np.ndarray, covariances: np.ndarray) -> GaussianComponents:
        found: GaussianComponents = self.of(means, covariances)
        return found

    def mode(self) -> GaussianComponents:
        return self._components(self.mean, self.scale / (self.dof + self.n_features + 1.0)[..., None, None])

    def centre(self) -> GaussianComponents:
        return self._components(self.mean, self.scale / self.dof[..., None, None])

    def expected_terms(self, log_weights: PerComponent) -> FullTerms:
        roots = self._each(np.sqrt(self.dof)[..., None, None] * self.root, 2)
        spreads = ((roots @ self.mean_factor) ** 2).sum(axis=(-1, -2))
        return wishart.expected_terms(log_weights, self.mean, spreads, roots, self._each(self.expected_log_determinant()))

    def divergence(self, prior: NormalAndInverseWishart) -> PerFit:
        each = self._pooled(self.mean_divergence(prior)) + self.wishart_divergence(prior)
        return np.asarray(each if self.shared else each.sum(axis=-1))

    def mean_divergence(self, prior: NormalAndInverseWishart) -> PerComponent:
        """KL of the means' normal from the prior's, (*batch, K)."""
        trace = ((prior.mean_root @ self.mean_factor) ** 2).sum(axis=(-1, -2))
        shift = (_times(prior.mean_root, self.mean - prior.mean) ** 2).sum(axis=-1)
        logs = np.log(diagonal(prior.mean_factor)).sum(axis=-1) - np.log(diagonal(self.mean_factor)).sum(axis=-1)
        return np.asarray((trace + shift - self.n_features) / 2.0 + logs)

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...]) -> GaussianComponents:
        """By Bartlett's decomposition of the precision: the coordinates' own independent variates."""
        matrices = shape[:-1] if self.shared else shape
        bartlett = wishart.drawn_triangle(rng, self.dof, self.n_features, matrices)
        return self._from_coordinates(bartlett, rng.standard_normal((*shape, self.n_features)))

    def _from_coordinates(self, bartlett: np.ndarray, z: np.ndarray) -> GaussianComponents:
        """Sigma = L0 A^-T A^-1 L0', mean = m0 + R z."""
        means = self.mean + _times(self.mean_factor, z)
        return self._components(means, _covariances(self.factor, bartlett))

    def dim(self, n_components: int) -> int:
        size = self.n_features
        return (1 if self.shared else n_components) * (size * (size + 1) // 2) + n_components * size

    def flatten(self, components: GaussianComponents) -> tuple[Coordinates, PerFit]:
        """log c (M, D), t (M, D(D-1)/2) of Bartlett's factors A of the precisions in units of ``scale``, z (K, D); M = K or 1."""
        bartlett = wishart.triangle_of(self._each(components.covariances, 2), self._each(self.scale, 2))
        z = _times(self.mean_root, components.means - self.mean)
        log_pivots, below = wishart.entries(bartlett)
        parts = [part.reshape(*components.batch_shape, -1) for part in (2.0 * log_pivots, below, z)]
        return np.concatenate(parts, axis=-1), self._log_jacobian(log_pivots, components.n_components)

    def unflatten(self, u: Coordinates, n_components: int) -> tuple[GaussianComponents, PerFit]:
        bartlett, z = self._parts(u, n_components)
        log_pivots = u[..., : bartlett.shape[-3] * self.n_features].reshape(bartlett.shape[:-1]) / 2.0
        return self._from_coordinates(bartlett[..., 0, :, :] if self.shared else bartlett, z), self._log_jacobian(log_pivots, n_components)

    def _parts(self, u: Coordinates, n_components: int) -> tuple[np.ndarray, np.ndarray]:
        """Bartlett's factors A (*batch, M, D, D) and z (*batch, K, D)."""
        size, count = self.n_features, 1 if self.shared else n_components
        log_c, below, z = np.split(u, np.cumsum([count * size, count * (size * (size - 1) // 2)]), axis=-1)
        log_c, below = (part.reshape(*u.shape[:-1], count, -1) for part in (log_c, below))
        return wishart.triangle(log_c / 2.0, below), z.reshape(*u.shape[:-1], n_components, size)

    def slope(self, u: Coordinates, statistics: FullStatistics) -> Coordinates:
        bartlett, z = self._parts(u, statistics.seen.shape[-1])
        root = self._each(self.root, 2)
        turn = root @ self.mean_factor  # whitened means are turn z
        gaps = _times(root, statistics.means - self.mean) - _times(turn, z)
        squares = root @ statistics.scatters @ transposed(root) + statistics.seen[..., None, None] * _square(gaps)
        scatter, power = self._each(self._pooled(squares, 2), 2), self._each(self._pooled(statistics.seen))
        by_z = statistics.seen[..., None] * _times(transposed(turn) @ bartlett @ transposed(bartlett), gaps)
        return self._joined(u, *wishart.factor_slope(bartlett, power, scatter), by_z)

    def log_density_slope(self, u: Coordinates, n_components: int) -> Coordinates:
        bartlett, z = self._parts(u, n_components)
        power = np.broadcast_to(self._each(self.dof) + self.n_features + 1.0, bartlett.shape[:-2])
        return self._joined(u, *wishart.factor_slope(bartlett, power, np.eye(self.n_features)), -z)

    def _joined(self, u: Coordinates, *parts: np.ndarray) -> Coordinates:
        return np.concatenate([part.reshape(*u.shape[:-1], -1) for part in parts], axis=-1)

    def log_jacobian_slope(self, u: Coordinates, n_components: int) -> Coordinates:
        own = wishart.jacobian_slope(self.n_features, 0)
        slope = np.zeros(self.dim(n_components))
        count = own.size if self.shared else n_components * own.size
        slope[:count] = np.resize(own, count)
        return np.broadcast_to(slope, u.shape)

    def _log_jacobian(self, log_pivots: np.ndarray, n_components: int) -> PerFit:
        """log |d (means, vech Sigma) / d (log c, t, z)|; d mean / d z = R, for each of K."""
        matrices = wishart.covariance_log_jacobian(log_pivots, self._each(self.log_determinant)).sum(axis=-1)
        means = np.log(diagonal(self.mean_factor)).sum(axis=-1) + np.zeros(n_components)
        return np.asarray(matrices + means.sum(axis=-1))


@dataclass(frozen=True, eq=False)
class TiedNormalAndInverseWishart(NormalAndInverseWishart):
    """The same with one covariance for all components."""

    of: ClassVar[type[Any]] = TiedComponents
    shared: ClassVar[bool] = True


def _covariances(factor: np.ndarray, bartlett: np.ndarray) -> np.ndarray:
    root = factor @ transposed(inverse(bartlett))
    return np.asarray(root @ transposed(root))


def _inverse(matrices: np.ndarray) -> np.ndarray:
    """Of positive definite ones; nan of others."""
    root = inverse(cholesky(matrices))
    return np.asarray(transposed(root) @ root)


def _times(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    return np.asarray((matrices @ vectors[..., None])[..., 0])


def _square(gaps: np.ndarray) -> np.ndarray:
    return np.asarray(gaps[..., :, None] * gaps[..., None, :])
