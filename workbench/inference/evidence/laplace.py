"""Laplace's approximation of log p(x), in unconstrained coordinates, summed over modes and their labellings."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from workbench.fit import Evidence
from workbench.inference.evidence.proposal import StudentMixture
from workbench.inference.evidence.symmetry import Region, Symmetry
from workbench.inference.line_search import backtracked
from workbench.inference.target import CompiledTarget
from workbench.models.shapes import Coordinates

STEP = 1e-4
"""Of the central differences of the gradient: 1e-8 of the third derivative is lost."""
MAX_ITER = 60
SETTLED = 1e-10
"""Nats that Newton's next step would gain, to second order."""
SAME = 1e-3
"""Largest difference of a coordinate, but for labels, within which two modes are one; and of two ends' heights."""
NEAR = 0.1
"""The same of two ends from which Newton's method need not climb twice."""
GAP = 15.0
"""Nats below the best end beyond which an end is no matter."""
MOST = 24
"""Ends that are climbed from at most."""
DOF, WIDER, AT_LEAST = 6.0, 1.1, 0.1
"""Of a proposal about modes: degrees of freedom, by how much its scale matrices are wider, and the share that all modes divide alike."""
ASYMPTOTIC = "to second order about each mode: right as N grows, its error here is not known"


@dataclass(frozen=True, eq=False)
class Mode:
    """A mode of the posterior over unconstrained coordinates, and the normal about it.

    Attributes
    ----------
    u : ndarray (dim,)
    scale_tril : ndarray (dim, dim), lower factor of the inverse of minus the Hessian
    log_mass : log of the integral of that normal times p(x, u) at its top, over all different relabellings of the mode: K! of
        them, fewer where components are alike
    """

    u: Coordinates
    scale_tril: np.ndarray
    log_mass: float

    def within(self, region: Region) -> Mode:
        """The same mode, relabelled into a region."""
        order = region.orders(self.u[None])[0]
        turned = region.symmetry.relabelled(self.scale_tril.T, order)  # relabelling is linear
        return Mode(region.symmetry.relabelled(self.u, order), np.linalg.cholesky(turned.T @ turned), self.log_mass)


def modes(target: CompiledTarget, symmetry: Symmetry, start: Coordinates) -> list[Mode]:
    """The different modes, up to labels, that Newton's method climbs to from points (n, dim), the heaviest first.

    Modes over natural coordinates, where EM ends, are other points: a density over u has its Jacobian in it (statistics, section
    2). Of the points the best few that differ are climbed from.
    """
    u, settled = _climbed(target, _different(target, symmetry, start))
    found: list[Mode] = []
    for end in u[settled]:
        if not any(_same(symmetry, end, mode.u) for mode in found) and (mode := _mode(target, symmetry, end)) is not None:
            found.append(mode)
    return sorted(found, key=lambda mode: -mode.log_mass)


def laplace(found: list[Mode]) -> Evidence:
    """log of the sum of the modes' masses, every labelling of a mode being a mode of its own."""
    if not found:
        why = "no optimum has a mode over unconstrained coordinates with a curvature of its own; use nuts, gibbs or smc"
        return Evidence("laplace", math.nan, math.nan, False, why)
    total = float(np.logaddexp.reduce([mode.log_mass for mode in found]))
    return Evidence("laplace", total, 0.0, False, f"{ASYMPTOTIC} ({len(found)} of them, each with its relabellings)")


def about(found: list[Mode]) -> StudentMixture:
    """A t mixture about modes of one region, wider than they are, each by its mass or a little more."""
    masses = np.array([mode.log_mass for mode in found])
    shares = np.exp(masses - masses.max())
    shares = (1.0 - AT_LEAST) * shares / shares.sum() + AT_LEAST / shares.size
    factors = math.sqrt(WIDER) * np.stack([mode.scale_tril for mode in found])
    return StudentMixture(shares, np.stack([mode.u for mode in found]), factors, DOF)


