"""Parts of the normal-inverse-Wishart prior that one covariance each and a shared one have in common."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.models.families.gaussian.conjugate import ConjugatePrior
from workbench.models.families.gaussian.missing import LOG_2PI
from workbench.models.families.gaussian.quadratic import FullStatistics, FullTerms
from workbench.models.families.gaussian.triangular import cholesky, diagonal, inverse, transposed
from workbench.models.hyperparameters import PriorError, numeric, positive
from workbench.models.shapes import Factors, Means, PerComponent

Pulls = tuple[np.ndarray, np.ndarray]
"""Strengths (..., M) and centres (..., M, D) that means are drawn to."""


class InverseWishart:
    """What a prior says of covariance matrices: inverse-Wishart(dof, scale), the ``scale`` (..., D, D) factorised once."""

    dof: np.ndarray
    scale: np.ndarray

    @property
    def n_features(self) -> int:
        return int(self.scale.shape[-1])

    @functools.cached_property
    def factor(self) -> np.ndarray:
        """L with L L' the scale."""
        return cholesky(self.scale)

    @functools.cached_property
    def root(self) -> np.ndarray:
        """Its inverse, so that the root's square is the scale's inverse."""
        return inverse(self.factor)

    @property
    def log_determinant(self) -> np.ndarray:
        """Of the scale (...)."""
        return np.asarray(2.0 * np.log(diagonal(self.factor)).sum(axis=-1))

    def expected_log_determinant(self) -> np.ndarray:
        """E log|Sigma^-1|, (...) (Bishop 2006, eq. B.81)."""
        from scipy.special import digamma

        freedom = sum(digamma((self.dof - i) / 2.0) for i in range(self.n_features))
        return np.asarray(freedom + self.n_features * np.log(2.0) - self.log_determinant)

    def wishart_log_normaliser(self) -> np.ndarray:
        """Log of the integral of |Sigma|^(-(dof + D + 1)/2) exp(-tr(scale Sigma^-1)/2) over Sigma, (...) (Bishop 2006, eq. B.79)."""
        from scipy.special import gammaln

        size, dof = self.n_features, self.dof
        log_gamma = size * (size - 1) / 4.0 * np.log(np.pi) + sum(gammaln((dof - i) / 2.0) for i in range(size))
        return np.asarray(dof * size / 2.0 * np.log(2.0) + log_gamma - dof * self.log_determinant / 2.0)

    def wishart_divergence(self, prior: InverseWishart) -> np.ndarray:
        """KL of the covariances' distribution from another, as of any two of an exponential family, (...).

        (dof - dof0)/2 E log|P| - tr((scale - scale0) E P)/2 - log Z + log Z0, with E P = dof scale^-1.
        """
        trace = ((self.root @ prior.factor) ** 2).sum(axis=(-1, -2))  # of scale0 scale^-1
        kernel = (self.dof - prior.dof) * self.expected_log_determinant() - self.dof * (self.n_features - trace)
        return np.asarray(kernel / 2.0 - self.wishart_log_normaliser() + prior.wishart_log_normaliser())


@dataclass(frozen=True, eq=False)
class MatrixPrior(InverseWishart, ConjugatePrior):
    """A conjugate prior of means and covariance matrices."""


def expected_terms(log_weights: PerComponent, mean: Means, spreads: np.ndarray, roots: Factors, log_determinants: np.ndarray) -> FullTerms:
    """E log p(x, z = k) of means (*batch, K, D), by roots of the expected precisions and E log|P| (*batch, K or 1).

    E (x - mean)' P (x - mean) = (x - m)' E P (x - m) + ``spreads`` (*batch, K), which are E (mean - m)' P (mean - m): of the
    conjugate prior D / mean_strength (Bishop 2006, eqs 10.64-10.65).
    """
    size = mean.shape[-1]
    constant = log_weights + (log_determinants - size * LOG_2PI - spreads) / 2.0
    return FullTerms(log_weights, constant, roots, mean)


def squares(gaps: Means, roots: Factors) -> PerComponent:
    """gap' P gap (*batch, K), by roots of the precisions."""
    return np.asarray(((roots @ gaps[..., None])[..., 0] ** 2).sum(axis=-1))


def updated_means(mean: np.ndarray, strength: np.ndarray, statistics: FullStatistics) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and strength after an update, and the scatter (*batch, K, D, D) between prior and data means (Bishop 2006, eqs 10.60-10.62)."""
    total = strength + statistics.seen
    gap = statistics.means - mean
    between = (strength * statistics.seen / total)[..., None, None] * gap[..., :, None] * gap[..., None, :]
    return mean + (statistics.seen / total)[..., None] * gap, total, between


def drawn_triangle(rng: np.random.Generator, dof: np.ndarray, size: int, shape: tuple[int, ...]) -> np.ndarray:
    """Bartlett's lower triangular A (*shape, D, D): A_ii^2 ~ chi-square(dof - i), normal below."""
    freedom = np.broadcast_to(dof[..., None] - np.arange(size), (*shape, size))
    bartlett = np.tril(rng.standard_normal((*shape, size, size)), -1)
    index = np.arange(size)
    bartlett[..., index, index] = np.sqrt(rng.chisquare(freedom))
    return bartlett


