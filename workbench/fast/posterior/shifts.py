"""Means that are independent of covariances a priori: the kernels' eps, means in units of a component's own spread, from shift.

mean = m0 + R shift, so that with L0 the factor of the scale and A Bartlett's of the precision, eps = A' L0^-1 R shift; with independent
features sqrt(c) R / sqrt(scale) shift. ``turn`` is L0^-1 R (D, D), or R / sqrt(scale) (1, D). Of no size, eps is the coordinate itself.
"""

from __future__ import annotations

import math

import numpy as np

from workbench.fast.compiled import compiled
from workbench.fast.fisher.bartlett import bartlett


@compiled
def along_axes(turn: np.ndarray, c: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """eps (K, D) of c (K, D or 1) and shift (K, D)."""
    eps = shift.copy()
    if turn.size:
        for k in range(eps.shape[0]):
            for d in range(eps.shape[1]):
                eps[k, d] *= math.sqrt(c[k, min(d, c.shape[1] - 1)]) * turn[0, d]
    return eps


@compiled
def back_along_axes(turn: np.ndarray, c: np.ndarray, eps: np.ndarray, de: np.ndarray, dc: np.ndarray) -> np.ndarray:
    """The gradient by shift of what has this one by eps; what it has by c is added."""
    found = de.copy()
    if turn.size:
        for k in range(eps.shape[0]):
            for d in range(eps.shape[1]):
                own = min(d, c.shape[1] - 1)
                dc[k, own] += de[k, d] * eps[k, d] / (2.0 * c[k, own])
                found[k, d] *= math.sqrt(c[k, own]) * turn[0, d]
    return found


@compiled
def by_factors(turn: np.ndarray, c: np.ndarray, t: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """eps (K, D) of c (M, D), t (M, D(D-1)/2) and shift (K, D)."""
    eps = shift.copy()
    if turn.size:
        a, white = bartlett(c, t), _turned(turn, shift)
        for k in range(eps.shape[0]):
            for j in range(eps.shape[1]):
                eps[k, j] = 0.0
                for i in range(j, eps.shape[1]):
                    eps[k, j] += white[k, i] * a[min(k, a.shape[0] - 1), i, j]
    return eps


@compiled
def back_by_factors(
    turn: np.ndarray, c: np.ndarray, t: np.ndarray, shift: np.ndarray, de: np.ndarray, dc: np.ndarray, dt: np.ndarray
) -> np.ndarray:
    """The gradient by shift of what has this one by eps; what it has by c and t is added."""
    found = de.copy()
    if turn.size:
        a, white = bartlett(c, t), _turned(turn, shift)
        for k in range(found.shape[0]):
            m, at = min(k, a.shape[0] - 1), 0
            found[k] = 0.0
            for i in range(found.shape[1]):
                by_white = 0.0
                for j in range(i + 1):
                    by_white += a[m, i, j] * de[k, j]
                    if i > j:
                        dt[m, at] += white[k, i] * de[k, j]
                        at += 1
                dc[m, i] += white[k, i] * de[k, i] / (2.0 * a[m, i, i])
                for j in range(found.shape[1]):
                    found[k, j] += turn[i, j] * by_white
    return found


@compiled
def _turned(turn: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """turn shift, of each component."""
    found = np.zeros(shift.shape)
    for k in range(shift.shape[0]):
        for i in range(shift.shape[1]):
            for j in range(shift.shape[1]):
                found[k, i] += turn[i, j] * shift[k, j]
    return found
