"""Line search: shorten steps until the objective rises enough, for a batch of fits at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, Self

import numpy as np

from workbench.models.shapes import Coordinates

ENOUGH = 1e-4
"""Share of the rise that the slope promises which a step must keep (Armijo 1966; Nocedal & Wright 2006, eq. 3.4)."""
SHORTENINGS = 40
"""After so many a fit stays where it is: no step that can be told from none rises."""


class Batch(Protocol):
    """Anything of a batch of fits that can be asked for some of them."""

    def take(self, index: Any) -> Self: ...


def backtracked[T: Batch](
    evaluate: Callable[[np.ndarray, Coordinates], tuple[np.ndarray, T]],
    u: Coordinates,
    direction: Coordinates,
    rise: np.ndarray,
    floor: np.ndarray,
    length: np.ndarray,
) -> tuple[np.ndarray, list[tuple[np.ndarray, T]]]:
    """From u (restart, dim) along ``direction``, each fit by the first of ever shorter steps that rises enough.

    Parameters
    ----------
    evaluate : (numbers of some fits, their coordinates) -> (their objectives, whatever else was found there)
    rise : (restart,), slope of the objective along ``direction``
    floor : (restart,), the objective at ``u``
    length : (restart,), first step lengths; 0 leaves a fit where it is

    Returns
    -------
    Accepted step lengths, 0 for fits that stay, and by group the numbers of the accepted fits with what was found.
    """
    taken, length = np.zeros(length.size), length.copy()
    parts: list[tuple[np.ndarray, T]] = []
    for _ in range(SHORTENINGS):
        left = np.flatnonzero((taken == 0.0) & (length > 0.0) & (rise > 0.0))
        if not left.size:
            break
        value, found = evaluate(left, u[left] + length[left, None] * direction[left])
        with np.errstate(invalid="ignore"):
            good = value >= floor[left] + ENOUGH * length[left] * rise[left]
        if good.any():
            parts.append((left[good], found.take(good)))
            taken[left[good]] = length[left[good]]
        length[left] = np.where(good, length[left], length[left] * _shrunk(value - floor[left], length[left] * rise[left]))
    return taken, parts


def _shrunk(gain: np.ndarray, promised: np.ndarray) -> np.ndarray:
    """By how much to shorten: to the top of the parabola through what was found, within bounds (Nocedal & Wright 2006, eq. 3.58)."""
    with np.errstate(all="ignore"):
        top = promised / (2.0 * (promised - gain))
    return np.asarray(np.clip(np.nan_to_num(top, nan=0.1, posinf=0.1, neginf=0.1), 0.1, 0.5))
