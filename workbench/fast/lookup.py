"""The E step of coded rows, compiled: lookups, log-sum-exp, and responsibilities added up by code.

What stands side by side in a register are one, two, four or eight fits, and as many components of each as find room. All do
the same operations in the same order, so a fit's bits do not depend on how many others there are. Lookups are done register by
register: what the table and the buckets hold for one of them stays in the nearest cache, whatever K.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from workbench.fast.assign import RULES
from workbench.fast.compiled import compiled
from workbench.fast.lanes import WIDTH, WORD, Lanes
from workbench.fast.sides import Side
from workbench.fast.writer import Sum, Writer, kernel

ROWS = 128
"""Rows worked on at a time."""
STRIDE = (ROWS + 1) * WIDTH
"""Numbers from one register of a row to the next; not a power of two, which would put them all in one place of the cache."""
CHUNK = 8192
"""Rows whose sums are formed before they are added to the others'."""
HARD = RULES["hard"]
UNROLLED = (4, 2, 1)
"""So many groups one after the other without a jump."""


def _whole(code: Writer, numbers: Any, offset: Any) -> Any:
    """A whole number of an array that comes as one of doubles."""
    return code.builder.load(code.builder.bitcast(code.at(numbers, offset), WORD.as_pointer()))


def _each(code: Writer, stop: Any, write: Callable[[Any], None]) -> None:
    """Call ``write`` with 0 .. stop, a loop of which several turns are written out."""
    start: Any = 0
    for turns in UNROLLED:
        end = code.product(code.builder.sdiv(code.whole(stop), code.whole(turns)), turns)
        with code.loop(end, start=start, step=turns) as index:
            for turn in range(turns):
                write(code.plus(index, turn))
        start = end


@kernel
def _joints(code: Writer, table: Any, size: Any, constant: Any, places: Any, rows: Any, groups: Any, width: Any, joint: Any) -> None:
    """log p(row, k)."""
    with code.loop(width) as vector:
        own, base = code.at(table, code.product(vector, size, WIDTH)), code.load(constant, code.product(vector, WIDTH))
        with code.loop(rows) as row:
            total, at = code.sum(), code.product(row, groups)
            total.set(base)

            def look_up(group: Any, total: Sum = total, own: Any = own, at: Any = at) -> None:
                total.add(code.load(own, _whole(code, places, code.plus(at, group))))

            _each(code, groups, look_up)
            code.store(total.value, joint, code.plus(code.product(vector, STRIDE), code.product(row, WIDTH)))


def _number(code: Writer, row: Any, vector: Any) -> Any:
    """Where a register of a row is among the log joints."""
    return code.plus(code.product(vector, STRIDE), code.product(row, WIDTH))


@kernel
def _masses(code: Writer, fits: int, joint: Any, rows: Any, width: Any, top: Any, mass: Any) -> None:
    """The largest log joint of every row, 0 in its place where the row is impossible, and sum_k exp(joint - top)."""
    side = Side(fits)
    with code.loop(rows) as row:
        anchor = _anchor(code, side, joint, row, width)

        def density(vector: Any, sums: list[Sum], row: Any = row, anchor: Lanes = anchor) -> None:
            sums[0].add((code.load(joint, _number(code, row, vector)) - anchor).decay())

        side.keep(code, anchor, top, row)
        (total,) = side.totals(code, width, density, 1)
        side.keep(code, total, mass, row)


def _anchor(code: Writer, side: Side, joint: Any, row: Any, width: Any) -> Lanes:
    largest = side.largest(code, width, lambda vector: code.load(joint, _number(code, row, vector)))
    return largest.where(largest.compared(">", -math.inf), 0.0)


