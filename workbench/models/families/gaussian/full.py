"""Full covariance: a mean and a covariance matrix for every component, with the normal-inverse-Wishart prior."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from workbench.data import Dataset
from workbench.models.components import Components, Outside, Regularity
from workbench.models.families.gaussian import moments, quadratic, wishart
from workbench.models.families.gaussian.missing import LOG_2PI
from workbench.models.families.gaussian.quadratic import FullStatistics, FullTerms, collapsed, indefinite, precision_factors, statistics
from workbench.models.families.gaussian.structure import Structure
from workbench.models.families.gaussian.triangular import cholesky, diagonal, inverse, smallest_eigenvalue, transposed
from workbench.models.shapes import Cells, Coordinates, Covariances, Factors, Flags, Labels, Means, PerComponent, PerFit, Rows, Weights


@dataclass(frozen=True, eq=False)
class FullComponents(Components):
    """Normal components with a covariance matrix each.

    Attributes
    ----------
    means : ndarray (*batch, K, D), in the data's units
    covariances : ndarray (*batch, K, D, D), in the data's units squared
    """

    dims: ClassVar[dict[str, tuple[str, ...]]] = {
        "means": ("component", "feature"),
        "covariances": ("component", "feature", "feature_2"),
    }

    means: Means
    covariances: Covariances

    def terms(self, weights: Weights) -> FullTerms:
        return quadratic.terms(weights, self.means, precision_factors(self.covariances))

    def maximise(self, statistics: FullStatistics) -> FullComponents:
        """Weighted means and covariances (Bishop 2006, eqs 9.17 and 9.19); a component of which nothing was seen stays as it is."""
        unseen = ~(statistics.seen > 0)
        covariances = statistics.scatters / np.where(unseen, 1.0, statistics.seen)[..., None, None]
        return type(self)(
            np.where(unseen[..., None], self.means, statistics.means),
            np.where(unseen[..., None, None], self.covariances, covariances),
        )

    def sample(self, rng: np.random.Generator, labels: Labels) -> Rows:
        noise = rng.standard_normal((labels.size, self.means.shape[-1]))
        factors = np.linalg.cholesky(self.covariances)
        return np.asarray(self.means[labels] + np.einsum("nij,nj->ni", factors[labels], noise))

    def conditional(self, x: Rows) -> tuple[Cells, Cells]:
        return self.terms(np.ones(self.means.shape[:-1])).conditional(x)

    def outside(self) -> Iterator[Outside]:
        yield from indefinite(self.covariances)

    def regularity(self, weights: Weights, data: Dataset) -> Regularity:
        """By eigenvalue in the data's and in the pooled within coordinates, and by count (statistics, section 3)."""
        n_features = data.n_features
        pooled = (weights[..., None, None] * self.covariances).sum(axis=-3)
        in_data = smallest_eigenvalue(self.covariances, cholesky(moments.covariance(data)))
        in_pooled = smallest_eigenvalue(self.covariances, cholesky(pooled)[..., None, :, :])
        counts = data.n_observed_rows * weights
        singular = ((in_data < 1e-6) & (in_pooled < 1e-6)) | (counts < n_features + 1) | moments.singular(moments.covariance(data))
        spurious = (in_data < 1e-3) & (counts < 2 * (n_features + 1))
        singular_fit = singular.any(axis=-1)
        return Regularity(singular_fit, spurious.any(axis=-1) & ~singular_fit)

    def collapsed(self, scale: np.ndarray) -> Flags:
        """A covariance is no longer positive definite in working precision."""
        return collapsed(self.covariances, scale).any(axis=-1)


