"""Full covariance, compiled: the E step, the M step for maximum likelihood and for the posterior, and the guard between."""

from __future__ import annotations

import numba
import numpy as np

from workbench.data import Dataset
from workbench.fast import chunks
from workbench.fast.gaussian import algebra
from workbench.fast.gaussian.factors import e_step
from workbench.models import Expectation, Mixture, Prior
from workbench.models.families.gaussian.full import FullComponents, FullStatistics, NormalInverseWishart
from workbench.models.shapes import Flags


def expect(mixture: Mixture, data: Dataset, counts: np.ndarray, rule: int, beta: float, threads: int) -> Expectation:
    """The E step over all rows of a batch of mixtures (restart,)."""
    means, covariances = mixture.components.parameters().values()
    constant, factors = algebra.terms(mixture.weights, covariances)
    found = _moments(data.x, counts, constant, means, factors, means, rule, beta, threads)
    n, centres, scatters, totals, cancelled = found
    if cancelled.any():
        again = np.flatnonzero(cancelled)
        own = counts[again] if counts.shape[0] > 1 else counts
        parts = (constant[again], means[again], factors[again], centres[again])
        n[again], centres[again], scatters[again], totals[again], _ = _moments(data.x, own, *parts, rule, beta, threads)
    return Expectation(FullStatistics(n, centres, scatters), totals[:, 0], totals[:, 1], totals[:, 2])


def _moments(
    x: np.ndarray,
    counts: np.ndarray,
    constant: np.ndarray,
    centres: np.ndarray,
    factors: np.ndarray,
    origins: np.ndarray,
    rule: int,
    beta: float,
    threads: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Counts, means, scatters, the three totals, and where digits were lost."""
    n_fits, n_components, size = centres.shape
    numbers = n_components * (1 + size + size * (size + 1) // 2) + 3
    arguments = ((0,) * size, x, counts, constant, centres, factors, origins, rule, beta)
    partial = chunks.run(e_step, n_fits, x.shape[0], numbers, arguments, threads=threads, work=x.shape[0] * centres.size)
    sums = algebra.merged(partial)
    n, means, scatters = np.empty((n_fits, n_components)), np.empty(centres.shape), np.empty((*centres.shape, size))
    cancelled = np.empty(n_fits, bool)
    algebra.moments(sums, origins, n, means, scatters, cancelled)
    return n, means, scatters, sums[:, numbers - 3 :], cancelled


def m_step(statistics: FullStatistics, prior: Prior | None, current: Mixture) -> Mixture:
    """Weighted moments, or the mode of the updated prior (statistics, section 1)."""
    weights, means, covariances = np.empty(statistics.counts.shape), np.empty(statistics.means.shape), np.empty(statistics.scatters.shape)
    old = current.components.parameters()
    if prior is None:
        _likeliest(statistics.counts, statistics.means, statistics.scatters, *old.values(), means, covariances)
    else:
        rest = prior.components
        assert isinstance(rest, NormalInverseWishart)
        numbers = (rest.mean, float(rest.mean_strength), float(rest.dof), rest.scale)
        _mode(statistics.counts, statistics.means, statistics.scatters, *numbers, means, covariances)
    algebra.weights_of(statistics.counts, np.empty(0) if prior is None else prior.concentration, weights)
    return Mixture(weights, FullComponents(means, covariances))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _likeliest(
    counts: np.ndarray,
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
            n = counts[f, k]
            for i in range(size):
                means[f, k, i] = centres[f, k, i] if n > 0.0 else old_means[f, k, i]
                for j in range(size):
                    covariances[f, k, i, j] = scatters[f, k, i, j] / n if n > 0.0 else old_covariances[f, k, i, j]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _mode(
    counts: np.ndarray,
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
            n = counts[f, k]
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
