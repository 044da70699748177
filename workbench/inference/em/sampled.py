"""EM with labels drawn in the E step: stochastic EM (Celeux & Diebolt 1985), with several draws Monte-Carlo EM (Wei & Tanner 1990)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Lt

from workbench.inference.em.climb import Stop
from workbench.inference.em.kind import Kind
from workbench.inference.em.point import Ascent
from workbench.inference.em.polish import em_polish
from workbench.inference.em.scheme import LEAP, Iteration, Scheme, Steps
from workbench.inference.em.starts import Init
from workbench.inference.em.steps import soft
from workbench.inference.method import Context
from workbench.models import Expectation, Mixture, Statistics
from workbench.models.shapes import Counts, LogDensity, LogJoint, Responsibilities
from workbench.problem import Problem


@dataclass(frozen=True)
class SampledEM(Kind):
    """EM whose E step draws labels instead of averaging over them: it wanders about a solution, and out of poor ones.

    With one draw this is stochastic EM (Celeux & Diebolt 1985), with several Monte-Carlo EM (Wei & Tanner 1990). The point is
    one M step from the statistics averaged over the iterations after ``burn_in``. Nothing is climbed: neither the objective nor
    anything else is bound to rise. Which optimum an end is near is found by following it with EM; the point stays where it was.

    Parameters
    ----------
    restarts : number of starts
    init : kind of start, or parameters by name as the start of all
    draws : label draws of each E step
    max_iter : iterations
    burn_in : share of the iterations that are not averaged over

    Notes
    -----
    - E step: each row draws `draws` labels from p(z_n | x_n, theta), a row that counts c times c of them for each copy; q_nk is
      the share of label k among them.
    - M step: EM's own, with these q; the last one with the statistics averaged over the iterations after burn-in.
    - May fall: everything. `log_likelihood` is traced.
    - log p(x | theta) = bound + KL with the drawn q, KL > 0.

    References
    ----------
    - Celeux, G. & Diebolt, J. (1985). The SEM algorithm: a probabilistic teacher algorithm derived from the EM algorithm for the
      mixture problem. Computational Statistics Quarterly 2, 73-82.
    - Wei, G. C. G. & Tanner, M. A. (1990). A Monte Carlo implementation of the EM algorithm and the poor man's data augmentation
      algorithms. Journal of the American Statistical Association 85, 699-704.
    """

    kind: ClassVar[str] = "sampled_em"
    has_errors: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = ("numpy", "scipy")

    restarts: Annotated[int, Ge(1)] = 20
    init: Init | dict[str, Any] = "mixed"
    draws: Annotated[int, Ge(1)] = 1
    max_iter: Annotated[int, Ge(2)] = 200
    burn_in: Annotated[float, Ge(0), Lt(1)] = 0.5

    def refuses(self, problem: Problem) -> str | None:
        if not problem.data.counts_are_whole:
            return "sampled_em draws a label for each row and the counts are not whole numbers; use em"
        return super().refuses(problem)

    def ascent(self, problem: Problem, context: Context) -> Ascent:
        """Every restart through its iterations; the average with the highest log likelihood is reported."""
        steps = Steps(problem)
        seed = context.noise_seed

        def scheme(start: Mixture, restarts: Sequence[int], show: bool) -> Scheme:
            rngs = [np.random.default_rng(seed(i)) for i in restarts]
            return sampled(start, steps, rngs, self.draws, self.max_iter, int(self.burn_in * self.max_iter), show)

        stop = Stop(rule="never", max_iter=self.max_iter, past_loss=True)
        return Ascent(steps=steps, scheme=scheme, stop=stop, objective_name="log_likelihood", polish=em_polish(steps), reports_end=True)


def sampled(
    start: Mixture, steps: Steps, rngs: list[np.random.Generator], draws: int, n_iterations: int, burn_in: int, show: bool
) -> Scheme:
    """Draw, maximise; the last iteration is the M step of the statistics averaged after ``burn_in``."""
    mixture, step = start, 0
    total: Statistics | None = None
    while True:
        iteration = _drawn(mixture, steps, rngs, draws, show)
        keep = yield replace(iteration, rises=False)
        if keep is not None:
            iteration, rngs = iteration.take(keep), [rng for rng, going in zip(rngs, keep, strict=True) if going]
            total = None if total is None else total.take(keep)
        statistics = iteration.expectation.statistics
        if step >= burn_in:
            total = statistics if total is None else total.merge(statistics)
        step += 1
        if step == n_iterations and total is not None:
            average = replace(iteration.expectation, statistics=total.scaled(1.0 / (n_iterations - burn_in)))
            iteration = replace(iteration, expectation=average)
        mixture = steps.maximise(iteration)


def _drawn(mixture: Mixture, steps: Steps, rngs: list[np.random.Generator], draws: int, show: bool) -> Iteration:
    """The E step with drawn labels, each fit from its own generator, so that batching changes nothing."""
    parts: list[Iteration] = []
    shares: list[Responsibilities] = []
    for i, rng in enumerate(rngs):
        draw = Draw(rng, draws, steps.data.counts)
        parts.append(steps.evaluate(mixture.take(slice(i, i + 1)), draw))
        if show:
            shares.append(np.concatenate(draw.drawn))
    return Iteration(
        mixture,
        Expectation.joined([part.expectation for part in parts]),
        np.concatenate([part.objective for part in parts]),
        np.full(len(parts), LEAP),
        shares=np.stack(shares) if show else None,
    )


class Draw:
    """Responsibilities as shares of drawn labels; a row that counts c times draws c labels. Rows come in order, block by block."""

    def __init__(self, rng: np.random.Generator, draws: int, counts: Counts) -> None:
        self.rng, self.draws, self.counts = rng, draws, counts
        self.at = 0
        self.drawn: list[np.ndarray] = []

    def __call__(self, log_joint: LogJoint, log_density: LogDensity) -> Responsibilities:
        shares = np.nan_to_num(soft(log_joint, log_density)[0])
        size = shares.shape[0]
        trials = self.draws * self.counts[self.at : self.at + size].astype(int)
        self.at += size
        shares = shares / np.maximum(shares.sum(axis=-1, keepdims=True), 1e-300)
        found = self.rng.multinomial(trials, shares) / np.maximum(trials, 1)[:, None]
        found = np.where(trials[:, None] > 0, found, shares)
        self.drawn.append(found)
        return np.asarray(found[None])
