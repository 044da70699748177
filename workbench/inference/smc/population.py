"""An island of particles on its way from the prior to the posterior."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from workbench.inference.gibbs.augmentation import relabelled
from workbench.inference.smc.collapsed import Labelled
from workbench.inference.smc.entry import Entry
from workbench.inference.smc.islands import effective_share, log_mean, resampled
from workbench.inference.smc.stage import NONE, Parts, Stage, log_likelihood
from workbench.models import Family, Mixture, Prior
from workbench.problem import Problem

if TYPE_CHECKING:
    from workbench.inference.smc import SMC

FIRST = 300
"""Units that enter one by one with their labels: later ones find components that rows have told of."""
FORGOTTEN = 0.5
"""Correlation over particles with where they began a stage, of numbers without names, below which they have moved enough."""
HALVINGS = 60


@dataclass(frozen=True, eq=False)
class Step:
    """A distribution that the particles have come through: units that are in, seconds since the fit began, log p of those units."""

    entered: float
    seconds: float
    log_evidence: float


@dataclass(eq=False)
class Population:
    """One island: n particles as one batch; at the start draws from the prior.

    Attributes
    ----------
    particles : batch (n,)
    log_evidence : of the rows so far
    history : the steps of the path so far
    capped : stages whose particles had not moved enough when the sweeps ran out
    """

    family: Family
    prior: Prior
    particles: Mixture
    rng: np.random.Generator
    ess: float
    sweeps: int
    threads: int
    log_evidence: float = 0.0
    history: list[Step] = field(default_factory=list)
    capped: int = 0

    @classmethod
    def at_start(cls, problem: Problem, options: SMC, rng: np.random.Generator, threads: int) -> Population:
        assert problem.prior is not None  # refused before
        particles = problem.prior.sample(rng, (options.draws,))
        return cls(problem.family, problem.prior, particles, rng, options.ess, options.sweeps, threads)

    def travel(self, entry: Entry, began: float, progress: Callable[[float], None]) -> None:
        """Let all rows enter, block by block; ``began`` is when the fit did."""
        rows, units = self._begun(entry, began)
        for entered in entry.blocks(float(units.sum())):
            entering, whole = entry.rows(entered - units), entry.rows(entered)
            before, more = float(units.sum()), float((entered - units).sum())
            power, inside = 0.0, log_likelihood(self.particles, entering, self.threads)
            while power < 1.0:
                step = self.step(inside, 1.0 - power)
                power = 1.0 if step == 1.0 - power else power + step
                kept = self._reweighed(step * inside)
                last = power == 1.0
                stage = Stage(self.family, self.prior, whole if last else rows, NONE if last else entering, power, self.threads)
                inside = self._moved(stage, inside[kept])
                self.history.append(Step(before + power * more, time.perf_counter() - began, self.log_evidence))
                progress((before + power * more) / entry.total)
            rows, units = whole, entered

    def _begun(self, entry: Entry, began: float) -> tuple[Parts, np.ndarray]:
        """Let the first rows enter with their labels, the parameters integrated out where the prior allows that (Kong, Liu & Wong
        1994); the rows that are in, and how many units of each."""
        units = np.zeros(entry.data.n_rows)
        if not self.prior.conjugate:
            return NONE, units
        labelled = Labelled.nothing(self.family, self.prior, self.particles.weights.shape[0])
        any_mixture, log_weights = self.particles.take(slice(0, 1)), np.zeros(labelled.log_normaliser.size)
        turns = entry.singly(FIRST)
        for number, row in enumerate(turns, 1):
            once = dataclasses.replace(entry.data.take(turns[number - 1 : number]), counts=np.ones(1))
            labelled, gains = labelled.joined(once, any_mixture, self.rng)
            log_weights += gains
            units[row] += 1.0
            if number == turns.size or effective_share(log_weights) < self.ess:
                labelled = labelled.take(self._reweighed(log_weights))
                self.particles, log_weights = labelled.parameters(self.rng), np.zeros(log_weights.size)
                stage = Stage(self.family, self.prior, entry.rows(units), NONE, 1.0, self.threads)
                self._moved(stage, log_weights)
                ((statistics, _),) = stage.labelled(self.particles, self.rng)
                labelled = Labelled.of(self.family, self.prior, statistics)
                self.history.append(Step(float(number), time.perf_counter() - began, self.log_evidence))
        return entry.rows(units), units

    def step(self, inside: np.ndarray, longest: float) -> float:
        """The longest step of the power after which the effective share of the particles is ``ess``, to a thousandth of itself."""
        if effective_share(longest * inside) >= self.ess:
            return longest
        low, high = -100.0, np.log(longest)
        while high - low > 1e-3:
            middle = (low + high) / 2.0
            low, high = (middle, high) if effective_share(np.exp(middle) * inside) >= self.ess else (low, middle)
        return float(np.exp(low))

    def _reweighed(self, log_weights: np.ndarray) -> np.ndarray:
        """Weigh and resample; the numbers of the particles that go on."""
        if not np.isfinite(log_weights.max()):
            raise FloatingPointError("no particle of an island gives a row any density; look at the data's scale and at the prior")
        self.log_evidence += log_mean(log_weights)
        kept = resampled(log_weights, self.rng)
        self.particles = self.particles.take(kept)
        return kept

    def _moved(self, stage: Stage, inside: np.ndarray) -> np.ndarray:
        """Sweep until the particles have moved enough, or the sweeps run out; the log likelihoods of what enters."""
        self.particles = relabelled(self.particles, self.prior, self.rng)
        first, watched = self._marks(inside), slice(None) if stage.entering != NONE else slice(-1)  # nothing enters: it cannot move
        for _ in range(self.sweeps):
            self.particles, inside = stage.moved(self.particles, inside, self.rng)
            if (np.abs(correlations(first, self._marks(inside))[watched]) < FORGOTTEN).all():
                return inside
        self.capped += 1
        return inside

    def _marks(self, inside: np.ndarray) -> np.ndarray:
        """Numbers of each particle that no relabelling changes: evenness of weights, log prior density, log likelihood of what enters."""
        return np.stack([(self.particles.weights**2).sum(axis=-1), self.prior.log_density(self.particles), inside])


def correlations(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Of rows (Q, P), over the particles where both are finite; 0 where one does not vary."""
    finite = np.isfinite(one) & np.isfinite(other)
    a, b = (np.where(finite, each, 0.0) for each in (one, other))
    count = np.maximum(finite.sum(axis=1, keepdims=True), 1)
    a, b = (np.where(finite, each - each.sum(axis=1, keepdims=True) / count, 0.0) for each in (a, b))
    norm = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    return np.asarray(np.where(norm > 1e-12, (a * b).sum(axis=1) / np.maximum(norm, 1e-12), 0.0))
