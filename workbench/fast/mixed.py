"""Rows with Gaussian and discrete features, independent given the label: both kinds of kernels on the same blocks of rows.

The Gaussian kernels write a block's log joints (K, BLOCK), the discrete features' log densities, looked up by code, are added to
them, and both kinds of sums are taken of the shares.
"""

from __future__ import annotations

import numpy as np

from workbench.fast.assign import BLOCK, Assignment, assign, columns, scratch, weighed
from workbench.fast.compiled import compiled
from workbench.fast.gaussian import axes, factors, missing, wide
from workbench.fast.lanes import WIDTH


@compiled
def coded_rows(codes: np.ndarray, first: int, last: int, entries: np.ndarray) -> None:
    """Copy rows first .. last of the codes (N, G) to ``entries`` (G, BLOCK), groups first."""
    for group in range(codes.shape[1]):
        for row in range(last - first):
            entries[group, row] = int(codes[first + row, group])


@compiled
def add_lookups(table: np.ndarray, entries: np.ndarray, rows: int, n_components: int, joint: np.ndarray) -> None:
    """Add the numbers of the table (K', S) that each row's entries (G, BLOCK) name to a block of log joints (K, BLOCK)."""
    for k in range(n_components):
        own, line = table[k], joint[k * BLOCK : (k + 1) * BLOCK]
        for group in range(entries.shape[0]):
            for row in range(rows):
                line[row] += own[entries[group, row]]


@compiled
def add_shares(joint: np.ndarray, entries: np.ndarray, rows: int, n_components: int, buckets: np.ndarray) -> None:
    """Add a block's shares (K, BLOCK) to the buckets (K', S) that its rows' entries name."""
    for k in range(n_components):
        own, line = buckets[k], joint[k * BLOCK : (k + 1) * BLOCK]
        for group in range(entries.shape[0]):
            for row in range(rows):
                own[entries[group, row]] += line[row]


@compiled
def tables(cells: np.ndarray, members: np.ndarray) -> np.ndarray:
    """The table (K', S) of the cells' log densities (C + 1, K') and of their sums."""
    n_cells = cells.shape[0]
    table = np.zeros((cells.shape[1], n_cells + members.shape[0]))
    for k in range(cells.shape[1]):
        for cell in range(n_cells):
            table[k, cell] = cells[cell, k]
        for number in range(members.shape[0]):
            table[k, n_cells + number] = table[k, int(members[number, 0])] + table[k, int(members[number, 1])]
    return table


@compiled
def by_cell(buckets: np.ndarray, members: np.ndarray, n_cells: int) -> np.ndarray:
    """Sums by cell (C + 1, K') of sums by entry (K', S)."""
    sums = np.zeros((n_cells + 1, buckets.shape[0]))
    for k in range(buckets.shape[0]):
        held = buckets[k].copy()
        for number in range(members.shape[0] - 1, -1, -1):
            for i in range(2):
                held[int(members[number, i])] += held[n_cells + 1 + number]
        for cell in range(n_cells + 1):
            sums[cell, k] = held[cell]
    return sums


@compiled
def add_by_cell(buckets: np.ndarray, members: np.ndarray, n_cells: int, own: np.ndarray, at: int) -> None:
    """Add sums by known cell to ``own`` from ``at`` on; slices would compile the text of an error of shapes, four seconds."""
    n_components, sums = buckets.shape[0], by_cell(buckets, members, n_cells)
    for cell in range(n_cells):
        for k in range(n_components):
            own[at + cell * n_components + k] += sums[cell, k]


