"""Gaussians with a covariance matrix, one each or one for all, rows grouped by what was observed of them.

Coordinates are Bartlett's (c, t, eps): a lower triangular A with squared pivots c and t below, and e = eps / root. Rows y are in
units of the scale's diagonal, about the prior's mean; with ``whitener`` W the inverse of the scale's factor in those units,
B = A' W is a root of the precision and a row's standardised deviation B y - e.

Of a pattern, B is turned so that what was not observed comes first (B = Q R): R_oo is the root of the precision of what was
observed, and R_mm and R_mo say what the rest is given that. The rest's expectations complete the statistics; then, with n, s1 and
s2 the responsibilities summed with 1, d and d d' for the deviation d = W y - v from the mean v = A^-T e,
dA = n / diag(A) on the diagonal - (s2 + v s1') A, and de = A' s1.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.extending import overload

from workbench.fast.compiled import compiled
from workbench.fast.fisher import discrete
from workbench.fast.gaussian import factors, wide
from workbench.fast.lanes import WIDTH
from workbench.fast.mixed import by_cell, matrix_rows, tables

LOG_2PI = math.log(2.0 * math.pi)

Gradient = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@compiled
def bartlett(c: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Lower triangular A (M, D, D) with squared pivots c (M, D) and entries t (M, D(D-1)/2) below, row by row."""
    a = np.zeros((*c.shape, c.shape[1]))
    for m in range(c.shape[0]):
        at = 0
        for i in range(c.shape[1]):
            a[m, i, i] = math.sqrt(c[m, i])
            for j in range(i):
                a[m, i, j] = t[m, at]
                at += 1
    return a


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
        first, second = _by_vector(whole, first), _by_matrix(whole, second)
    for i in range(size):
        s1[i] += first[i]
        for j in range(size):
            s2[i, j] += second[i, j] + sums[0] * left[i, j] if missing else second[i, j]
    return float(sums[0])


