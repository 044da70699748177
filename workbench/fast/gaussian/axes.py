"""The E step of Gaussian mixtures with independent features: kernels, rows are lanes; a cell that is nan is skipped.

log p(x, z = k) = constant_k + sum over the seen d of cell_kd - (factors_kd (x_d - centres_kd))^2 / 2. Where all cells are seen
the constants of the cells are in ``constant``. A component's sums are n, then for every feature how much of it was seen, s1 and
s2 about the origin.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.fast.assign import BLOCK, Assignment, assign, columns, scratch, weighed
from workbench.fast.compiled import compiled
from workbench.fast.gaussian.factors import reduce
from workbench.fast.lanes import WIDTH, Lanes
from workbench.fast.writer import Writer, kernel

PARTS = (0, WIDTH)
"""Registers of rows for which a feature's numbers are fetched once."""


def _seen(x: Lanes) -> Any:
    return x.compared("==", x)


def _joint(
    code: Writer,
    missing: int,
    size: Any,
    fit: Any,
    n_components: Any,
    rows: Any,
    x: Any,
    constant: Any,
    cells: Any,
    centres: Any,
    factors: Any,
    joint: Any,
) -> None:
    """log p(x, z = k) of a block; ``missing`` is 1 where cells may be nan."""
    with code.loop(n_components) as k:
        at = code.plus(code.product(fit, n_components), k)
        with code.loop(rows, step=WIDTH * len(PARTS)) as row:
            squares, constants = [code.sum() for _ in PARTS], [code.sum() for _ in PARTS]
            with code.loop(size) as j:
                place = code.plus(code.product(at, size), j)
                centre, factor = code.spread(centres, place), code.spread(factors, place)
                for part, square, extra in zip(PARTS, squares, constants, strict=True):
                    value = code.load(x, code.plus(code.product(j, BLOCK), row, part))
                    y = (value - centre) * factor
                    if missing:
                        y = y.where(_seen(value), 0.0)
                        extra.add(code.spread(cells, place).where(_seen(value), 0.0))
                    square.add_product(y, y)
            first = code.spread(constant, at)
            for part, square, extra in zip(PARTS, squares, constants, strict=True):
                value = square.value.times_plus(-0.5, first + extra.value if missing else first)
                code.store(value, joint, code.plus(code.product(k, BLOCK), row, part))


def _sums(
    code: Writer, missing: int, size: Any, fit: Any, n_components: Any, rows: Any, x: Any, origins: Any, shares: Any, lanes: Any
) -> None:
    """Add a block's sums, lane by lane, to ``lanes``."""
    with code.loop(n_components) as k:
        start = code.product(k, code.plus(code.product(size, 3), 1), WIDTH)
        share_at, origin_at = code.product(k, BLOCK), code.product(code.plus(code.product(fit, n_components), k), size)
        n = code.sum_from(lanes, start)
        with code.loop(rows, step=WIDTH) as row:
            n.add(code.load(shares, code.plus(share_at, row)))
        code.store(n.value, lanes, start)
        with code.loop(size) as j:
            places = [code.plus(start, code.product(j, 3 * WIDTH), (1 + which) * WIDTH) for which in range(3)]
            seen, s1, s2 = sums = [code.sum_from(lanes, place) for place in places]
            origin = code.spread(origins, code.plus(origin_at, j))
            with code.loop(rows, step=WIDTH) as row:
                share, value = code.load(shares, code.plus(share_at, row)), code.load(x, code.plus(code.product(j, BLOCK), row))
                deviation = value - origin
                if missing:
                    share, deviation = share.where(_seen(value), 0.0), deviation.where(_seen(value), 0.0)
                    seen.add(share)
                weighted = share * deviation
                s1.add(weighted)
                s2.add_product(weighted, deviation)
            for each, place in zip(sums, places, strict=True):
                code.store(each.value, lanes, place)


joint_of, add_sums = kernel(_joint), kernel(_sums)
"""The kernels, for njit functions."""


@compiled
def e_step(
    first_fit: int,
    last_fit: int,
    first_chunk: int,
    last_chunk: int,
    chunk_rows: int,
    partial: np.ndarray,
    missing: tuple[int, ...],
    size: tuple[int, ...],
    x: np.ndarray,
    counts: np.ndarray,
    constant: np.ndarray,
    cells: np.ndarray,
    centres: np.ndarray,
    factors: np.ndarray,
    origins: np.ndarray,
    how: Assignment,
) -> None:
    """Add each component's sums, and at the last eight places the three totals, to ``partial`` (fit, chunk, numbers).

    ``missing`` is (0,) where cells may be nan, else empty; ``size`` a tuple of D zeros where D is small, else empty.
    """
    n_components, n_features = centres.shape[1], centres.shape[2]
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
                joint_of(missing, n_features, fit, n_components, rows, block, constant, cells, centres, factors, joint)
                assign(joint, n_components, rows, weigh, once, how, fit, first, partial, at + n_numbers - WIDTH)
                add_sums(missing, n_features, fit, n_components, rows, block, origins, joint, lanes)
            reduce(n_numbers - WIDTH, lanes, partial, at)
