"""Anderson's mixing (Walker & Ni 2011): a step of a fixed-point iteration, mended by the few before it."""

from __future__ import annotations

import numpy as np

from workbench.models.shapes import Flags


class Mixing:
    """The last differences of a batch of iterations u -> g(u) = u + f(u), and the least squares on them.

    With dF and dG the differences of f and of g over the last ``memory`` points, the next point is g - dG gamma, gamma the
    least-squares solution of dF gamma = f (Walker & Ni 2011, section 2, with a ridge).

    Parameters
    ----------
    count, dim : fits of the batch, and coordinates of each
    memory : differences kept
    ridge : of the least squares, relative to the trace of dF' dF

    Attributes
    ----------
    step, image : ndarray (fit, dim), f and g of the point noted last; nan where there is none
    steps, images : ndarray (memory, fit, dim), their differences, the last one first; 0 where there is none
    """

    def __init__(self, count: int, dim: int, memory: int, ridge: float) -> None:
        self.ridge = ridge
        self.step, self.image = np.full((count, dim), np.nan), np.full((count, dim), np.nan)
        self.steps, self.images = np.zeros((memory, count, dim)), np.zeros((memory, count, dim))

    @property
    def filled(self) -> Flags:
        """Which fits have any difference, (fit,)."""
        return np.asarray((self.steps != 0.0).any(axis=(0, 2)))

    def take(self, index: np.ndarray | slice) -> Mixing:
        """Index the batch."""
        other = Mixing(0, self.step.shape[1], self.steps.shape[0], self.ridge)
        other.step, other.image = self.step[index], self.image[index]
        other.steps, other.images = self.steps[:, index], self.images[:, index]
        return other

    def forget(self, who: Flags, last: bool = False) -> None:
        """Start anew after a point that was dropped; with ``last`` the point noted last is no neighbour of the next one either."""
        self.steps[:, who], self.images[:, who] = 0.0, 0.0
        if last:
            self.step[who] = np.nan

    def mended(self, step: np.ndarray, image: np.ndarray, scales: np.ndarray | float = 1.0) -> np.ndarray:
        """Note a step f that leads to the image g, both (fit, dim), and mix it with those before: g - dG gamma.

        ``scales`` (dim,) are the coordinates' in the least squares. What is no number counts for nothing there.
        """
        known = np.isfinite(self.step).all(axis=-1, keepdims=True)
        self.steps = np.concatenate([np.where(known, step - np.nan_to_num(self.step), 0.0)[None], self.steps[:-1]])
        self.images = np.concatenate([np.where(known, image - np.nan_to_num(self.image), 0.0)[None], self.images[:-1]])
        self.step, self.image = step, image
        a = np.moveaxis(np.nan_to_num(self.steps * scales), 0, -1)  # (fit, dim, memory)
        gram = np.swapaxes(a, -1, -2) @ a
        trace = np.trace(gram, axis1=-2, axis2=-1)[:, None, None]
        ridge = np.where(trace > 0, trace * self.ridge, 1.0) * np.eye(a.shape[-1])
        gamma = np.linalg.solve(gram + ridge, np.swapaxes(a, -1, -2) @ np.nan_to_num(step * scales)[..., None])[..., 0]
        return np.asarray(image - np.einsum("mrd,rm->rd", self.images, gamma))
