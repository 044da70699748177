"""Newton's direction from gradients alone, for a batch of fits at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from workbench.models.shapes import Coordinates

NEARBY = 1e-5
"""How far along a direction the gradient is taken again, in unconstrained coordinates."""
CONJUGATE = 16
"""Steps of conjugate gradients at most: with so many coordinates or fewer the direction is Newton's own."""
CLOSE = 0.1
"""Share of the gradient that they may leave, in the metric of the diagonal."""
SIGNS = 4
"""Sign patterns that show the diagonal: it is exact but for coordinates whose numbers differ by a multiple of four."""


def newton(gradient: Callable[[Coordinates], Coordinates], u: Coordinates, slope: Coordinates) -> Coordinates:
    """Uphill directions (restart, dim) at ``u``: -H^-1 slope, H the second derivatives, as far as conjugate gradients get.

    The truncated Newton method (Nocedal & Wright 2006, algorithm 7.1), preconditioned by the diagonal of H: that of a logit
    on its way to infinity is smaller than the others by orders of magnitude. H times a vector is a difference of gradients.
    A fit whose objective bends upwards along the next direction keeps what it has; along the first, that direction, of length 1.

    Parameters
    ----------
    gradient : u -> gradient of the objective there, both (restart, dim)
    slope : the gradient at ``u``
    """

    def times(v: Coordinates) -> Coordinates:
        """-H v, one more gradient."""
        return np.asarray((slope - gradient(u + NEARBY * _unit(v))) / NEARBY * np.sqrt(_dot(v, v))[:, None])

    with np.errstate(all="ignore"):
        diagonal = _diagonal(times, u)
        found, left, along = np.zeros_like(u), slope, slope / diagonal
        going, size = np.ones(u.shape[0], bool), _dot(slope, along)
        enough = CLOSE**2 * size
        for step in range(CONJUGATE):
            bent = times(along)
            curvature = _dot(along, bent)
            going &= curvature > 0.0
            if step == 0:
                found = np.where(going[:, None], 0.0, _unit(along))
            length = np.where(going, size / curvature, 0.0)[:, None]
            found, left = found + length * along, left - length * bent
            before, size = size, _dot(left, left / diagonal)
            going &= size > enough
            if not going.any():
                break
            along = np.where(going[:, None], left / diagonal + (size / before)[:, None] * along, 0.0)
    return found


def _diagonal(times: Callable[[Coordinates], Coordinates], u: Coordinates) -> Coordinates:
    """The diagonal of -H by absolute value, estimated from its products with signs (Bekas, Kokiopoulou & Saad 2007); 1 where it is 0."""
    numbers = np.arange(u.shape[-1])
    patterns = [(-1.0) ** np.bitwise_count(numbers & row) for row in range(SIGNS)]
    found = np.abs(sum(signs * times(np.broadcast_to(signs, u.shape)) for signs in patterns)) / SIGNS
    return np.where(np.isfinite(found) & (found > 0.0), found, 1.0)


def _unit(v: Coordinates) -> Coordinates:
    size = np.sqrt(_dot(v, v))[:, None]
    return np.asarray(v / np.where(size > 0.0, size, 1.0))


def _dot(a: Coordinates, b: Coordinates) -> np.ndarray:
    return np.asarray((a * b).sum(axis=-1))
