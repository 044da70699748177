"""What a root of a precision says of rows of which the same cells were observed, and how it completes their sums.

The root B is turned so that what was not observed comes first (B = Q R): R_oo is the root of the precision of what was observed,
and R_mm and R_mo say what the rest is given that.
"""

from __future__ import annotations

import math

import numpy as np

from workbench.fast.compiled import compiled
from workbench.fast.fisher.bartlett import by_matrix, by_vector

LOG_2PI = math.log(2.0 * math.pi)


@compiled
def triangularised(a: np.ndarray) -> None:
    """Make ``a`` (D, D) upper triangular by Householder's reflections from the left."""
    size = a.shape[0]
    for j in range(size - 1):
        norm = 0.0
        for i in range(j, size):
            norm = math.hypot(norm, a[i, j])
        if norm == 0.0:
            continue
        if a[j, j] > 0.0:
            norm = -norm
        a[j, j] -= norm
        scale = -norm * a[j, j]  # half the reflector's square
        for column in range(j + 1, size):
            inner = 0.0
            for i in range(j, size):
                inner += a[i, j] * a[i, column]
            for i in range(j, size):
                a[i, column] -= inner / scale * a[i, j]
        a[j, j] = norm
        for i in range(j + 1, size):
            a[i, j] = 0.0


@compiled
def turned(b: np.ndarray, mask: np.ndarray, factor: np.ndarray, regression: np.ndarray, left: np.ndarray) -> float:
    """What a root ``b`` of a precision says of a pattern.

    Writes ``factor``, lower triangular: the root of the precision of what was observed, 0 elsewhere; ``regression`` (D, D), the
    unobserved by the observed, and ``left``, the covariance that is left of them. Returns the sum of the logarithms of the
    factor's pivots.
    """
    size = mask.size
    order, missing = np.empty(size, np.int64), 0
    for d in range(size):
        if mask[d] == 0.0:
            order[missing] = d
            missing += 1
    at = missing
    for d in range(size - 1, -1, -1):  # backwards, so that the upper triangle of what was observed becomes a lower one
        if mask[d] != 0.0:
            order[at] = d
            at += 1
    r = np.empty((size, size))
    for i in range(size):
        for j in range(size):
            r[i, j] = b[i, order[j]]
            factor[i, j], regression[i, j], left[i, j] = 0.0, 0.0, 0.0
    triangularised(r)
    logs = 0.0
    for i in range(missing, size):
        logs += math.log(abs(r[i, i]))
        for j in range(i, size):
            factor[order[i], order[j]] = r[i, j]
    inverse = np.zeros((missing, missing))
    for j in range(missing):
        for i in range(j, -1, -1):
            inner = 1.0 if i == j else 0.0
            for m in range(i + 1, j + 1):
                inner -= r[i, m] * inverse[m, j]
            inverse[i, j] = inner / r[i, i]
    for i in range(missing):
        for j in range(missing, size):
            for m in range(i, missing):
                regression[order[i], order[j]] -= inverse[i, m] * r[m, j]
        for j in range(missing):
            for m in range(max(i, j), missing):
                left[order[i], order[j]] += inverse[i, m] * inverse[j, m]
    return logs


@compiled
def completed(sums: np.ndarray, mask: np.ndarray, regression: np.ndarray, left: np.ndarray, s1: np.ndarray, s2: np.ndarray) -> float:
    """Add a pattern's expected sums of d and d d' to ``s1`` and ``s2``; return n. ``sums`` are packed: n, s1, s2 row by row."""
    size, missing = mask.size, False
    first, second = np.empty(size), np.empty((size, size))
    for i in range(size):
        missing = missing or mask[i] == 0.0
        first[i] = sums[1 + i] if mask[i] != 0.0 else 0.0
        for j in range(i + 1):
            both = mask[i] != 0.0 and mask[j] != 0.0
            second[i, j] = sums[1 + size + i * (i + 1) // 2 + j] if both else 0.0
            second[j, i] = second[i, j]
    if missing:
        whole = np.empty((size, size))
        for i in range(size):
            for j in range(size):
                whole[i, j] = 1.0 if i == j and mask[i] != 0.0 else regression[i, j]
        first, second = by_vector(whole, first), by_matrix(whole, second)
    for i in range(size):
        s1[i] += first[i]
        for j in range(size):
            s2[i, j] += second[i, j] + sums[0] * left[i, j] if missing else second[i, j]
    return float(sums[0])


@compiled
def under(
    b: np.ndarray, mask: np.ndarray, log_weights: np.ndarray, factor: np.ndarray, regression: np.ndarray, left: np.ndarray
) -> np.ndarray:
    """``turned`` for every root; the constants (1, K) of the pattern's log joints."""
    constant, logs, seen = np.empty((1, log_weights.size)), np.empty(b.shape[0]), 0.0
    for cell in mask:
        seen += cell
    for m in range(b.shape[0]):
        logs[m] = turned(b[m], mask, factor[0, m], regression[m], left[m])
    for k in range(log_weights.size):
        constant[0, k] = log_weights[k] + logs[k if b.shape[0] > 1 else 0] - 0.5 * LOG_2PI * seen
    return constant


@compiled
def complete(
    sums: np.ndarray,
    mask: np.ndarray,
    regression: np.ndarray,
    left: np.ndarray,
    n: np.ndarray,
    n_seen: np.ndarray,
    s1: np.ndarray,
    s2: np.ndarray,
) -> None:
    """Add a pattern's sums, completed, to all components'; a row of which nothing was observed says nothing of the features."""
    size, seen = mask.size, 0.0
    for cell in mask:
        seen += cell
    step = 1 + size + size * (size + 1) // 2
    for k in range(n.size):
        own, m = sums[k * step : (k + 1) * step], k if left.shape[0] > 1 else 0
        n[k] += own[0]
        if seen > 0.0:
            n_seen[k] += completed(own, mask, regression[m], left[m], s1[k], s2[k])
