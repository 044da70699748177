"""The E step of Gaussian mixtures with a triangular factor of every precision: kernels for many features.

The same sums as :mod:`workbench.fast.gaussian.factors`, with loops over tiles of four features. Centres, origins and factors
come padded with zeros to a multiple of four rows, D4; a component's sums are s2 by tiles (16 numbers for each tile on and below
the diagonal, row by row of tiles), then s1 (D4), then n.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.fast.assign import BLOCK, Assignment, assign, columns, scratch, weighed
from workbench.fast.compiled import compiled
from workbench.fast.lanes import WIDTH, totals
from workbench.fast.writer import Writer, kernel

TILE = 4
STRIP = 4 * WIDTH
"""Rows whose deviations are kept at a time, in the first cache."""


def _deviations(code: Writer, size: Any, padded: Any, x: Any, centres: Any, at: Any, row: Any, out: Any) -> None:
    """x - centre of STRIP rows to ``out`` (D, STRIP)."""
    with code.loop(size) as j:
        centre = code.spread(centres, code.plus(code.product(at, padded), j))
        for part in range(0, STRIP, WIDTH):
            deviation = code.load(x, code.plus(code.product(j, BLOCK), row, part)) - centre
            code.store(deviation, out, code.plus(code.product(j, STRIP), part))


def _joint(
    code: Writer,
    size: Any,
    padded: Any,
    fit: Any,
    n_components: Any,
    matrices: Any,
    rows: Any,
    x: Any,
    constant: Any,
    centres: Any,
    factors: Any,
    joint: Any,
    strip: Any,
) -> None:
    """constant_k - |factors_k (x - centres_k)|^2 / 2 of a block, four rows of the factor and 32 rows of data at a time."""
    b = code.builder
    own = b.zext(b.icmp_signed(">", matrices, code.whole(1)), matrices.type)
    parts = range(0, STRIP, WIDTH)
    with code.loop(n_components) as k:
        at = code.plus(code.product(fit, n_components), k)
        matrix = code.product(code.plus(code.product(fit, matrices), code.product(k, own)), padded, size)
        with code.loop(rows, step=STRIP) as row:
            _deviations(code, size, padded, x, centres, at, row, strip)
            squares = [code.sum() for _ in parts]
            with code.loop(padded, step=TILE) as top:
                sums = [[code.sum() for _ in parts] for _ in range(TILE)]
                below = code.plus(top, TILE)
                with code.loop(b.select(b.icmp_signed("<", below, size), below, size)) as j:
                    deviation = [code.load(strip, code.plus(code.product(j, STRIP), part)) for part in parts]
                    for i in range(TILE):
                        factor = code.spread(factors, code.plus(matrix, code.product(code.plus(top, i), size), j))
                        for each, d in zip(sums[i], deviation, strict=True):
                            each.add_product(factor, d)
                for line in sums:
                    for square, each in zip(squares, line, strict=True):
                        square.add_product(each.value, each.value)
            first = code.spread(constant, at)
            for part, square in zip(parts, squares, strict=True):
                code.store(square.value.times_plus(-0.5, first), joint, code.plus(code.product(k, BLOCK), row, part))


def _sums(
    code: Writer,
    padded: Any,
    fit: Any,
    n_components: Any,
    rows: Any,
    x: Any,
    origins: Any,
    shares: Any,
    weighted: Any,
    numbers: Any,
    partial: Any,
    start: Any,
) -> None:
    """Add s2, s1 and n of a block to ``partial``: a strip of four weighted deviations against every four to its left."""
    with code.loop(n_components) as k:
        place, share_at = code.plus(start, code.product(k, numbers)), code.product(k, BLOCK)
        origin_at = code.product(code.plus(code.product(fit, n_components), k), padded)
        n = code.sum()
        with code.loop(rows, step=WIDTH) as row:
            n.add(code.load(shares, code.plus(share_at, row)))
        code.add_to(partial, code.plus(place, numbers, -1), n.value.total())
        s1_at = code.plus(place, numbers, code.product(padded, -1), -1)
        tile_at = code.counter(place)
        with code.loop(padded, step=TILE) as top:
            sums = [code.sum() for _ in range(TILE)]
            origin = [code.spread(origins, code.plus(origin_at, top, i)) for i in range(TILE)]
            with code.loop(rows, step=WIDTH) as row:
                share = code.load(shares, code.plus(share_at, row))
                for i in range(TILE):
                    line = share * (code.load(x, code.plus(code.product(code.plus(top, i), BLOCK), row)) - origin[i])
                    sums[i].add(line)
                    code.store(line, weighted, code.plus(row, i * BLOCK))
            for i, each in enumerate(sums):
                code.add_to(partial, code.plus(s1_at, top, i), each.value.total())
            with code.loop(code.plus(top, 1), step=TILE) as left:
                _tile(code, left, rows, x, origins, origin_at, weighted, partial, tile_at)


def _tile(code: Writer, left: Any, rows: Any, x: Any, origins: Any, origin_at: Any, weighted: Any, partial: Any, tile_at: Any) -> None:
    sums = [code.sum() for _ in range(TILE * TILE)]
    origin = [code.spread(origins, code.plus(origin_at, left, j)) for j in range(TILE)]
    with code.loop(rows, step=WIDTH) as row:
        line = [code.load(weighted, code.plus(row, i * BLOCK)) for i in range(TILE)]
        for j in range(TILE):
            deviation = code.load(x, code.plus(code.product(code.plus(left, j), BLOCK), row)) - origin[j]
            for i in range(TILE):
                sums[TILE * i + j].add_product(line[i], deviation)
    for half in range(0, TILE * TILE, WIDTH):
        place = code.plus(tile_at.value, half)
        total = totals([each.value for each in sums[half : half + WIDTH]])
        code.store(code.load(partial, place) + total, partial, place)
    tile_at.advance(TILE * TILE)


joint_of, add_sums = kernel(_joint), kernel(_sums)
"""The kernels, for njit functions."""


@compiled
def numbers(size: int) -> int:
    """Length of a component's sums."""
    tiles = (size + TILE - 1) // TILE
    return tiles * (tiles + 1) // 2 * TILE * TILE + tiles * TILE + 1


