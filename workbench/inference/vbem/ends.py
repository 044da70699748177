"""Where every restart of variational Bayes ends: started, climbed, and followed to working precision."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.fit import Path, Status
from workbench.inference.em.begin import begin
from workbench.inference.em.climb import Climb, Stop, climb
from workbench.inference.em.ends import stops
from workbench.inference.em.point import OTHERS_IN_PATH, PATH_NUMBERS
from workbench.inference.em.polish import FINE, POLISH, finished
from workbench.inference.em.starts import starts
from workbench.inference.method import Context
from workbench.inference.vbem.steps import Ascent, VariationalSteps, numbered
from workbench.models import Mixture, Statistics


@dataclass(frozen=True, eq=False)
class Ends:
    """The ends of all restarts.

    Attributes
    ----------
    seeds, init : of the starts
    first : statistics of the first q(labels), (restart,)
    run, statistics : where each restart stopped, and those of its q(theta)
    polished, settled : the same optimum followed to working precision, and the statistics there
    mixed : whether steps were accelerated
    """

    seeds: Sequence[int]
    init: tuple[str, ...]
    first: Statistics
    run: Climb
    statistics: Statistics
    polished: Climb
    settled: Statistics
    stop: Stop
    mixed: bool

    @property
    def best(self) -> int:
        """The restart with the highest ELBO.

        Raises
        ------
        FloatingPointError
            If none is finite.
        """
        usable = [status.at_optimum for status in self.run.status] & np.isfinite(self.polished.objective)
        if not usable.any():
            raise FloatingPointError(self.run.status[0].value)
        return int(np.argmax(np.where(usable, self.polished.objective, -np.inf)))

    @property
    def stopped(self) -> tuple[Status, ...]:
        """How each restart stopped, and where that was short of its optimum, that its end was followed there."""
        return stops(self.run, self.polished)

    def path(self, steps: VariationalSteps) -> Path | None:
        """Centres of q(theta) by iteration: of the best restart and up to 20 others; where they found no room, run again."""
        others = [i for i in range(len(self.seeds)) if i != self.best][:OTHERS_IN_PATH]
        chosen = np.array(sorted([self.best, *others]))
        if self.run.path is not None:
            rows = np.flatnonzero(np.isin(self.run.path.restart, chosen))
            return Path(self.run.path.restart[rows], self.run.path.iteration[rows], self.run.path.mixture.take(rows))
        again = _climb(steps, self.first.take(chosen), self.mixed, self.stop, path_numbers=2**62)[0].path
        return None if again is None else Path(chosen[again.restart], again.iteration, again.mixture)


def climbed(steps: VariationalSteps, init: str | Mapping[str, Any], restarts: int, stop: Stop, mixed: bool, context: Context) -> Ends:
    """Every restart to its stop, then onward until its ELBO, and then its parameters, change by rounding alone."""
    seeds = [context.start_seed(i) for i in range(restarts)]
    with context.clock("compile"):  # or read from the code cache
        _believed(steps, _start(steps, init, seeds[:1])[0])
    with context.clock("run"):
        start, names = _start(steps, init, seeds)
        first = _first(steps, start)
        run, statistics = _climb(steps, first, mixed, stop, path_numbers=PATH_NUMBERS, progress=context.progress)
        context.progress("polishing", math.nan)
        polished, settled = _polished(steps, statistics)
    return Ends(seeds, names, first, run, statistics, polished, settled, stop, mixed)


def _start(steps: VariationalSteps, init: str | Mapping[str, Any], seeds: list[int]) -> tuple[Mixture, tuple[str, ...]]:
    if init == "em":
        u, names = begin(steps.problem, init, seeds)
        return steps.own_prior.unflatten(u)[0], names
    return starts(steps.problem, steps.prior, init, seeds, steps.engine)


def _first(steps: VariationalSteps, start: Mixture) -> Statistics:
    """Of the labels' posterior at a start."""
    with np.errstate(all="ignore"):
        return steps.engine.expect(start, steps.data).statistics


def _believed(steps: VariationalSteps, start: Mixture) -> None:
    steps.believe(_first(steps, start))


def _climb(steps: VariationalSteps, first: Statistics, mixed: bool, stop: Stop, **options: Any) -> tuple[Climb, Statistics]:
    """Where fits stop, and the statistics of their q(theta) there."""
    ascent = Ascent(steps, first, mixed)
    found = climb(ascent.scheme(), first.counts.shape[0], steps, stop, **options)
    return found, ascent.ends()


def _polished(steps: VariationalSteps, statistics: Statistics) -> tuple[Climb, Statistics]:
    """By mixed steps: on a flat ridge parameters still move when the ELBO shows no more change, and would pass for several optima."""
    rough, there = _climb(steps, statistics, True, POLISH)
    good = np.flatnonzero([status is Status.CONVERGED for status in rough.status])
    if not good.size:
        return rough, there
    fine, further = _climb(steps, there.take(good), True, FINE)
    ends, kept = finished(rough, good, fine)
    rest = np.setdiff1d(np.arange(len(rough.status)), good[kept])
    return ends, numbered([(good[kept], further.take(kept)), (rest, there.take(rest))])