@kernel
def _shares(code: Writer, fits: int, joint: Any, rows: Any, width: Any, beta: Any, top: Any, mass: Any, cross: Any) -> None:
    """joint becomes exp(beta (joint - top)); its sum over k, and the sum of exp(beta (joint - top)) (joint - top)."""
    side = Side(fits)
    with code.loop(rows) as row:
        anchor = _anchor(code, side, joint, row, width)

        def share(vector: Any, sums: list[Sum], row: Any = row, anchor: Lanes = anchor) -> None:
            at = _number(code, row, vector)
            below = code.load(joint, at) - anchor
            found = (below * beta).decay()
            code.store(found, joint, at)
            sums[0].add(found)
            sums[1].add_product(found, below.at_least(-1e300))

        total, product = side.totals(code, width, share, 2)
        side.keep(code, anchor, top, row)
        side.keep(code, total, mass, row)
        side.keep(code, product, cross, row)


@kernel
def _gather(
    code: Writer,
    fits: int,
    joint: Any,
    scale: Any,
    places: Any,
    rows: Any,
    groups: Any,
    width: Any,
    size: Any,
    buckets: Any,
    summed: Any,
) -> None:
    """Add each row's responsibilities, shares times scale, to the entries that its codes name, and to their sum."""
    side = Side(fits)
    with code.loop(width) as vector:
        own, total = code.at(buckets, code.product(vector, size, WIDTH)), code.sum_from(summed, code.product(vector, WIDTH))
        with code.loop(rows) as row:
            share, at = code.load(joint, _number(code, row, vector)) * side.kept(code, scale, row), code.product(row, groups)
            total.add(share)

            def put(group: Any, own: Any = own, share: Lanes = share, at: Any = at) -> None:
                entry = _whole(code, places, code.plus(at, group))
                code.store(code.load(own, entry) + share, own, entry)

            _each(code, groups, put)
        code.store(total.value, summed, code.product(vector, WIDTH))


@kernel
def _scores(
    code: Writer, soft: int, weigh: Any, top: Any, mass: Any, shared: Any, cross: Any, beta: Any, vectors: Any, scores: Any
) -> None:
    """Of each row log likelihood, E_q log p(x, z) and H(q), times its count; ``shared`` becomes what makes shares responsibilities.

    Where q is ``soft``, the mass is the sum of the shares.
    """
    with code.loop(vectors) as vector:
        at = code.product(vector, WIDTH)
        count, largest, total = code.load(weigh, at), code.load(top, at), code.load(shared, at)
        mean = (code.load(cross, at) / total).where(total.compared(">", 0.0), 0.0)
        used = count.compared("!=", 0.0)
        log_total = total.log()
        log_mass = log_total if soft else code.load(mass, at).log()
        values = (largest + log_mass, largest + mean, log_total - mean * beta)
        for place, value in enumerate(values):
            code.store((count * value).where(used, 0.0), scores, code.plus(at, place * ROWS * WIDTH))
        code.store((count / total).where(used, 0.0), shared, at)


@kernel
def _total(code: Writer, fits: int, scores: Any, rows: Any, totals: Any) -> None:
    """Add the rows' scores to their totals, row by row."""
    side = Side(fits)
    sums = [code.sum_from(totals, place * WIDTH) for place in range(3)]
    with code.loop(rows) as row:
        for place, own in enumerate(sums):
            own.add(side.kept(code, code.at(scores, place * ROWS * WIDTH), row))
    for place, own in enumerate(sums):
        code.store(own.value, totals, place * WIDTH)


@kernel
def _tables(code: Writer, cells: Any, n_cells: Any, members: Any, n_sums: Any, width: Any, table: Any) -> None:
    """The table of the cells' log densities and of their sums, register by register."""
    with code.loop(width) as vector:
        own = code.at(table, code.product(vector, WIDTH, code.plus(n_cells, n_sums)))
        with code.loop(n_cells) as cell:
            code.store(code.load(cells, code.product(code.plus(code.product(cell, width), vector), WIDTH)), own, code.product(cell, WIDTH))
        with code.loop(n_sums) as number:
            parts = (code.load(own, code.product(_member(code, members, number, i), WIDTH)) for i in range(2))
            code.store(next(parts) + next(parts), own, code.product(code.plus(n_cells, number), WIDTH))


