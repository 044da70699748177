"""Who works on which rows: fits and chunks of rows shared out among threads, bits the same for any number of them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

ROWS, CHUNKS = 1024, 64
"""A chunk has at least so many rows where there are several, and there are at most so many: it follows from their number alone."""
BLOCK = 128
"""Rows that a kernel works on at a time: K + D columns of them stay in the first cache."""
PIECES = 8
"""Pieces a thread that the work is cut into; which thread takes a piece changes no bit of its sums."""
ALONE = 1_000_000
"""Numbers (rows x components x features x fits) below which threads cost more than they save."""


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="e_step")


def chunk_rows(n_rows: int) -> int:
    """Rows of a chunk, in whole blocks; an even number of chunks, so that two threads have equal shares."""
    n_chunks = min(CHUNKS, max(1, 2 * (n_rows // (2 * ROWS))))
    size = -(-n_rows // n_chunks)
    return -(-size // BLOCK) * BLOCK


def run(
    e_step: Callable[..., None], n_fits: int, n_rows: int, numbers: int, arguments: tuple[Any, ...], *, threads: int = 1, work: int = 0
) -> np.ndarray:
    """Partial sums (fit, chunk, numbers) of an E step.

    Parameters
    ----------
    e_step : compiled, nogil: (first fit, last fit, first chunk, last chunk, rows of a chunk, partial, *arguments); it adds
        to ``partial[fit, chunk]``, which starts at zero
    numbers : sums a fit and chunk
    threads : how many work side by side, on fits where there are many, else on chunks
    work : size of the job, in rows x components x features x fits; a small one is done by one thread
    """
    size = chunk_rows(n_rows)
    n_chunks = -(-n_rows // size)
    partial = np.zeros((n_fits, n_chunks, numbers))
    by_fit = n_fits >= n_chunks
    parts = min(threads, n_fits if by_fit else n_chunks)
    if parts <= 1 or work < ALONE:
        e_step(0, n_fits, 0, n_chunks, size, partial, *arguments)
        return partial
    total = n_fits if by_fit else n_chunks
    pieces = min(total, PIECES * parts)
    left = iter(range(pieces))

    def share() -> None:
        for piece in left:  # a thread that a neighbour holds up takes fewer pieces
            first, last = total * piece // pieces, total * (piece + 1) // pieces
            spans = (first, last, 0, n_chunks) if by_fit else (0, n_fits, first, last)
            e_step(*spans, size, partial, *arguments)

    others = [_pool(threads - 1).submit(share) for _ in range(1, parts)]
    share()
    for other in others:
        other.result()
    return partial
