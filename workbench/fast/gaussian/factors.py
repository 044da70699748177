"""The E step of Gaussian mixtures with a triangular factor of every precision: kernels for few features, rows are lanes.

log p(x, z = k) = constant_k - |factors_k (x - centres_k)|^2 / 2. Sums are taken about ``origins``, any point near the
component's mean (the centres will do): n_k = sum r, s1_k = sum r (x - origin_k) and s2_k = sum r (x - origin_k)(x - origin_k)'
as a packed lower triangle, row by row.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.fast.assign import BLOCK, Assignment, assign, columns, scratch, weighed
from workbench.fast.compiled import compiled
from workbench.fast.lanes import WIDTH, totals
from workbench.fast.writer import Writer, kernel

UNROLLED = 16
"""Up to so many features the code of every feature is written out."""
TOGETHER = 5
"""Up to so many features all sums of a component find room in the registers."""
TILE = 4
"""Otherwise scatters are summed in tiles of this many features squared."""


def _joint(
    code: Writer,
    size: int,
    fit: Any,
    n_components: Any,
    matrices: Any,
    rows: Any,
    x: Any,
    constant: Any,
    centres: Any,
    factors: Any,
    joint: Any,
) -> None:
    """log p(x, z = k) of a block; ``matrices`` is K, or 1 where all components share a factor."""
    b = code.builder
    own = b.zext(b.icmp_signed(">", matrices, code.whole(1)), matrices.type)
    with code.loop(n_components if size else 0) as k:
        at = code.plus(code.product(fit, n_components), k)
        row_of = code.product(code.plus(code.product(fit, matrices), code.product(k, own)), size * size)
        first = code.spread(constant, at)
        centre = [code.spread(centres, code.plus(code.product(at, size), j)) for j in range(size)]
        with code.loop(rows, step=WIDTH) as row:
            deviation = [code.load(x, code.plus(row, j * BLOCK)) - centre[j] for j in range(size)]
            square = code.lanes(0.0)
            for i in range(size):
                y = code.lanes(0.0)
                for j in range(i + 1):
                    y = deviation[j].times_plus(code.spread(factors, code.plus(row_of, i * size + j)), y)
                square = y.times_plus(y, square)
            code.store(square.times_plus(-0.5, first), joint, code.plus(code.product(k, BLOCK), row))


def _sums(code: Writer, size: int, fit: Any, n_components: Any, rows: Any, x: Any, origins: Any, shares: Any, lanes: Any) -> None:
    """Add n, s1 and s2 of a block, lane by lane, to ``lanes``."""
    numbers = 1 + size + size * (size + 1) // 2
    edge = size if size <= TOGETHER else TILE
    tiles = [(top, left) for top in range(0, size, edge) for left in range(0, top + 1, edge)]
    with code.loop(n_components if size else 0) as k:
        at = code.product(k, numbers * WIDTH)
        origin_at, share_at = code.product(code.plus(code.product(fit, n_components), k), size), code.product(k, BLOCK)
        for top, left in tiles:
            across, down = range(left, min(left + edge, size)), range(top, min(top + edge, size))
            wanted = [("n", 0, 0)] if top == 0 else []
            wanted += [("s1", i, 0) for i in down if left == top]
            wanted += [("s2", i, j) for i in down for j in across if j <= i]
            places = [code.plus(at, WIDTH * _place(size, *which)) for which in wanted]
            origin = {i: code.spread(origins, code.plus(origin_at, i)) for i in {*down, *across}}
            sums = [code.sum_from(lanes, place) for place in places]
            with code.loop(rows, step=WIDTH) as row:
                share = code.load(shares, code.plus(share_at, row))
                deviation = {i: code.load(x, code.plus(row, i * BLOCK)) - centre for i, centre in origin.items()}
                weighted = {i: share * deviation[i] for i in down}
                for each, (what, i, j) in zip(sums, wanted, strict=True):
                    if what == "s2":
                        each.add_product(weighted[i], deviation[j])
                    else:
                        each.add(share if what == "n" else weighted[i])
            for each, place in zip(sums, places, strict=True):
                code.store(each.value, lanes, place)


def _place(size: int, what: str, i: int, j: int) -> int:
    """Where a sum stands among the 1 + D + D(D+1)/2 of its component."""
    return {"n": 0, "s1": 1 + i, "s2": 1 + size + i * (i + 1) // 2 + j}[what]


def _reduce(code: Writer, numbers: Any, lanes: Any, partial: Any, at: Any) -> None:
    """Add the lanes' totals to ``partial``, eight numbers at a time, and begin anew."""
    with code.loop(numbers, step=WIDTH) as first:
        start = code.product(first, WIDTH)
        total = totals([code.load(lanes, code.plus(start, i * WIDTH)) for i in range(WIDTH)])
        place = code.plus(at, first)
        code.store(code.load(partial, place) + total, partial, place)
        for i in range(WIDTH):
            code.store(code.lanes(0.0), lanes, code.plus(start, i * WIDTH))


joint_of, add_sums, reduce = kernel(_joint), kernel(_sums), kernel(_reduce)
"""The kernels, for njit functions."""


@compiled
def rounded_up(number: int) -> int:
    """To whole registers."""
    return (number + WIDTH - 1) // WIDTH * WIDTH


@compiled
def numbers(n_components: int, size: int) -> int:
    """Length of a fit's sums: K times (1 + D + D(D+1)/2), padding, and eight for the three totals."""
    return rounded_up(n_components * (1 + size + size * (size + 1) // 2)) + WIDTH


@compiled
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
    how: Assignment,
) -> None:
    """Add each component's sums, and at the last eight places log likelihood, E_q log p(x, z) and entropy, to ``partial``.

    ``partial`` is (fit, chunk, numbers). ``size`` is a tuple of D zeros, so that D is known when the code is written.
    """
    n_components, n_features, matrices = centres.shape[1], len(size), factors.shape[1]
    n_chunks, n_numbers = partial.shape[1], partial.shape[2]
    block, joint, weigh = scratch(n_features * BLOCK), scratch(n_components * BLOCK), scratch(BLOCK)
    lanes = scratch((n_numbers - WIDTH) * WIDTH)
    for chunk in range(first_chunk, last_chunk):
        end = min(x.shape[0], (chunk + 1) * chunk_rows)
        for fit in range(first_fit, last_fit):
            at = (fit * n_chunks + chunk) * n_numbers
            for first in range(chunk * chunk_rows, end, BLOCK):
                last = min(end, first + BLOCK)
                rows = columns(size, x, first, last, block)
                once = weighed(counts, fit, first, last, weigh)
                joint_of(size, fit, n_components, matrices, rows, block, constant, centres, factors, joint)
                assign(joint, n_components, rows, weigh, once, how, fit, first, partial, at + n_numbers - WIDTH)
                add_sums(size, fit, n_components, rows, block, origins, joint, lanes)
            reduce(n_numbers - WIDTH, lanes, partial, at)
