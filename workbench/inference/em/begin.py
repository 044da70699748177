"""Begin: where methods that work in unconstrained coordinates start - at EM's starts, at draws of the prior, at optima of MAP-EM."""

from __future__ import annotations

import numpy as np

from workbench.inference.em.acceleration import squarem
from workbench.inference.em.climb import Stop, climb
from workbench.inference.em.engine import Fast
from workbench.inference.em.scheme import Steps
from workbench.inference.em.starts import interior, starts
from workbench.models import Mixture
from workbench.models.mixture import numbered
from workbench.models.shapes import Coordinates
from workbench.problem import Problem

FROM = "random_rows"
"""The kind of start from which ``em`` climbs to its optima."""
SETTLED = Stop(tol=1e-8, max_iter=2_000)


def begin(problem: Problem, init: str, seeds: list[int]) -> tuple[Coordinates, tuple[str, ...]]:
    """Unconstrained coordinates (start, dim) of one start a seed, with the kind of each.

    ``em`` is where MAP-EM, squared, ends from the random rows of the same seed: different starts may be at different optima.
    """
    if init != "em":
        mixture, names = starts(problem, problem.prior, init, seeds)
        return interior(problem.coordinates, mixture), names
    return interior(problem.coordinates, _optima(problem, seeds)), ("em",) * len(seeds)


def unbegun(problem: Problem, init: str) -> str | None:
    """Why there is no such start, or None."""
    if init == "em" and problem.prior is not None:
        key = problem.family.no_interior_mode(problem.prior.numbers())
        if key is not None:
            return (
                f"init: em needs {key} of at least 1 (below it no interior mode is guaranteed); raise prior.{key}, or use init: random_rows"
            )
    return None


def _optima(problem: Problem, seeds: list[int]) -> Mixture:
    """Ends of MAP-EM; where one is no number, its start."""
    steps = Steps(problem, problem.prior, Fast())
    start, _ = starts(problem, problem.prior, FROM, seeds, steps.engine)
    run = climb(squarem(start, steps), len(seeds), steps, SETTLED)
    failed = np.flatnonzero(~np.isfinite(run.objective))
    if not failed.size:
        return run.mixture
    good = np.flatnonzero(np.isfinite(run.objective))
    return numbered([(good, run.mixture.take(good)), (failed, start.take(failed))])
