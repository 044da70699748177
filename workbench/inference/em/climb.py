"""Climb: a batch of restarts run to their stops, with the objective of every iteration of each."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.fit import Path, Status, Trace
from workbench.inference.em.steps import expect, m_step
from workbench.models import Expectation, Mixture, Prior
from workbench.models.mixture import gathered
from workbench.models.shapes import PerFit
from workbench.problem import Problem

LOST = 1e-10
"""A component with less than this many rows is lost to maximum likelihood."""
FALL = 1e-9
"""An objective may fall by this much, relative, from rounding alone (columns correlated to 1 - 1e-10 reach 3e-10)."""


@dataclass(frozen=True, eq=False)
class Iteration:
    """A batch of mixtures, what the E step says at them, and the objective that belongs to them."""

    mixture: Mixture
    expectation: Expectation
    objective: PerFit


def iterate(mixture: Mixture, problem: Problem, prior: Prior | None) -> Generator[Iteration, Any, None]:
    """Run EM without end from a batch of mixtures.

    Yields an :class:`Iteration` whose objective is that of its own mixture. Send an index of the batch to go on
    with those fits alone. ``prior`` is the problem's for MAP, None for maximum likelihood.
    """
    while True:
        with np.errstate(all="ignore"):
            expectation = expect(mixture, problem.data)
            objective = expectation.log_likelihood
            if prior is not None:
                objective = objective + prior.log_density(mixture)
        keep = yield Iteration(mixture, expectation, objective)
        statistics = expectation.statistics
        if keep is not None:
            mixture, statistics = mixture.take(keep), statistics.take(keep)
        with np.errstate(all="ignore"):
            mixture = m_step(statistics, prior, mixture)


@dataclass(frozen=True)
class Stop:
    """When a restart stops: ``rule`` is what may change by less than ``tol``; ``relative`` scales it by the objective."""

    rule: str = "objective"
    tol: float = 1e-8
    max_iter: int = 10_000
    relative: bool = False


@dataclass(frozen=True, eq=False)
class Climb:
    """How a batch of restarts ended; arrays (restart,)."""

    mixture: Mixture
    objective: np.ndarray
    log_likelihood: np.ndarray
    iterations: np.ndarray
    gain_left: np.ndarray
    status: tuple[Status, ...]
    trace: Trace
    path: Path | None


def climb(start: Mixture, problem: Problem, prior: Prior | None, stop: Stop, *, path_numbers: int = 0) -> Climb:
    """Run EM from every mixture of the batch ``start`` until each has stopped; finished restarts leave the batch."""
    ledger = _Ledger(start, problem, prior, stop, path_numbers)
    active = np.arange(start.weights.shape[0])
    steps = iterate(start, problem, prior)
    iteration = next(steps)
    while True:
        going = ledger.enter(active, iteration)
        if not going.any():
            return ledger.climb()
        active = active[going]
        iteration = steps.send(going)


class _Ledger:
    """What is known of every restart so far."""

    def __init__(self, start: Mixture, problem: Problem, prior: Prior | None, stop: Stop, path_numbers: int) -> None:
        count = start.weights.shape[0]
        self.problem, self.prior, self.stop = problem, prior, stop
        self.room = path_numbers
        self.began = time.perf_counter()
        self.scale = np.where(np.ptp(problem.data.x, axis=0) > 0, problem.data.x.std(axis=0), 1.0)
        self.chart = problem.coordinates
        self.gains = np.full((2, count), np.nan)
        self.objective, self.log_likelihood = np.full(count, np.nan), np.full(count, np.nan)
        self.iterations = np.zeros(count, int)
        self.status: list[Status] = [Status.MAX_ITER] * count
        self.ends: list[Mixture] = [start.take(i) for i in range(count)]
        self.previous: Mixture | None = None
        self.rows: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []
        self.mixtures: list[Mixture] = []
        self.step = 0

    def enter(self, active: np.ndarray, iteration: Iteration) -> np.ndarray:
        """Note an iteration of the ``active`` restarts; True for those that go on."""
        objective = iteration.objective
        gain = objective - self.objective[active]
        status = self._judge(active, iteration, gain)
        fell = np.array([verdict is Status.FELL for verdict in status])
        finite = np.isfinite(objective) & ~fell  # numbers that belong to no step of EM are not kept
        if fell.any() and self.previous is not None:
            self._excuse(status, np.flatnonzero(fell))
        for i in np.flatnonzero([verdict is not None for verdict in status]):
            self.status[active[i]] = status[i] or Status.MAX_ITER
            if finite[i]:
                self.ends[active[i]] = iteration.mixture.take(i)
            elif self.previous is not None:
                self.ends[active[i]] = self.previous.take(i)
        self._note(active[finite], iteration, finite, gain)
        self.step += 1
        going = np.array([s is None for s in status])
        self.previous = iteration.mixture.take(going)
        return going

    def _judge(self, active: np.ndarray, iteration: Iteration, gain: np.ndarray) -> list[Status | None]:
        objective, counts = iteration.objective, iteration.expectation.statistics.counts
        size = np.maximum(1.0, np.abs(objective))
        tol = self.stop.tol * size if self.stop.relative else np.full(size.shape, self.stop.tol)
        settled = np.abs(gain) < tol if self.stop.rule == "objective" else self._change(iteration.mixture) < self.stop.tol
        collapsed = np.asarray(iteration.mixture.components.collapsed(self.scale))
        lost = counts.min(axis=-1) < LOST if self.prior is None else np.zeros(size.shape, bool)
        verdicts = (
            (collapsed, Status.SINGULAR),
            (lost, Status.LOST_COMPONENT),
            (~np.isfinite(objective), Status.NOT_FINITE),
            (gain < -FALL * size, Status.FELL),
            (settled, Status.CONVERGED),
            (np.full(size.shape, self.step >= self.stop.max_iter), Status.MAX_ITER),
        )
        return [next((status for flags, status in verdicts if flags[i]), None) for i in range(active.size)]

    def _excuse(self, status: list[Status | None], fell: np.ndarray) -> None:
        """A fall on the way into a singular solution is the last digits of a near-singular covariance, and named so."""
        if self.prior is None and self.previous is not None:
            before = self.previous.take(fell)
            regularity = before.components.regularity(before.weights, self.problem.data)
            for i, singular in zip(fell, np.asarray(regularity.singular), strict=True):
                status[i] = Status.SINGULAR if singular else status[i]

    def _change(self, mixture: Mixture) -> np.ndarray:
        """Largest change of a standardised unconstrained coordinate since the last iteration."""
        if self.previous is None:
            return np.full(mixture.batch_shape, np.inf)
        limits = self.chart.boundaries
        with np.errstate(all="ignore"):  # of components that have collapsed
            before, after = (np.clip(self.chart.flatten(m)[0], -limits, limits) for m in (self.previous, mixture))
            return np.asarray(np.abs(after - before).max(axis=-1, initial=0.0))

    def _note(self, restarts: np.ndarray, iteration: Iteration, finite: np.ndarray, gain: np.ndarray) -> None:
        objective, log_likelihood = (np.asarray(v)[finite] for v in (iteration.objective, iteration.expectation.log_likelihood))
        self.objective[restarts], self.log_likelihood[restarts] = objective, log_likelihood
        self.iterations[restarts] = self.step
        self.gains[0, restarts], self.gains[1, restarts] = self.gains[1, restarts], gain[finite]
        seconds = np.full(restarts.size, time.perf_counter() - self.began)
        self.rows.append((restarts, np.full(restarts.size, self.step), seconds, objective, log_likelihood))
        self._remember(iteration.mixture.take(finite))

    def _remember(self, mixture: Mixture) -> None:
        """Keep the parameters of this iteration, as long as all of them find room."""
        self.room -= sum(array.size for array in mixture.parameters().values())
        if self.room >= 0:
            self.mixtures.append(mixture)
        else:
            self.mixtures.clear()

    def climb(self) -> Climb:
        columns = [np.concatenate(column) for column in zip(*self.rows, strict=True)]
        order = np.lexsort((columns[1], columns[0]))
        trace = Trace(*(column[order] for column in columns))
        path = Path(trace.restart, trace.iteration, gathered(self.mixtures).take(order)) if self.mixtures else None
        ends = gathered([end.take(None) for end in self.ends])
        return Climb(ends, self.objective, self.log_likelihood, self.iterations, self._gain_left(), tuple(self.status), trace, path)

    def _gain_left(self) -> np.ndarray:
        """Aitken: from the last two gains, what a geometric series would still add (statistics, section 3)."""
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = self.gains[1] / self.gains[0]
            return np.where((ratio > 0) & (ratio < 1), self.gains[1] * ratio / (1.0 - ratio), np.nan)
