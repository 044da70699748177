"""The E step of coded rows, compiled: lookups, log-sum-exp, and responsibilities added up by code.

What stands side by side in a register are the components of one fit ("across"), or eight fits of a batch ("along"), which
wastes no lane whatever K. Both do the same operations in the same order, so a fit's bits do not depend on which of them it gets.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from workbench.fast.assign import RULES
from workbench.fast.compiled import compiled
from workbench.fast.lanes import WIDTH, WORD, Lanes, Writer, kernel
from workbench.fast.sides import side

ROWS = 32
"""Rows worked on at a time, which stay in the nearest cache."""
CHUNK = 8192
"""Rows whose sums are formed before they are added to the others'."""
HARD = RULES["hard"]


TILES = (4, 2, 1)
"""Registers of a row that are worked on together, so that a code is read once for all of them."""


def _whole(code: Writer, numbers: Any, offset: Any) -> Any:
    """A whole number of an array that comes as one of doubles."""
    return code.builder.load(code.builder.bitcast(code.at(numbers, offset), WORD.as_pointer()))


def _tiled(code: Writer, width: Any, write: Callable[[list[Any]], None]) -> None:
    """Call ``write`` with the offsets of several registers of a row, in turn until all have been."""
    start: Any = 0
    for tile in TILES:
        stop = code.product(code.builder.sdiv(code.whole(width), code.whole(tile)), tile)
        with code.loop(stop, start=start, step=tile) as vector:
            write([code.product(code.plus(vector, i), WIDTH) for i in range(tile)])
        start = stop


@kernel
def _joints(
    code: Writer, across: int, table: Any, constant: Any, places: Any, rows: Any, groups: Any, width: Any, joint: Any, top: Any
) -> None:
    """log p(row, k), and the row's largest: 0 in its place where a row is impossible."""
    way = side(across)
    with code.loop(rows) as row:
        best, at = code.sum(-math.inf), code.product(row, width, WIDTH)

        def tile(lanes: list[Any], row: Any = row, best: Any = best, at: Any = at) -> None:
            totals = [code.sum() for _ in lanes]
            for total, lane in zip(totals, lanes, strict=True):
                total.set(code.load(constant, lane))
            with code.loop(groups) as group:
                entry = _whole(code, places, code.plus(code.product(row, groups), group))
                for total, lane in zip(totals, lanes, strict=True):
                    total.add(code.load(table, code.plus(entry, lane)))
            for total, lane in zip(totals, lanes, strict=True):
                code.store(total.value, joint, code.plus(at, lane))
                best.set(total.value.where(total.value.compared(">", best.value), best.value))

        _tiled(code, width, tile)
        largest = way.largest(best.value)
        way.keep(code, largest.where(largest.compared(">", -math.inf), 0.0), top, row)


@kernel
def _masses(code: Writer, across: int, joint: Any, top: Any, rows: Any, width: Any, mass: Any) -> None:
    """sum_k exp(joint - top) of every row."""
    way = side(across)
    with code.loop(rows) as row:
        anchor = way.kept(code, top, row)

        def density(vector: Any, row: Any = row, anchor: Any = anchor) -> tuple[Lanes]:
            lane = code.plus(code.product(row, width, WIDTH), code.product(vector, WIDTH))
            return ((code.load(joint, lane) - anchor).decay(),)

        way.keep(code, *way.totals(code, width, density, 1), mass, row)


@kernel
def _shares(code: Writer, across: int, joint: Any, top: Any, rows: Any, width: Any, beta: Any, mass: Any, cross: Any) -> None:
    """joint becomes exp(beta (joint - top)); its sum over k, and the sum of exp(beta (joint - top)) (joint - top)."""
    way = side(across)
    with code.loop(rows) as row:
        anchor = way.kept(code, top, row)

        def share(vector: Any, row: Any = row, anchor: Any = anchor) -> tuple[Lanes, Lanes]:
            lane = code.plus(code.product(row, width, WIDTH), code.product(vector, WIDTH))
            below = code.load(joint, lane) - anchor
            found = (below * beta).decay()
            code.store(found, joint, lane)
            return found, found * below.at_least(-1e300)

        total, product = way.totals(code, width, share, 2)
        way.keep(code, total, mass, row)
        way.keep(code, product, cross, row)


