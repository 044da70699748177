"""Normals along an L-BFGS path: the inverse curvature that the steps so far show, diagonal plus low rank (Zhang et al. 2022)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cholesky, qr, solve_triangular

CURVED = 1e-12
"""A step counts if the slope fell along it by at least this share of |y|^2 (Zhang et al. 2022, algorithm 3)."""


@dataclass(frozen=True, eq=False)
class LowRankNormal:
    """N(mean, D (Q C C' Q' + I - Q Q') D), D = diag(sds): a point costs dim x rank, not dim^2.

    Attributes
    ----------
    mean, sds : ndarray (dim,)
    basis : Q, ndarray (dim, rank), orthonormal columns
    factor : C, ndarray (rank, rank), lower triangular
    """

    mean: np.ndarray
    sds: np.ndarray
    basis: np.ndarray
    factor: np.ndarray

    def sample(self, rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Draws (size, dim) and the log density of each."""
        z = rng.standard_normal((size, self.mean.size))
        within = z @ self.basis
        u = self.mean + self.sds * (z + (within @ self.factor.T - within) @ self.basis.T)
        log_volume = np.log(self.sds).sum() + np.log(np.diagonal(self.factor)).sum() + self.mean.size * math.log(2.0 * math.pi) / 2.0
        return u, -0.5 * (z**2).sum(axis=1) - log_volume

    def lengths(self, steps: np.ndarray) -> np.ndarray:
        """How long steps (n, dim) are, in standard deviations: the root of step' covariance^-1 step."""
        plain = steps / self.sds
        within = plain @ self.basis
        turned = solve_triangular(self.factor, within.T, lower=True).T
        return np.asarray(np.linalg.norm(plain + (turned - within) @ self.basis.T, axis=-1))

    def root(self) -> np.ndarray:
        """A square root A of the covariance A A', (dim, dim)."""
        inner = self.basis @ (self.factor - np.eye(self.factor.shape[0])) @ self.basis.T
        return np.asarray(self.sds[:, None] * (np.eye(self.mean.size) + inner))


def along(u: np.ndarray, slope: np.ndarray, history: int) -> Iterator[LowRankNormal | None]:
    """A normal for every point after the first of a path (point, dim) with its gradients of the log density.

    None where no step has shown a curvature yet, or where what they show is not positive definite in working precision.

    The mean is a Newton step from the point, the covariance the inverse curvature H: the last ``history`` steps s and falls of the
    gradient y update a diagonal that has itself followed all steps (Byrd, Nocedal & Schnabel 1994, eq. 3.1; Gilbert & Lemarechal
    1989, eq. 4.9).
    """
    diagonal = np.ones(u.shape[1])
    steps: list[np.ndarray] = []
    falls: list[np.ndarray] = []
    for s, y, here, g in zip(np.diff(u, axis=0), -np.diff(slope, axis=0), u[1:], slope[1:], strict=True):
        if s @ y > CURVED * (y @ y) > 0.0:
            diagonal = _followed(diagonal, s, y)
            steps, falls = [*steps[-history + 1 :], s], [*falls[-history + 1 :], y]
        yield _normal(here, g, diagonal, np.array(steps).T, np.array(falls).T) if steps else None


def _followed(diagonal: np.ndarray, s: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The diagonal of the inverse curvature after one more step (Zhang et al. 2022, algorithm 3)."""
    a, b, c = y @ (diagonal * y), y @ s, s @ (s / diagonal)
    return np.asarray(1.0 / (a / (b * diagonal) + y**2 / b - a * s**2 / (b * c * diagonal**2)))


def _normal(here: np.ndarray, g: np.ndarray, diagonal: np.ndarray, s: np.ndarray, y: np.ndarray) -> LowRankNormal | None:
    """H = diag(a) + W M W', W = [s, a y] and M from the triangle of s'y; s and y are (dim, steps), oldest first."""
    count = s.shape[1]
    triangle, scaled = np.triu(s.T @ y), diagonal[:, None] * y
    sds = np.sqrt(diagonal)
    if not (np.isfinite(sds).all() and (sds > 0.0).all() and (np.diagonal(triangle) > 0.0).all()):
        return None
    inverse = solve_triangular(triangle, np.eye(count))
    middle = np.zeros((2 * count, 2 * count))
    middle[:count, :count] = inverse.T @ (np.diag(np.diagonal(triangle)) + y.T @ scaled) @ inverse
    middle[:count, count:], middle[count:, :count] = -inverse.T, -inverse
    wide = np.concatenate([s, scaled], axis=1)
    basis, right = qr(wide / sds[:, None], mode="economic")
    try:
        factor = cholesky(np.eye(basis.shape[1]) + right @ middle @ right.T, lower=True)
    except (np.linalg.LinAlgError, ValueError):
        return None
    return LowRankNormal(here + diagonal * g + wide @ (middle @ (wide.T @ g)), sds, basis, factor)