@compiled
def matrix_rows(
    size: tuple[int, ...],
    y: np.ndarray,
    counts: np.ndarray,
    constant: np.ndarray,
    centres: np.ndarray,
    roots: np.ndarray,
    origins: np.ndarray,
    codes: np.ndarray,
    table: np.ndarray,
    how: Assignment,
    fit: int,
    begin: int,
    totals: np.ndarray,
    buckets: np.ndarray,
) -> np.ndarray:
    """An E step over rows of one pattern under triangular roots of the precisions.

    Parameters
    ----------
    size : a tuple of D zeros where D is small, else empty
    y, counts, codes : (N, D), (1, N) and (N, G)
    constant, centres, roots : (1, K), (1, K, D) and (1, K or 1, D, D)
    origins : (1, K, D), about which sums are taken
    table : (K', S)
    fit, begin : numbers of the fit and of the first of these rows, by which labels are drawn
    totals, buckets : (8) and (K', S), added to

    Returns
    -------
    n, s1 and s2 (row by row) about the origin of each component, one after the other, then at least eight zeros
    """
    (n_components, features), matrices = centres.shape[1:], roots.shape[1]
    padded = wide.padded_columns(centres[0]).shape[1]
    block, joint, weigh = scratch(padded * BLOCK), scratch(n_components * BLOCK), scratch(BLOCK)
    entries = np.empty((codes.shape[1], BLOCK), np.uint64)
    unrolled = len(size) > 0
    points = wide.padded_columns(centres[0]).reshape(1, n_components, -1)
    starts = wide.padded_columns(origins[0]).reshape(1, n_components, -1)
    lines = wide.padded_rows(roots[0]).reshape(1, matrices, -1, features)
    strip, weighted, own = scratch(features * wide.STRIP), scratch(wide.TILE * BLOCK), wide.numbers(features)
    numbers = factors.numbers(n_components, features) if unrolled else n_components * own + WIDTH
    sums, lanes = np.zeros(numbers), scratch((numbers - WIDTH) * WIDTH if unrolled else 0)
    for first in range(0, y.shape[0], BLOCK):
        last = min(y.shape[0], first + BLOCK)
        rows = columns(size, y, first, last, block)
        once = weighed(counts, 0, first, last, weigh)
        if unrolled:
            factors.joint_of(size, 0, n_components, matrices, rows, block, constant, centres, roots, joint)
        else:
            wide.joint_of(features, padded, 0, n_components, matrices, rows, block, constant, points, lines, joint, strip)
        coded_rows(codes, first, last, entries)
        add_lookups(table, entries, last - first, n_components, joint)
        assign(joint, n_components, rows, weigh, once, how, fit, begin + first, totals, 0)
        if unrolled:
            factors.add_sums(size, 0, n_components, rows, block, origins, joint, lanes)
        else:
            wide.add_sums(padded, 0, n_components, rows, block, starts, joint, weighted, own, sums, 0)
        add_shares(joint, entries, last - first, n_components, buckets)
    if unrolled:
        factors.reduce(numbers - WIDTH, lanes, sums, 0)
        return sums
    packed: np.ndarray = wide.packed(sums.reshape(1, -1), n_components, features)[0]
    return packed


@compiled
def axis_rows(
    z: np.ndarray,
    counts: np.ndarray,
    constant: np.ndarray,
    cells: np.ndarray,
    centres: np.ndarray,
    roots: np.ndarray,
    origins: np.ndarray,
    codes: np.ndarray,
    table: np.ndarray,
    how: Assignment,
    fit: int,
    begin: int,
    totals: np.ndarray,
    buckets: np.ndarray,
) -> np.ndarray:
    """An E step over rows under independent normal features; nan is skipped.

    As ``matrix_rows``, with the constants of cells, roots and origins (1, K, D). Returns n, then for every feature what was seen, s1 and s2
    about the origins, of each component, then eight zeros at least.
    """
    n_components, features = centres.shape[1:]
    block, joint, weigh = scratch(features * BLOCK), scratch(n_components * BLOCK), scratch(BLOCK)
    entries = np.empty((codes.shape[1], BLOCK), np.uint64)
    numbers = factors.rounded_up(n_components * (1 + 3 * features)) + WIDTH
    sums, lanes = np.zeros(numbers), scratch((numbers - WIDTH) * WIDTH)
    for first in range(0, z.shape[0], BLOCK):
        last = min(z.shape[0], first + BLOCK)
        rows = columns((), z, first, last, block)
        once = weighed(counts, 0, first, last, weigh)
        axes.joint_of((0,), features, 0, n_components, rows, block, constant, cells, centres, roots, joint)
        coded_rows(codes, first, last, entries)
        add_lookups(table, entries, last - first, n_components, joint)
        assign(joint, n_components, rows, weigh, once, how, fit, begin + first, totals, 0)
        axes.add_sums((0,), features, 0, n_components, rows, block, origins, joint, lanes)
        add_shares(joint, entries, last - first, n_components, buckets)
    factors.reduce(numbers - WIDTH, lanes, sums, 0)
    return sums


