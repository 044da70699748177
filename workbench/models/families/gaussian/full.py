"""Full covariance: a mean and a covariance matrix for every component, with the normal-inverse-Wishart prior."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from workbench.data import Dataset
from workbench.models.components import Components, Regularity, counted
from workbench.models.families.gaussian import moments
from workbench.models.families.gaussian.structure import Structure
from workbench.models.families.gaussian.triangular import cholesky, diagonal, inverse, smallest_eigenvalue, transposed
from workbench.models.prior import ComponentsPrior, PriorError, numeric, plain, positive
from workbench.models.shapes import (
    Coordinates,
    Covariances,
    Flags,
    Labels,
    LogJoint,
    Means,
    PerComponent,
    PerFit,
    Responsibilities,
    Rows,
    Weights,
)
from workbench.models.terms import Statistics

LOG_2PI = float(np.log(2.0 * np.pi))


@dataclass(frozen=True, eq=False)
class FullStatistics(Statistics):
    """Counts N_k, means and scatters about them, of (*batch, K) components (Bishop 2006, eqs 10.51-10.53)."""

    counts: PerComponent
    means: Means
    scatters: Covariances

    def merge(self, other: FullStatistics) -> FullStatistics:
        """Both sets of rows together (Chan, Golub and LeVeque 1983)."""
        counts = self.counts + other.counts
        share = np.divide(other.counts, counts, out=np.zeros_like(counts), where=counts > 0)
        gap = other.means - self.means
        between = (self.counts * share)[..., None, None] * gap[..., :, None] * gap[..., None, :]
        return FullStatistics(counts, self.means + share[..., None] * gap, self.scatters + other.scatters + between)


def statistics(x: Rows, responsibilities: Responsibilities) -> FullStatistics:
    """Weighted counts, means and scatters."""
    weights = np.swapaxes(responsibilities, -1, -2)  # (*batch, K, N)
    counts = weights.sum(axis=-1)
    means = np.divide(weights @ x, counts[..., None], out=np.zeros((*counts.shape, x.shape[1])), where=counts[..., None] > 0)
    deviations = x - means[..., None, :]
    return FullStatistics(counts, means, transposed(deviations * weights[..., None]) @ deviations)


@dataclass(frozen=True, eq=False)
class FullTerms:
    """log p(x, z = k) = constant_k - |factors_k (x - centres_k)|^2 / 2; factors are lower triangular."""

    constant: PerComponent
    factors: Covariances
    centres: Means

    @property
    def batch_shape(self) -> tuple[int, ...]:
        return self.constant.shape[:-1]

    def log_joint(self, x: Rows) -> LogJoint:
        deviations = (x - self.centres[..., None, :]) @ transposed(self.factors)
        squares = np.einsum("...nd,...nd->...n", deviations, deviations)
        return np.swapaxes(self.constant[..., None] - squares / 2.0, -1, -2)

    def statistics(self, x: Rows, responsibilities: Responsibilities) -> FullStatistics:
        return statistics(x, responsibilities)


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
        factors = inverse(cholesky(self.covariances))
        with np.errstate(divide="ignore", invalid="ignore"):
            constant = np.log(weights) + np.log(diagonal(factors)).sum(axis=-1) - self.means.shape[-1] * LOG_2PI / 2.0
        return FullTerms(constant, factors, self.means)

    def maximise(self, statistics: FullStatistics) -> FullComponents:
        """Weighted means and covariances (Bishop 2006, eqs 9.17 and 9.19)."""
        empty = ~(statistics.counts > 0)
        covariances = statistics.scatters / counted(statistics)[..., None, None]
        return type(self)(
            np.where(empty[..., None], self.means, statistics.means),
            np.where(empty[..., None, None], self.covariances, covariances),
        )

    def sample(self, rng: np.random.Generator, labels: Labels) -> Rows:
        noise = rng.standard_normal((labels.size, self.means.shape[-1]))
        factors = np.linalg.cholesky(self.covariances)
        return np.asarray(self.means[labels] + np.einsum("nij,nj->ni", factors[labels], noise))

    def regularity(self, weights: Weights, data: Dataset) -> Regularity:
        """By eigenvalue in the data's and in the pooled within coordinates, and by count (statistics, section 3)."""
        n_features = data.n_features
        pooled = (weights[..., None, None] * self.covariances).sum(axis=-3)
        in_data = smallest_eigenvalue(self.covariances, cholesky(moments.covariance(data)))
        in_pooled = smallest_eigenvalue(self.covariances, cholesky(pooled)[..., None, :, :])
        counts = data.counts.sum() * weights
        singular = ((in_data < 1e-6) & (in_pooled < 1e-6)) | (counts < n_features + 1) | moments.singular(moments.covariance(data))
        spurious = (in_data < 1e-3) & (counts < 2 * (n_features + 1))
        singular_fit = singular.any(axis=-1)
        return Regularity(singular_fit, spurious.any(axis=-1) & ~singular_fit)

    def collapsed(self, scale: np.ndarray) -> Flags:
        """A covariance is no longer positive definite in working precision."""
        pivots = diagonal(cholesky(self.covariances)) / scale  # of the factor that the E step itself uses
        return np.asarray(~(pivots > 1e-8).all(axis=(-1, -2)))


