"""L-BFGS: what the last steps of a batch of fits show of the curvature (Nocedal & Wright 2006, algorithm 7.4)."""

from __future__ import annotations

import numpy as np

from workbench.models.shapes import Coordinates

CURVED = 1e-10
"""A step is remembered if the slope fell along it by at least this share of |s| |y|."""


class Memory:
    """The last steps s and falls of the slope y of every fit, newest first (size, restart, dim); none of a fit are zeros.

    With ``size`` 0 the direction is the gradient, and the first length tried is twice the last one taken.
    """

    def __init__(self, count: int, dim: int, size: int) -> None:
        self.s, self.y, self.curvature = np.zeros((size, count, dim)), np.zeros((size, count, dim)), np.zeros((size, count))
        self.length = np.full(count, np.nan)

    @property
    def filled(self) -> np.ndarray:
        return np.asarray((self.curvature > 0.0).any(axis=0))

    def take(self, index: np.ndarray) -> Memory:
        other = Memory(0, 0, 0)
        other.s, other.y, other.curvature = self.s[:, index], self.y[:, index], self.curvature[:, index]
        other.length = self.length[index]
        return other

    def forget(self, who: np.ndarray) -> None:
        self.s[:, who], self.y[:, who], self.curvature[:, who] = 0.0, 0.0, 0.0

    def note(self, s: Coordinates, y: Coordinates) -> None:
        """Remember a step along which the slope fell, in place of the oldest; other fits keep what they have."""
        if not self.s.shape[0]:
            return
        with np.errstate(all="ignore"):
            curvature = dot(s, y)
            good = np.isfinite(curvature) & (curvature > CURVED * np.sqrt(dot(s, s) * dot(y, y)))
        for held, new in ((self.s, s), (self.y, y), (self.curvature, curvature)):
            held[1:, good] = held[:-1, good]
            held[0, good] = new[good]

    def direction(self, slope: Coordinates) -> tuple[Coordinates, np.ndarray]:
        """Direction and first step length: L-BFGS's two loops, or the gradient itself."""
        steepness = np.sqrt(dot(slope, slope))
        with np.errstate(all="ignore"):
            first = np.where(steepness > 0.0, 1.0 / steepness, 0.0)
            if not self.s.shape[0]:
                return slope, np.where(np.isnan(self.length), first, 2.0 * self.length)
            found = self._two_loops(slope)
        filled = self.filled
        return np.where(filled[:, None], found, slope), np.where(filled, 1.0, first)

    def _two_loops(self, slope: Coordinates) -> Coordinates:
        rho = np.where(self.curvature > 0.0, 1.0 / self.curvature, 0.0)
        q, shares = slope, []
        for s, y, r in zip(self.s, self.y, rho, strict=True):
            shares.append(r * dot(s, q))
            q = q - shares[-1][:, None] * y
        q = q * (self.curvature[0] / dot(self.y[0], self.y[0]))[:, None]
        for s, y, r, share in zip(self.s[::-1], self.y[::-1], rho[::-1], shares[::-1], strict=True):
            q = q + (share - r * dot(y, q))[:, None] * s
        return np.asarray(q)


def dot(a: Coordinates, b: Coordinates) -> np.ndarray:
    return np.asarray((a * b).sum(axis=-1))
