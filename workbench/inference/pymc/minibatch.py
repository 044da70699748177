"""ADVI by minibatches: each step sees a part of the rows that stands for all of them; q is judged on all rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from workbench.fit import Status
from workbench.inference.method import seed_of
from workbench.inference.pymc.ascent import Ascent, Schedule, settled
from workbench.inference.pymc.choices import Likelihood
from workbench.inference.target import CompiledTarget
from workbench.problem import Problem

if TYPE_CHECKING:
    from workbench.inference.pymc.model import Arrays
    from workbench.inference.pymc.step import Gaussian, Step

JUDGED = 10
"""Draws of q by which its ELBO on all rows is told, the same noise every time, so that two q are told apart by more than noise."""
SNAPSHOT = 10
"""Steps between the parameters that a window's average is made of."""


@dataclass(frozen=True, eq=False)
class Batches:
    """A partition of the rows into ``n`` parts of nearly one size, each of them counting n times: the model's arrays of each.

    A part drawn at random has the log likelihood of all rows, and its gradient, as its mean.
    """

    parts: tuple[Arrays, ...]
    seed: int

    @classmethod
    def of(cls, problem: Problem, likelihood: Likelihood | None, size: int, seed: int) -> Batches:
        """Parts of at most ``size`` rows, dealt at random."""
        from workbench.inference.pymc.model import row_arrays

        order = np.random.default_rng(seed).permutation(problem.data.n_rows)
        parts = np.array_split(order, -(-order.size // size))
        return cls(tuple(row_arrays(_standing_for_all(problem, np.sort(rows), len(parts)), likelihood) for rows in parts), seed)

    def deal(self) -> Iterator[Arrays]:
        """All parts in an order of chance, again and again."""
        rng = np.random.default_rng(seed_of("deal", self.seed))
        while True:
            for i in rng.permutation(len(self.parts)):
                yield self.parts[i]


def _standing_for_all(problem: Problem, rows: np.ndarray, times: int) -> Problem:
    data = problem.data.take(rows)
    return Problem(replace(data, counts=data.counts * times), problem.family, problem.n_components, problem.prior)


def ascend_by_batches(
    step: Step, start: Gaussian, seed: int, schedule: Schedule, batches: Batches, target: CompiledTarget, progress: Callable[[float], None]
) -> Ascent:
    """Climb from ``start``: of every window the parameters' average is judged (Polyak & Juditsky 1992), as the last of them only
    wanders about the optimum; a rate is left when averages stop rising, and the best is kept."""
    from workbench.inference.pymc.model import assign

    step.begin(start, seed)
    begun, points, windows, done, dealt = time.perf_counter(), [], [], 0, batches.deal()
    best, status = (-np.inf, start), Status.CONVERGED
    for rate in schedule.rates:
        step.rate.set_value(np.float64(rate))
        here: list[tuple[float, float]] = []
        while status is Status.CONVERGED and not settled(here):
            if done >= schedule.max_iter:
                status = Status.NOT_SETTLED
                break
            n_steps, seen = min(schedule.window, schedule.max_iter - done), []
            for i in range(n_steps):
                assign(step.model, next(dealt))
                step.function()
                if i % SNAPSHOT == 0:
                    seen.append(step.raw)
            q, done = step.at(*(np.mean(values, axis=0) for values in zip(*seen, strict=True))), done + n_steps
            value = _judged(target, q, seed)
            best = max(best, (value, q), key=lambda pair: pair[0])
            here.append((value, 0.0))  # the noise is the same every time, so any rise is one
            windows.append((rate, value, np.nan))
            points.append((done, time.perf_counter() - begun, value))
            progress(done / schedule.max_iter)
            if not np.isfinite(value):
                status = Status.NOT_FINITE
    iteration, seconds, elbo = (np.array(column) for column in zip(*points, strict=True))
    return Ascent(best[1], status, iteration.astype(np.int64), seconds, elbo, tuple(windows))


def _judged(target: CompiledTarget, q: Gaussian, seed: int) -> float:
    """The ELBO on all rows, by few draws with the same noise for every q."""
    u, log_q = q.sample(np.random.default_rng(seed), JUDGED)
    with np.errstate(all="ignore"):
        return float((target.log_density(u) - log_q).mean())
