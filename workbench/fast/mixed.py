"""Rows with Gaussian and discrete features, independent given the label: both kinds of kernels on the same blocks of rows.

The Gaussian kernels write a block's log joints (K, BLOCK), the discrete features' log densities, looked up by code, are added to
them, and both kinds of sums are taken of the shares.
"""

from __future__ import annotations

import numpy as np

from workbench.fast.assign import BLOCK, assign, columns, scratch, weighed
from workbench.fast.compiled import compiled
from workbench.fast.gaussian import axes, factors, wide
from workbench.fast.lanes import WIDTH


@compiled
def add_lookups(table: np.ndarray, codes: np.ndarray, first: int, rows: int, n_components: int, joint: np.ndarray) -> None:
    """Add the entries (S, K') that each row's codes name to the log joints of rows first, first + 1, ..."""
    own = np.empty(n_components)
    for row in range(rows):
        own[:] = 0.0
        for group in range(codes.shape[1]):
            entry = int(codes[first + row, group])
            for k in range(n_components):
                own[k] += table[entry, k]
        for k in range(n_components):
            joint[k * BLOCK + row] += own[k]


@compiled
def add_shares(joint: np.ndarray, codes: np.ndarray, first: int, rows: int, n_components: int, buckets: np.ndarray) -> None:
    """Add the shares of a block to the entries (S, K') that its rows' codes name."""
    own = np.empty(n_components)
    for row in range(rows):
        for k in range(n_components):
            own[k] = joint[k * BLOCK + row]
        for group in range(codes.shape[1]):
            entry = int(codes[first + row, group])
            for k in range(n_components):
                buckets[entry, k] += own[k]


@compiled
def tables(cells: np.ndarray, members: np.ndarray) -> np.ndarray:
    """The groups' table (S, K') of the cells' log densities (C + 1, K')."""
    table = np.zeros((members.shape[0], cells.shape[1]))
    for entry in range(members.shape[0]):
        for m in range(members.shape[1]):
            table[entry] += cells[int(members[entry, m])]
    return table


@compiled
def by_cell(buckets: np.ndarray, members: np.ndarray, n_cells: int) -> np.ndarray:
    """Sums by cell (C + 1, K') of sums by entry."""
    sums = np.zeros((n_cells + 1, buckets.shape[1]))
    for entry in range(members.shape[0]):
        for m in range(members.shape[1]):
            sums[int(members[entry, m])] += buckets[entry]
    return sums


@compiled
def matrix_rows(
    size: tuple[int, ...],
    y: np.ndarray,
    counts: np.ndarray,
    constant: np.ndarray,
    centres: np.ndarray,
    roots: np.ndarray,
    codes: np.ndarray,
    table: np.ndarray,
    rule: int,
    beta: float,
    totals: np.ndarray,
    buckets: np.ndarray,
) -> np.ndarray:
    """An E step over rows of one pattern under triangular roots of the precisions.

    Parameters
    ----------
    size : a tuple of D zeros where D is small, else empty
    y, counts, codes : (N, D), (1, N) and (N, G)
    constant, centres, roots : (1, K), (1, K, D) and (1, K or 1, D, D)
    totals, buckets : (8) and (S, K'), added to

    Returns
    -------
    n, s1 and s2 (row by row) about the centres of each component, one after the other, then at least eight zeros
    """
    (n_components, features), matrices = centres.shape[1:], roots.shape[1]
    padded = wide.padded_columns(centres[0]).shape[1]
    block, joint, weigh = scratch(padded * BLOCK), scratch(n_components * BLOCK), scratch(BLOCK)
    unrolled = len(size) > 0
    points = wide.padded_columns(centres[0]).reshape(1, n_components, -1)
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
        add_lookups(table, codes, first, last - first, n_components, joint)
        assign(joint, n_components, rows, weigh, once, rule, beta, totals, 0)
        if unrolled:
            factors.add_sums(size, 0, n_components, rows, block, centres, joint, lanes)
        else:
            wide.add_sums(padded, 0, n_components, rows, block, points, joint, weighted, own, sums, 0)
        add_shares(joint, codes, first, last - first, n_components, buckets)
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
    codes: np.ndarray,
    table: np.ndarray,
    rule: int,
    beta: float,
    totals: np.ndarray,
    buckets: np.ndarray,
) -> np.ndarray:
    """An E step over rows under independent normal features; nan is skipped.

    As ``matrix_rows``, with the constants of cells and roots (1, K, D). Returns n, then for every feature what was seen, s1 and s2
    about the centres, of each component, then eight zeros at least.
    """
    n_components, features = centres.shape[1:]
    block, joint, weigh = scratch(features * BLOCK), scratch(n_components * BLOCK), scratch(BLOCK)
    numbers = factors.rounded_up(n_components * (1 + 3 * features)) + WIDTH
    sums, lanes = np.zeros(numbers), scratch((numbers - WIDTH) * WIDTH)
    for first in range(0, z.shape[0], BLOCK):
        last = min(z.shape[0], first + BLOCK)
        rows = columns((), z, first, last, block)
        once = weighed(counts, 0, first, last, weigh)
        axes.joint_of((0,), features, 0, n_components, rows, block, constant, cells, centres, roots, joint)
        add_lookups(table, codes, first, last - first, n_components, joint)
        assign(joint, n_components, rows, weigh, once, rule, beta, totals, 0)
        axes.add_sums((0,), features, 0, n_components, rows, block, centres, joint, lanes)
        add_shares(joint, codes, first, last - first, n_components, buckets)
    factors.reduce(numbers - WIDTH, lanes, sums, 0)
    return sums