def _different(target: CompiledTarget, symmetry: Symmetry, start: Coordinates) -> Coordinates:
    """The highest points, over natural coordinates, that are no relabellings of each other."""
    found = np.asarray(target.log_posterior(target.mixture(start)))
    heights = np.where(np.isfinite(found), found, -np.inf)
    kept: list[Coordinates] = []
    order = np.argsort(-heights, kind="stable")
    left = order[heights[order] >= heights.max(initial=-np.inf) - GAP]
    while left.size and len(kept) < MOST:
        first = start[left[0]]
        kept.append(first)
        gaps = np.abs(Region.about(symmetry, first).aligned(start[left]) - first).max(axis=-1)
        left = left[(gaps > NEAR) | (heights[left[0]] - heights[left] > SAME)]
    return np.array(kept).reshape(-1, target.dim)


def _climbed(target: CompiledTarget, start: Coordinates) -> tuple[Coordinates, np.ndarray]:
    """Newton's method from all points at once, uphill where the curvature points down, and who has arrived."""

    def evaluate(_: np.ndarray, u: Coordinates) -> tuple[np.ndarray, _Height]:
        height = _Height(np.asarray(target.log_density(u)))
        return height.value, height

    u, settled = start.copy(), np.zeros(start.shape[0], bool)
    for _ in range(MAX_ITER):
        going = np.flatnonzero(~settled)
        if not going.size:
            break
        height, slope = target.value_and_gradient(u[going])
        curvature, axes = np.linalg.eigh(-hessian(target, u[going]))
        along = np.einsum("nij,ni->nj", axes, slope) / np.maximum(np.abs(curvature), 1e-8)
        direction = np.einsum("nij,nj->ni", axes, along)
        rise = (slope * direction).sum(axis=-1)
        settled[going] = (rise < 2.0 * SETTLED) & (curvature[:, 0] > 0.0)
        left = ~settled[going] & np.isfinite(height)
        length = np.where(left, np.minimum(1.0, 4.0 / np.maximum(np.abs(direction).max(axis=-1), 1e-300)), 0.0)
        taken, _ = backtracked(evaluate, u[going], direction, rise, np.asarray(height), length)
        u[going] += taken[:, None] * direction
        if not taken.any():
            break
    return u, settled


@dataclass(frozen=True)
class _Height:
    """The density at some points, as the line search asks for it."""

    value: np.ndarray

    def take(self, index: np.ndarray) -> _Height:
        return _Height(self.value[index])


def hessian(target: CompiledTarget, u: Coordinates) -> np.ndarray:
    """Of log p(x, u) at points (n, dim), by central differences of the exact gradient, made symmetric."""
    size = u.shape[-1]
    steps = STEP * np.eye(size)
    points = u[:, None, None] + np.stack([steps, -steps])  # (n, 2, dim, dim)
    _, slopes = target.value_and_gradient(points.reshape(-1, size))
    ahead, behind = np.moveaxis(slopes.reshape(points.shape), 1, 0)
    found = (ahead - behind) / (2.0 * STEP)
    return np.asarray((found + np.swapaxes(found, -1, -2)) / 2.0)


def _mode(target: CompiledTarget, symmetry: Symmetry, u: Coordinates) -> Mode | None:
    information = -hessian(target, u[None])[0]
    try:
        factor = np.linalg.cholesky(information)
    except np.linalg.LinAlgError:
        return None
    height = float(np.asarray(target.log_density(u[None]))[0]) + u.size / 2.0 * math.log(2.0 * math.pi)
    root = np.linalg.inv(factor).T  # root root' is the covariance
    scale_tril = np.linalg.cholesky(root @ root.T)
    return Mode(u, scale_tril, height - float(np.log(np.diagonal(factor)).sum()) + _log_copies(symmetry, u))


def _log_copies(symmetry: Symmetry, u: Coordinates) -> float:
    """log (K! / the relabellings that leave u where it is)."""
    if not symmetry.exchangeable:
        return 0.0
    values, left, total = symmetry.extended(u)[symmetry.own], list(range(symmetry.n_components)), symmetry.log_copies
    while left:
        alike = [k for k in left if np.abs(values[k] - values[left[0]]).max() < SAME]
        total -= math.lgamma(len(alike) + 1.0)
        left = [k for k in left if k not in alike]
    return total


def _same(symmetry: Symmetry, u: Coordinates, other: Coordinates) -> bool:
    return bool(np.abs(Region.about(symmetry, other).aligned(u[None])[0] - other).max() < SAME)
