"""Log likelihood of a full-covariance Gaussian mixture and its gradient, in one pass over whitened rows.

The coordinates are those of the prior (a lower triangular A with precision L0^-T A A' L0^-1, and eps), the rows are
z = L0^-1 (x - m0). With e = eps / root a row's deviation in component k is A_k' z - e_k, so nothing is solved or factorised.

The gradient is that of EM's Q with its statistics held fixed (Fisher's identity): with n, s1, s2 the responsibilities summed
with 1, z and z z', d log w = n, dA = n / diag(A) on the diagonal - (s2 A - s1 e'), de = A' s1 - n e.
"""

from __future__ import annotations

import math

import numba
import numpy as np

LOG_2PI = math.log(2.0 * math.pi)


@numba.njit(cache=True)
def bartlett(c: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Lower triangular A (K, D, D) with squared pivots c (K, D) and entries t (K, D(D-1)/2) below, row by row."""
    n_components, size = c.shape
    a = np.zeros((n_components, size, size))
    for k in range(n_components):
        at = 0
        for i in range(size):
            a[k, i, i] = math.sqrt(c[k, i])
            for j in range(i):
                a[k, i, j] = t[k, at]
                at += 1
    return a


@numba.njit(cache=True)
def log_joint(z: np.ndarray, a: np.ndarray, e: np.ndarray, constant: np.ndarray, out: np.ndarray) -> float:
    """Write log p(row, k) of one row to ``out`` (K,); return the largest."""
    n_components, size = e.shape
    top = -np.inf
    for k in range(n_components):
        square = 0.0
        for j in range(size):
            deviation = -e[k, j]
            for i in range(j, size):
                deviation += a[k, i, j] * z[i]
            square += deviation * deviation
        out[k] = constant[k] - 0.5 * square
        top = max(top, out[k])
    return top


@numba.njit(cache=True)
def expectation(
    z: np.ndarray, counts: np.ndarray, a: np.ndarray, e: np.ndarray, constant: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """Log likelihood, and n (K,), s1 (K, D), s2 (K, D, D; lower triangle) of the whole E step."""
    n_components, size = e.shape
    n, s1, s2 = np.zeros(n_components), np.zeros((n_components, size)), np.zeros((n_components, size, size))
    joint = np.empty(n_components)
    total = 0.0
    for row in range(z.shape[0]):
        top = log_joint(z[row], a, e, constant, joint)
        mass = 0.0
        for k in range(n_components):
            joint[k] = math.exp(joint[k] - top)
            mass += joint[k]
        total += counts[row] * (top + math.log(mass))
        for k in range(n_components):
            share = counts[row] * joint[k] / mass
            n[k] += share
            for i in range(size):
                part = share * z[row, i]
                s1[k, i] += part
                for j in range(i + 1):
                    s2[k, i, j] += part * z[row, j]
    return total, n, s1, s2


@numba.njit(cache=True)
def pull_back(
    a: np.ndarray, e: np.ndarray, n: np.ndarray, s1: np.ndarray, s2: np.ndarray, root: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients by c, t and eps from the statistics."""
    n_components, size = e.shape
    dc, de = np.empty((n_components, size)), np.empty((n_components, size))
    dt = np.empty((n_components, size * (size - 1) // 2))
    for k in range(n_components):
        at = 0
        for i in range(size):
            for j in range(i + 1):
                slope = s1[k, i] * e[k, j]
                for m in range(j, size):
                    slope -= (s2[k, i, m] if m <= i else s2[k, m, i]) * a[k, m, j]
                if j < i:
                    dt[k, at] = slope
                    at += 1
                else:
                    dc[k, i] = (n[k] / a[k, i, i] + slope) / (2.0 * a[k, i, i])
            slope = -n[k] * e[k, i]
            for m in range(i, size):
                slope += a[k, m, i] * s1[k, m]
            de[k, i] = slope / root
    return dc, dt, de


@numba.njit(cache=True)
def value_and_gradient(
    log_weights: np.ndarray, c: np.ndarray, t: np.ndarray, eps: np.ndarray, root: np.ndarray, z: np.ndarray, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Log likelihood of whitened rows (without the whitening's Jacobian), and its gradient by log_weights, c, t and eps.

    Parameters
    ----------
    log_weights : (K,)
    c, eps : (K, D)
    t : (K, D(D-1)/2)
    root : (), square root of the prior's mean_strength
    z : (N, D), rows in coordinates where the prior's mean is 0 and its scale the identity
    counts : (N,), multiplicities

    Returns
    -------
    log likelihood (), then gradients of the shapes of log_weights, c, t, eps
    """
    size = c.shape[1]
    a = bartlett(c, t)
    e = eps / root.item()
    constant = np.empty(c.shape[0])
    for k in range(c.shape[0]):
        constant[k] = log_weights[k] - 0.5 * size * LOG_2PI
        for i in range(size):
            constant[k] += 0.5 * math.log(c[k, i])
    total, n, s1, s2 = expectation(z, counts, a, e, constant)
    dc, dt, de = pull_back(a, e, n, s1, s2, root.item())
    return np.array(total), n, dc, dt, de
