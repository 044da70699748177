"""What all log posteriors begin and end with: from v to theta and its log prior density, and from the gradient by theta to that by v."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from workbench.fast.compiled import compiled, written_out
from workbench.fast.posterior.chart import natural, pull_back
from workbench.fast.posterior.pointers import matrix, vector, whole_matrix, whole_vector


@compiled
def opened(dim: int, v: Any, data: Any) -> tuple[np.ndarray, np.ndarray, float]:
    """theta, the gradient of the log prior density by u, and that density."""
    factor, numbers = matrix(data, 0), matrix(data, 6)
    u = np.empty(dim)
    for i in range(dim):
        u[i] = 0.0 if factor.size else v[i]
    for i in range(factor.shape[0]):
        for j in range(dim):
            u[i] += factor[i, j] * v[j]
    theta, slope = numbers[0].copy(), np.empty(dim)
    total = natural(u, whole_matrix(data, 3), numbers, theta, slope)
    return theta, slope, total + vector(data, 11)[0]


@compiled
def closed(total: float, theta: np.ndarray, by_theta: np.ndarray, slope: np.ndarray, gradient: Any, value: Any, data: Any) -> int:
    """Write value and gradient by v; 3 where one of them is not finite, else 0."""
    pull_back(theta, by_theta, whole_matrix(data, 3), slope)
    factor, dim, good = matrix(data, 0), slope.size, math.isfinite(total)
    value[0] = total
    for i in range(dim):
        good = good and math.isfinite(slope[i])
        gradient[i] = 0.0 if factor.size else slope[i]
    for i in range(factor.shape[0]):
        for j in range(dim):
            gradient[j] += factor[i, j] * slope[i]
    return 0 if good else 3


@written_out
def lengths_of(data: Any) -> tuple[int, int, int, int, int, int, int, int]:
    """K, M, C, T, D, B, P and L."""
    own = whole_vector(data, 9)
    return own[0], own[1], own[2], own[3], own[4], own[5], own[6], own[7]


@written_out
def part(theta: np.ndarray, at: int, rows: int, columns: int) -> np.ndarray:
    """A matrix that begins at ``at``."""
    return theta[at : at + rows * columns].reshape(rows, columns)


@written_out
def discrete_parts(theta: np.ndarray, at: int, k: int, b: int, p: int, levels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """probs, rates and levels (K, ...), which stand at the end of theta, from ``at`` on."""
    return part(theta, at, k, b), part(theta, at + k * b, k, p), part(theta, at + k * (b + p), k, levels)


@compiled
def put(theta: np.ndarray, at: int, numbers: np.ndarray) -> int:
    """Write an array to ``at`` and on; where the next begins."""
    flat = numbers.reshape(-1)
    for i in range(flat.size):
        theta[at + i] = flat[i]
    return at + flat.size
