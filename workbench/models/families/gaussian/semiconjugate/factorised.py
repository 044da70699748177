"""q(means) q(spreads) by coordinate ascent: each the best given the other, until neither moves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

SETTLED = 1e-13
"""Relative change of the variances at which q has settled: at an optimum twice as far away is four times as many nats."""
ROUNDS = 500


def settled[Q](given: Callable[[np.ndarray], tuple[Q, np.ndarray, np.ndarray]], squares: np.ndarray) -> Q:
    """The q where rounds of ``given`` end.

    Parameters
    ----------
    given : E of the squared gaps between the rows' means and the components' -> q of the spreads given those and of the means given
        the spreads, the same squares under it, and the spreads' scales
    squares : to begin with
    """
    before = np.full(1, np.inf)
    for _ in range(ROUNDS):
        q, squares, scales = given(squares)
        if not (np.abs(scales - before) > SETTLED * np.abs(scales)).any():
            break
        before = scales
    return q


def picked(array: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Of two batches along the first axis the one that ``which`` (0 or 1) names for each of its places."""
    index = which.reshape(1, *which.shape, *(1,) * (array.ndim - which.ndim - 1))
    return np.asarray(np.take_along_axis(array, index, axis=0)[0])
