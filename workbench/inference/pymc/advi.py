"""ADVI, mean field and full rank: the option classes; the compiled step and its schedule are in the files beside it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, MinLen

from workbench.fit import Estimate, Evidence, Fit, Restarts, Status, Trace
from workbench.inference.advice import Advice
from workbench.inference.em.begin import begin, unbegun
from workbench.inference.method import Context
from workbench.inference.options import check_options
from workbench.inference.pymc.ascent import Ascent, Schedule, ascend
from workbench.inference.pymc.choices import Likelihood, Rank, refusal
from workbench.inference.pymc.toolchain import captured
from workbench.problem import Problem

if TYPE_CHECKING:
    from workbench.inference.pymc.step import Gaussian, Step

    Progress = Callable[[float], None]

Init = Literal["random_rows", "random_responsibilities", "mixed", "kmeans++", "prior", "em"]
START_SCALE = 0.1
"""Standard deviation of q at the start at most. PyMC's own (0.7 to 1.3) throws a start away: first ELBOs 2,000 nats below it."""
CELLS = 50_000_000
"""Draws times rows that a restart's ELBO may cost."""


@dataclass(frozen=True)
class ADVI:
    """Automatic differentiation variational inference, mean field (Kucukelbir et al. 2017), by PyMC.

    q is a normal with independent unconstrained coordinates. Adam climbs one-draw estimates of the ELBO; each rate is kept until
    the means of windows of steps stop rising, and the restart with the highest ELBO, from fresh draws, is reported.

    Parameters
    ----------
    restarts : number of starts
    init : kind of start of the mean; ``em``: where MAP-EM ends from random rows
    draws : draws from the best q that are kept
    rates : Adam's learning rates, one after the other, for a posterior with standard deviations of 0.1 or more; of narrower ones, by
        sqrt(K / N), less in proportion, as a step is to be small beside q
    window : steps whose mean ELBO is compared with the windows before
    max_iter : steps after which a restart stops without having settled
    batch_size : rows that a step sees, where they are many; without it all of them
    likelihood : ``op`` (the compiled E step), ``graph`` (PyMC's own), or the family's default

    Notes
    -----
    - q(u) = N(u | mean, diag(sd ** 2)) over unconstrained coordinates u of (weights, parameters), labels summed out.
    - Climbs, with noise: `elbo` = E_q[log p(x, theta(u)) + log |d theta / d u| - log q(u)], a lower bound of log p(x).
    - log p(x) = ELBO + KL(q || p(u | x)).
    - With `batch_size` the rows are dealt into M parts, and a step climbs the ELBO with one part's log likelihood times M, whose mean
      over the parts is the log likelihood. Of every window the average of q's parameters (Polyak & Juditsky 1992) is judged by its
      ELBO on all rows, with the same noise, and the best is kept: what is reported is the ELBO on all rows, and what steps by
      parts have cost is its distance to that of the fit without `batch_size`. Measured, three seeds each, `init: em`: Old Faithful,
      K = 2, by 68 of 272 rows 0.01 nats either way, by 10 rows 0.03 to 0.05 lower (errors 0.01), of `fullrank_advi` 0.33 lower to 0.09
      higher (three seeds of it with all rows span 0.09) and 0.11 to 0.23 lower; 100,000 rows of two columns, K = 3, 20,000 steps at
      most: by 10,000 rows no difference beyond errors (0.3) in half of the CPU time, by 1,000 0.7 to 1.7 lower in a third.
    - The log of the mean weight of fresh draws, p(x, u) / q(u) with q averaged over the labellings, is a lower bound of log p(x) in
      expectation, tighter than the ELBO (Burda, Grosse & Salakhutdinov 2016); with Pareto's k-hat of at most 0.5, half of the
      draws effective, and no mode of the posterior that q misses (MAP-EM looks for them), it is called an estimate of log p(x).
    - The gradient of log p(x | theta) is that of EM's expected complete log likelihood with its statistics held fixed (Fisher's
      identity): the compiled E step gives value and gradient in one pass.

    References
    ----------
    - Kucukelbir, A., Tran, D., Ranganath, R., Gelman, A. & Blei, D. M. (2017). Automatic differentiation variational inference.
      Journal of Machine Learning Research 18(14), 1-45.
    - Burda, Y., Grosse, R. & Salakhutdinov, R. (2016). Importance weighted autoencoders. ICLR.
    - Kingma, D. P. & Ba, J. (2015). Adam: a method for stochastic optimization. ICLR.
    - Polyak, B. T. & Juditsky, A. B. (1992). Acceleration of stochastic approximation by averaging. SIAM Journal on Control and
      Optimization 30, 838-855.
    """

    kind: ClassVar[str] = "advi"
    estimate: ClassVar[Estimate] = "approximation"
    rank: ClassVar[Rank] = "mean_field"
    revision: ClassVar[int] = 6
    packages: ClassVar[tuple[str, ...]] = ("numpy", "numba", "pytensor", "pymc")
    compiles: ClassVar[bool] = True

    restarts: Annotated[int, Ge(1)] = 4
    init: Init = "random_rows"
    draws: Annotated[int, Ge(2)] = 1000
    rates: Annotated[tuple[Annotated[float, Gt(0)], ...], MinLen(1)] = (1e-2, 1e-3, 1e-4)
    window: Annotated[int, Ge(10)] = 1000
    max_iter: Annotated[int, Ge(10)] = 50_000
    batch_size: Annotated[int, Ge(1)] | None = None
    likelihood: Likelihood | None = None

    def __post_init__(self) -> None:
        check_options(self)

    def refuses(self, problem: Problem) -> str | None:
        if self.batch_size is not None and self.batch_size >= problem.data.n_rows:
            return f"batch_size: {self.batch_size} is not below the {problem.data.n_rows} rows; leave it out, or lower it"
        return refusal(problem, self.likelihood) or unbegun(problem, self.init)

    def fit(self, problem: Problem, context: Context | None = None) -> Fit:
        """Compile, unless this process has compiled the same family, K and D before; climb from every start; draw from the best.

        Raises
        ------
        ValueError
            If the method refuses the problem.
        FloatingPointError
            If no restart ended at a finite ELBO.
        """
        context = context or Context.default(problem)
        if (reason := self.refuses(problem)) is not None:
            raise ValueError(reason)
        with captured() as messages:
            seeds = [context.start_seed(i) for i in range(self.restarts)]
            u, names = begin(problem, self.init, seeds)
            ascents = self._ascents(problem, context, u)
        with context.clock("run"):
            ends = [_End.of(problem, ascent, context.noise_seed(i), self.draws) for i, ascent in enumerate(ascents)]
            best = _best(ends)
            verdicts = [f"restart {i}: {ascent.verdict}" for i, ascent in enumerate(ascents)]
            restarts = _restarts(problem, ascents, ends, seeds, names)
            drawn = _drawn(problem, ends[best], context.noise_seed(self.restarts + best), self.draws)
            evidence = self._evidence(problem, ends[best].q, context)
        return Fit.approximation_of(
            **drawn,
            kind=self.kind,
            family=problem.family,
            objective_name="elbo",
            status=ascents[best].status,
            seconds=context.clock.seconds,
            options=dataclasses.asdict(self),
            restarts=restarts,
            reported=best,
            trace=_trace(ascents),
            evidence=evidence,
            approximation={"mean": ends[best].q.mean, "scale_tril": ends[best].q.scale_tril, **_risen(ascents[best])},
            messages=(*messages, *verdicts),
        )

    def _evidence(self, problem: Problem, q: Gaussian, context: Context) -> tuple[Evidence, ...]:
        from workbench.inference.evidence import StudentMixture, approximated

        proposal = StudentMixture.normal(q.mean, q.scale_tril)
        noise = 2 * self.restarts  # the numbers before are the restarts' and their draws'
        return approximated(problem, proposal, context, noise=noise, advice=Advice.of(self, problem).richer())

    def _ascents(self, problem: Problem, context: Context, u: np.ndarray) -> list[Ascent]:
        context.progress("compiling", math.nan)
        with context.clock("compile"):
            from workbench.inference.pymc.step import Gaussian, step

            compiled = step(problem, self.rank, self.likelihood)
        with context.clock("run"):
            climb, scale = self._climb(problem, compiled, context), _start_scale(problem)
            ascents = []
            for i in range(self.restarts):

                def progress(fraction: float, i: int = i) -> None:
                    context.progress("climbing", (i + fraction) / self.restarts)

                ascents.append(climb(Gaussian(u[i], scale * np.eye(u.shape[1])), context.noise_seed(i), progress))
        return ascents

    def _climb(self, problem: Problem, compiled: Step, context: Context) -> Callable[[Gaussian, int, Progress], Ascent]:
        """From a start with a seed: by steps that see all rows, or parts of them."""
        relative = _start_scale(problem) / START_SCALE
        schedule = Schedule(tuple(rate * relative for rate in self.rates), self.window, self.max_iter)
        if self.batch_size is None:
            return lambda start, seed, progress: ascend(compiled, start, seed, schedule, progress)
        from workbench.inference.pymc.minibatch import Batches, ascend_by_batches
        from workbench.inference.target import CompiledTarget

        target = CompiledTarget.of(problem, context.threads)
        batches = Batches.of(problem, self.likelihood, self.batch_size, context.noise_seed(2 * self.restarts + 1))
        return lambda start, seed, progress: ascend_by_batches(compiled, start, seed, schedule, batches, target, progress)