@dataclass(frozen=True, eq=False)
class NormalInverseWishart(ComponentsPrior):
    """means | covariances ~ N(mean, covariance / mean_strength), covariances ~ inverse-Wishart(dof, scale).

    Leading axes: none for a prior, (*batch, K) after an update. Bishop 2006, eqs 10.60-10.63; Gelman et al. 2013, section 3.6.

    Attributes
    ----------
    mean : ndarray (..., D)
    mean_strength, dof : ndarray (...)
    scale : ndarray (..., D, D)
    """

    mean: np.ndarray
    mean_strength: np.ndarray
    dof: np.ndarray
    scale: np.ndarray

    @property
    def n_features(self) -> int:
        return int(self.mean.shape[-1])

    def log_density(self, components: FullComponents) -> PerFit:
        size = self.n_features
        factor = cholesky(components.covariances)
        whitener = inverse(factor)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            log_det = 2.0 * np.log(diagonal(factor)).sum(axis=-1)
            shift = np.einsum("...ij,...j->...i", whitener, components.means - self.mean)
            trace = ((whitener @ cholesky(self.scale)) ** 2).sum(axis=(-1, -2))  # of scale Sigma^-1; a product loses twice the digits
            kernel = -(self.dof + size + 2.0) * log_det / 2.0 - (trace + self.mean_strength * (shift**2).sum(axis=-1)) / 2.0
        return np.asarray((kernel - self.log_normaliser()).sum(axis=-1))

    def log_normaliser(self) -> np.ndarray:
        from scipy.special import gammaln

        size = self.n_features
        log_gamma = size * (size - 1) / 4.0 * np.log(np.pi) + sum(gammaln((self.dof - i) / 2.0) for i in range(size))
        log_det = 2.0 * np.log(diagonal(cholesky(self.scale))).sum(axis=-1)
        spread = size / 2.0 * (LOG_2PI - np.log(self.mean_strength))
        return np.asarray(self.dof * size / 2.0 * np.log(2.0) + log_gamma - self.dof * log_det / 2.0 + spread)

    def posterior(self, statistics: FullStatistics) -> NormalInverseWishart:
        """Counts of means and covariances grow apart (statistics, section 1)."""
        counts = statistics.counts
        strength = self.mean_strength + counts
        gap = statistics.means - self.mean
        mean = self.mean + (counts / strength)[..., None] * gap
        between = (self.mean_strength * counts / strength)[..., None, None] * gap[..., :, None] * gap[..., None, :]
        return type(self)(mean, strength, self.dof + counts, self.scale + statistics.scatters + between)

    def mode(self) -> FullComponents:
        return FullComponents(self.mean, self.scale / (self.dof + self.n_features + 2.0)[..., None, None])

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...]) -> FullComponents:
        """By Bartlett's decomposition of the precision: the coordinates' own independent variates."""
        size = self.n_features
        freedom = np.broadcast_to(self.dof[..., None] - np.arange(size), (*shape, size))
        bartlett = np.tril(rng.standard_normal((*shape, size, size)), -1)
        index = np.arange(size)
        bartlett[..., index, index] = np.sqrt(rng.chisquare(freedom))
        return self._from_bartlett(bartlett, rng.standard_normal((*shape, size)))

    def _from_bartlett(self, bartlett: np.ndarray, eps: np.ndarray) -> FullComponents:
        """Sigma = L0 A^-T A^-1 L0', mean = m0 + L0 A^-T eps / sqrt(mean_strength)."""
        root = cholesky(self.scale) @ transposed(inverse(bartlett))
        shift = np.einsum("...ij,...j->...i", root, eps) / np.sqrt(self.mean_strength)[..., None]
        return FullComponents(self.mean + shift, root @ transposed(root))

    def numbers(self) -> dict[str, Any]:
        return {
            "mean": plain(self.mean),
            "mean_strength": float(self.mean_strength),
            "dof": float(self.dof),
            "scale": self.scale.tolist(),
        }

    def dim(self, n_components: int) -> int:
        return n_components * (self.n_features * (self.n_features + 3) // 2)

    def flatten(self, components: FullComponents) -> tuple[Coordinates, PerFit]:
        """log c (K, D), t (K, D(D-1)/2), eps (K, D) of Bartlett's factor A of the precision in units of ``scale``."""
        size = self.n_features
        root = inverse(cholesky(self.scale))
        whitener = inverse(cholesky(root @ components.covariances @ transposed(root)))  # B with B'B the precision
        bartlett = cholesky(transposed(whitener) @ whitener)
        shift = np.einsum("ij,...j->...i", root, components.means - self.mean)
        eps = np.sqrt(self.mean_strength) * np.einsum("...ji,...j->...i", bartlett, shift)
        below = bartlett[(..., *np.tril_indices(size, -1))]
        with np.errstate(divide="ignore", invalid="ignore"):
            log_pivots = np.log(diagonal(bartlett))
        batch = components.batch_shape
        parts = [2.0 * log_pivots, below, eps]
        return np.concatenate([part.reshape(*batch, -1) for part in parts], axis=-1), self._log_jacobian(log_pivots)

    def unflatten(self, u: Coordinates, n_components: int) -> tuple[FullComponents, PerFit]:
        size, batch = self.n_features, u.shape[:-1]
        cuts = np.cumsum([n_components * size, n_components * (size * (size - 1) // 2)])
        log_c, below, eps = np.split(u, cuts, axis=-1)
        log_pivots = log_c.reshape(*batch, n_components, size) / 2.0
        bartlett = np.zeros((*batch, n_components, size, size))
        bartlett[(..., *np.tril_indices(size, -1))] = below.reshape(*batch, n_components, -1)
        index = np.arange(size)
        bartlett[..., index, index] = np.exp(log_pivots)
        return self._from_bartlett(bartlett, eps.reshape(*batch, n_components, size)), self._log_jacobian(log_pivots)

    def _log_jacobian(self, log_pivots: np.ndarray) -> PerFit:
        """log |d (mean, vech Sigma) / d (log c, t, eps)| summed over components; ``log_pivots`` (*batch, K, D) = log A_ii."""
        size, count = self.n_features, log_pivots.shape[-2]
        log_det_scale = 2.0 * np.log(diagonal(cholesky(self.scale))).sum()
        log_det = log_det_scale - 2.0 * log_pivots.sum(axis=-1)
        powers = size - np.arange(size) - 1.0 + 2.0  # of A_ii from (A -> Sigma), and c = A_ii^2 from log c
        with np.errstate(invalid="ignore"):  # infinite pivots, of a collapsed component
            each = (powers * log_pivots).sum(axis=-1) + (size + 1.5) * log_det
        constant = -(size + 1.0) / 2.0 * log_det_scale - size / 2.0 * np.log(self.mean_strength)
        return np.asarray(each.sum(axis=-1) + count * constant)


def _prior(numbers: Mapping[str, Any], n_features: int) -> NormalInverseWishart:
    scale = numeric(numbers["scale"], "scale", (n_features, n_features))
    if np.ndim(numbers["scale"]) == 0:
        scale = scale * np.eye(n_features)  # a number stands for that multiple of the identity
    if not np.allclose(scale, scale.T, rtol=1e-12, atol=0.0) or not (diagonal(cholesky(scale)) > 0).all():
        raise PriorError("is not a symmetric positive definite matrix; give rows of a covariance matrix", "scale")
    return NormalInverseWishart(
        mean=numeric(numbers["mean"], "mean", (n_features,)),
        mean_strength=positive(numbers["mean_strength"], "mean_strength", ()),
        dof=positive(numbers["dof"], "dof", (), above=n_features - 1.0),
        scale=scale,
    )


def _maximise(statistics: FullStatistics) -> FullComponents:
    blank = FullComponents(np.zeros_like(statistics.means), np.zeros_like(statistics.scatters))
    return blank.maximise(statistics)


FULL = Structure(
    components=FullComponents,
    statistics=statistics,
    maximise=_maximise,
    prior=_prior,
    default_dof=lambda n_features: n_features + 2.0,
    scale=lambda covariance: covariance,
    check=moments.check_definite,
    n_parameters=lambda n_components, n_features: n_components * (n_features + n_features * (n_features + 1) // 2),
)
