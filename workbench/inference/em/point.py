"""Point: what every kind of EM does around its scheme - starts, stops, polished ends, the best regular optimum, its path and its ledger."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.fit import Evidence, Fit, LeaveOneOutRefits, Ledger, Path, Restarts, maximised
from workbench.inference.em.climb import Climb, Stop, climb
from workbench.inference.em.ends import best_regular, blamed, reported, settled, stops
from workbench.inference.em.ledger import ledger
from workbench.inference.em.polish import Polish
from workbench.inference.em.scheme import Scheme, Steps
from workbench.inference.em.splits import Moves, escaped
from workbench.inference.em.starts import starts
from workbench.inference.method import Context
from workbench.models import Mixture
from workbench.problem import Problem

OTHERS_IN_PATH = 20
"""Restarts beside the reported one whose parameters are kept by iteration."""
PATH_NUMBERS = 20_000_000
"""Parameters of all restarts and iterations that are kept while they run; above, the chosen restarts run again."""
EVERY_NUMBER = sys.maxsize
LEDGER_NUMBERS = 2_000_000_000
"""Cells times components times iterations up to which the reported restart is run again for its ledger: some ten seconds."""

if TYPE_CHECKING:
    from workbench.inference.em.kind import Kind


@dataclass(frozen=True, eq=False)
class Ascent:
    """A kind of EM at work on one problem.

    Attributes
    ----------
    steps : the problem's E and M step
    scheme : (start, numbers of the restarts in it, whether q is to be shown) -> scheme
    stop : when a restart stops
    objective_name : what the scheme climbs, by its name in the tables
    polish : follows the ends to working precision
    reports_end : whether the point is where the best restart stopped, and not its polished end: of kinds that settle around a
        solution, whose polished ends only say which optimum each is near
    split_merge : moves tried on every restart to escape a poor optimum
    """

    steps: Steps
    scheme: Callable[[Mixture, Sequence[int], bool], Scheme]
    stop: Stop
    objective_name: str
    polish: Polish
    reports_end: bool = False
    split_merge: int = 0

    def climb(self, start: Mixture, restarts: Sequence[int], **options: Any) -> Climb:
        return climb(self.scheme(start, restarts, False), len(restarts), self.steps, self.stop, **options)


def fit_point(method: Kind, problem: Problem, context: Context, ascent: Ascent) -> Fit:
    """Run every restart of ``method`` (its ``restarts`` and ``init``), polish the ends, and report the best regular optimum."""
    seeds = [context.start_seed(i) for i in range(method.restarts)]
    with context.clock("compile"):
        _warmed(ascent, method, problem, seeds[:1])
    with context.clock("run"):
        start, names = starts(problem, ascent.steps.prior, method.init, seeds, ascent.steps.engine)
        every = range(method.restarts)
        run = ascent.climb(start, every, path_numbers=PATH_NUMBERS, progress=context.progress)
        context.progress("polishing", math.nan)
        polished, moved = ascent.polish(run.mixture), Moves(0, 0)
        stopped = run.status if ascent.reports_end else stops(run, polished)
        if ascent.split_merge:
            polished, moved = escaped(ascent.steps, polished, ascent.polish, ascent.split_merge, [context.noise_seed(i) for i in every])
        restarts = dataclasses.replace(_restarts(problem, ascent, run, polished, seeds, names), status=stopped)
        best = settled(problem, restarts, best_regular(restarts)) if ascent.reports_end else best_regular(restarts)
        path = _path(ascent, start, run, best)
        ends = restarts.mixture if ascent.reports_end else restarts.polished
        point = None if best < 0 or ends is None else _with_density(problem, ends.take(best))
        chosen = [] if point is None else [best]
        books = _ledger(problem, ascent, start.take(chosen), chosen, run)
        without = _left_out(problem, ascent, point, context)
        evidence = () if point is None else _evidence(problem, ascent, restarts, context)
    return Fit.point(
        point,
        kind=method.kind,
        family=problem.family,
        **_densities(problem, point),
        objective_name=ascent.objective_name,
        status=reported(problem, restarts, polished, best, point=point, as_it_stopped=ascent.reports_end),
        seconds=context.clock.seconds,
        options=dataclasses.asdict(method),
        restarts=restarts,
        reported=best if point is not None else -1,
        trace=run.trace,
        path=path,
        ledger=books,
        left_out=without,
        evidence=evidence,
        messages=(*moved.sentences(), *blamed(problem, point)),
    )


def _warmed(ascent: Ascent, method: Kind, problem: Problem, seeds: list[int]) -> None:
    """One iteration of one restart, so that what compiles, or is read from the code cache, is not counted as running."""
    start, _ = starts(problem, ascent.steps.prior, method.init, seeds, ascent.steps.engine)
    scheme = ascent.scheme(start, [0], False)
    ascent.steps.engine.collapsed(next(scheme).mixture, np.ones(problem.data.n_features))
    next(scheme)


def _left_out(problem: Problem, ascent: Ascent, point: Mixture | None, context: Context) -> LeaveOneOutRefits | None:
    """Of a point at the maximum of the likelihood or the posterior, what the fit without each row says of it."""
    from workbench.inference.leave_one_out import of_point

    if not context.estimates or point is None or ascent.reports_end or not maximised(ascent.objective_name):
        return None
    context.progress("leaving rows out", math.nan)
    return of_point(problem, point, ascent.steps.prior, ascent.steps.engine)


def _evidence(problem: Problem, ascent: Ascent, restarts: Restarts, context: Context) -> tuple[Evidence, ...]:
    """Of maxima of the posterior, log p(x) by its shape about them."""
    from workbench.inference.evidence import at_optima

    if maximised(ascent.objective_name) != "posterior" or ascent.reports_end or restarts.polished is None:
        return ()
    ended = np.flatnonzero(np.isfinite(np.asarray(restarts.polished_objective)))
    return at_optima(problem, restarts.polished.take(ended), context, noise=len(restarts.status))


def _with_density(problem: Problem, mixture: Mixture) -> Mixture | None:
    """The mixture, or None where some row has no density under it, as a partition with too small a part may leave."""
    with np.errstate(all="ignore"):
        return mixture if np.isfinite(problem.log_likelihood(mixture)) else None


def _densities(problem: Problem, point: Mixture | None) -> dict[str, np.ndarray]:
    log_likelihood = np.array(np.nan if point is None else problem.log_likelihood(point)).reshape(1, 1)
    log_prior = np.array(np.nan if point is None else problem.log_prior(point)).reshape(1, 1)
    return {"log_likelihood": log_likelihood, "log_posterior": log_likelihood + log_prior}


def _restarts(problem: Problem, ascent: Ascent, run: Climb, polished: Climb, seeds: list[int], names: tuple[str, ...]) -> Restarts:
    """The ends as they are, beside the same ends followed to working precision."""
    singular = np.zeros(len(seeds), bool)
    spurious = np.zeros(len(seeds), bool)
    # With a proper prior the objective is bounded and its modes are what they are.
    if ascent.steps.likelihood and ascent.steps.prior is None:
        regularity = polished.mixture.components.regularity(polished.mixture.weights, problem.data)
        singular = np.asarray(regularity.singular | run.ran_off | polished.ran_off)
        spurious = regularity.spurious & ~singular
    return Restarts(
        start_seed=np.array(seeds),
        init=names,
        iterations=run.iterations,
        objective=run.objective,
        log_likelihood=run.log_likelihood,
        log_posterior=run.log_likelihood + problem.log_prior(run.mixture),
        gain_left=run.gain_left,
        status=run.status,
        mixture=run.mixture,
        polished=polished.mixture,
        polished_objective=polished.objective,
        singular=singular,
        spurious=spurious,
    )


def _path(ascent: Ascent, start: Mixture, run: Climb, best: int) -> Path | None:
    """Parameters by iteration of the reported restart and up to 20 others; where they found no room, run again: the same bits."""
    others = [i for i in range(start.weights.shape[0]) if i != best][:OTHERS_IN_PATH]
    chosen = np.array(sorted([best, *others] if best >= 0 else others), dtype=int)
    if run.path is not None:
        rows = np.flatnonzero(np.isin(run.path.restart, chosen))
        return Path(run.path.restart[rows], run.path.iteration[rows], run.path.mixture.take(rows))
    again = ascent.climb(start.take(chosen), chosen.tolist(), path_numbers=EVERY_NUMBER).path
    return None if again is None else Path(chosen[again.restart], again.iteration, again.mixture)


def _ledger(problem: Problem, ascent: Ascent, start: Mixture, chosen: list[int], run: Climb) -> Ledger | None:
    """The books of the reported restart; of its first iterations where all would take long."""
    if not chosen:
        return None
    affordable = LEDGER_NUMBERS // (problem.data.x.size * problem.n_components)
    return ledger(problem, ascent.scheme(start, chosen, True), max(1, min(int(run.iterations[chosen[0]]), affordable)))
