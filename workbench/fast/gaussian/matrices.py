"""What full and tied covariances have in common, compiled: the E step, from covariances to centred moments."""

from __future__ import annotations

import numpy as np

from workbench.data import Dataset
from workbench.fast import chunks
from workbench.fast.gaussian import algebra, factors, wide
from workbench.models import Expectation
from workbench.models.families.gaussian.quadratic import FullStatistics


def expect(
    weights: np.ndarray, means: np.ndarray, covariances: np.ndarray, data: Dataset, counts: np.ndarray, rule: int, beta: float, threads: int
) -> Expectation:
    """The E step over all rows of a batch of mixtures (restart,); covariances (F, K, D, D), or (F, 1, D, D) for all K."""
    constant, roots = algebra.terms(weights, covariances)
    seen, centres, scatters, totals, cancelled = _moments(data.x, counts, constant, means, roots, means, rule, beta, threads)
    if cancelled.any():
        again = np.flatnonzero(cancelled)
        own = counts[again] if counts.shape[0] > 1 else counts
        parts = (constant[again], means[again], roots[again], centres[again])
        seen[again], centres[again], scatters[again], totals[again], _ = _moments(data.x, own, *parts, rule, beta, threads)
    return Expectation(FullStatistics(seen, centres, scatters, seen), totals[:, 0], totals[:, 1], totals[:, 2])


def _moments(
    x: np.ndarray,
    counts: np.ndarray,
    constant: np.ndarray,
    centres: np.ndarray,
    roots: np.ndarray,
    origins: np.ndarray,
    rule: int,
    beta: float,
    threads: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Counts, means, scatters, the three totals, and where digits were lost."""
    n_fits, n_components, size = centres.shape
    sums = _sums(x, counts, constant, centres, roots, origins, rule, beta, threads)
    seen, means, scatters = np.empty((n_fits, n_components)), np.empty(centres.shape), np.empty((*centres.shape, size))
    cancelled = np.empty(n_fits, bool)
    algebra.moments(sums, origins, seen, means, scatters, cancelled)
    return seen, means, scatters, sums[:, -8:-5], cancelled


def _sums(
    x: np.ndarray,
    counts: np.ndarray,
    constant: np.ndarray,
    centres: np.ndarray,
    roots: np.ndarray,
    origins: np.ndarray,
    rule: int,
    beta: float,
    threads: int,
) -> np.ndarray:
    """Sums about the origins, by the kernels for few or for many features."""
    n_fits, n_components, size = centres.shape
    work = x.shape[0] * centres.size
    if size <= factors.UNROLLED:
        arguments = ((0,) * size, x, counts, constant, centres, roots, origins, rule, beta)
        length = factors.numbers(n_components, size)
        return algebra.merged(chunks.run(factors.e_step, n_fits, x.shape[0], length, arguments, threads=threads, work=work))
    short = -size % wide.TILE
    padded = [np.pad(array, ((0, 0), (0, 0), (0, short))) for array in (centres, origins)]
    rows = np.pad(roots, ((0, 0), (0, 0), (0, short), (0, 0)))
    length = n_components * wide.numbers(size) + 8
    arguments = (x, counts, constant, padded[0], rows, padded[1], rule, beta)
    partial = chunks.run(wide.e_step, n_fits, x.shape[0], length, arguments, threads=threads, work=work)
    return wide.packed(algebra.merged(partial), n_components, size)