@dataclass(frozen=True, eq=False)
class NormalInverseWishart(wishart.MatrixPrior):
    """means | covariances ~ N(mean, covariance / mean_strength), covariances ~ inverse-Wishart(dof, scale).

    Leading axes: none for a prior, (*batch, K) after an update. Bishop 2006, eqs 10.60-10.63; Gelman et al. 2013, section 3.6.

    Attributes
    ----------
    mean : ndarray (..., D)
    mean_strength, dof : ndarray (...)
    scale : ndarray (..., D, D)
    """

    def log_densities(self, components: FullComponents) -> PerComponent:
        size = self.n_features
        factor = cholesky(components.covariances)
        whitener = inverse(factor)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            log_det = 2.0 * np.log(diagonal(factor)).sum(axis=-1)
            shift = np.einsum("...ij,...j->...i", whitener, components.means - self.mean)
            trace = ((whitener @ self.factor) ** 2).sum(axis=(-1, -2))  # of scale Sigma^-1; a product loses twice the digits
            kernel = -(self.dof + size + 2.0) * log_det / 2.0 - (trace + self.mean_strength * (shift**2).sum(axis=-1)) / 2.0
        return np.asarray(kernel - self.log_normaliser())

    def log_normaliser(self) -> np.ndarray:
        spread = self.n_features / 2.0 * (LOG_2PI - np.log(self.mean_strength))
        return np.asarray(self.wishart_log_normaliser() + spread)

    def posterior(self, statistics: FullStatistics) -> NormalInverseWishart:
        """Counts of means and covariances grow apart (statistics, section 1)."""
        mean, strength, between = wishart.updated_means(self.mean, self.mean_strength, statistics)
        return type(self)(mean, strength, self.dof + statistics.seen, self.scale + statistics.scatters + between)

    def mode(self) -> FullComponents:
        return FullComponents(self.mean, self.scale / (self.dof + self.n_features + 2.0)[..., None, None])

    def centre(self) -> FullComponents:
        return FullComponents(self.mean, self.scale / self.dof[..., None, None])

    def expected_terms(self, log_weights: PerComponent) -> FullTerms:
        spreads = self.n_features / self.mean_strength
        return wishart.expected_terms(log_weights, self.mean, spreads, self._expected_roots(), self.expected_log_determinant())

    def _expected_roots(self) -> Factors:
        """Of E P = dof scale^-1."""
        return np.asarray(np.sqrt(self.dof)[..., None, None] * self.root)

    def divergence(self, prior: NormalInverseWishart) -> PerFit:
        squares = wishart.squares(self.mean - prior.mean, self._expected_roots())
        means = self._mean_divergence(prior, squares, self.n_features)
        return np.asarray((means + self.wishart_divergence(prior)).sum(axis=-1))

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...]) -> FullComponents:
        """By Bartlett's decomposition of the precision: the coordinates' own independent variates."""
        bartlett = wishart.drawn_triangle(rng, self.dof, self.n_features, shape)
        return self._from_bartlett(bartlett, rng.standard_normal((*shape, self.n_features)))

    def _from_bartlett(self, bartlett: np.ndarray, eps: np.ndarray) -> FullComponents:
        """Sigma = L0 A^-T A^-1 L0', mean = m0 + L0 A^-T eps / sqrt(mean_strength)."""
        root = self.factor @ transposed(inverse(bartlett))
        shift = np.einsum("...ij,...j->...i", root, eps) / np.sqrt(self.mean_strength)[..., None]
        return FullComponents(self.mean + shift, root @ transposed(root))

    def dim(self, n_components: int) -> int:
        return n_components * (self.n_features * (self.n_features + 3) // 2)

    def flatten(self, components: FullComponents) -> tuple[Coordinates, PerFit]:
        """log c (K, D), t (K, D(D-1)/2), eps (K, D) of Bartlett's factor A of the precision in units of ``scale``."""
        bartlett = wishart.triangle_of(components.covariances, self.scale)
        shift = np.einsum("...ij,...j->...i", self.root, components.means - self.mean)
        eps = np.sqrt(self.mean_strength)[..., None] * np.einsum("...ji,...j->...i", bartlett, shift)
        log_pivots, below = wishart.entries(bartlett)
        batch = components.batch_shape
        parts = [2.0 * log_pivots, below, eps]
        return np.concatenate([part.reshape(*batch, -1) for part in parts], axis=-1), self._log_jacobian(log_pivots)

    def unflatten(self, u: Coordinates, n_components: int) -> tuple[FullComponents, PerFit]:
        bartlett, eps = self._bartlett(u, n_components)
        log_pivots = u[..., : n_components * self.n_features].reshape(*eps.shape) / 2.0
        return self._from_bartlett(bartlett, eps), self._log_jacobian(log_pivots)

    def _bartlett(self, u: Coordinates, n_components: int) -> tuple[np.ndarray, np.ndarray]:
        """Bartlett's factors A (*batch, K, D, D) and eps (*batch, K, D)."""
        size, batch = self.n_features, u.shape[:-1]
        cuts = np.cumsum([n_components * size, n_components * (size * (size - 1) // 2)])
        log_c, below, eps = (part.reshape(*batch, n_components, -1) for part in np.split(u, cuts, axis=-1))
        return wishart.triangle(log_c / 2.0, below), eps

    def slope(self, u: Coordinates, statistics: FullStatistics) -> Coordinates:
        root = self.root
        centres = np.einsum("...ij,...j->...i", root, statistics.means - self.mean)
        scatters = root @ statistics.scatters @ transposed(root)
        return self._slope(u, statistics.seen, scatters, statistics.seen, centres)

    def log_density_slope(self, u: Coordinates, n_components: int) -> Coordinates:
        size = self.n_features
        each = np.ones(n_components)
        return self._slope(u, (self.dof + size + 2.0) * each, np.eye(size), self.mean_strength * each, np.zeros((n_components, size)))

    def _slope(self, u: Coordinates, powers: np.ndarray, scatters: np.ndarray, strengths: np.ndarray, centres: np.ndarray) -> Coordinates:
        bartlett, eps = self._bartlett(u, powers.shape[-1])
        pulls = (strengths[..., None], centres[..., None, :])  # each component has its own covariance and one mean
        parts = wishart.kernel_slope(bartlett, eps[..., None, :], self.mean_strength[..., None], powers, scatters, pulls)
        return np.concatenate([part.reshape(*u.shape[:-1], -1) for part in parts], axis=-1)

    def log_jacobian_slope(self, u: Coordinates, n_components: int) -> Coordinates:
        own = wishart.jacobian_slope(self.n_features, 1)
        slope = np.zeros(self.dim(n_components))
        slope[: n_components * own.size] = np.tile(own, n_components)
        return np.broadcast_to(slope, u.shape)

    def _log_jacobian(self, log_pivots: np.ndarray) -> PerFit:
        """log |d (mean, vech Sigma) / d (log c, t, eps)| summed over components; ``log_pivots`` (*batch, K, D) = log A_ii."""
        log_det_scale = self.log_determinant
        with np.errstate(invalid="ignore"):  # infinite pivots, of a collapsed component
            each = wishart.covariance_log_jacobian(log_pivots, log_det_scale) + log_det_scale / 2.0 - log_pivots.sum(axis=-1)
        return np.asarray((each - self.n_features / 2.0 * np.log(self.mean_strength)).sum(axis=-1))


def _prior(numbers: Mapping[str, Any], n_features: int) -> NormalInverseWishart:
    return NormalInverseWishart(**wishart.hyperparameters(numbers, n_features))


def _maximise(statistics: FullStatistics) -> FullComponents:
    blank = FullComponents(np.zeros_like(statistics.means), np.zeros_like(statistics.scatters))
    return blank.maximise(statistics)


FULL = Structure(
    components=FullComponents,
    maximise=_maximise,
    prior=_prior,
    default_dof=lambda n_features: n_features + 2.0,
    scale=lambda covariance: covariance,
    spreads=lambda covariance, shape: np.broadcast_to(covariance, (*shape, *covariance.shape)),
    check=moments.check_definite,
    n_parameters=lambda n_components, n_features: n_components * (n_features + n_features * (n_features + 1) // 2),
)

__all__ = ["FULL", "LOG_2PI", "FullComponents", "FullStatistics", "FullTerms", "NormalInverseWishart", "statistics"]