@dataclass(frozen=True)
class FullRankADVI(ADVI):
    """ADVI with a full covariance of the unconstrained coordinates (Kucukelbir et al. 2017); options as ``ADVI``.

    Notes
    -----
    - q(u) = N(u | mean, L L'), L lower triangular; the rest as ADVI.

    References
    ----------
    - Kucukelbir, A., Tran, D., Ranganath, R., Gelman, A. & Blei, D. M. (2017). Automatic differentiation variational inference.
      Journal of Machine Learning Research 18(14), 1-45.
    """

    kind: ClassVar[str] = "fullrank_advi"
    rank: ClassVar[Rank] = "full_rank"


@dataclass(frozen=True, eq=False)
class _End:
    """A restart's q, and means over fresh draws from it of what is compared, by our own densities."""

    q: Gaussian
    elbo: float
    log_likelihood: float
    log_posterior: float

    @classmethod
    def of(cls, problem: Problem, ascent: Ascent, seed: int, n_draws: int) -> _End:
        if ascent.status is Status.NOT_FINITE:
            return cls(ascent.q, math.nan, math.nan, math.nan)
        drawn = _densities(problem, ascent.q, seed, max(100, min(n_draws, CELLS // problem.data.n_rows)))
        elbo = float(np.mean(drawn["log_posterior"] - drawn["log_q"]))
        return cls(ascent.q, elbo, float(drawn["log_likelihood"].mean()), float(drawn["log_posterior"].mean()))


def _start_scale(problem: Problem) -> float:
    """The size of a posterior's standard deviations: of many rows a wider q would have to shrink by tiny steps."""
    return min(START_SCALE, math.sqrt(problem.n_components / problem.data.counts.sum()))


def _risen(ascent: Ascent) -> dict[str, np.ndarray]:
    """By which it is judged whether the ELBO has settled."""
    return dict(zip(("elbo_rise", "elbo_rise_limit"), map(np.array, ascent.rise), strict=True))


def _best(ends: list[_End]) -> int:
    elbos = np.array([end.elbo for end in ends])
    if not np.isfinite(elbos).any():
        raise FloatingPointError(Status.NOT_FINITE.value)
    return int(np.nanargmax(np.where(np.isfinite(elbos), elbos, np.nan)))


def _densities(problem: Problem, q: Gaussian, seed: int, n_draws: int) -> dict[str, Any]:
    """Draws, and densities over the natural parameters."""
    u, log_q = q.sample(np.random.default_rng(seed), n_draws)
    mixture, log_jacobian = problem.coordinates.unflatten(u)
    log_likelihood = problem.log_likelihood(mixture)
    return {
        "draws": mixture,
        "log_q": log_q - log_jacobian,
        "log_likelihood": log_likelihood,
        "log_posterior": log_likelihood + problem.log_prior(mixture),
    }


def _drawn(problem: Problem, end: _End, seed: int, n_draws: int) -> dict[str, Any]:
    """What is reported: one chain of draws."""
    found = _densities(problem, end.q, seed, n_draws)
    draws = found.pop("draws").reshaped(1, n_draws)
    return {"draws": draws, **{name: values.reshape(1, n_draws) for name, values in found.items()}}


def _restarts(problem: Problem, ascents: list[Ascent], ends: list[_End], seeds: list[int], names: tuple[str, ...]) -> Restarts:
    means = np.stack([end.q.mean for end in ends])
    return Restarts(
        start_seed=np.array(seeds),
        init=names,
        iterations=np.array([ascent.iteration[-1] for ascent in ascents]),
        objective=np.array([end.elbo for end in ends]),
        log_likelihood=np.array([end.log_likelihood for end in ends]),
        log_posterior=np.array([end.log_posterior for end in ends]),
        gain_left=np.full(len(ends), np.nan),
        status=tuple(ascent.status for ascent in ascents),
        mixture=problem.coordinates.unflatten(means)[0],
    )


def _trace(ascents: list[Ascent]) -> Trace:
    seconds, begun = [], 0.0
    for ascent in ascents:
        seconds.append(begun + ascent.seconds)
        begun += float(ascent.seconds[-1])
    return Trace(
        restart=np.concatenate([np.full(ascent.iteration.size, i) for i, ascent in enumerate(ascents)]),
        iteration=np.concatenate([ascent.iteration for ascent in ascents]),
        seconds=np.concatenate(seconds),
        objective=np.concatenate([ascent.elbo for ascent in ascents]),
    )