@compiled
def matrix_e_step(
    first_fit: int,
    last_fit: int,
    first_chunk: int,
    last_chunk: int,
    chunk_rows: int,
    partial: np.ndarray,
    size: tuple[int, ...],
    x: np.ndarray,
    starts: np.ndarray,
    seen: np.ndarray,
    codes: np.ndarray,
    members: np.ndarray,
    counts: np.ndarray,
    log_weights: np.ndarray,
    given: np.ndarray,
    centres: np.ndarray,
    covariances: np.ndarray,
    origins: np.ndarray,
    cells: np.ndarray,
    how: Assignment,
) -> None:
    """Add to ``partial`` (fit, chunk, numbers) the sums of ``missing.e_step``, before the totals those by cell.

    x, starts and seen are those of rows sorted by pattern, codes and counts in that order; cells (F, C + 1, K).
    """
    n_components, n_features, matrices = centres.shape[1], centres.shape[2], covariances.shape[1]
    per, n_sums = 1 + n_features + n_features * (n_features + 1) // 2, factors.numbers(n_components, n_features) - WIDTH
    n_cells, cells_at = cells.shape[1] - 1, missing.numbers(n_components, n_features) - WIDTH
    for chunk in range(first_chunk, last_chunk):
        begin, end = chunk * chunk_rows, min(x.shape[0], (chunk + 1) * chunk_rows)
        for fit in range(first_fit, last_fit):
            own, table = partial[fit, chunk], tables(cells[fit], members)
            weigh, buckets, totals = counts[fit if counts.shape[0] > 1 else 0], np.zeros(table.shape), own[own.size - WIDTH :]
            for pattern in range(seen.shape[0]):
                first, last = max(begin, starts[pattern]), min(end, starts[pattern + 1])
                if first >= last:
                    continue
                order = np.concatenate((np.flatnonzero(seen[pattern]), np.flatnonzero(~seen[pattern])))
                n_seen = int(seen[pattern].sum())
                constant, roots, lowers, slopes = missing.terms_under(log_weights[fit], given[fit], covariances[fit], order, n_seen)
                rows = (x[first:last], weigh[first:last].copy().reshape(1, -1))
                terms = (constant.reshape(1, -1), centres[fit : fit + 1], roots.reshape(1, matrices, n_features, n_features))
                looked_up = (codes[first:last], table)
                sums = matrix_rows(size, *rows, *terms, origins[fit : fit + 1], *looked_up, how, fit, first, totals, buckets)
                for k in range(n_components):
                    own[n_sums + k] += sums[k * per]
                    m = k if matrices > 1 else 0
                    if n_seen:
                        moved = (lowers[m], slopes[m], centres[fit, k], origins[fit, k])
                        missing.complete_sums(sums, k * per, order, n_seen, *moved, own, k * per)
            add_by_cell(buckets, members, n_cells, own, cells_at)


@compiled
def axis_e_step(
    first_fit: int,
    last_fit: int,
    first_chunk: int,
    last_chunk: int,
    chunk_rows: int,
    partial: np.ndarray,
    x: np.ndarray,
    codes: np.ndarray,
    members: np.ndarray,
    counts: np.ndarray,
    constant: np.ndarray,
    constants: np.ndarray,
    centres: np.ndarray,
    roots: np.ndarray,
    origins: np.ndarray,
    cells: np.ndarray,
    how: Assignment,
) -> None:
    """Add to ``partial`` (fit, chunk, numbers) the sums of ``axes.e_step``, before the totals those by cell.

    constant (F, K); constants of the cells and roots (F, K, D); cells (F, C + 1, K).
    """
    n_components, n_features, n_cells = centres.shape[1], centres.shape[2], cells.shape[1] - 1
    cells_at = factors.rounded_up(n_components * (1 + 3 * n_features))
    for chunk in range(first_chunk, last_chunk):
        begin, end = chunk * chunk_rows, min(x.shape[0], (chunk + 1) * chunk_rows)
        for fit in range(first_fit, last_fit):
            own, table = partial[fit, chunk], tables(cells[fit], members)
            weigh, buckets, totals = counts[fit if counts.shape[0] > 1 else 0], np.zeros(table.shape), own[own.size - WIDTH :]
            rows = (x[begin:end], weigh[begin:end].copy().reshape(1, -1))
            one = slice(fit, fit + 1)
            terms = (constant[one], constants[one], centres[one], roots[one], origins[one])
            sums = axis_rows(*rows, *terms, codes[begin:end], table, how, fit, begin, totals, buckets)
            for i in range(cells_at):
                own[i] += sums[i]
            add_by_cell(buckets, members, n_cells, own, cells_at)
