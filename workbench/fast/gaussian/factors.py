"""The E step of Gaussian mixtures with a triangular factor of every precision, compiled.

For other compiled code (PyMC's Op among it): ``expectation(x, counts, constant, centres, factors, origins)`` is one fit's whole
E step as an njit function, without Python objects: log p(x, z = k) = constant_k - |factors_k (x - centres_k)|^2 / 2, and sums
about ``origins`` (any point near the component's mean; the centres will do):
n_k = sum r, s1_k = sum r (x - origin_k), s2_k = sum r (x - origin_k)(x - origin_k)' as a packed lower triangle, row by row.
``e_step`` is the same for fits and chunks of rows, as :mod:`workbench.fast.chunks` calls it.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from workbench.fast.assign import BLOCK, assign, columns, scratch, weighed
from workbench.fast.lanes import WIDTH, Writer, kernel

ONE_PASS = 5
"""Up to so many features all sums of a component fit into the registers."""
TILE = 4
"""Otherwise scatters are summed in tiles of this many features squared."""


def _joint(
    code: Writer, size: int, fit: Any, n_components: Any, rows: Any, x: Any, constant: Any, centres: Any, factors: Any, joint: Any
) -> None:
    """log p(x, z = k) of a block: constant_k - |factors_k (x - centres_k)|^2 / 2."""
    with code.loop(n_components) as k:
        at = code.plus(code.product(fit, n_components), k)
        first, row_of = code.spread(constant, at), code.product(at, size * size)
        centre = [code.spread(centres, code.plus(code.product(at, size), j)) for j in range(size)]
        with code.loop(rows, step=WIDTH) as row:
            deviation = [code.load(x, code.plus(row, j * BLOCK)) - centre[j] for j in range(size)]
            square = code.lanes(0.0)
            for i in range(size):
                factor = [code.spread(factors, code.plus(row_of, i * size + j)) for j in range(i + 1)]
                y = deviation[0] * factor[0]
                for j in range(1, i + 1):
                    y = deviation[j].times_plus(factor[j], y)
                square = y.times_plus(y, square)
            code.store(square.times_plus(-0.5, first), joint, code.plus(code.product(k, BLOCK), row))


def _sums(
    code: Writer, size: int, fit: Any, n_components: Any, rows: Any, x: Any, origins: Any, shares: Any, partial: Any, start: Any, work: Any
) -> None:
    """Add n, s1 and s2 about the origins of a block to ``partial``."""
    numbers = 1 + size + size * (size + 1) // 2
    with code.loop(n_components) as k:
        origin_at = code.product(code.plus(code.product(fit, n_components), k), size)
        origin = [code.spread(origins, code.plus(origin_at, j)) for j in range(size)]
        at, share_at = code.plus(start, code.product(k, numbers)), code.product(k, BLOCK)
        (_one_pass if size <= ONE_PASS else _tiled)(code, size, rows, x, origin, shares, share_at, partial, at, work)


def _one_pass(
    code: Writer, size: int, rows: Any, x: Any, origin: Any, shares: Any, share_at: Any, partial: Any, at: Any, work: Any
) -> None:
    sums = [code.sum() for _ in range(1 + size + size * (size + 1) // 2)]
    with code.loop(rows, step=WIDTH) as row:
        share = code.load(shares, code.plus(share_at, row))
        deviation = [code.load(x, code.plus(row, j * BLOCK)) - origin[j] for j in range(size)]
        weighted = [share * d for d in deviation]
        sums[0].add(share)
        place = 1 + size
        for i in range(size):
            sums[1 + i].add(weighted[i])
            for j in range(i + 1):
                sums[place].add_product(weighted[i], deviation[j])
                place += 1
    for i, each in enumerate(sums):
        code.add_to(partial, code.plus(at, i), each.value.total())


def _tiled(code: Writer, size: int, rows: Any, x: Any, origin: Any, shares: Any, share_at: Any, partial: Any, at: Any, work: Any) -> None:
    """Deviations and weighted deviations to ``work`` (2 D, BLOCK), then their products tile by tile."""
    sums = [code.sum() for _ in range(1 + size)]
    with code.loop(rows, step=WIDTH) as row:
        share = code.load(shares, code.plus(share_at, row))
        sums[0].add(share)
        for j in range(size):
            deviation = code.load(x, code.plus(row, j * BLOCK)) - origin[j]
            weighted = share * deviation
            sums[1 + j].add(weighted)
            code.store(deviation, work, code.plus(row, j * BLOCK))
            code.store(weighted, work, code.plus(row, (size + j) * BLOCK))
    for i, each in enumerate(sums):
        code.add_to(partial, code.plus(at, i), each.value.total())
    for top in range(0, size, TILE):
        for left in range(0, top + 1, TILE):
            pairs = [(i, j) for i in range(top, min(top + TILE, size)) for j in range(left, min(left + TILE, i + 1))]
            _tile(code, size, rows, pairs, partial, at, work)


def _tile(code: Writer, size: int, rows: Any, pairs: list[tuple[int, int]], partial: Any, at: Any, work: Any) -> None:
    sums = {pair: code.sum() for pair in pairs}
    with code.loop(rows, step=WIDTH) as row:
        weighted = {i: code.load(work, code.plus(row, (size + i) * BLOCK)) for i in {i for i, _ in pairs}}
        deviation = {j: code.load(work, code.plus(row, j * BLOCK)) for j in {j for _, j in pairs}}
        for i, j in pairs:
            sums[i, j].add_product(weighted[i], deviation[j])
    for (i, j), each in sums.items():
        code.add_to(partial, code.plus(at, 1 + size + i * (i + 1) // 2 + j), each.value.total())


_write_joint, _write_sums = kernel(_joint), kernel(_sums)


@numba.njit(cache=True, nogil=True)
def e_step(
    first_fit: int,
    last_fit: int,
    first_chunk: int,
    last_chunk: int,
    chunk_rows: int,
    partial: np.ndarray,
    size: tuple[int, ...],
    x: np.ndarray,
    counts: np.ndarray,
    constant: np.ndarray,
    centres: np.ndarray,
    factors: np.ndarray,
    origins: np.ndarray,
    rule: int,
    beta: float,
) -> None:
    """Add sums, then log likelihood, E_q log p(x, z) and entropy, to ``partial`` (fit, chunk, numbers)."""
    n_components, n_features = centres.shape[1], len(size)
    n_chunks, numbers = partial.shape[1], partial.shape[2]
    block, joint, work, weigh = scratch(n_features), scratch(n_components), scratch(2 * n_features), scratch(1)
    for chunk in range(first_chunk, last_chunk):
        end = min(x.shape[0], (chunk + 1) * chunk_rows)
        for first in range(chunk * chunk_rows, end, BLOCK):
            last = min(end, first + BLOCK)
            rows = columns(x, first, last, block)
            weighed(counts, 0, first, last, weigh[0])
            for fit in range(first_fit, last_fit):
                if counts.shape[0] > 1:
                    weighed(counts, fit, first, last, weigh[0])
                at = (fit * n_chunks + chunk) * numbers
                _write_joint(size, fit, n_components, rows, block, constant, centres, factors, joint)
                assign(joint, n_components, rows, weigh, rule, beta, partial, at + numbers - 3)
                _write_sums(size, fit, n_components, rows, block, origins, joint, partial, at, work)


@numba.njit(cache=True, nogil=True)
def expectation(
    size: tuple[int, ...],
    x: np.ndarray,
    counts: np.ndarray,
    constant: np.ndarray,
    centres: np.ndarray,
    factors: np.ndarray,
    origins: np.ndarray,
) -> np.ndarray:
    """One fit's E step over all rows: (K * (1 + D + D(D+1)/2) + 3) numbers, as in ``e_step``'s partial sums.

    ``size`` is a tuple of D zeros; arrays are (N, D), (1, N), (1, K), (1, K, D), (1, K, D, D), (1, K, D), in C order.
    """
    n_components, n_features = centres.shape[1], len(size)
    numbers = n_components * (1 + n_features + n_features * (n_features + 1) // 2) + 3
    partial: np.ndarray = np.zeros((1, 1, numbers))
    e_step(0, 1, 0, 1, x.shape[0], partial, size, x, counts, constant, centres, factors, origins, 0, 1.0)
    sums: np.ndarray = partial[0, 0]
    return sums
