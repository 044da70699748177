"""Polish: the ends of restarts followed to working precision, so that two optima differ because the objective says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from workbench.fit import Status
from workbench.inference.boundary import released
from workbench.inference.em.acceleration import squarem
from workbench.inference.em.climb import LOST, Climb, Stop, climb
from workbench.inference.em.scheme import Steps
from workbench.inference.em.splits import replaced
from workbench.models import Mixture

POLISH = Stop(tol=1e-14, max_iter=5_000, relative=True, past_loss=True)
"""How far every restart is followed before optima are compared: until the objective changes by rounding alone."""
FINE = Stop(rule="parameters", tol=1e-8, max_iter=500, past_loss=True)
"""How far parameters are followed after that."""
ROUNDS = 10
"""How often an end may be taken inside from boundaries that are no maximum; the next end may be at others."""
SETTLED = (Status.CONVERGED, Status.LOST_COMPONENT)
ENDED = (*SETTLED, Status.MAX_ITER)

Polish = Callable[[Mixture], Climb]


def em_polish(steps: Steps) -> Polish:
    """Follow ends upwards by EM, squared, to the optimum of the likelihood or posterior itself.

    First until the objective has settled, then, where that was no singular end, until the parameters have: on a flat ridge they
    still move when the objective shows no more change, and would pass for several optima. Where the objective rises from a
    probability of 0 or 1, a rate or a weight of 0 into the interior, EM, which cannot leave it, goes on from slightly inside.
    """

    def step(mixture: Mixture) -> Mixture:
        return steps.engine.m_step(steps.engine.expect(mixture, steps.data).statistics, steps.prior, mixture)

    def polish(ends: Mixture) -> Climb:
        found = _settled(ends, steps)
        at, freed = np.flatnonzero(_ended(found, ENDED)), np.zeros(len(found.status), bool)
        for _ in range(ROUNDS):
            if not at.size:
                break
            inside, who = released(found.mixture.take(at), step)
            at = at[who]
            if at.size:
                again = _settled(inside, steps)
                higher = _ended(again, ENDED) & (again.objective >= found.objective[at])
                at = at[higher]
                found, freed[at] = replaced(found, at, again, np.flatnonzero(higher)), True
        return replace(found, freed=freed)

    return polish


def _settled(ends: Mixture, steps: Steps) -> Climb:
    """The ends followed until objective and parameters have settled."""
    rough = climb(squarem(_without_lost(ends, steps), steps), ends.weights.shape[0], steps, POLISH)
    settled = np.flatnonzero(_ended(rough, SETTLED))
    if not settled.size:
        return rough
    return finished(rough, settled, climb(squarem(_without_lost(rough.mixture.take(settled), steps), steps), settled.size, steps, FINE))[0]


def finished(rough: Climb, rows: np.ndarray, fine: Climb) -> tuple[Climb, np.ndarray]:
    """``rough`` with its ``rows`` where a ``fine`` climb about the parameters took them, and which of those it took.

    Running out of steps there is no news of an end: its objective has settled, which is what a status tells.
    """
    taken = np.array([status in ENDED for status in fine.status])
    status = np.array(rough.status)
    news = taken & [after is not Status.MAX_ITER for after in fine.status]
    status[rows[news]] = np.array(fine.status)[news]
    return replace(replaced(rough, rows[taken], fine, np.flatnonzero(taken)), status=tuple(status)), taken


def _ended(found: Climb, how: tuple[Status, ...]) -> np.ndarray:
    return np.array([status in how for status in found.status]) & ~found.ran_off


def _without_lost(mixture: Mixture, steps: Steps) -> Mixture:
    """The same with weights of lost components at 0 altogether, where that is an optimum of fewer; their parameters stay."""
    if steps.prior is not None or mixture.components.lost_is_singular:
        return mixture
    counts = mixture.weights * steps.data.counts.sum()
    return Mixture(np.where(counts < LOST, 0.0, mixture.weights), mixture.components)