@kernel
def _gather(code: Writer, across: int, joint: Any, scale: Any, places: Any, rows: Any, groups: Any, width: Any, buckets: Any) -> None:
    """Add each row's responsibilities, shares times scale, to the entries that its codes name."""
    way = side(across)
    with code.loop(rows) as row:
        factor, at = way.kept(code, scale, row), code.product(row, width, WIDTH)

        def tile(lanes: list[Any], row: Any = row, factor: Any = factor, at: Any = at) -> None:
            shares = [code.load(joint, code.plus(at, lane)) * factor for lane in lanes]
            with code.loop(groups) as group:
                entry = _whole(code, places, code.plus(code.product(row, groups), group))
                for share, lane in zip(shares, lanes, strict=True):
                    code.store(code.load(buckets, code.plus(entry, lane)) + share, buckets, code.plus(entry, lane))

        _tiled(code, width, tile)


@kernel
def _scores(code: Writer, weigh: Any, top: Any, mass: Any, shared: Any, cross: Any, beta: Any, vectors: Any, scores: Any) -> None:
    """Of each row log likelihood, E_q log p(x, z) and H(q), times its count; ``shared`` becomes what makes shares responsibilities."""
    with code.loop(vectors) as vector:
        at = code.product(vector, WIDTH)
        count, largest, total = code.load(weigh, at), code.load(top, at), code.load(shared, at)
        mean = (code.load(cross, at) / total).where(total.compared(">", 0.0), 0.0)
        used = count.compared("!=", 0.0)
        values = (largest + code.load(mass, at).log(), largest + mean, total.log() - mean * beta)
        for place, value in enumerate(values):
            code.store((count * value).where(used, 0.0), scores, code.plus(at, place * ROWS * WIDTH))
        code.store((count / total).where(used, 0.0), shared, at)


@kernel
def _tables(code: Writer, cells: Any, members: Any, entries: Any, depth: Any, width: Any, table: Any) -> None:
    """The groups' table of the cells' log densities."""
    with code.loop(entries) as entry, code.loop(width) as vector:
        lane = code.product(vector, WIDTH)
        total = code.sum()
        with code.loop(depth) as member:
            cell = _whole(code, members, code.plus(code.product(entry, depth), member))
            total.add(code.load(cells, code.plus(code.product(cell, width, WIDTH), lane)))
        code.store(total.value, table, code.plus(code.product(entry, width, WIDTH), lane))


@kernel
def _share_out(code: Writer, buckets: Any, members: Any, entries: Any, depth: Any, width: Any, sums: Any) -> None:
    """Add what the groups' entries hold to each of their cells."""
    with code.loop(entries) as entry, code.loop(depth) as member:
        cell = _whole(code, members, code.plus(code.product(entry, depth), member))
        with code.loop(width) as vector:
            lane = code.product(vector, WIDTH)
            at = code.plus(code.product(cell, width, WIDTH), lane)
            held = code.load(buckets, code.plus(code.product(entry, width, WIDTH), lane))
            code.store(code.load(sums, at) + held, sums, at)


@compiled
def _hard(joint: np.ndarray, top: np.ndarray, rows: int, lanes: int, mass: np.ndarray, cross: np.ndarray) -> None:
    """All on the likeliest component, of several equal ones the first; joint (ROWS, components * lanes)."""
    for row in range(rows):
        for lane in range(lanes):
            likeliest = lane
            for at in range(lane, joint.shape[1], lanes):
                if joint[row, at] > joint[row, likeliest]:
                    likeliest = at
            cross[row * lanes + lane], mass[row * lanes + lane] = joint[row, likeliest] - top[row * lanes + lane], 1.0
            for at in range(lane, joint.shape[1], lanes):
                joint[row, at] = 0.0
            joint[row, likeliest] = 1.0


