"""Ends: how restarts stopped and what became of their polished ends, which of them is reported, and with what status."""

from __future__ import annotations

import numpy as np

from workbench.fit import Restarts, Status
from workbench.inference.em.climb import Climb
from workbench.inference.em.splits import BETTER
from workbench.models import Mixture, PriorError
from workbench.problem import Problem

NEAR = 1.0
"""Nats within which a restart that stopped by its tolerance is at the optimum that its end was followed to."""


def stops(run: Climb, polished: Climb) -> tuple[Status, ...]:
    """How each restart stopped, and where that was short of its optimum or of a collapse, that its end was followed there."""
    ran_off, gains = np.asarray(polished.ran_off), polished.objective - run.objective
    freed = np.zeros(gains.shape, bool) if polished.freed is None else np.asarray(polished.freed)
    return tuple(_stop(*each) for each in zip(run.status, polished.status, ran_off, gains, freed, strict=True))


def _stop(stopped: Status, followed: Status, ran_off: np.bool_, gain: float, freed: np.bool_) -> Status:
    if stopped not in (Status.CONVERGED, Status.MAX_ITER):
        return stopped
    if ran_off:
        return Status.SINGULAR_BEYOND
    if followed not in (Status.CONVERGED, Status.LOST_COMPONENT):
        return stopped
    if stopped is Status.MAX_ITER:
        return Status.FOLLOWED
    if freed:
        return Status.HELD
    return Status.SHORT if gain > NEAR else stopped


def best_regular(restarts: Restarts) -> int:
    """The restart with the highest polished objective among regular ends, or -1."""
    usable = np.array([status.at_optimum for status in restarts.status])
    objective = np.asarray(restarts.polished_objective)
    regular = usable & ~np.asarray(restarts.singular) & ~np.asarray(restarts.spurious) & np.isfinite(objective)
    return int(np.argmax(np.where(regular, objective, -np.inf))) if regular.any() else -1


def settled(problem: Problem, restarts: Restarts, best: int) -> int:
    """Of the restarts near the best optimum the one that itself ended highest."""
    if best < 0:
        return best
    polished = np.asarray(restarts.polished_objective)
    regular = ~np.asarray(restarts.singular) & ~np.asarray(restarts.spurious)
    near = regular & (np.abs(polished - polished[best]) < BETTER * problem.data.n_observed_rows)
    if restarts.polished is not None:  # equal weights too: of a ridge every point has the same objective
        weights = np.sort(restarts.polished.weights, axis=-1)
        near &= (np.abs(weights - weights[best]) < 1e-3).all(axis=-1)
    return int(np.argmax(np.where(near, np.nan_to_num(restarts.objective, nan=-np.inf), -np.inf)))


def reported(problem: Problem, restarts: Restarts, polished: Climb, best: int, *, point: Mixture | None, as_it_stopped: bool) -> Status:
    """How the point of restart ``best`` came about; of a fit without one, why.

    Where every restart went wrong, that is how the first did.
    """
    if point is not None:
        return restarts.status[best] if as_it_stopped else of_end(restarts.status[best], polished.status[best])
    if best < 0 and not any(each.at_optimum for each in restarts.status):
        return restarts.status[0]
    if _why_singular(problem):
        return Status.SINGULAR_DATA
    return Status.NO_DENSITY if best >= 0 else Status.NO_REGULAR_OPTIMUM


def of_end(stopped: Status, polished: Status) -> Status:
    """Of an end that was followed to its optimum: how it got there, where it did, else how that was left off."""
    followed = stopped in (Status.FOLLOWED, Status.SHORT, Status.HELD) and polished is Status.CONVERGED
    return stopped if followed else polished


def blamed(problem: Problem, point: Mixture | None) -> tuple[str, ...]:
    """Said where there is no point because of the data."""
    reason = _why_singular(problem) if point is None else ""
    return (reason,) if reason else ()


def _why_singular(problem: Problem) -> str:
    """What of the data makes every fit singular, which is also why they have no default prior; empty if nothing."""
    try:
        problem.family.default_numbers(problem.data, problem.n_components)
    except PriorError as error:
        return str(error)
    return ""
