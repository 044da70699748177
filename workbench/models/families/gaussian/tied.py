"""Tied covariance: a mean for every component and one covariance matrix for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from workbench.data import Dataset
from workbench.models.components import Components, Outside, Regularity
from workbench.models.families.gaussian import moments, quadratic, wishart
from workbench.models.families.gaussian.missing import LOG_2PI
from workbench.models.families.gaussian.quadratic import FullStatistics, FullTerms, collapsed, indefinite, precision_factors
from workbench.models.families.gaussian.structure import Structure
from workbench.models.families.gaussian.triangular import cholesky, diagonal, inverse, smallest_eigenvalue, transposed
from workbench.models.shapes import Cells, Coordinates, Factors, Flags, Labels, Means, PerComponent, PerFit, Rows, SharedCovariance, Weights


@dataclass(frozen=True, eq=False)
class TiedComponents(Components):
    """Normal components with one covariance matrix: clusters of one shape, divided by planes.

    Attributes
    ----------
    means : ndarray (*batch, K, D), in the data's units
    covariances : ndarray (*batch, D, D), in the data's units squared
    """

    dims: ClassVar[dict[str, tuple[str, ...]]] = {
        "means": ("component", "feature"),
        "covariances": ("feature", "feature_2"),
    }

    means: Means
    covariances: SharedCovariance

    def terms(self, weights: Weights) -> FullTerms:
        return quadratic.terms(weights, self.means, precision_factors(self.covariances)[..., None, :, :])

    def maximise(self, statistics: FullStatistics) -> TiedComponents:
        """Weighted means, and the pooled within covariance (McLachlan & Peel 2000, eq. 3.10)."""
        total = statistics.seen.sum(axis=-1)[..., None, None]
        covariances = statistics.scatters.sum(axis=-3) / np.where(total > 0, total, 1.0)
        return type(self)(
            np.where((statistics.seen > 0)[..., None], statistics.means, self.means),
            np.where(total > 0, covariances, self.covariances),
        )

    def sample(self, rng: np.random.Generator, labels: Labels) -> Rows:
        noise = rng.standard_normal((labels.size, self.means.shape[-1]))
        return np.asarray(self.means[labels] + noise @ np.linalg.cholesky(self.covariances).T)

    def conditional(self, x: Rows) -> tuple[Cells, Cells]:
        return self.terms(np.ones(self.means.shape[:-1])).conditional(x)

    def outside(self) -> Iterator[Outside]:
        yield from indefinite(self.covariances)

    @property
    def lost_is_singular(self) -> bool:
        """The covariance is that of all components: none needs rows of its own."""
        return False

    def regularity(self, weights: Weights, data: Dataset) -> Regularity:
        """By eigenvalue alone: no single component can collapse (statistics, section 3).

        In the pooled within coordinates a shared covariance is the identity, so only one without full rank is singular.
        """
        in_data = smallest_eigenvalue(self.covariances, cholesky(moments.covariance(data)))
        in_pooled = smallest_eigenvalue(self.covariances, cholesky(self.covariances))
        singular = ((in_data < 1e-6) & (in_pooled < 1e-6)) | moments.singular(moments.covariance(data))
        return Regularity(singular, np.zeros(self.batch_shape, bool))

    def collapsed(self, scale: np.ndarray) -> Flags:
        """The covariance is no longer positive definite in working precision."""
        return collapsed(self.covariances, scale)


@dataclass(frozen=True, eq=False)
class TiedNormalInverseWishart(wishart.MatrixPrior):
    """means | covariances ~ N(mean, covariances / mean_strength) for every component, one covariances ~ inverse-Wishart(dof, scale).

    Attributes
    ----------
    mean : ndarray (D,) of a prior, (*batch, K, D) after an update
    mean_strength : ndarray () or (*batch, K)
    dof : ndarray () or (*batch)
    scale : ndarray (D, D) or (*batch, D, D)
    """

    def log_densities(self, components: TiedComponents) -> PerComponent:
        """Of each mean, given the covariance."""
        factor = cholesky(components.covariances)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            log_det = 2.0 * np.log(diagonal(factor)).sum(axis=-1)
            shift = (components.means - self.mean) @ transposed(inverse(factor))
            kernel = -(log_det[..., None] + self.mean_strength * (shift**2).sum(axis=-1)) / 2.0
        return np.asarray(kernel - self._spread())

    def shared_log_density(self, components: TiedComponents) -> PerFit:
        """Of the covariance."""
        factor = cholesky(components.covariances)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            log_det = 2.0 * np.log(diagonal(factor)).sum(axis=-1)
            trace = ((inverse(factor) @ self.factor) ** 2).sum(axis=(-1, -2))  # of scale Sigma^-1
            kernel = -((self.dof + self.n_features + 1.0) * log_det + trace) / 2.0
        return np.asarray(kernel - self.wishart_log_normaliser())

    def log_normaliser(self) -> np.ndarray:
        """Of one component by itself, its covariance with it."""
        shared = self.wishart_log_normaliser()
        return np.asarray(shared[..., None] + self._spread() if np.ndim(self.mean_strength) else shared + self._spread())

    def joint_log_normaliser(self, n_components: int) -> PerFit:
        """Of all components: the covariance, which they share, counts once."""
        each = self._spread() + np.zeros(n_components)  # before an update one prior stands for all K
        return np.asarray(self.wishart_log_normaliser() + each.sum(axis=-1))

    def _spread(self) -> np.ndarray:
        return np.asarray(self.n_features / 2.0 * (LOG_2PI - np.log(self.mean_strength)))

    def posterior(self, statistics: FullStatistics) -> TiedNormalInverseWishart:
        """Counts of means grow one by one, that of the covariance by all rows (statistics, section 1)."""
        mean, strength, between = wishart.updated_means(self.mean, self.mean_strength, statistics)
        scale = self.scale + (statistics.scatters + between).sum(axis=-3)
        return type(self)(mean, strength, np.asarray(self.dof + statistics.seen.sum(axis=-1)), scale)

    def mode(self) -> TiedComponents:
        """Covariance scale / (dof + K + D + 1): each of the K means brings a factor |Sigma|^(-1/2) of its own."""
        count = self.mean.shape[-2]
        return TiedComponents(self.mean, self.scale / (self.dof + count + self.n_features + 1.0)[..., None, None])

    def centre(self) -> TiedComponents:
        return TiedComponents(self.mean, self.scale / self.dof[..., None, None])

    def expected_terms(self, log_weights: PerComponent) -> FullTerms:
        log_determinant = self.expected_log_determinant()[..., None]
        spreads = self.n_features / self.mean_strength
        return wishart.expected_terms(log_weights, self.mean, spreads, self._expected_root(), log_determinant)

    def _expected_root(self) -> Factors:
        """Of E P = dof scale^-1, one for all components."""
        return np.asarray(np.sqrt(self.dof)[..., None, None] * self.root)[..., None, :, :]

    def divergence(self, prior: TiedNormalInverseWishart) -> PerFit:
        squares = wishart.squares(self.mean - prior.mean, self._expected_root())
        means = self._mean_divergence(prior, squares, self.n_features).sum(axis=-1)
        return np.asarray(means + self.wishart_divergence(prior))

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...]) -> TiedComponents:
        """By Bartlett's decomposition of the precision: the coordinates' own independent variates."""
        triangle = wishart.drawn_triangle(rng, self.dof, self.n_features, shape[:-1])
        return self._from_bartlett(triangle, rng.standard_normal((*shape, self.n_features)))

    def _from_bartlett(self, bartlett: np.ndarray, eps: np.ndarray) -> TiedComponents:
        """Sigma = L0 A^-T A^-1 L0', mean_k = m0 + L0 A^-T eps_k / sqrt(mean_strength)."""
        root = self.factor @ transposed(inverse(bartlett))
        shift = eps @ transposed(root) / np.sqrt(self.mean_strength)[..., None]
        return TiedComponents(self.mean + shift, root @ transposed(root))

    def dim(self, n_components: int) -> int:
        size = self.n_features
        return size * (size + 1) // 2 + n_components * size

    def flatten(self, components: TiedComponents) -> tuple[Coordinates, PerFit]:
        """log c (D), t (D(D-1)/2), eps (K, D) of Bartlett's factor A of the one precision in units of ``scale``."""
        bartlett = wishart.triangle_of(components.covariances, self.scale)
        shift = (components.means - self.mean) @ transposed(self.root)
        eps = np.sqrt(self.mean_strength)[..., None] * (shift @ bartlett)
        log_pivots, below = wishart.entries(bartlett)
        parts = [2.0 * log_pivots, below, eps.reshape(*components.batch_shape, -1)]
        return np.concatenate(parts, axis=-1), self._log_jacobian(log_pivots, components.n_components)

    def unflatten(self, u: Coordinates, n_components: int) -> tuple[TiedComponents, PerFit]:
        components = self._from_bartlett(*self._bartlett(u, n_components))
        return components, self._log_jacobian(u[..., : self.n_features] / 2.0, n_components)

    def _bartlett(self, u: Coordinates, n_components: int) -> tuple[np.ndarray, np.ndarray]:
        """Bartlett's factor A (*batch, D, D) and eps (*batch, K, D)."""
        size = self.n_features
        log_c, below, eps = np.split(u, np.cumsum([size, size * (size - 1) // 2]), axis=-1)
        return wishart.triangle(log_c / 2.0, below), eps.reshape(*u.shape[:-1], n_components, size)

    def slope(self, u: Coordinates, statistics: FullStatistics) -> Coordinates:
        root = self.root
        centres = (statistics.means - self.mean) @ transposed(root)
        scatter = root @ statistics.scatters.sum(axis=-3) @ transposed(root)
        return self._slope(u, statistics.seen.sum(axis=-1), scatter, (statistics.seen, centres))

    def log_density_slope(self, u: Coordinates, n_components: int) -> Coordinates:
        size = self.n_features
        pulls = (np.full(n_components, self.mean_strength), np.zeros((n_components, size)))
        return self._slope(u, np.asarray(self.dof + size + 1.0 + n_components), np.eye(size), pulls)

    def _slope(self, u: Coordinates, power: float | np.ndarray, scatter: np.ndarray, pulls: wishart.Pulls) -> Coordinates:
        bartlett, eps = self._bartlett(u, pulls[0].shape[-1])
        by_log_c, below, by_eps = wishart.kernel_slope(bartlett, eps, self.mean_strength, power, scatter, pulls)
        return np.concatenate([by_log_c, below, by_eps.reshape(*u.shape[:-1], -1)], axis=-1)

    def log_jacobian_slope(self, u: Coordinates, n_components: int) -> Coordinates:
        slope = np.zeros(self.dim(n_components))
        slope[: self.n_features] = wishart.jacobian_slope(self.n_features, n_components)
        return np.broadcast_to(slope, u.shape)

    def _log_jacobian(self, log_pivots: np.ndarray, count: int) -> PerFit:
        """log |d (means, vech Sigma) / d (log c, t, eps)|; d mean / d eps = L0 A^-T / sqrt(mean_strength) for each of K."""
        log_det_scale = self.log_determinant
        with np.errstate(invalid="ignore"):  # infinite pivots, of a collapsed covariance
            of_one_mean = log_det_scale / 2.0 - log_pivots.sum(axis=-1)
            strengths = (np.log(self.mean_strength) + np.zeros(count)).sum(axis=-1)
            of_means = count * of_one_mean - self.n_features / 2.0 * strengths
            return np.asarray(wishart.covariance_log_jacobian(log_pivots, log_det_scale) + of_means)


def _prior(numbers: Mapping[str, Any], n_features: int) -> TiedNormalInverseWishart:
    return TiedNormalInverseWishart(**wishart.hyperparameters(numbers, n_features))


def _maximise(statistics: FullStatistics) -> TiedComponents:
    blank = TiedComponents(np.zeros_like(statistics.means), np.zeros_like(statistics.scatters[..., 0, :, :]))
    return blank.maximise(statistics)


TIED = Structure(
    components=TiedComponents,
    maximise=_maximise,
    prior=_prior,
    default_dof=lambda n_features: n_features + 2.0,
    scale=lambda covariance: covariance,
    spreads=lambda covariance, shape: np.broadcast_to(covariance, (*shape[:-1], *covariance.shape)),
    check=moments.check_definite,
    n_parameters=lambda n_components, n_features: n_components * n_features + n_features * (n_features + 1) // 2,
)