def triangle_of(covariances: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """A with Sigma = L0 A^-T A^-1 L0', L0 the factor of ``scale``."""
    root = inverse(cholesky(scale))
    whitener = inverse(cholesky(root @ covariances @ transposed(root)))  # B with B'B the precision
    return cholesky(transposed(whitener) @ whitener)


def entries(bartlett: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logs of the pivots (..., D), and what stands below them (..., D(D-1)/2), row by row."""
    with np.errstate(divide="ignore", invalid="ignore"):
        log_pivots = np.log(diagonal(bartlett))
    return log_pivots, bartlett[(..., *np.tril_indices(bartlett.shape[-1], -1))]


def triangle(log_pivots: np.ndarray, below: np.ndarray) -> np.ndarray:
    """The triangle (..., D, D) of such entries."""
    size = log_pivots.shape[-1]
    bartlett = np.zeros((*log_pivots.shape, size))
    bartlett[(..., *np.tril_indices(size, -1))] = below
    index = np.arange(size)
    bartlett[..., index, index] = np.exp(log_pivots)
    return bartlett


def covariance_log_jacobian(log_pivots: np.ndarray, log_det_scale: np.ndarray) -> np.ndarray:
    """log |d vech Sigma / d (log c, t)|, (...): log|Sigma| = log|scale| - 2 sum log A_ii."""
    size = log_pivots.shape[-1]
    powers = size - np.arange(size) - 1.0 + 2.0  # of A_ii from (A -> Sigma), and c = A_ii^2 from log c
    with np.errstate(invalid="ignore"):  # infinite pivots, of a collapsed component
        log_det = log_det_scale - 2.0 * log_pivots.sum(axis=-1)
        return np.asarray((powers * log_pivots).sum(axis=-1) + (size + 1.0) * (log_det - log_det_scale / 2.0))


def kernel_slope(
    bartlett: np.ndarray, eps: np.ndarray, mean_strength: np.ndarray, power: float | np.ndarray, scatter: np.ndarray, pulls: Pulls
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradient by log c (..., D), t (..., D(D-1)/2) and eps (..., M, D) of

        power/2 log|P| - tr(scatter P)/2 - sum_m strength_m |mean_m - centre_m|_P^2 / 2,

    P = A A' the precision where ``scale`` is the identity, mean_m = A^-T eps_m / sqrt(mean_strength): then the last square is
    |eps_m / sqrt(mean_strength) - A' centre_m|^2. ``scatter`` and centres are in those coordinates.
    """
    strengths, centres = pulls
    root = np.sqrt(mean_strength)[..., None]
    pulled = strengths[..., None] * (eps / root - centres @ bartlett)
    by_factor = transposed(centres) @ pulled - scatter @ bartlett
    by_log_c = (np.asarray(power)[..., None] + diagonal(by_factor) * diagonal(bartlett)) / 2.0
    return by_log_c, by_factor[(..., *np.tril_indices(bartlett.shape[-1], -1))], -pulled / root


def factor_slope(bartlett: np.ndarray, power: np.ndarray, scatter: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradient by log c (..., D) and t (..., D(D-1)/2) of power/2 log|P| - tr(scatter P)/2, P = A A', in such coordinates."""
    by_factor = -scatter @ bartlett
    by_log_c = (power[..., None] + diagonal(by_factor) * diagonal(bartlett)) / 2.0
    return by_log_c, by_factor[(..., *np.tril_indices(bartlett.shape[-1], -1))]


def jacobian_slope(size: int, n_means: int) -> np.ndarray:
    """Gradient (D,) by log c of log |d (means, vech Sigma) / d (log c, t, eps)| with ``n_means`` means; by t and eps it is 0."""
    powers = size - np.arange(size) - 1.0 + 2.0
    return (powers - 2.0 * (size + 1.0) - n_means) / 2.0


def definite(value: Any, key: str, n_features: int) -> np.ndarray:
    """A covariance matrix (D, D) of rows, or of a number, which stands for that multiple of the identity.

    Raises
    ------
    PriorError
        With ``key``, if it is not symmetric or not positive definite.
    """
    matrix = numeric(value, key, (n_features, n_features))
    if np.ndim(value) == 0:
        matrix = matrix * np.eye(n_features)
    uneven = np.argwhere(~np.isclose(matrix, matrix.T, rtol=1e-12, atol=0.0))
    if uneven.size:
        i, j = uneven[0]
        what = f"is not symmetric: row {i}, column {j} (counted from 0) is {matrix[i, j]:g}, and row {j}, column {i} is {matrix[j, i]:g}"
        raise PriorError(f"{what}; give rows of a covariance matrix", key)
    if not (diagonal(cholesky(matrix)) > 0).all():
        lowest = np.linalg.eigvalsh(matrix)[0]
        raise PriorError(f"is not positive definite: its smallest eigenvalue is {lowest:g}; give rows of a covariance matrix", key)
    return matrix


def hyperparameters(numbers: Mapping[str, Any], n_features: int) -> dict[str, np.ndarray]:
    """``mean, mean_strength, dof, scale`` as arrays.

    Raises
    ------
    PriorError
        With the key of one that is impossible.
    """
    scale = definite(numbers["scale"], "scale", n_features)
    return {
        "mean": numeric(numbers["mean"], "mean", (n_features,)),
        "mean_strength": positive(numbers["mean_strength"], "mean_strength", ()),
        "dof": positive(numbers["dof"], "dof", (), above=n_features - 1.0),
        "scale": scale,
    }
