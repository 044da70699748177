"""Places: where EM takes draws - optima that restarts found, optima that they missed, and ends that are no regular optimum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench.compare.optima import Matcher, Optimum, lost
from workbench.fit import Fit
from workbench.inference.em.engine import Fast
from workbench.inference.em.polish import em_polish
from workbench.inference.em.scheme import Steps
from workbench.models import Mixture
from workbench.models.mixture import gathered
from workbench.problem import Problem

NOWHERE = -1
"""The place of an end that went wrong, or is singular or spurious."""


@dataclass(frozen=True, eq=False)
class Ends:
    """Where EM took some mixtures.

    Attributes
    ----------
    mixture : batch (end,)
    objective : (end,)
    regular : whether EM got to an optimum that is neither singular nor spurious; flags (end,)
    """

    mixture: Mixture
    objective: np.ndarray
    regular: np.ndarray


def climbed(problem: Problem, starts: Mixture, *, posterior: bool) -> Ends:
    """Where EM takes each of some mixtures (start,)."""
    steps = Steps(problem, problem.prior if posterior else None, Fast())
    run = em_polish(steps)(starts)
    regular = np.array([status.at_optimum for status in run.status]) & np.isfinite(run.objective)
    if not posterior:  # which has modes only (statistics, section 3)
        regularity = run.mixture.components.regularity(run.mixture.weights, problem.data)
        regular &= ~np.asarray(regularity.singular | regularity.spurious | run.ran_off)
    return Ends(run.mixture, run.objective, regular)


def placed(problem: Problem, point: Fit, found: Sequence[Optimum], ends: Ends) -> tuple[np.ndarray, np.ndarray]:
    """The place of each end, and the objectives of those that ``point``'s restarts missed.

    Places are the numbers of the optima found, then those of the missed ones, best first; NOWHERE for ends that are no regular optimum.
    """
    restarts, count = point.restarts, len(found)
    assert restarts is not None
    assert restarts.polished is not None
    heads = restarts.polished.take(np.array([optimum.restarts[0] for optimum in found]))
    both = gathered([heads, ends.mixture])
    objective = np.concatenate([[optimum.objective for optimum in found], ends.objective])
    matcher = Matcher(problem, both, objective, lost(problem, both).sum(axis=-1))
    place = np.full(objective.size, NOWHERE)
    left = count + np.flatnonzero(ends.regular)
    for number, optimum in enumerate(found):
        if optimum.regular and left.size:
            same = matcher.same(number, left)
            place[left[same]], left = number, left[~same]
    missed = matcher.groups(left)
    for number, group in enumerate(missed):
        place[group] = count + number
    return place[count:], objective[[group[0] for group in missed]]
