"""Full covariance, compiled: the E step, the M step for maximum likelihood and for the posterior, and the guard between."""

from __future__ import annotations

import numba
import numpy as np

from workbench.data import Dataset
from workbench.fast.gaussian import algebra, matrices
from workbench.models import Expectation, Mixture, Prior
from workbench.models.families.gaussian.full import FullComponents, FullStatistics, NormalInverseWishart
from workbench.models.shapes import Flags


def expect(mixture: Mixture, data: Dataset, counts: np.ndarray, rule: int, beta: float, threads: int) -> Expectation:
    """The E step over all rows of a batch of mixtures (restart,)."""
    means, covariances = mixture.components.parameters().values()
    return matrices.expect(mixture.weights, means, covariances, data, counts, rule, beta, threads)


def m_step(statistics: FullStatistics, prior: Prior | None, current: Mixture) -> Mixture:
    """Weighted moments, or the mode of the updated prior (statistics, section 1)."""
    weights, means, covariances = np.empty(statistics.counts.shape), np.empty(statistics.means.shape), np.empty(statistics.scatters.shape)
    old = current.components.parameters()
    if prior is None:
        _likeliest(statistics.seen, statistics.means, statistics.scatters, *old.values(), means, covariances)
    else:
        rest = prior.components
        assert isinstance(rest, NormalInverseWishart)
        numbers = (rest.mean, float(rest.mean_strength), float(rest.dof), rest.scale)
        _mode(statistics.seen, statistics.means, statistics.scatters, *numbers, means, covariances)
    algebra.weights_of(statistics.counts, np.empty(0) if prior is None else prior.concentration, weights)
    return Mixture(weights, FullComponents(means, covariances))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _likeliest(
    seen: np.ndarray,
    centres: np.ndarray,
    scatters: np.ndarray,
    old_means: np.ndarray,
    old_covariances: np.ndarray,
    means: np.ndarray,
    covariances: np.ndarray,
) -> None:
    """Bishop 2006, eqs 9.17 and 9.19; a component without rows stays as it is."""
    n_fits, n_components, size = centres.shape
    for f in range(n_fits):
        for k in range(n_components):
            n = seen[f, k]
            for i in range(size):
                means[f, k, i] = centres[f, k, i] if n > 0.0 else old_means[f, k, i]
                for j in range(size):
                    covariances[f, k, i, j] = scatters[f, k, i, j] / n if n > 0.0 else old_covariances[f, k, i, j]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _mode(
    seen: np.ndarray,
    centres: np.ndarray,
    scatters: np.ndarray,
    mean: np.ndarray,
    strength: float,
    dof: float,
    scale: np.ndarray,
    means: np.ndarray,
    covariances: np.ndarray,
) -> None:
    """(Psi + S + n kappa / (n + kappa) gap gap') / (n + nu + D + 2) and (n xbar + kappa m0) / (n + kappa)."""
    n_fits, n_components, size = centres.shape
    for f in range(n_fits):
        for k in range(n_components):
            n = seen[f, k]
            share, between, divisor = n / (strength + n), strength * n / (strength + n), dof + n + size + 2.0
            for i in range(size):
                gap = centres[f, k, i] - mean[i]
                means[f, k, i] = mean[i] + share * gap
                for j in range(size):
                    square = between * gap * (centres[f, k, j] - mean[j])
                    covariances[f, k, i, j] = (scale[i, j] + scatters[f, k, i, j] + square) / divisor


def collapsed(mixture: Mixture, scale: np.ndarray) -> Flags:
    """A covariance is no longer positive definite in working precision."""
    covariances = mixture.components.parameters()["covariances"]
    positive = np.empty(covariances.shape[0], bool)
    algebra.pivots_positive(covariances, scale, positive)
    return ~positive
