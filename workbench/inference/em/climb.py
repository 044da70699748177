"""Climb: a batch of restarts run to their stops, with the objective of every iteration of each."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from workbench.fit import Path, Status, Trace
from workbench.inference.em.scheme import Iteration, Scheme, Steps
from workbench.inference.method import silent
from workbench.models import Mixture
from workbench.models.mixture import gathered, numbered
from workbench.models.shapes import Flags

LOST = 1e-10
"""A component with less than this many rows is lost to maximum likelihood."""
FALL = 1e-9
"""An objective may fall by this much, relative, from rounding alone (columns correlated to 1 - 1e-10 reach 3e-10)."""
GOING = -1
STATUSES = tuple(Status)
CODES = {status: code for code, status in enumerate(STATUSES)}


@dataclass(frozen=True)
class Stop:
    """When a restart stops: ``rule`` is what may change by less than ``tol``; ``relative`` scales it by the objective.

    ``never`` runs all ``max_iter`` iterations, of schemes that do not converge: that is their end, and no failure.
    ``past_loss``: a restart that has lost a component, if that is nothing singular, goes on with the others.
    """

    rule: str = "objective"
    tol: float = 1e-8
    max_iter: int = 10_000
    relative: bool = False
    past_loss: bool = False


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
    freed: Flags | None = None
    """Which went on from inside a boundary that held EM below a maximum; None where that was not looked for."""

    @property
    def ran_off(self) -> Flags:
        """Which restarts ended singular: collapsed, or without a component that needs rows of its own; (restart,)."""
        ends = (Status.SINGULAR, Status.LOST_COMPONENT) if self.mixture.components.lost_is_singular else (Status.SINGULAR,)
        return np.array([status in ends for status in self.status])


def climb(
    scheme: Scheme,
    count: int,
    steps: Steps,
    stop: Stop,
    *,
    path_numbers: int = 0,
    progress: Callable[[str, float], None] = silent,
) -> Climb:
    """Consume the scheme of ``count`` restarts until each has stopped; finished restarts leave the batch."""
    book = _Record(count, steps, stop, path_numbers)
    active = np.arange(count)
    iteration = next(scheme)
    while True:
        going = book.enter(active, iteration)
        if not going.any():
            return book.climb()
        active = active if going.all() else active[going]
        if book.step % 50 == 0:
            progress(f"iteration {book.step}, {active.size} of {count} restarts go on", math.nan)
        iteration = scheme.send(None if going.all() else going)


class _Record:
    """What is known of every restart so far."""

    def __init__(self, count: int, steps: Steps, stop: Stop, path_numbers: int) -> None:
        self.steps, self.stop = steps, stop
        self.room = path_numbers
        self.began = time.perf_counter()
        self.scale = steps.data.spread
        self.chart = steps.chart if stop.rule == "parameters" else None
        self.gains, self.plain = np.full((2, count), np.nan), np.zeros((2, count), bool)
        self.objective, self.log_likelihood = np.full(count, np.nan), np.full(count, np.nan)
        self.iterations = np.zeros(count, int)
        self.status = np.full(count, CODES[Status.MAX_ITER])
        self.ends: list[tuple[np.ndarray, Mixture]] = []
        self.previous: Mixture | None = None
        self.rows: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []
        self.mixtures: list[Mixture] = []
        self.step = 0

    def enter(self, active: np.ndarray, iteration: Iteration) -> np.ndarray:
        """Note an iteration of the ``active`` restarts; True for those that go on."""
        objective = iteration.objective
        gain = objective - self.objective[active] if iteration.rises else np.full(active.size, np.nan)
        status = self._judge(iteration, objective, gain)
        fell = status == CODES[Status.FELL]
        finite = np.isfinite(objective) & ~_fallen(objective, gain)  # numbers that belong to no step of EM are not kept
        if fell.any() and self.previous is not None:
            self._excuse(status, np.flatnonzero(fell))
        going = np.asarray(status == GOING)
        if not going.all():
            self._end(active, iteration, ~going, finite, status)
        self._note(active, iteration, objective, finite, gain)
        self.step += 1
        self.previous = iteration.mixture if going.all() else iteration.mixture.take(going)
        return going

    def _judge(self, iteration: Iteration, objective: np.ndarray, gain: np.ndarray) -> np.ndarray:
        """A status's code for each restart, or GOING; of several that apply the first of: singular, lost, not finite, fell,
        converged, out of iterations."""
        size = np.maximum(1.0, np.abs(objective))
        status = np.full(objective.size, GOING)
        if self.step >= self.stop.max_iter:
            status[:] = CODES[Status.RAN if self.stop.rule == "never" else Status.MAX_ITER]
        if iteration.settles and self.stop.rule != "never":
            status[self._settled(iteration, gain, size)] = CODES[Status.CONVERGED]
        status[_fallen(objective, gain)] = CODES[Status.FELL]
        status[~np.isfinite(objective)] = CODES[Status.NOT_FINITE]
        if self.steps.prior is None:
            self._mark_lost(status, iteration)
        if self.steps.likelihood:
            status[self.steps.engine.collapsed(iteration.mixture, self.scale)] = CODES[Status.SINGULAR]
        return status

    def _mark_lost(self, status: np.ndarray, iteration: Iteration) -> None:
        """Without a component a restart ends; one that goes past it is said to be without when it has settled."""
        lost = iteration.expectation.statistics.counts.min(axis=-1) < LOST
        if self.stop.past_loss and not iteration.mixture.components.lost_is_singular:
            lost &= np.isin(status, [CODES[Status.CONVERGED], CODES[Status.MAX_ITER]])
        status[lost] = CODES[Status.LOST_COMPONENT]

    def _settled(self, iteration: Iteration, gain: np.ndarray, size: np.ndarray) -> np.ndarray:
        if self.stop.rule == "parameters":
            return np.asarray(self._change(iteration.mixture) < self.stop.tol)
        tol = self.stop.tol * size if self.stop.relative else self.stop.tol
        with np.errstate(invalid="ignore"):
            return np.asarray(np.abs(gain) < tol)

    def _excuse(self, status: np.ndarray, fell: np.ndarray) -> None:
        """A fall on the way into a singular solution is the last digits of a near-singular covariance, and named so."""
        if self.steps.prior is None and self.previous is not None:
            before = self.previous.take(fell)
            singular = np.asarray(before.components.regularity(before.weights, self.steps.data).singular)
            status[fell[singular]] = CODES[Status.SINGULAR]

    def _change(self, mixture: Mixture) -> np.ndarray:
        """Largest change of a standardised unconstrained coordinate since the last iteration."""
        if self.previous is None or self.chart is None:
            return np.full(mixture.batch_shape, np.inf)
        with np.errstate(all="ignore"):  # of components that have collapsed
            before, after = (self.chart.bounded(m) for m in (self.previous, mixture))
            return np.asarray(np.abs(after - before).max(axis=-1, initial=0.0))

    def _end(self, active: np.ndarray, iteration: Iteration, done: np.ndarray, finite: np.ndarray, status: np.ndarray) -> None:
        """Where the restarts that are ``done`` ended: here, or where numbers went wrong one iteration ago."""
        self.status[active[done]] = status[done]
        here, before = done & (finite | (self.previous is None)), done & ~finite
        if here.any():
            self.ends.append((active[here], iteration.mixture.take(here)))
        if before.any() and self.previous is not None:
            self.ends.append((active[before], self.previous.take(before)))

    def _note(self, active: np.ndarray, iteration: Iteration, objective: np.ndarray, finite: np.ndarray, gain: np.ndarray) -> None:
        log_likelihood, mixture, plain = np.asarray(iteration.expectation.log_likelihood), iteration.mixture, iteration.plain
        if not finite.all():
            active, objective, gain, plain = active[finite], objective[finite], gain[finite], plain[finite]
            log_likelihood, mixture = log_likelihood[finite], mixture.take(finite)
        self.objective[active], self.log_likelihood[active] = objective, log_likelihood
        self.iterations[active] = self.step
        self.gains[0, active], self.gains[1, active] = self.gains[1, active], gain
        self.plain[0, active], self.plain[1, active] = self.plain[1, active], plain
        seconds = np.full(active.size, time.perf_counter() - self.began)
        self.rows.append((active, np.full(active.size, self.step), seconds, objective, log_likelihood))
        self._remember(mixture)

    def _remember(self, mixture: Mixture) -> None:
        """Keep the parameters of this iteration, as long as all of them find room."""
        if self.room < 0:
            return
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
        status = tuple(STATUSES[code] for code in self.status)
        return Climb(numbered(self.ends), self.objective, self.log_likelihood, self.iterations, self._gain_left(), status, trace, path)

    def _gain_left(self) -> np.ndarray:
        """Aitken: from the last two gains, if plain steps made them, what a geometric series would still add (statistics, section 3)."""
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = self.gains[1] / self.gains[0]
            left = np.where((ratio > 0) & (ratio < 1), self.gains[1] * ratio / (1.0 - ratio), np.nan)
        return np.where(self.plain.all(axis=0) & (left >= 0.0), left, np.nan)


def _fallen(objective: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Which restarts lost more than rounding can."""
    with np.errstate(invalid="ignore"):
        return np.asarray(gain < -FALL * np.maximum(1.0, np.abs(objective)))
