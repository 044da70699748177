"""Bartlett's coordinates of matrices of precision, and gradients pulled back to them.

Coordinates are (c, t, eps): a lower triangular A with squared pivots c and t below, and e = eps / root. With ``whitener`` W the
inverse of the scale's factor, B = A' W is a root of the precision and a row's standardised deviation B y - e.

With n, s1 and s2 the responsibilities summed with 1, d and d d' for the deviation d = W y - v from the mean v = A^-T e,
dA = n / diag(A) on the diagonal - (s2 + v s1') A, and de = A' s1.
"""

from __future__ import annotations

import math

import numpy as np

from workbench.fast.compiled import compiled


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
def roots_of(a: np.ndarray, whitener: np.ndarray) -> np.ndarray:
    """B = A' W (M, D, D)."""
    b = np.zeros(a.shape)
    for m in range(a.shape[0]):
        for i in range(a.shape[1]):
            for j in range(a.shape[1]):
                for q in range(max(i, j), a.shape[1]):
                    b[m, i, j] += a[m, q, i] * whitener[q, j]
    return b


@compiled
def pulled_back(
    a: np.ndarray, white: np.ndarray, whitener: np.ndarray, n: np.ndarray, s1: np.ndarray, s2: np.ndarray, root: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients by c (M, D), t (M, D(D-1)/2) and eps (K, D) from completed sums (K), (K, D), (K, D, D) in the rows' units."""
    matrices, size = a.shape[0], a.shape[1]
    by_factor, de = np.zeros(a.shape), np.empty(white.shape)
    for k in range(white.shape[0]):
        m = k if matrices > 1 else 0
        first, second = by_vector(whitener, s1[k]), by_matrix(whitener, s2[k])
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


@compiled
def by_vector(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    result = np.zeros(a.shape[0])
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            result[i] += a[i, j] * x[j]
    return result


@compiled
def by_matrix(a: np.ndarray, x: np.ndarray) -> np.ndarray:
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
