"""Few discrete cells and few components: rows side by side, each cell times whether a row shows it, and nothing is looked up.

Where a register holds eight rows and not the components of one, exponentials are taken of all its lanes. On 435 rows of 16 binary
features with empty cells, K = 2, it takes a third of the time of :mod:`workbench.fast.lookup`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.fast.assign import write_soft, write_soft_once
from workbench.fast.chunks import BLOCK
from workbench.fast.compiled import written_out
from workbench.fast.lanes import WIDTH
from workbench.fast.writer import Writer, kernel

ROWS, CELLS = 2, 4
"""Registers of rows, and cells, taken together, so that no sum waits for itself."""


@kernel
def joints(
    code: Writer, size: int, cells: Any, width: Any, n_cells: Any, shown: Any, stride: Any, first: Any, rows: Any, joint: Any
) -> None:
    """log p(row, k) (K, BLOCK) of rows first .. first + rows; cells (C, width), shown (C, stride)."""
    with code.loop(rows, step=ROWS * WIDTH) as row:
        sums = [[code.sum() for _ in range(size)] for _ in range(ROWS)]
        with code.loop(n_cells) as cell:
            logs = [code.spread(cells, code.plus(code.product(cell, width), k)) for k in range(size)]
            for r, own in enumerate(sums):
                there = code.load(shown, code.plus(code.product(cell, stride), first, row, r * WIDTH))
                for place, log in zip(own, logs, strict=True):
                    place.add_product(there, log)
        for r, own in enumerate(sums):
            for k, place in enumerate(own):
                code.store(place.value, joint, code.plus(row, r * WIDTH + k * BLOCK))


@kernel
def gather(
    code: Writer, size: int, joint: Any, width: Any, n_cells: Any, shown: Any, stride: Any, first: Any, rows: Any, sums: Any
) -> None:
    """Add the shares of rows that show a cell to its sums (C, width)."""
    with code.loop(n_cells, step=CELLS) as cell:
        own = [[code.sum() for _ in range(size)] for _ in range(CELLS)]
        with code.loop(rows, step=WIDTH) as row:
            shares = [code.load(joint, code.plus(row, k * BLOCK)) for k in range(size)]
            for c, places in enumerate(own):
                there = code.load(shown, code.plus(code.product(code.plus(cell, c), stride), first, row))
                for place, share in zip(places, shares, strict=True):
                    place.add_product(there, share)
        for c, places in enumerate(own):
            for k, place in enumerate(places):
                code.add_to(sums, code.plus(code.product(code.plus(cell, c), width), k), place.value.total())


@written_out
def expectation(size: tuple[int, ...], cells: np.ndarray, shown: np.ndarray, counts: np.ndarray, once: bool) -> tuple[float, np.ndarray]:
    """Log likelihood, and responsibilities summed by cell (C, K').

    Parameters
    ----------
    size : a tuple of K zeros
    cells : (C, K'), log densities of cells, the log weights among them as of a cell that every row shows
    shown : (C, N), 1 where a row shows a cell, else 0; C and N in multiples of ``CELLS`` and ``ROWS * WIDTH``
    counts : (N), 0 of rows that fill up
    once : they are 0 or 1
    """
    totals, sums, joint = np.zeros(3), np.zeros(cells.shape), np.empty(len(size) * BLOCK)
    n_cells, width, stride = cells.shape[0], cells.shape[1], shown.shape[1]
    for first in range(0, stride, BLOCK):
        rows = min(BLOCK, stride - first)
        joints(size, cells, width, n_cells, shown, stride, first, rows, joint)
        if once:
            write_soft_once(joint, len(size), rows, counts[first : first + rows], totals, 0)
        else:
            write_soft(joint, len(size), rows, counts[first : first + rows], totals, 0)
        gather(size, joint, width, n_cells, shown, stride, first, rows, sums)
    return totals[0], sums


def shown_cells(codes: np.ndarray, members: np.ndarray, n_cells: int, counts: np.ndarray) -> dict[str, np.ndarray]:
    """``shown``, ``counts`` and ``once`` of :func:`expectation`, of codes (N, G) and members (S, 2) as of ``Coded``.

    Cell C, the last before those that fill up, is shown by every row.
    """
    codes, members = codes.astype(np.int64), members.astype(np.int64)
    held = np.zeros((n_cells + 1 + members.shape[0], n_cells))
    held[:n_cells] = np.eye(n_cells)
    for entry, pair in enumerate(members):
        held[n_cells + 1 + entry] = held[pair].sum(axis=0)
    n_rows = codes.shape[0]
    shown = np.zeros((-(-(n_cells + 1) // CELLS) * CELLS, -(-n_rows // (ROWS * WIDTH)) * ROWS * WIDTH))
    shown[:n_cells, :n_rows], shown[n_cells, :n_rows] = held[codes].sum(axis=1).T, 1.0
    weighed = np.zeros(shown.shape[1])
    weighed[:n_rows] = counts
    return {"shown": shown, "counts": weighed, "once": np.isin(weighed, (0.0, 1.0)).all(keepdims=True)}
