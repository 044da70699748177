"""Triangular algebra over leading axes, where one bad matrix gives nan instead of an exception for all."""

from __future__ import annotations

import numpy as np


def cholesky(matrices: np.ndarray) -> np.ndarray:
    """Lower Cholesky factors of (..., D, D); those that are not positive definite are nan or have a zero pivot."""
    size = matrices.shape[-1]
    factor = np.zeros_like(matrices)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        for j in range(size):
            row = factor[..., j, :j]
            factor[..., j, j] = np.sqrt(matrices[..., j, j] - (row * row).sum(axis=-1))
            if j + 1 < size:
                below = matrices[..., j + 1 :, j] - (factor[..., j + 1 :, :j] * row[..., None, :]).sum(axis=-1)
                factor[..., j + 1 :, j] = below / factor[..., j, j, None]
    return factor


def inverse(factors: np.ndarray) -> np.ndarray:
    """Inverses of lower triangular (..., D, D) by forward substitution; nan where a pivot is zero or nan."""
    size = factors.shape[-1]
    result = np.zeros_like(factors)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        for j in range(size):
            result[..., j, j] = np.where(factors[..., j, j] > 0.0, 1.0 / factors[..., j, j], np.nan)
            if j:
                inner = (factors[..., j, :j, None] * result[..., :j, :j]).sum(axis=-2)
                result[..., j, :j] = -inner * result[..., j, j, None]
    return result


def transposed(matrices: np.ndarray) -> np.ndarray:
    return np.swapaxes(matrices, -1, -2)


def diagonal(matrices: np.ndarray) -> np.ndarray:
    return np.diagonal(matrices, axis1=-2, axis2=-1)


def smallest_eigenvalue(matrices: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Smallest eigenvalue of (..., D, D) in coordinates where ``factor factor'`` is the identity; 0 where not finite."""
    whitener = inverse(factor)
    relative = whitener @ matrices @ transposed(whitener)
    finite = np.isfinite(relative).all(axis=(-1, -2))
    safe = np.where(finite[..., None, None], relative, 0.0)
    return np.asarray(np.linalg.eigvalsh((safe + transposed(safe)) / 2.0)[..., 0])


def upper(matrices: np.ndarray) -> np.ndarray:
    """R of the QR decompositions of (..., D, D), pivots positive, by Householder's reflections; nan where one is singular."""
    size = matrices.shape[-1]
    scale = np.abs(matrices).max(axis=-2, keepdims=True, initial=0.0)  # of columns: no square overflows, whatever the units
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        result = matrices / scale
        for j in range(size):
            mirror = np.array(result[..., j:, j])
            norm = np.sqrt((mirror * mirror).sum(axis=-1))
            sign = np.copysign(1.0, mirror[..., 0])
            mirror[..., 0] += sign * norm
            right = result[..., j:, j + 1 :]
            along = (mirror[..., :, None] * right).sum(axis=-2) / (norm * np.abs(mirror[..., 0]))[..., None]
            right -= mirror[..., :, None] * along[..., None, :]
            right[..., 0, :] *= -sign[..., None]
            result[..., j, j] = norm
            result[..., j + 1 :, j] = 0.0
        return np.asarray(result * scale)
