"""Small matrices, compiled, in the order of operations of the models' own: terms before an E step, moments after it."""

from __future__ import annotations

import math

import numpy as np

from workbench.fast.arrays import owned
from workbench.fast.compiled import compiled
from workbench.models import Prior
from workbench.models.families.gaussian.independent import DiagonalStatistics
from workbench.models.families.gaussian.quadratic import FullStatistics

LOG_2PI = math.log(2.0 * math.pi)
NOTHING = np.empty(0)
CANCELLED = 0.05
"""Where less than this is left of a sum of squares once the centre has moved, the sums are taken again about the new centre."""


@compiled
def cholesky(matrix: np.ndarray, factor: np.ndarray) -> None:
    """Lower factor (D, D); nan or a zero pivot where the matrix is not positive definite."""
    for j in range(matrix.shape[0]):
        square = 0.0
        for m in range(j):
            square += factor[j, m] * factor[j, m]
        factor[j, j] = np.sqrt(matrix[j, j] - square)
        for i in range(j + 1, matrix.shape[0]):
            inner = 0.0
            for m in range(j):
                inner += factor[i, m] * factor[j, m]
            factor[i, j] = (matrix[i, j] - inner) / factor[j, j]


@compiled
def inverse(factor: np.ndarray, result: np.ndarray) -> None:
    """Inverse of a lower triangle, by forward substitution; nan where a pivot is zero or nan."""
    for j in range(factor.shape[0]):
        result[j, j] = 1.0 / factor[j, j] if factor[j, j] > 0.0 else np.nan
        for c in range(j):
            inner = 0.0
            for m in range(j):
                inner += factor[j, m] * result[m, c]
            result[j, c] = -inner * result[j, j]


@compiled
def logs_of(weights: np.ndarray) -> np.ndarray:
    """log weights (F, K)."""
    logs = np.empty(weights.shape)
    for f in range(weights.shape[0]):
        for k in range(weights.shape[1]):
            logs[f, k] = np.log(weights[f, k])
    return logs


@compiled
def terms(weights: np.ndarray, covariances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """constant (F, K) and factors (F, M, D, D) of log p(x, z = k) = constant_k - |factors_k (x - mean_k)|^2 / 2.

    M is K, or 1 where the components share a covariance.
    """
    n_fits, matrices, size, _ = covariances.shape
    constant, factors = np.empty(weights.shape), np.zeros(covariances.shape)
    lower, log_pivots = np.zeros((size, size)), np.empty(matrices)
    for f in range(n_fits):
        for m in range(matrices):
            cholesky(covariances[f, m], lower)
            inverse(lower, factors[f, m])
            log_pivots[m] = 0.0
            for i in range(size):
                log_pivots[m] += np.log(factors[f, m, i, i])
        for k in range(weights.shape[1]):
            constant[f, k] = np.log(weights[f, k]) + log_pivots[min(k, matrices - 1)] - size * LOG_2PI / 2.0
    return constant, factors


@compiled
def pivots_positive(covariances: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Whether all pivots of the covariances' factors (F, M, D, D) exceed 1e-8 in units of ``scale`` (D,), for each fit."""
    n_fits, matrices, size, _ = covariances.shape
    lower, result = np.zeros((size, size)), np.ones(n_fits, np.bool_)
    for f in range(n_fits):
        for m in range(matrices):
            cholesky(covariances[f, m], lower)
            for i in range(size):
                if not lower[i, i] / scale[i] > 1e-8:
                    result[f] = False
    return result


@compiled
def merged(partial: np.ndarray) -> np.ndarray:
    """Sum over chunks, in their order: (F, chunk, numbers) -> (F, numbers)."""
    total: np.ndarray = partial[:, 0].copy()
    for f in range(partial.shape[0]):
        for chunk in range(1, partial.shape[1]):
            for i in range(partial.shape[2]):
                total[f, i] += partial[f, chunk, i]
    return total


def plain(statistics: FullStatistics | DiagonalStatistics) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """seen, means and scatters as compiled code takes them: owned and in C order, which the book's need not be."""
    return owned(statistics.seen), owned(statistics.means), owned(statistics.scatters)


def weights_of(counts: np.ndarray, prior: Prior | None) -> np.ndarray:
    """N_k / N of counts (F, K), or the mode of the updated Dirichlet."""
    weights = np.empty(counts.shape)
    _weights(counts, NOTHING if prior is None else prior.concentration, weights)
    return weights


@compiled
def _weights(counts: np.ndarray, concentration: np.ndarray, weights: np.ndarray) -> None:
    """N_k / N of counts (F, K); with a concentration (K,) > 0 the mode (N_k + alpha_k - 1) / (N + sum alpha - K)."""
    n_components = counts.shape[1]
    for f in range(counts.shape[0]):
        total = 0.0
        for k in range(n_components):
            weights[f, k] = counts[f, k]
            if concentration.size:
                weights[f, k] = max(concentration[k] + counts[f, k] - 1.0, 0.0)
            total += weights[f, k]
        for k in range(n_components):
            weights[f, k] = weights[f, k] / total if total > 0.0 or concentration.size == 0 else 1.0 / n_components
