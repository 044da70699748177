"""What full and tied covariances have in common, compiled: the E step, from covariances to centred moments."""

from __future__ import annotations

import numpy as np

from workbench.data import Dataset
from workbench.fast import chunks
from workbench.fast.arrays import owned, read_only
from workbench.fast.assign import RULES, Assignment
from workbench.fast.compiled import compiled
from workbench.fast.gaussian import completed, factors, missing, wide
from workbench.fast.gaussian.algebra import CANCELLED, LOG_2PI, logs_of, merged, terms
from workbench.fast.gaussian.missing import by_pattern
from workbench.models import Components, Expectation, Terms
from workbench.models.families.gaussian import triangular
from workbench.models.families.gaussian.full import FullComponents
from workbench.models.families.gaussian.quadratic import FullStatistics, FullTerms
from workbench.models.families.gaussian.tied import TiedComponents


def expect(
    weights: np.ndarray, means: np.ndarray, covariances: np.ndarray, data: Dataset, counts: np.ndarray, how: Assignment, threads: int
) -> Expectation:
    """The E step over all rows of a batch of mixtures (restart,); covariances (F, K, D, D), or (F, 1, D, D) for all K."""
    if not data.complete:
        logs = logs_of(weights)
        return _expected((logs, np.zeros_like(logs), means, covariances), data, counts, how, threads)
    constant, roots = terms(weights, covariances)
    return _complete((constant, means, roots), data, counts, how, threads)


def expect_terms(known: FullTerms, data: Dataset, counts: np.ndarray, how: Assignment, threads: int) -> Expectation:
    """The E step over all rows of a batch of terms (restart,)."""
    if not data.complete:
        given, covariances = beside_density(known)
        return _expected((owned(known.log_weights), given, owned(known.centres), covariances), data, counts, how, threads)
    return _complete((owned(known.constant), owned(known.centres), owned(known.factors)), data, counts, how, threads)


def beside_density(known: FullTerms) -> tuple[np.ndarray, np.ndarray]:
    """What log joints have beside log weights and normal log densities (F, K), and the densities' covariances (F, K or 1, D, D)."""
    size = known.centres.shape[-1]
    log_pivots = np.log(np.diagonal(known.factors, axis1=-2, axis2=-1)).sum(axis=-1)
    lower = triangular.inverse(known.factors)  # B'B is the precision, so its inverse is the covariance's factor
    given = known.constant - known.log_weights - log_pivots + size * LOG_2PI / 2.0
    return np.ascontiguousarray(given), np.ascontiguousarray(lower @ triangular.transposed(lower))