@kernel
def _share_out(code: Writer, buckets: Any, n_cells: Any, members: Any, n_sums: Any, width: Any, sums: Any) -> None:
    """Add what the entries hold to what they sum up, the last first, and what the cells then hold to ``sums``."""
    with code.loop(width) as vector:
        own = code.at(buckets, code.product(vector, WIDTH, code.plus(n_cells, n_sums)))
        with code.loop(n_sums) as done:
            number = code.builder.sub(code.builder.sub(n_sums, code.whole(1)), done)
            held = code.load(own, code.product(code.plus(n_cells, number), WIDTH))
            for i in range(2):
                at = code.product(_member(code, members, number, i), WIDTH)
                code.store(code.load(own, at) + held, own, at)
        with code.loop(n_cells) as cell:
            at = code.product(code.plus(code.product(cell, width), vector), WIDTH)
            code.store(code.load(sums, at) + code.load(own, code.product(cell, WIDTH)), sums, at)


def _member(code: Writer, members: Any, number: Any, i: int) -> Any:
    return _whole(code, members, code.plus(code.product(number, 2), i))


@compiled
def _hard(joint: np.ndarray, top: np.ndarray, rows: int, width: int, fits: int, mass: np.ndarray, cross: np.ndarray) -> None:
    """All on the likeliest component, of several equal ones the first."""
    for row in range(rows):
        for fit in range(fits):
            likeliest, number = row * WIDTH + fit, row * fits + fit
            for vector in range(width):
                for lane in range(fit, WIDTH, fits):
                    at = vector * STRIDE + row * WIDTH + lane
                    if joint[at] > joint[likeliest]:
                        likeliest = at
            cross[number], mass[number] = joint[likeliest] - top[number], 1.0
            for vector in range(width):
                for lane in range(fit, WIDTH, fits):
                    joint[vector * STRIDE + row * WIDTH + lane] = 0.0
            joint[likeliest] = 1.0


@kernel
def _weights(code: Writer, fits: int, counts: Any, rows: Any, weigh: Any) -> None:
    """The rows' counts, for each fit."""
    with code.loop(rows) as row:
        Side(fits).keep(code, code.spread(counts, row), weigh, row)


@kernel
def _clear(code: Writer, numbers: Any, vectors: Any) -> None:
    with code.loop(vectors) as vector:
        code.store(code.lanes(0.0), numbers, code.product(vector, WIDTH))