@compiled
def _by_vector(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    result = np.zeros(a.shape[0])
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            result[i] += a[i, j] * x[j]
    return result


@compiled
def _by_matrix(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """a x a'."""
    half, result = np.zeros(x.shape), np.zeros(x.shape)
    for i in range(x.shape[0]):
        for j in range(x.shape[0]):
            for m in range(x.shape[0]):
                half[i, m] += a[i, j] * x[j, m]
    for i in range(x.shape[0]):
        for j in range(x.shape[0]):
            for m in range(x.shape[0]):
                result[i, j] += half[i, m] * a[j, m]
    return result


@compiled
def centres_of(a: np.ndarray, e: np.ndarray, whitener: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means (K, D), whitened (A^-T e) and in the rows' units (W^-1 A^-T e)."""
    white, own = np.empty(e.shape), np.empty(e.shape)
    size = e.shape[1]
    for k in range(e.shape[0]):
        m = k if a.shape[0] > 1 else 0
        for i in range(size - 1, -1, -1):
            inner = e[k, i]
            for j in range(i + 1, size):
                inner -= a[m, j, i] * white[k, j]
            white[k, i] = inner / a[m, i, i]
        for i in range(size):
            inner = white[k, i]
            for j in range(i):
                inner -= whitener[i, j] * own[k, j]
            own[k, i] = inner / whitener[i, i]
    return white, own


@compiled
def pulled_back(
    a: np.ndarray, white: np.ndarray, whitener: np.ndarray, n: np.ndarray, s1: np.ndarray, s2: np.ndarray, root: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients by c (M, D), t (M, D(D-1)/2) and eps (K, D) from completed sums (K), (K, D), (K, D, D) in the rows' units."""
    matrices, size = a.shape[0], a.shape[1]
    by_factor, de = np.zeros(a.shape), np.empty(white.shape)
    for k in range(white.shape[0]):
        m = k if matrices > 1 else 0
        first, second = _by_vector(whitener, s1[k]), _by_matrix(whitener, s2[k])
        for i in range(size):
            de[k, i] = 0.0
            for j in range(i, size):
                de[k, i] += a[m, j, i] * first[j] / root
            by_factor[m, i, i] += n[k] / a[m, i, i]
            for j in range(i + 1):
                for q in range(j, size):
                    by_factor[m, i, j] -= (second[i, q] + white[k, i] * first[q]) * a[m, q, j]
    dc, dt = np.empty((matrices, size)), np.empty((matrices, size * (size - 1) // 2))
    for m in range(matrices):
        at = 0
        for i in range(size):
            dc[m, i] = by_factor[m, i, i] / (2.0 * a[m, i, i])
            for j in range(i):
                dt[m, at] = by_factor[m, i, j]
                at += 1
    return dc, dt, de


def _rows(
    size: tuple[int, ...], y: np.ndarray, counts: np.ndarray, constant: np.ndarray, centres: np.ndarray, factor: np.ndarray
) -> tuple[float, np.ndarray]:
    """Log likelihood and sums about the centres, packed, of an E step over rows of one pattern."""
    raise NotImplementedError("for compiled code")


@overload(_rows)
def _rows_by_size(size: Any, y: Any, counts: Any, constant: Any, centres: Any, factor: Any) -> Any:
    """Only the kernels that D takes are compiled."""

    def few(size: Any, y: Any, counts: Any, constant: Any, centres: Any, factor: Any) -> Any:
        partial = np.zeros((1, 1, factors.numbers(centres.shape[1], centres.shape[2])))
        factors.e_step(0, 1, 0, 1, y.shape[0], partial, size, y, counts, constant, centres, factor, centres, 0, 1.0)
        return partial[0, 0, partial.shape[2] - WIDTH], partial[0, 0]

    def many(size: Any, y: Any, counts: Any, constant: Any, centres: Any, factor: Any) -> Any:
        n_components, features = centres.shape[1], centres.shape[2]
        points = wide.padded_columns(centres[0]).reshape(1, n_components, -1)
        roots = wide.padded_rows(factor[0]).reshape(1, factor.shape[1], -1, features)
        partial = np.zeros((1, 1, n_components * wide.numbers(features) + WIDTH))
        wide.e_step(0, 1, 0, 1, y.shape[0], partial, y, counts, constant, points, roots, points, 0, 1.0)
        return partial[0, 0, partial.shape[2] - WIDTH], wide.packed(partial[0], n_components, features)[0]

    return few if len(size) > 0 else many


@compiled
def _roots(a: np.ndarray, whitener: np.ndarray) -> np.ndarray:
    """B = A' W (M, D, D)."""
    b = np.zeros(a.shape)
    for m in range(a.shape[0]):
        for i in range(a.shape[1]):
            for j in range(a.shape[1]):
                for q in range(max(i, j), a.shape[1]):
                    b[m, i, j] += a[m, q, i] * whitener[q, j]
    return b


@compiled
def _under(
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
def _complete(
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


@compiled
def value_and_gradient(
    size: tuple[int, ...],
    log_weights: np.ndarray,
    c: np.ndarray,
    t: np.ndarray,
    eps: np.ndarray,
    root: np.ndarray,
    whitener: np.ndarray,
    y: np.ndarray,
    starts: np.ndarray,
    masks: np.ndarray,
    counts: np.ndarray,
) -> Gradient:
    """By log_weights (K), c (M, D), t (M, D(D-1)/2) and eps (K, D), M = K or 1; without the Jacobian of y.

    Parameters
    ----------
    size : a tuple of D zeros where D is small, so that D is known when the code is written, else empty
    root : (), square root of the prior's mean_strength
    whitener : (D, D), lower triangular
    y : (N, D), rows sorted by pattern, 0 where a cell was not observed
    starts : (P + 1), where the rows of each pattern begin; masks : (P, D), 1 where observed
    counts : (N)
    """
    n_components, features = eps.shape
    a = bartlett(c, t)
    white, own = centres_of(a, eps / root.item(), whitener)
    b, centres = _roots(a, whitener), own.reshape(1, n_components, features)
    factor, regression, left = np.empty((1, *a.shape)), np.empty(a.shape), np.empty(a.shape)
    total, n, n_seen = 0.0, np.zeros(n_components), np.zeros(n_components)
    s1, s2 = np.zeros(eps.shape), np.zeros((n_components, features, features))
    for p in range(masks.shape[0]):
        first, last = int(starts[p]), int(starts[p + 1])
        constant = _under(b, masks[p], log_weights, factor, regression, left)
        value, sums = _rows(size, y[first:last], counts[first:last].copy().reshape(1, -1), constant, centres, factor)
        total += value
        _complete(sums, masks[p], regression, left, n, n_seen, s1, s2)
    dc, dt, de = pulled_back(a, white, whitener, n_seen, s1, s2, root.item())
    return np.array(total), n, dc, dt, de


@compiled
def with_discrete(
    size: tuple[int, ...],
    log_weights: np.ndarray,
    c: np.ndarray,
    t: np.ndarray,
    eps: np.ndarray,
    probs: np.ndarray,
    rates: np.ndarray,
    levels: np.ndarray,
    root: np.ndarray,
    whitener: np.ndarray,
    y: np.ndarray,
    starts: np.ndarray,
    masks: np.ndarray,
    codes: np.ndarray,
    members: np.ndarray,
    kind: np.ndarray,
    column: np.ndarray,
    value: np.ndarray,
    counts: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """The same beside discrete features: by log_weights, c, t, eps, probs, rates and levels."""
    n_components, features = eps.shape
    a = bartlett(c, t)
    white, own = centres_of(a, eps / root.item(), whitener)
    b, centres = _roots(a, whitener), own.reshape(1, n_components, features)
    factor, regression, left = np.empty((1, *a.shape)), np.empty(a.shape), np.empty(a.shape)
    n, n_seen = np.zeros(n_components), np.zeros(n_components)
    s1, s2 = np.zeros(eps.shape), np.zeros((n_components, features, features))
    cells = discrete.log_cells(probs, rates, levels, kind, column, value)
    table, totals = tables(cells, members), np.zeros(WIDTH)
    buckets = np.zeros(table.shape)
    for p in range(masks.shape[0]):
        first, last = int(starts[p]), int(starts[p + 1])
        constant = _under(b, masks[p], log_weights, factor, regression, left)
        rows = (y[first:last], counts[first:last].copy().reshape(1, -1))
        sums = matrix_rows(size, *rows, constant, centres, factor, centres, codes[first:last], table, 0, 1.0, totals, buckets)
        _complete(sums, masks[p], regression, left, n, n_seen, s1, s2)
    dc, dt, de = pulled_back(a, white, whitener, n_seen, s1, s2, root.item())
    rest = discrete.slopes(by_cell(buckets, members, kind.size), probs, rates, levels, kind, column, value)
    return np.array(totals[0]), n, dc, dt, de, rest[0], rest[1], rest[2]