def under(block: Components | Terms) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same of components or terms, with the means (F, K, D) between them."""
    if isinstance(block, FullTerms):
        given, covariances = beside_density(block)
        return given, owned(block.centres), covariances
    assert isinstance(block, FullComponents | TiedComponents)
    covariances = block.covariances
    return np.zeros(block.means.shape[:2]), block.means, covariances[:, None] if covariances.ndim == 3 else covariances


def _complete(
    arguments: tuple[np.ndarray, np.ndarray, np.ndarray], data: Dataset, counts: np.ndarray, how: Assignment, threads: int
) -> Expectation:
    """Of complete rows, by constant, means and roots of the precisions."""
    means = arguments[1]
    partial = _sums(data.x, counts, arguments, means, how, threads)
    seen, centres, scatters, totals, again = moments(partial, means)
    if again.size:
        own = counts[again] if counts.shape[0] > 1 else counts
        partial = _sums(data.x, own, tuple(array[again] for array in arguments), centres[again], how.of(again), threads)
        seen[again], centres[again], scatters[again], totals[again], _ = moments(partial, centres[again])
    return Expectation(FullStatistics(seen, centres, scatters, seen), totals[:, 0], totals[:, 1], totals[:, 2])


def _expected(
    terms: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], data: Dataset, counts: np.ndarray, how: Assignment, threads: int
) -> Expectation:
    """The same where cells are missing: expected moments of the rows of which something was seen, or where labels are drawn those of
    rows whose cells are drawn too.

    ``terms`` are log weights, what log joints have beside them and the normal density, means and covariances.
    """
    means = terms[2]
    _, n_components, size = means.shape
    rows = by_pattern(data)
    weigh = np.ascontiguousarray(counts[:, rows.order])
    drawn = how.rule == RULES["draw"]
    few, e_step = (0,) * (size if size <= factors.UNROLLED and not drawn else 0), completed.e_step if drawn else missing.e_step
    length, base = missing.numbers(n_components, size), factors.numbers(n_components, size) - 8

    def sums(which: slice | np.ndarray, origins: np.ndarray) -> np.ndarray:
        own = read_only(weigh[which] if weigh.shape[0] > 1 else weigh)
        arguments = (few, rows.x, rows.starts, rows.seen, own, *(array[which] for array in terms), origins, how.of(which))
        work = data.n_rows * origins.size
        return chunks.run(e_step, origins.shape[0], data.n_rows, length, arguments, threads=threads, work=work)

    partial = sums(slice(None), means)
    n = partial[:, :, base : base + n_components].sum(axis=1)
    seen, centres, scatters, totals, again = moments(partial, means)
    if again.size:
        seen[again], centres[again], scatters[again], totals[again], _ = moments(sums(again, centres[again]), centres[again])
    return Expectation(FullStatistics(n, centres, scatters, seen), totals[:, 0], totals[:, 1], totals[:, 2])


def _sums(
    x: np.ndarray, counts: np.ndarray, terms: tuple[np.ndarray, ...], origins: np.ndarray, how: Assignment, threads: int
) -> np.ndarray:
    """Sums about the origins (fit, chunk, numbers), by the kernels for few or for many features."""
    n_fits, n_components, size = origins.shape
    constant, centres, roots = terms
    work, own = x.shape[0] * origins.size, read_only(counts)
    if size <= factors.UNROLLED:
        unrolled = ((0,) * size, x, own, constant, centres, roots, origins, how)
        length = factors.numbers(n_components, size)
        return chunks.run(factors.e_step, n_fits, x.shape[0], length, unrolled, threads=threads, work=work)
    short = -size % wide.TILE
    padded = [np.pad(array, ((0, 0), (0, 0), (0, short))) for array in (centres, origins)]
    rows = np.pad(roots, ((0, 0), (0, 0), (0, short), (0, 0)))
    length = n_components * wide.numbers(size) + 8
    arguments = (x, own, constant, padded[0], rows, padded[1], how)
    partial = chunks.run(wide.e_step, n_fits, x.shape[0], length, arguments, threads=threads, work=work)
    return np.asarray(wide.packed(merged(partial), n_components, size)[:, None])


@compiled
def moments(partial: np.ndarray, origins: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """From sums about the origins, n, s1 and s2 (row by row) of each component, to moments about the means.

    Returns seen (F, K), means, scatters, the three totals (F, 3), and the numbers of the fits of which a centre lay so far from
    its origin that digits of the scatter are lost.
    """
    sums = merged(partial)
    n_fits, n_components, size = origins.shape
    seen, means = np.empty((n_fits, n_components)), np.empty(origins.shape)
    scatters, cancelled = np.empty((n_fits, n_components, size, size)), np.zeros(n_fits, np.bool_)
    numbers = 1 + size + size * (size + 1) // 2
    shift = np.empty(size)
    for f in range(n_fits):
        for k in range(n_components):
            at = k * numbers
            n = sums[f, at]
            seen[f, k] = n
            for i in range(size):
                shift[i] = sums[f, at + 1 + i] / n if n != 0.0 else 0.0
                means[f, k, i] = origins[f, k, i] + shift[i] if n != 0.0 else 0.0
            place = at + 1 + size
            for i in range(size):
                for j in range(i + 1):
                    left = sums[f, place] - sums[f, at + 1 + i] * shift[j]
                    scatters[f, k, i, j] = left
                    scatters[f, k, j, i] = left
                    place += 1
                if scatters[f, k, i, i] < CANCELLED * sums[f, place - 1]:
                    cancelled[f] = True
    totals = sums[:, sums.shape[1] - 8 : sums.shape[1] - 5].copy()
    return seen, means, scatters, totals, np.flatnonzero(cancelled)


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
    old_covariances: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Means (F, K, D) and covariances (F, K, D, D), or (F, 1, D, D) where ``old_covariances`` is.

    A covariance is (scale + S + n kappa / (n + kappa) gap gap') / (extra + n), summed over the components that share it. Maximum
    likelihood is ``strength``, ``scale`` and ``extra`` 0, and what was not seen stays as it is.
    """
    means, covariances = np.empty(centres.shape), np.zeros(old_covariances.shape)
    n_fits, n_components, size = centres.shape
    span = n_components // covariances.shape[1]
    for f in range(n_fits):
        for first in range(0, n_components, span):
            matrix, total = covariances[f, first // span], 0.0
            for k in range(first, first + span):
                n = seen[f, k]
                total += n
                for i in range(size):
                    gap = centres[f, k, i] - mean[i]
                    means[f, k, i] = mean[i] + n / (strength + n) * gap if strength + n > 0.0 else old_means[f, k, i]
                    for j in range(size):
                        matrix[i, j] += scatters[f, k, i, j]
                        if strength > 0.0:
                            matrix[i, j] += strength * n / (strength + n) * gap * (centres[f, k, j] - mean[j])
            for i in range(size):
                for j in range(size):
                    known = extra + total > 0.0
                    matrix[i, j] = (scale[i, j] + matrix[i, j]) / (extra + total) if known else old_covariances[f, first // span, i, j]
    return means, covariances
