"""What diagonal and spherical covariances have in common, compiled: the E step, and moments about the means."""

from __future__ import annotations

import numpy as np

from workbench.data import Dataset
from workbench.fast import chunks
from workbench.fast.arrays import owned, read_only
from workbench.fast.assign import Assignment
from workbench.fast.compiled import compiled
from workbench.fast.gaussian import axes
from workbench.fast.gaussian.algebra import CANCELLED, LOG_2PI, merged
from workbench.fast.gaussian.factors import rounded_up
from workbench.models import Components, Expectation, Terms
from workbench.models.families.gaussian.diagonal import DiagonalComponents
from workbench.models.families.gaussian.independent import DiagonalStatistics, DiagonalTerms
from workbench.models.families.gaussian.spherical import SphericalComponents


def expect(
    weights: np.ndarray, means: np.ndarray, variances: np.ndarray, data: Dataset, counts: np.ndarray, how: Assignment, threads: int
) -> Expectation:
    """The E step over all rows of a batch of mixtures (restart,); variances (F, K, D), or (F, K, 1) for all features."""
    return _expected((*terms(weights, means, variances, data.complete), means), data, counts, how, threads)


def expect_terms(known: DiagonalTerms, data: Dataset, counts: np.ndarray, how: Assignment, threads: int) -> Expectation:
    """The E step over all rows of a batch of terms (restart,)."""
    return _expected((*given_terms(known, data.complete), owned(known.centres)), data, counts, how, threads)


def given_terms(known: DiagonalTerms, complete: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As :func:`terms`, of terms."""
    cells = np.ascontiguousarray(known.log_factors - LOG_2PI / 2.0)
    constant = known.log_weights + cells.sum(axis=-1) if complete else known.log_weights
    return owned(constant), cells, owned(known.factors)


def under(block: Components | Terms) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The cells' constants, the means, and roots of the precisions, all (F, K, D), of components or terms."""
    if isinstance(block, DiagonalTerms):
        _, cells, factors = given_terms(block, False)
        return cells, owned(block.centres), factors
    assert isinstance(block, DiagonalComponents | SphericalComponents)
    variances = block.variances
    _, cells, factors = terms(
        np.ones(block.means.shape[:2]), block.means, variances[..., None] if variances.ndim == 2 else variances, False
    )
    return cells, block.means, factors


def _expected(
    arguments: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    data: Dataset,
    counts: np.ndarray,
    how: Assignment,
    threads: int,
) -> Expectation:
    """By constant, the cells' constants, factors and means."""
    constant, cells, factors, means = arguments
    size = means.shape[2]
    shape = ((0,) * (0 if data.complete else 1), (0,) * (size if size < 8 else 0))

    length = rounded_up(means.shape[1] * (1 + 3 * size)) + 8

    def sums(which: slice | np.ndarray, origins: np.ndarray) -> np.ndarray:
        own = read_only(counts[which] if counts.shape[0] > 1 else counts)
        arguments = (*shape, data.x, own, constant[which], cells[which], means[which], factors[which], origins, how.of(which))
        work = data.n_rows * origins.size
        return chunks.run(axes.e_step, origins.shape[0], data.n_rows, length, arguments, threads=threads, work=work)

    n, centres, scatters, seen, totals, again = moments(sums(slice(None), means), means, data.complete)
    if again.size:
        found = moments(sums(again, centres[again]), centres[again], data.complete)
        n[again], centres[again], scatters[again], seen[again], totals[again], _ = found
    return Expectation(DiagonalStatistics(n, centres, scatters, seen), totals[:, 0], totals[:, 1], totals[:, 2])


@compiled
def terms(weights: np.ndarray, means: np.ndarray, variances: np.ndarray, complete: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """constant (F, K), the cells' constants and factors (F, K, D); a variance of 0 or less has no density: nan."""
    constant, cells, factors = np.empty(weights.shape), np.empty(means.shape), np.empty(means.shape)
    n_fits, n_components, size = means.shape
    for f in range(n_fits):
        for k in range(n_components):
            constant[f, k] = np.log(weights[f, k])
            total = 0.0
            for d in range(size):
                variance = variances[f, k, min(d, variances.shape[2] - 1)]
                factors[f, k, d] = 1.0 / np.sqrt(variance) if variance > 0.0 else np.nan
                logarithm = np.log(factors[f, k, d])
                cells[f, k, d] = logarithm - LOG_2PI / 2.0
                total += logarithm
            if complete:
                constant[f, k] = constant[f, k] + total - size * LOG_2PI / 2.0
    return constant, cells, factors


@compiled
def moments(
    partial: np.ndarray, origins: np.ndarray, complete: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Counts (F, K), means, scatters and seen (F, K, D), totals (F, 3), and the numbers of the fits where digits are lost."""
    sums = merged(partial)
    n_fits, n_components, size = origins.shape
    counts, seen = np.empty((n_fits, n_components)), np.empty(origins.shape)
    means, scatters, cancelled = np.empty(origins.shape), np.empty(origins.shape), np.zeros(n_fits, np.bool_)
    for f in range(n_fits):
        for k in range(n_components):
            at = k * (1 + 3 * size)
            counts[f, k] = sums[f, at]
            for d in range(size):
                place = at + 1 + 3 * d
                n = sums[f, at] if complete else sums[f, place]
                shift = sums[f, place + 1] / n if n != 0.0 else 0.0
                seen[f, k, d] = n
                means[f, k, d] = origins[f, k, d] + shift if n != 0.0 else 0.0
                scatters[f, k, d] = sums[f, place + 2] - sums[f, place + 1] * shift
                if scatters[f, k, d] < CANCELLED * sums[f, place + 2]:
                    cancelled[f] = True
    totals = sums[:, sums.shape[1] - 8 : sums.shape[1] - 5].copy()
    return counts, means, scatters, seen, totals, np.flatnonzero(cancelled)


@compiled
def maximum(
    seen: np.ndarray,
    centres: np.ndarray,
    scatters: np.ndarray,
    mean: np.ndarray,
    strength: float,
    scale: np.ndarray,
    extra: float,
    old_means: np.ndarray,
    old_variances: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Means and variances (F, K, D), or (F, K, 1) where ``old_variances`` is: the scatter between prior and data included.

    A variance is (scale + S + n kappa / (n + kappa) gap^2) / (extra + n), summed over the features it stands for. Maximum
    likelihood is ``strength``, ``scale`` and ``extra`` 0, and what was not seen stays as it is.
    """
    means, variances = np.empty(centres.shape), np.empty(old_variances.shape)
    n_fits, n_components, size = centres.shape
    span = size // variances.shape[2]
    for f in range(n_fits):
        for k in range(n_components):
            for first in range(0, size, span):
                total, square = 0.0, 0.0
                for d in range(first, first + span):
                    n, gap = seen[f, k, d], centres[f, k, d] - mean[d]
                    means[f, k, d] = mean[d] + n / (strength + n) * gap if strength + n > 0.0 else old_means[f, k, d]
                    square += scatters[f, k, d]
                    if strength > 0.0:
                        square += strength * n / (strength + n) * gap * gap
                    total += n
                divisor, v = extra + total, first // span
                variances[f, k, v] = (scale[v] + square) / divisor if divisor > 0.0 else old_variances[f, k, v]
    return means, variances
