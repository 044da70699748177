"""The E step of coded rows, compiled: lookups, log-sum-exp, and responsibilities added up by code (:mod:`workbench.fast.passes`)."""

from __future__ import annotations

import numpy as np

from workbench.fast.assign import RULES, Assignment, softly
from workbench.fast.compiled import compiled, written_out
from workbench.fast.labels import draw
from workbench.fast.lanes import WIDTH
from workbench.fast.passes import (
    ROWS,
    STRIDE,
    add_scores,
    clear,
    fill_table,
    gather,
    harden,
    joints,
    masses,
    score,
    share_out,
    shares,
    spread_counts,
)

CHUNK = 8192
"""Rows whose sums are formed before they are added to the others'."""
HARD, DRAW = RULES["hard"], RULES["draw"]


@compiled
def scratch(width: int, entries: int) -> np.ndarray:
    """Room for a table, as many buckets, and a block of log joints, so that no register lies across two lines of the cache."""
    numbers = width * (2 * entries * WIDTH + STRIDE)
    room = np.empty(numbers + WIDTH)
    first = -(room.ctypes.data // 8) % WIDTH
    return room[first : first + numbers]


@compiled
def draw_labels(
    joint: np.ndarray, weigh: np.ndarray, rows: int, width: int, fits: int, seeds: np.ndarray, first: int, shared: np.ndarray
) -> None:
    """Shares of rows ``first`` .. become whole numbers of their units; what makes them responsibilities times counts is then 1."""
    each = width * WIDTH // fits
    own = np.empty(each)
    for row in range(rows):
        for fit in range(fits):
            count = weigh[row * fits + fit]
            if count > 0.0 and shared[row * fits + fit] > 0.0:
                for k in range(each):
                    place = k * fits + fit
                    own[k] = joint[place // WIDTH * STRIDE + row * WIDTH + place % WIDTH]
                draw(own, count, seeds[fit], first + row)
                for k in range(each):
                    place = k * fits + fit
                    joint[place // WIDTH * STRIDE + row * WIDTH + place % WIDTH] = own[k]
                shared[row * fits + fit] = 1.0


@written_out
def chunk(
    cells: np.ndarray,
    constant: np.ndarray,
    places: np.ndarray,
    members: np.ndarray,
    counts: np.ndarray,
    how: Assignment,
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
    how : the rule, the power to which p(z | x) is raised (1 if soft), and where labels are drawn a seed for each fit
    fits : a tuple of as many zeros as there are fits, known when the code is written
    room : of :func:`scratch`
    totals, summed, sums : (3, 8), (W * 8) and (C + 1, W * 8), to which log likelihood, E_q log p(x, z) and H(q), responsibilities, and
        responsibilities by cell are added; totals of fit f at f
    """
    groups, lanes, width = places.shape[1], len(fits), cells.shape[1] // WIDTH
    parts, n_cells, n_sums = members.view(np.float64), cells.shape[0], members.shape[0]
    size = n_cells + n_sums
    table, buckets, joint = room[: width * size * WIDTH], room[width * size * WIDTH : -width * STRIDE], room[-width * STRIDE :]
    clear(buckets, width * size)
    fill_table(cells, n_cells, parts, n_sums, width, table)
    scores = np.empty(3 * ROWS * WIDTH)
    top, mass, shared, cross = np.ones(ROWS * WIDTH), np.ones(ROWS * WIDTH), np.ones(ROWS * WIDTH), np.ones(ROWS * WIDTH)
    weigh = np.zeros(ROWS * WIDTH)
    rule, beta = how.rule, how.beta
    for start in range(first, last, ROWS):
        rows = min(ROWS, last - start)
        if counts.shape[0] == 1:
            spread_counts(fits, counts[0, start:last], rows, weigh)
        else:
            for row in range(rows):
                for lane in range(lanes):
                    weigh[row * lanes + lane] = counts[lane, start + row]
        at = places[start:last].view(np.float64)
        joints(table, size, constant, at, rows, groups, width, joint)
        if rule == HARD or beta != 1.0:
            masses(fits, joint, rows, width, top, mass)
        if rule == HARD:
            harden(joint, top, rows, width, lanes, shared, cross)
        else:
            shares(fits, joint, rows, width, beta, top, shared, cross)
        vectors = (rows * lanes + WIDTH - 1) // WIDTH
        if rule == HARD or beta != 1.0:
            score((), weigh, top, mass, shared, cross, 0.0 if rule == HARD else beta, vectors, scores)
        else:
            score((0,), weigh, top, shared, shared, cross, 1.0, vectors, scores)
        add_scores(fits, scores, rows, totals)
        if rule == DRAW:
            draw_labels(joint, weigh, rows, width, lanes, how.seeds, start, shared)
        gather(fits, joint, shared, at, rows, groups, width, size, buckets, summed)
    share_out(buckets, n_cells, parts, n_sums, width, sums)


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
    how: Assignment,
    fits: tuple[int, ...],
) -> None:
    """Add the totals, responsibilities and sums by cell of ``chunk`` to ``partial`` (F, chunks, numbers), F times so many ``fits``.

    cells (F, C + 1, W * 8), constant (F, W * 8), counts (1, N') or (F * fits, N').
    """
    lanes, numbers = len(fits), constant.shape[1]
    room = scratch(numbers // WIDTH, cells.shape[1] + members.shape[0])
    for f in range(first_fit, last_fit):
        own = counts[f * lanes : (f + 1) * lanes] if counts.shape[0] > 1 else counts
        mine = Assignment(how.rule, how.beta, how.seeds[f * lanes : (f + 1) * lanes])
        for c in range(first_chunk, last_chunk):
            part = partial[f, c]
            totals, summed = part[: 3 * WIDTH].reshape(3, WIDTH), part[3 * WIDTH : 3 * WIDTH + numbers]
            sums = part[3 * WIDTH + numbers :].reshape(-1, numbers)
            last = min(places.shape[0], (c + 1) * chunk_rows)
            chunk(cells[f], constant[f], places, members, own, mine, c * chunk_rows, last, fits, room, totals, summed, sums)


@written_out
def expectation(
    cells: np.ndarray, constant: np.ndarray, places: np.ndarray, members: np.ndarray, counts: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """The soft E step of one fit: log likelihood, counts (K'), sums by cell (C + 1, K')."""
    totals, summed, sums = np.zeros((3, WIDTH)), np.zeros(cells.shape[1]), np.zeros(cells.shape)
    room = scratch(constant.size // WIDTH, cells.shape[0] + members.shape[0])
    for first in range(0, places.shape[0], CHUNK):
        part, part_summed, part_sums = np.zeros((3, WIDTH)), np.zeros(cells.shape[1]), np.zeros(cells.shape)
        last = min(first + CHUNK, places.shape[0])
        chunk(cells, constant, places, members, counts.reshape(1, -1), softly(), first, last, (0,), room, part, part_summed, part_sums)
        totals += part
        summed += part_summed
        sums += part_sums
    return totals[0, 0], summed, sums
