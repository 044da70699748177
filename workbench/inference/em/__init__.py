"""EM for mixtures, hand-written: the option class; the steps are in ``steps``, the loop in ``climb``."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt

from workbench.fit import Estimate, Fit, Path, Restarts, Status, Trace
from workbench.inference.em.climb import Climb, Stop, climb
from workbench.inference.em.starts import starts
from workbench.inference.method import Context
from workbench.inference.options import check_options
from workbench.models import Mixture, Prior
from workbench.problem import Problem

POLISH = Stop(tol=1e-14, max_iter=5_000, relative=True)
"""How far every restart is followed before optima are compared: until the objective changes by rounding alone."""
OTHERS_IN_PATH = 20
"""Restarts beside the reported one whose parameters are kept by iteration."""

PATH_NUMBERS = 20_000_000
"""Parameters of all restarts and iterations that are kept while they run; above, the chosen restarts run again."""
EVERY_NUMBER = sys.maxsize

Init = Literal["mixed", "random_rows", "random_responsibilities", "kmeans++"]


@dataclass(frozen=True)
class EM:
    """Expectation maximisation, to the maximum of the likelihood or of the posterior (Dempster, Laird & Rubin 1977).

    Parameters
    ----------
    restarts : number of starts
    init : kind of start, or parameters by name as the start of all
    tol : a restart stops when its objective (nats, summed) or, with ``stop: parameters``, the largest standardised
        unconstrained coordinate changes by less
    max_iter : iterations after which a restart stops without having converged
    objective : ``likelihood`` (MLE) or ``posterior`` (MAP, the mode in natural coordinates)

    Examples
    --------
    >>> import numpy as np
    >>> problem = Problem(np.array([1.0, 1.2, 1.1, 7.9, 8.0, 8.3]), "gaussian", n_components=2)
    >>> fit = EM(restarts=4, objective="posterior").fit(problem)
    >>> sorted(fit.mixture.weights.round(2).tolist())
    [0.5, 0.5]
    """

    kind: ClassVar[str] = "em"
    estimate: ClassVar[Estimate] = "point"
    revision: ClassVar[int] = 2
    packages: ClassVar[tuple[str, ...]] = ("numpy", "scipy")
    compiles: ClassVar[bool] = False

    restarts: Annotated[int, Ge(1)] = 100
    init: Init | dict[str, Any] = "mixed"
    tol: Annotated[float, Gt(0)] = 1e-8
    stop: Literal["objective", "parameters"] = "objective"
    max_iter: Annotated[int, Ge(1)] = 10_000
    objective: Literal["likelihood", "posterior"] = "likelihood"

    def __post_init__(self) -> None:
        check_options(self)

    def refuses(self, problem: Problem) -> str | None:
        if self.objective == "posterior" and problem.prior is None:
            return problem.no_prior
        if self.objective == "posterior" and problem.prior is not None:
            key = problem.family.no_interior_mode(problem.prior.numbers())
            if key is not None:
                return f"objective: posterior needs {key} of at least 1 (below it no interior mode is guaranteed); raise prior.{key}"
        return _misfit(self.init, problem) if isinstance(self.init, Mapping) else None

    def fit(self, problem: Problem, context: Context | None = None) -> Fit:
        """Run every restart, polish the ends, and report the best regular optimum."""
        context = context or Context.default(problem)
        if (reason := self.refuses(problem)) is not None:
            raise ValueError(reason)
        prior = problem.prior if self.objective == "posterior" else None
        with context.clock("run"):
            seeds = [context.start_seed(i) for i in range(self.restarts)]
            start, names = starts(problem, prior, self.init, seeds)
            stop = Stop(self.stop, self.tol, self.max_iter)
            run = climb(start, problem, prior, stop, path_numbers=PATH_NUMBERS)
            context.progress("polishing", math.nan)
            restarts = _restarts(problem, prior, run, seeds, names)
            best = _best(restarts)
            path = _path(start, problem, prior, stop, run, best)
        return self._report(problem, restarts, best, run.trace, path, context.clock.seconds)

    def _report(
        self, problem: Problem, restarts: Restarts, best: int, trace: Trace, path: Path | None, seconds: Mapping[str, float]
    ) -> Fit:
        point = None if best < 0 or restarts.polished is None else restarts.polished.take(best)
        log_likelihood = np.array(np.nan if point is None else problem.log_likelihood(point)).reshape(1, 1)
        log_prior = np.array(np.nan if point is None else problem.log_prior(point)).reshape(1, 1)
        return Fit.point(
            point,
            kind=self.kind,
            family=problem.family,
            log_likelihood=log_likelihood,
            log_posterior=log_likelihood + log_prior,
            objective_name="log_posterior" if self.objective == "posterior" else "log_likelihood",
            status=restarts.status[best] if best >= 0 else _none_regular(restarts.status),
            seconds=seconds,
            options=dataclasses.asdict(self),
            restarts=restarts,
            reported=best,
            trace=trace,
            path=path,
        )


def _misfit(init: Mapping[str, Any], problem: Problem) -> str | None:
    names = list(problem.family.dims)
    if sorted(init) != sorted(names):
        return f"init gives {', '.join(init)}; give exactly {', '.join(names)}"
    sizes = {"component": problem.n_components, "feature": problem.data.n_features, "feature_2": problem.data.n_features}
    for name, dims in problem.family.dims.items():
        wanted = tuple(sizes[dim] for dim in dims)
        shape = np.shape(init[name])
        if shape != wanted:
            return f"init.{name} has shape {shape}; give {wanted}"
    total = float(np.sum(init["weights"]))
    if abs(total - 1.0) > 1e-6:
        return f"init.weights sum to {total:g}; give weights that sum to 1"
    with np.errstate(all="ignore"):
        possible = np.isfinite(problem.log_likelihood(problem.family.mixture(init)))
    if not possible:
        return "init gives some row no density; give weights and probabilities inside (0, 1), covariances that are positive definite"
    return None


def _restarts(problem: Problem, prior: Prior | None, run: Climb, seeds: list[int], names: tuple[str, ...]) -> Restarts:
    """The ends as they are, beside the same ends followed to working precision."""
    polished = climb(run.mixture, problem, prior, POLISH)
    singular = np.zeros(len(seeds), bool)
    spurious = np.zeros(len(seeds), bool)
    if prior is None:  # with a proper prior the objective is bounded and its modes are what they are
        regularity = polished.mixture.components.regularity(polished.mixture.weights, problem.data)
        ended = np.array([status in (Status.SINGULAR, Status.LOST_COMPONENT) for status in (*run.status, *polished.status)])
        singular = regularity.singular | ended.reshape(2, -1).any(axis=0)
        spurious = regularity.spurious & ~singular
    log_prior = problem.log_prior(run.mixture)
    return Restarts(
        start_seed=np.array(seeds),
        init=names,
        iterations=run.iterations,
        objective=run.objective,
        log_likelihood=run.log_likelihood,
        log_posterior=run.log_likelihood + log_prior,
        gain_left=run.gain_left,
        status=run.status,
        mixture=run.mixture,
        polished=polished.mixture,
        polished_objective=polished.objective,
        singular=singular,
        spurious=spurious,
    )


def _best(restarts: Restarts) -> int:
    """The restart with the highest polished objective among regular ends, or -1."""
    usable = np.array([status.at_optimum for status in restarts.status])
    objective = np.asarray(restarts.polished_objective)
    regular = usable & ~np.asarray(restarts.singular) & ~np.asarray(restarts.spurious) & np.isfinite(objective)
    return int(np.argmax(np.where(regular, objective, -np.inf))) if regular.any() else -1


def _none_regular(status: tuple[Status, ...]) -> Status:
    """What became of a fit without a best point; where every restart went wrong, how the first did."""
    return Status.NO_REGULAR_OPTIMUM if any(each.at_optimum for each in status) else status[0]


def _path(start: Mixture, problem: Problem, prior: Prior | None, stop: Stop, run: Climb, best: int) -> Path | None:
    """Parameters by iteration of the reported restart and up to 20 others; where they found no room, run again: the same bits."""
    others = [i for i in range(start.weights.shape[0]) if i != best][:OTHERS_IN_PATH]
    chosen = np.array(sorted([best, *others] if best >= 0 else others), dtype=int)
    if run.path is not None:
        rows = np.flatnonzero(np.isin(run.path.restart, chosen))
        return Path(run.path.restart[rows], run.path.iteration[rows], run.path.mixture.take(rows))
    again = climb(start.take(chosen), problem, prior, stop, path_numbers=EVERY_NUMBER).path
    return None if again is None else Path(chosen[again.restart], again.iteration, again.mixture)