@compiled
def chunk(
    cells: np.ndarray,
    constant: np.ndarray,
    codes: np.ndarray,
    members: np.ndarray,
    counts: np.ndarray,
    rule: int,
    beta: float,
    first: int,
    last: int,
    across: tuple[int, ...],
    totals: np.ndarray,
    summed: np.ndarray,
    sums: np.ndarray,
) -> None:
    """An E step over the coded rows first .. last of one fit (across) or of eight (along).

    Parameters
    ----------
    cells : (C + 1, W * 8), the cells' log densities, the last of which are 0; across, a component a number, else eight fits a
        component
    constant : (W * 8), log weights, and -inf where there is no component
    codes, members : as of ``Coded``
    counts : (1, N') for all fits, or (8, N')
    rule, beta : a number of ``RULES``, and the power to which p(z | x) is raised (1 if soft)
    across : (0,), or () for along: known when the code is written
    totals, summed, sums : (3, 8), (W * 8) and (C + 1, W * 8), to which log likelihood, E_q log p(x, z) and H(q), responsibilities, and
        responsibilities by cell are added; across, totals in the first lane
    """
    numbers, groups, lanes = cells.shape[1], codes.shape[1], 1 if len(across) > 0 else WIDTH
    width, parts = numbers // WIDTH, members.view(np.float64)
    table, buckets = np.empty((members.shape[0], numbers)), np.zeros((members.shape[0], numbers))
    _tables(cells, parts, members.shape[0], members.shape[1], width, table)
    joint, places, scores = np.empty((ROWS, numbers)), np.empty((ROWS, groups), np.int64), np.empty(3 * ROWS * WIDTH)
    top, mass, shared, cross = np.ones(ROWS * WIDTH), np.ones(ROWS * WIDTH), np.ones(ROWS * WIDTH), np.ones(ROWS * WIDTH)
    weigh, first_entries = np.zeros(ROWS * WIDTH), 0
    for start in range(first, last, ROWS):
        rows = min(ROWS, last - start)
        for row in range(rows):
            for lane in range(lanes):
                weigh[row * lanes + lane] = counts[lane if counts.shape[0] > 1 else 0, start + row]
            for group in range(groups):
                places[row, group] = int(codes[start + row, group]) * numbers
            first_entries = max(first_entries, int(codes[start + row, 0]) + 1)
        at = places.view(np.float64)
        _joints(across, table, constant, at, rows, groups, width, joint, top)
        if rule == HARD or beta != 1.0:
            _masses(across, joint, top, rows, width, mass)
        if rule == HARD:
            _hard(joint, top, rows, lanes, shared, cross)
        else:
            _shares(across, joint, top, rows, width, beta, shared, cross)
        if rule != HARD and beta == 1.0:
            mass[:] = shared
        _scores(weigh, top, mass, shared, cross, 0.0 if rule == HARD else beta, (rows * lanes + WIDTH - 1) // WIDTH, scores)
        for score in range(3):
            for row in range(rows):
                for lane in range(lanes):
                    totals[score, lane] += scores[(score * ROWS) * WIDTH + row * lanes + lane]
        _gather(across, joint, shared, at, rows, groups, width, buckets)
    for entry in range(first_entries):  # each row has one entry of the first group
        for i in range(numbers):
            summed[i] += buckets[entry, i]
    _share_out(buckets, parts, members.shape[0], members.shape[1], width, sums)


@compiled
def e_step(
    first_fit: int,
    last_fit: int,
    first_chunk: int,
    last_chunk: int,
    chunk_rows: int,
    partial: np.ndarray,
    cells: np.ndarray,
    constant: np.ndarray,
    codes: np.ndarray,
    members: np.ndarray,
    counts: np.ndarray,
    rule: int,
    beta: float,
    across: tuple[int, ...],
) -> None:
    """Add the totals, responsibilities and sums by cell of ``chunk`` to ``partial`` (F, chunks, numbers), F fits or eights of fits.

    cells (F, C + 1, W * 8), constant (F, W * 8), counts (1, N') or (fits, N').
    """
    lanes, numbers = 1 if len(across) > 0 else WIDTH, constant.shape[1]
    for f in range(first_fit, last_fit):
        own = counts[f * lanes : (f + 1) * lanes] if counts.shape[0] > 1 else counts
        for c in range(first_chunk, last_chunk):
            part = partial[f, c]
            totals, summed = part[: 3 * WIDTH].reshape(3, WIDTH), part[3 * WIDTH : 3 * WIDTH + numbers]
            sums = part[3 * WIDTH + numbers :].reshape(-1, numbers)
            last = min(codes.shape[0], (c + 1) * chunk_rows)
            chunk(cells[f], constant[f], codes, members, own, rule, beta, c * chunk_rows, last, across, totals, summed, sums)


@compiled
def expectation(
    cells: np.ndarray, constant: np.ndarray, codes: np.ndarray, members: np.ndarray, counts: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """The soft E step of one fit, components across: log likelihood, counts (K'), sums by cell (C + 1, K')."""
    totals, summed, sums = np.zeros((3, WIDTH)), np.zeros(cells.shape[1]), np.zeros(cells.shape)
    for first in range(0, codes.shape[0], CHUNK):
        part, part_summed, part_sums = np.zeros((3, WIDTH)), np.zeros(cells.shape[1]), np.zeros(cells.shape)
        last = min(first + CHUNK, codes.shape[0])
        chunk(cells, constant, codes, members, counts.reshape(1, -1), 0, 1.0, first, last, (0,), part, part_summed, part_sums)
        totals += part
        summed += part_summed
        sums += part_sums
    return totals[0, 0], summed, sums
