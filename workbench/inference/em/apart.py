"""Apart: chains that begin at different optima of MAP-EM, so that what they disagree on is seen."""

from __future__ import annotations

import numpy as np

from workbench.inference.em.begin import begin
from workbench.inference.evidence.symmetry import Symmetry
from workbench.models.shapes import Coordinates
from workbench.problem import Problem

CLIMBS = 20
"""Starts from which EM climbs at least, however few chains there are."""
SAME = 1e-3
"""Nats within which two ends may be one optimum."""
NEAR = 0.1
"""Largest difference of their coordinates, each sorted over components, within which they are."""


def apart(problem: Problem, seeds: list[int], chains: int) -> tuple[Coordinates, tuple[str, ...]]:
    """Unconstrained coordinates (chain, dim) of the starts of chains at the best different optima, and sentences about them.

    Parameters
    ----------
    seeds : of the starts from which MAP-EM climbs
    chains : how many begin

    Notes
    -----
    Chain i begins at the i-th best optimum, and at the best again when all have been given. Optima further below the best than a nat
    for each coordinate are left out: their part of the posterior is negligible unless each standard deviation there is e times as
    wide, and a chain that does not leave one would count for as much as the others.
    """
    u, _ = begin(problem, "em", seeds)
    mixture = problem.coordinates.unflatten(u)[0]
    heights = np.asarray(problem.log_likelihood(mixture) + problem.log_prior(mixture))
    found = _different(problem, u, heights)
    told = "; ".join(f"{heights[i]:.2f}, chain {_listed(range(place, chains, len(found)))}" for place, i in enumerate(found[:chains]))
    said = f"MAP-EM found {len(found)} optima within {u.shape[-1]} nats of the best; chains begin at log posterior {told}"
    return u[[found[i % len(found)] for i in range(chains)]], (said,)


def _different(problem: Problem, u: Coordinates, heights: np.ndarray) -> list[int]:
    """One end of each optimum, the best first, but for those that are too far below."""
    assert problem.prior is not None  # refused before
    labelless = Symmetry.of(problem.prior).ordered(u)
    heights = np.where(np.isfinite(heights), heights, -np.inf)
    found: list[int] = []
    for i in np.argsort(-heights, kind="stable"):
        if found and not heights[i] > heights[found[0]] - u.shape[-1]:
            break
        alike = [j for j in found if heights[j] - heights[i] < SAME and np.abs(labelless[j] - labelless[i]).max() < NEAR]
        if not alike:
            found.append(int(i))
    return found


def _listed(numbers: range) -> str:
    return ", ".join(map(str, numbers))
