"""Apart: chains that begin at different optima of MAP-EM, so that what they disagree on is seen."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from workbench.inference.em.begin import begin, unbegun
from workbench.inference.evidence.laplace import hessian
from workbench.inference.evidence.symmetry import Symmetry
from workbench.inference.method import Context
from workbench.inference.target import CompiledTarget
from workbench.models.shapes import Coordinates
from workbench.problem import Problem

CLIMBS = 20
"""Starts from which EM climbs at least, however few chains there are."""
SAME = 1e-3
"""Nats within which two ends may be one optimum."""
NEAR = 0.1
"""Largest difference of their coordinates, each sorted over components, within which they are."""
MOST = 12
"""Optima that are weighed."""
SHARE = 0.05
"""Least part of the posterior, by the normal about each optimum, that a chain begins at."""
WIDEST = 10.0
"""Largest standard deviation of a normal: beyond, coordinates are boundaries' and no curvature is to be believed."""
MOST_CELLS = 20_000_000_000
"""Points times rows, columns and components that the weighing may see: about a minute."""


@dataclass(frozen=True, eq=False)
class Places:
    """Where chains begin.

    Attributes
    ----------
    u : ndarray (chain, dim), unconstrained coordinates
    factors : ndarray (chain, dim, dim), of the covariance of the normal about each chain's optimum; None where it is not known
    said : sentences about them
    """

    u: Coordinates
    factors: np.ndarray | None = None
    said: tuple[str, ...] = ()


def chain_starts(problem: Problem, init: str | None, chains: int, context: Context) -> Places:
    """Where chains begin, chain i by the i-th start seed: at starts of kind ``init``, or for ``em`` :func:`apart`.

    None is ``em``, or ``random_rows`` where no interior mode is guaranteed.
    """
    init = init or ("random_rows" if unbegun(problem, "em") else "em")
    if init != "em":
        return Places(begin(problem, init, [context.start_seed(i) for i in range(chains)])[0])
    context.progress("looking for optima", math.nan)
    return apart(problem, [context.start_seed(i) for i in range(max(CLIMBS, chains))], chains, context.threads)


def apart(problem: Problem, seeds: list[int], chains: int, threads: int = 1) -> Places:
    """Starts of chains at different optima.

    Parameters
    ----------
    seeds : of the starts from which MAP-EM climbs; chain i's own noise is drawn by the i-th
    chains : how many begin
    threads : that the weighing may use

    Notes
    -----
    Optima are weighed by the normal about each, log p(x, u) + dim / 2 log 2 pi - log det(-H) / 2 + g' (-H)^-1 g / 2 with gradient g
    and Hessian H over unconstrained coordinates. Chain i begins at a draw from the normal about the i-th heaviest, and about the
    heaviest again when all have been given; optima of less than a twentieth are left out, as a chain that does not leave one would
    count for as much as the others. Where there are too many rows and coordinates for Hessians, optima are taken by their height, and
    chains begin there.
    """
    u, _ = begin(problem, "em", seeds)
    target = CompiledTarget.of(problem, threads)
    found = u[_different(target, u)]
    dear = 2.0 * target.dim * len(found) * problem.data.x.size * problem.n_components > MOST_CELLS
    weights, factors = (_heights(target, found), None) if dear else normals(target, found)
    order = np.argsort(-weights, kind="stable")
    shares = np.exp(weights[order] - np.logaddexp.reduce(weights))
    count = max(1, int((shares[:chains] >= SHARE).sum()))
    told = ", ".join(f"{share:.2g}" for share in shares[:count])
    how = "height" if dear else "the normal about each"
    said = f"chains begin, in turn, at {count} of {len(found)} optima of MAP-EM, with shares of {told} by {how}"
    own = order[np.arange(chains) % count]
    if factors is None:
        return Places(found[own], None, (said,))
    return Places(_drawn(target, found[own], factors[own], seeds), factors[own], (said,))


def _drawn(target: CompiledTarget, u: Coordinates, factors: np.ndarray, seeds: list[int]) -> Coordinates:
    """A draw from the normal about each point, but along axes that no curvature bounds; the point itself where the density falls to
    less than such draws have, or its gradient is no number."""
    noise = np.stack([np.random.default_rng([seed, 1]).standard_normal(u.shape[1]) for seed in seeds[: len(u)]])
    noise *= np.linalg.norm(factors, axis=1) < 0.5 * WIDEST
    there = u + np.einsum("cij,cj->ci", factors, noise)
    value, slope = target.value_and_gradient(there)
    good = (np.asarray(target.log_density(u)) - value < 2.0 * u.shape[1]) & np.isfinite(slope).all(axis=1)
    return np.where(good[:, None], there, u)


def _heights(target: CompiledTarget, u: Coordinates) -> np.ndarray:
    return np.asarray(np.nan_to_num(target.log_posterior(target.mixture(u)), nan=-np.inf))


def _different(target: CompiledTarget, u: Coordinates) -> list[int]:
    """One end of each of the highest optima, the best first; at most a nat a coordinate below it."""
    labelless, heights = Symmetry.of(target.prior).ordered(u), _heights(target, u)
    found: list[int] = []
    for i in np.argsort(-heights, kind="stable"):
        if len(found) == MOST or (found and not heights[i] > heights[found[0]] - target.dim):
            break
        alike = [j for j in found if heights[j] - heights[i] < SAME and np.abs(labelless[j] - labelless[i]).max() < NEAR]
        if not alike:
            found.append(int(i))
    return found


def normals(target: CompiledTarget, u: Coordinates) -> tuple[np.ndarray, np.ndarray]:
    """log of the integral of the normal about each point (n, dim), and a factor of its covariance (n, dim, dim).

    Where the density is not curved like a normal's, of one as wide as it is curved, whatever the sign, and at most ``WIDEST``.
    """
    size = u.shape[-1]
    eigenvalues, axes = np.linalg.eigh(-hessian(target, u))
    eigenvalues = np.maximum(np.abs(eigenvalues), WIDEST**-2)
    value, slope = target.value_and_gradient(u)
    along = np.einsum("nij,ni->nj", axes, slope)
    found = value + size / 2.0 * np.log(2.0 * np.pi) - np.log(eigenvalues).sum(axis=1) / 2.0
    return found + np.minimum(along**2 / eigenvalues, 1.0).sum(axis=1) / 2.0, axes / np.sqrt(eigenvalues)[:, None]
