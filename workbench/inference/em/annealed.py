"""Deterministic annealing: EM with a tempered posterior of the labels, the temperature lowered to 1 (Ueda & Nakano 1998)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from workbench.inference.em.climb import Stop
from workbench.inference.em.engine import EngineName, engine
from workbench.inference.em.kind import Kind
from workbench.inference.em.point import Ascent
from workbench.inference.em.polish import em_polish
from workbench.inference.em.scheme import LEAP, Scheme, Steps
from workbench.inference.em.starts import Init
from workbench.inference.em.steps import Power, soft
from workbench.inference.method import Context
from workbench.models import Expectation, Mixture
from workbench.problem import Problem


@dataclass(frozen=True)
class AnnealedEM(Kind):
    """EM at falling temperature: q is proportional to p(z | x, theta) ** beta, with beta rising to 1 (Ueda & Nakano 1998).

    At a fixed beta it climbs ``annealed_bound`` = beta E_q log p(x, z | theta) + H(q); from one beta to the next that may change
    either way. At beta = 1 it is EM. Whether it helps is for the hit rates to say: compare with ``em`` from the same starts.

    Parameters
    ----------
    restarts : number of starts
    init : kind of start, or parameters by name as the start of all
    beta : the first inverse temperature, in (0, 1]
    temperatures : number of inverse temperatures from ``beta`` to 1, evenly spaced in their logarithm
    hold : iterations at each but the last
    noise : share of random responsibilities mixed in whenever beta rises: components that a high temperature has made one are
        a saddle that no temperature parts again
    tol : a restart stops when, at beta = 1, its log likelihood (nats, summed) changes by less
    max_iter : iterations after which a restart stops without having converged
    engine : ``fast`` (compiled E steps) or ``book`` (the same in NumPy, to read along)

    Notes
    -----
    - E step: q_nk proportional to p(x_n, z_n = k | theta) ** beta.
    - M step: EM's own, with these q.
    - At a fixed beta never falls: `annealed_bound` = beta E_q log p(x, z | theta) + H(q) = sum_n log sum_k p(x_n, z_n = k | theta) ** beta.
    - log p(x | theta) = bound + KL, with bound = E_q log p(x, z | theta) + H(q) and KL > 0 while beta < 1.

    References
    ----------
    - Ueda, N. & Nakano, R. (1998). Deterministic annealing EM algorithm. Neural Networks 11, 271-282.
    - Rose, K. (1998). Deterministic annealing for clustering, compression, classification, regression, and related optimization
      problems. Proceedings of the IEEE 86, 2210-2239 (on the noise at a change of temperature).
    """

    kind: ClassVar[str] = "annealed_em"

    restarts: Annotated[int, Ge(1)] = 100
    init: Init | dict[str, Any] = "mixed"
    beta: Annotated[float, Gt(0), Le(1)] = 0.3
    temperatures: Annotated[int, Ge(1)] = 8
    hold: Annotated[int, Ge(1)] = 10
    noise: Annotated[float, Ge(0), Lt(1)] = 0.02
    tol: Annotated[float, Gt(0)] = 1e-8
    max_iter: Annotated[int, Ge(1)] = 10_000
    engine: EngineName = "fast"

    def refuses(self, problem: Problem) -> str | None:
        warmest = self.hold * (self.temperatures - 1)
        if self.max_iter <= warmest:
            return (
                f"max_iter is {self.max_iter} and beta reaches 1 after {warmest} iterations; raise max_iter, or lower hold or temperatures"
            )
        return super().refuses(problem)

    def ascent(self, problem: Problem, context: Context) -> Ascent:
        """Every restart through all temperatures."""
        steps = Steps(problem, None, engine(self.engine, context.threads))
        betas = np.repeat(np.geomspace(self.beta, 1.0, self.temperatures)[:-1], self.hold) if self.temperatures > 1 else np.ones(0)

        def scheme(start: Mixture, restarts: Sequence[int], show: bool) -> Scheme:
            rngs = [np.random.default_rng(context.noise_seed(i)) for i in restarts]
            return annealed(start, steps, betas, self.noise, rngs)

        stop = Stop(tol=self.tol, max_iter=self.max_iter)
        return Ascent(steps=steps, scheme=scheme, stop=stop, objective_name="annealed_bound", polish=em_polish(steps))


def annealed(start: Mixture, steps: Steps, betas: np.ndarray, noise: float, rngs: list[np.random.Generator]) -> Scheme:
    """EM at the inverse temperatures ``betas``, one an iteration, then at 1; each fit has its own generator of ``noise``."""
    mixture, step, before, shaken = start, 0, np.nan, False
    while True:
        beta = float(betas[step]) if step < betas.size else 1.0
        assign = Power(beta) if beta < 1.0 else soft
        iteration = steps.evaluate(mixture, assign, lambda e, beta=beta: beta * e.expected_complete + e.entropy)  # type: ignore[misc]
        if shaken:  # the M step's statistics were not those of any q
            iteration = iteration.led(LEAP)
        keep = yield replace(iteration, rises=beta == before and not shaken, settles=beta == 1.0 and before == 1.0)
        if keep is not None:
            iteration, rngs = iteration.take(keep), [rng for rng, going in zip(rngs, keep, strict=True) if going]
        step, before = step + 1, beta
        after = float(betas[step]) if step < betas.size else 1.0
        shaken = noise > 0.0 and after != beta
        if shaken:
            iteration = replace(iteration, expectation=_shaken(iteration.expectation, steps, noise, rngs))
        mixture = steps.maximise(iteration)


def _shaken(expectation: Expectation, steps: Steps, noise: float, rngs: list[np.random.Generator]) -> Expectation:
    """The expectation with a share of its statistics from Dirichlet(1) responsibilities."""
    flat, n_rows = np.ones(steps.problem.n_components), steps.data.n_rows
    each = [steps.problem.family.statistics(steps.data, rng.dirichlet(flat, size=n_rows)[None]) for rng in rngs]
    random = type(each[0]).joined(each)
    return replace(expectation, statistics=expectation.statistics.scaled(1.0 - noise).merge(random.scaled(noise)))