@compiled
def scratch(width: int, entries: int) -> np.ndarray:
    """Room for a table, as many buckets, and a block of log joints, so that no register lies across two lines of the cache."""
    numbers = width * (2 * entries * WIDTH + STRIDE)
    room = np.empty(numbers + WIDTH)
    first = -(room.ctypes.data // 8) % WIDTH
    return room[first : first + numbers]


@compiled
def chunk(
    cells: np.ndarray,
    constant: np.ndarray,
    places: np.ndarray,
    members: np.ndarray,
    counts: np.ndarray,
    rule: int,
    beta: float,
    first: int,
    last: int,
    fits: tuple[int, ...],
    room: np.ndarray,
    totals: np.ndarray,
    summed: np.ndarray,
    sums: np.ndarray,
) -> None:
    """An E step over the coded rows first .. last of one, two, four or eight fits.

    Parameters
    ----------
    cells : (C + 1, W * 8), the cells' log densities, the last of which are 0; component k of fit f at k * fits + f
    constant : (W * 8), log weights, and -inf where there is no component
    places, members : as of ``Coded``
    counts : (1, N') for all fits, or (fits, N')
    rule, beta : a number of ``RULES``, and the power to which p(z | x) is raised (1 if soft)
    fits : a tuple of as many zeros as there are fits, known when the code is written
    room : of :func:`scratch`
    totals, summed, sums : (3, 8), (W * 8) and (C + 1, W * 8), to which log likelihood, E_q log p(x, z) and H(q), responsibilities, and
        responsibilities by cell are added; totals of fit f at f
    """
    groups, lanes, width = places.shape[1], len(fits), cells.shape[1] // WIDTH
    parts, n_cells, n_sums = members.view(np.float64), cells.shape[0], members.shape[0]
    size = n_cells + n_sums
    table, buckets, joint = room[: width * size * WIDTH], room[width * size * WIDTH : -width * STRIDE], room[-width * STRIDE :]
    _clear(buckets, width * size)
    _tables(cells, n_cells, parts, n_sums, width, table)
    scores = np.empty(3 * ROWS * WIDTH)
    top, mass, shared, cross = np.ones(ROWS * WIDTH), np.ones(ROWS * WIDTH), np.ones(ROWS * WIDTH), np.ones(ROWS * WIDTH)
    weigh = np.zeros(ROWS * WIDTH)
    for start in range(first, last, ROWS):
        rows = min(ROWS, last - start)
        if counts.shape[0] == 1:
            _weights(fits, counts[0, start:last], rows, weigh)
        else:
            for row in range(rows):
                for lane in range(lanes):
                    weigh[row * lanes + lane] = counts[lane, start + row]
        at = places[start:last].view(np.float64)
        _joints(table, size, constant, at, rows, groups, width, joint)
        if rule == HARD or beta != 1.0:
            _masses(fits, joint, rows, width, top, mass)
        if rule == HARD:
            _hard(joint, top, rows, width, lanes, shared, cross)
        else:
            _shares(fits, joint, rows, width, beta, top, shared, cross)
        vectors = (rows * lanes + WIDTH - 1) // WIDTH
        if rule == HARD or beta != 1.0:
            _scores((), weigh, top, mass, shared, cross, 0.0 if rule == HARD else beta, vectors, scores)
        else:
            _scores((0,), weigh, top, shared, shared, cross, 1.0, vectors, scores)
        _total(fits, scores, rows, totals)
        _gather(fits, joint, shared, at, rows, groups, width, size, buckets, summed)
    _share_out(buckets, n_cells, parts, n_sums, width, sums)


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
    places: np.ndarray,
    members: np.ndarray,
    counts: np.ndarray,
    rule: int,
    beta: float,
    fits: tuple[int, ...],
) -> None:
    """Add the totals, responsibilities and sums by cell of ``chunk`` to ``partial`` (F, chunks, numbers), F times so many ``fits``.

    cells (F, C + 1, W * 8), constant (F, W * 8), counts (1, N') or (F * fits, N').
    """
    lanes, numbers = len(fits), constant.shape[1]
    room = scratch(numbers // WIDTH, cells.shape[1] + members.shape[0])
    for f in range(first_fit, last_fit):
        own = counts[f * lanes : (f + 1) * lanes] if counts.shape[0] > 1 else counts
        for c in range(first_chunk, last_chunk):
            part = partial[f, c]
            totals, summed = part[: 3 * WIDTH].reshape(3, WIDTH), part[3 * WIDTH : 3 * WIDTH + numbers]
            sums = part[3 * WIDTH + numbers :].reshape(-1, numbers)
            last = min(places.shape[0], (c + 1) * chunk_rows)
            chunk(cells[f], constant[f], places, members, own, rule, beta, c * chunk_rows, last, fits, room, totals, summed, sums)


@compiled
def expectation(
    cells: np.ndarray, constant: np.ndarray, places: np.ndarray, members: np.ndarray, counts: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """The soft E step of one fit: log likelihood, counts (K'), sums by cell (C + 1, K')."""
    totals, summed, sums = np.zeros((3, WIDTH)), np.zeros(cells.shape[1]), np.zeros(cells.shape)
    room = scratch(constant.size // WIDTH, cells.shape[0] + members.shape[0])
    for first in range(0, places.shape[0], CHUNK):
        part, part_summed, part_sums = np.zeros((3, WIDTH)), np.zeros(cells.shape[1]), np.zeros(cells.shape)
        last = min(first + CHUNK, places.shape[0])
        chunk(cells, constant, places, members, counts.reshape(1, -1), 0, 1.0, first, last, (0,), room, part, part_summed, part_sums)
        totals += part
        summed += part_summed
        sums += part_sums
    return totals[0, 0], summed, sums