@compiled
def padded_columns(points: np.ndarray) -> np.ndarray:
    """(K, D) with zeros up to D4 columns."""
    size = points.shape[1]
    result = np.zeros((points.shape[0], (size + TILE - 1) // TILE * TILE))
    for k in range(points.shape[0]):
        for d in range(size):  # slices would compile the text of an error of shapes, four seconds
            result[k, d] = points[k, d]
    return result


@compiled
def padded_rows(matrices: np.ndarray) -> np.ndarray:
    """(M, D, D) with zeros up to D4 rows."""
    size = matrices.shape[1]
    result = np.zeros((matrices.shape[0], (size + TILE - 1) // TILE * TILE, size))
    for m in range(matrices.shape[0]):
        for i in range(size):
            for j in range(size):
                result[m, i, j] = matrices[m, i, j]
    return result


@compiled
def e_step(
    first_fit: int,
    last_fit: int,
    first_chunk: int,
    last_chunk: int,
    chunk_rows: int,
    partial: np.ndarray,
    x: np.ndarray,
    counts: np.ndarray,
    constant: np.ndarray,
    centres: np.ndarray,
    factors: np.ndarray,
    origins: np.ndarray,
    how: Assignment,
) -> None:
    """Add each component's sums, and at the last eight places the three totals, to ``partial`` (fit, chunk, numbers).

    centres and origins are (F, K, D4), factors (F, K or 1, D4, D).
    """
    n_components, padded, matrices, size = centres.shape[1], centres.shape[2], factors.shape[1], x.shape[1]
    n_chunks, n_numbers, own = partial.shape[1], partial.shape[2], numbers(size)
    block, joint, weigh = scratch(padded * BLOCK), scratch(n_components * BLOCK), scratch(BLOCK)
    strip, weighted = scratch(size * STRIP), scratch(TILE * BLOCK)
    for chunk in range(first_chunk, last_chunk):
        end = min(x.shape[0], (chunk + 1) * chunk_rows)
        for first in range(chunk * chunk_rows, end, BLOCK):
            last = min(end, first + BLOCK)
            rows = columns((), x, first, last, block)
            for fit in range(first_fit, last_fit):
                at = (fit * n_chunks + chunk) * n_numbers
                once = weighed(counts, fit, first, last, weigh)
                joint_of(size, padded, fit, n_components, matrices, rows, block, constant, centres, factors, joint, strip)
                assign(joint, n_components, rows, weigh, once, how, fit, first, partial, at + n_numbers - WIDTH)
                add_sums(padded, fit, n_components, rows, block, origins, joint, weighted, own, partial, at)


@compiled
def packed(sums: np.ndarray, n_components: int, size: int) -> np.ndarray:
    """Sums (F, numbers) in the order of :mod:`workbench.fast.gaussian.factors`: n, s1, s2 row by row; then the totals."""
    own, theirs = numbers(size), 1 + size + size * (size + 1) // 2
    padded = (size + TILE - 1) // TILE * TILE
    result = np.empty((sums.shape[0], n_components * theirs + WIDTH))
    for f in range(sums.shape[0]):
        for k in range(n_components):
            at, to = k * own, k * theirs
            result[f, to] = sums[f, at + own - 1]
            for i in range(size):
                result[f, to + 1 + i] = sums[f, at + own - 1 - padded + i]
                for j in range(i + 1):
                    row, column = i // TILE, j // TILE
                    tile = row * (row + 1) // 2 + column
                    place = at + TILE * TILE * tile + TILE * (i % TILE) + j % TILE
                    result[f, to + 1 + size + i * (i + 1) // 2 + j] = sums[f, place]
        for i in range(WIDTH):
            result[f, n_components * theirs + i] = sums[f, sums.shape[1] - WIDTH + i]
    return result
