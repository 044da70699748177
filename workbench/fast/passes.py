"""Passes over coded rows as vector code: look up, compare, exponentiate, and add up by code; and over the table and its buckets.

What stands side by side in a register are one, two, four or eight fits, and as many components of each as find room. All do
the same operations in the same order, so a fit's bits do not depend on how many others there are. Lookups are done register by
register: what the table and the buckets hold for one of them stays in the nearest cache, whatever K.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from workbench.fast.compiled import compiled
from workbench.fast.lanes import WIDTH, WORD, Lanes
from workbench.fast.sides import Side
from workbench.fast.writer import Sum, Writer, kernel

ROWS = 128
"""Rows worked on at a time."""
STRIDE = (ROWS + 1) * WIDTH
"""Numbers from one register of a row to the next; not a power of two, which would put them all in one place of the cache."""
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
def joints(code: Writer, table: Any, size: Any, constant: Any, places: Any, rows: Any, groups: Any, width: Any, joint: Any) -> None:
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
def masses(code: Writer, fits: int, joint: Any, rows: Any, width: Any, top: Any, mass: Any) -> None:
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
def shares(code: Writer, fits: int, joint: Any, rows: Any, width: Any, beta: Any, top: Any, mass: Any, cross: Any) -> None:
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
def gather(
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
def score(code: Writer, soft: int, weigh: Any, top: Any, mass: Any, shared: Any, cross: Any, beta: Any, vectors: Any, scores: Any) -> None:
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
def add_scores(code: Writer, fits: int, scores: Any, rows: Any, totals: Any) -> None:
    """Add the rows' scores to their totals, row by row."""
    side = Side(fits)
    sums = [code.sum_from(totals, place * WIDTH) for place in range(3)]
    with code.loop(rows) as row:
        for place, own in enumerate(sums):
            own.add(side.kept(code, code.at(scores, place * ROWS * WIDTH), row))
    for place, own in enumerate(sums):
        code.store(own.value, totals, place * WIDTH)


@kernel
def fill_table(code: Writer, cells: Any, n_cells: Any, members: Any, n_sums: Any, width: Any, table: Any) -> None:
    """The table of the cells' log densities and of their sums, register by register."""
    with code.loop(width) as vector:
        own = code.at(table, code.product(vector, WIDTH, code.plus(n_cells, n_sums)))
        with code.loop(n_cells) as cell:
            code.store(code.load(cells, code.product(code.plus(code.product(cell, width), vector), WIDTH)), own, code.product(cell, WIDTH))
        with code.loop(n_sums) as number:
            parts = (code.load(own, code.product(_member(code, members, number, i), WIDTH)) for i in range(2))
            code.store(next(parts) + next(parts), own, code.product(code.plus(n_cells, number), WIDTH))


@kernel
def share_out(code: Writer, buckets: Any, n_cells: Any, members: Any, n_sums: Any, width: Any, sums: Any) -> None:
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
def harden(joint: np.ndarray, top: np.ndarray, rows: int, width: int, fits: int, mass: np.ndarray, cross: np.ndarray) -> None:
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
def spread_counts(code: Writer, fits: int, counts: Any, rows: Any, weigh: Any) -> None:
    """The rows' counts, for each fit."""
    with code.loop(rows) as row:
        Side(fits).keep(code, code.spread(counts, row), weigh, row)


@kernel
def clear(code: Writer, numbers: Any, vectors: Any) -> None:
    with code.loop(vectors) as vector:
        code.store(code.lanes(0.0), numbers, code.product(vector, WIDTH))
