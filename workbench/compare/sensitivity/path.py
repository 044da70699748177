"""The ratio of two evidences under two priors: particles go from the one posterior to the other along a path of priors, and back."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from workbench.fit import Evidence
from workbench.inference.gibbs.augmentation import relabelled
from workbench.inference.smc.collapsed import Labelled
from workbench.inference.smc.entry import Entry
from workbench.inference.smc.islands import FEWEST, effective_share, evidence_of, limit, log_mean, resampled, spread
from workbench.inference.smc.stage import NONE, Parts, Stage
from workbench.models import Mixture, Prior
from workbench.problem import Problem

ISLANDS, PARTICLES = 16, 64
"""Islands, as parts of chains, and particles of each: of more draws, evenly spaced ones."""
STEPS, SWEEPS = 10, 10
"""Of the path at least, and of Gibbs after each: few steps or sweeps leave particles where the posterior was, and so do not see what the
next prior makes likely."""
ESS = 0.7
"""Effective share of the particles that a step may leave; else it is halved."""
TURN = 50
"""Sweeps at the far end before the way back, which tells what the way there has missed."""
SIDES_APART = 3.0
"""Errors by which the ways there and back may differ."""


@dataclass(frozen=True, eq=False)
class Journey:
    """What islands have found on their ways.

    Attributes
    ----------
    there : ndarray (island,), log p(x | other prior) - log p(x | prior), each without bias but for the choice of steps
    back : ndarray (island,), the same by the way back
    unseen : share of the posterior that one particle stands for: so much may have been seen by none
    """

    there: np.ndarray
    back: np.ndarray
    unseen: float

    @property
    def gap(self) -> tuple[float, float]:
        """By how much the way there says more than the way back, and the error of that."""
        gaps = self.there - self.back
        return float(gaps.mean()), float(gaps.std(ddof=1)) / math.sqrt(gaps.size)

    @property
    def lags(self) -> bool:
        """Whether the two ways differ by more than errors: then particles have stayed behind where the posterior was."""
        gap, error = self.gap
        return not abs(gap) <= SIDES_APART * max(error, evidence_of(self.there).mcse, self.unseen)

    @property
    def evidence(self) -> Evidence:
        """The change of the log evidence, its error by the islands' spread and by what none may have seen."""
        found, why = evidence_of(self.there), self.why
        return Evidence("path", found.log_evidence, math.hypot(found.mcse, self.unseen), not why, why)

    @property
    def why(self) -> str:
        """Why the change is not known; empty if it is."""
        if self.lags:
            gap, error = self.gap
            return f"the ways to the other prior and back differ by {abs(gap):.2g} ± {error:.2g} nats: particles stay behind"
        if self.there.size < FEWEST:
            return f"{self.there.size} islands of particles do not tell the error"
        own, most = spread(self.there), limit(self.there.size)
        return "" if own <= most else f"islands of particles differ by {own:.2f} of their mean (standard deviation, above {most:.2g})"


def journey(problem: Problem, draws: Mixture, between: Callable[[float], Prior], rng: np.random.Generator, wider: int = 1) -> Journey:
    """Take draws to the posterior under another prior and back.

    Parameters
    ----------
    draws : batch (chain, draw), from the posterior under ``between(0)``
    between : time from 0 to 1 -> the prior then
    wider : times as many particles
    """
    particles, islands = _parted(draws, PARTICLES * wider)
    path = Path(problem, between, _rows(problem), islands, rng)
    there, particles = path.travelled(particles)
    particles = path.swept(particles, between(1.0), TURN)
    returning = dataclasses.replace(path, between=lambda time: between(1.0 - time))
    unseen = 0.0 if problem.n_components == 1 else 1.0 / particles.weights.shape[0]
    return Journey(there, -returning.travelled(particles)[0], unseen)


@dataclass(frozen=True, eq=False)
class Path:
    """Priors between two, and particles (island x particle,) on their way: labels, with the parameters integrated out, where the prior
    is conjugate, else parameters (Neal 2001; Del Moral, Doucet & Jasra 2006)."""

    problem: Problem
    between: Callable[[float], Prior]
    rows: Parts
    islands: int
    rng: np.random.Generator

    def travelled(self, particles: Mixture) -> tuple[np.ndarray, Mixture]:
        """Each island's log mean weight over the whole way, and the particles at its end."""
        done, found, here = 0.0, np.zeros(self.islands), self.between(0.0)
        while done < 1.0:
            state = self._labelled(particles, here)
            done, here, gains = self._step(state, here, done)
            each = gains.reshape(self.islands, -1)
            found += [log_mean(own) for own in each]
            kept = np.concatenate([i * each.shape[1] + resampled(own, self.rng) for i, own in enumerate(each)])
            moved = state.take(kept)
            particles = self._parameters(moved, here)
            particles = self.swept(particles, here, SWEEPS)
        return found, particles

    def swept(self, particles: Mixture, prior: Prior, sweeps: int) -> Mixture:
        """The same distribution after sweeps of Gibbs."""
        stage = Stage(self.problem.family, prior, self.rows, NONE, 1.0, threads=1)
        particles = relabelled(particles, prior, self.rng)
        for _ in range(sweeps):
            particles, _ = stage.moved(particles, np.zeros(0), self.rng)
        return particles

    def _labelled(self, particles: Mixture, prior: Prior) -> Labelled | Mixture:
        """What is weighed: labels drawn given each particle, or where those have no closed form the particle itself."""
        if not prior.conjugate:
            return particles
        parts = [own for own, _ in Stage(self.problem.family, prior, self.rows, NONE, 1.0, threads=1).labelled(particles, self.rng)]
        statistics = functools.reduce(lambda one, other: one.merge(other), parts)
        return Labelled.of(self.problem.family, prior, statistics)

    def _parameters(self, state: Labelled | Mixture, prior: Prior) -> Mixture:
        if isinstance(state, Mixture):
            return state
        assert state.statistics is not None
        return Labelled.of(self.problem.family, prior, state.statistics).parameters(self.rng)

    def _step(self, state: Labelled | Mixture, here: Prior, done: float) -> tuple[float, Prior, np.ndarray]:
        """The next time, its prior, and log weights: a tenth of the way, halved until enough particles are effective."""
        held, step = _log_density(state, here), 1.0 if self.problem.n_components == 1 else 1.0 / STEPS  # one component is found at once
        while True:
            time = done + step if done + step < 1.0 - 1e-9 else 1.0
            prior = self.between(time)
            gains = _log_density(state, prior) - held
            if effective_share(gains) >= ESS:
                return time, prior, gains
            if step < 1e-4:
                raise FloatingPointError("no step towards the other prior leaves particles")
            step /= 2.0


def _log_density(state: Labelled | Mixture, prior: Prior) -> np.ndarray:
    """log p(x, labels | prior), or log p(parameters | prior), but for what depends on no prior."""
    if isinstance(state, Mixture):
        return np.asarray(prior.log_density(state))
    assert state.statistics is not None
    return np.asarray(prior.posterior(state.statistics).log_normaliser() - prior.log_normaliser())


def _parted(draws: Mixture, most: int) -> tuple[Mixture, int]:
    """Draws as islands of equal size, one after the other, and how many islands: chains, or parts of them."""
    chains, length = draws.batch_shape
    parts = max(1, min(ISLANDS // chains, length // 2))
    size = length // parts
    spaced = np.linspace(0, size, min(size, most), endpoint=False).astype(int)
    index = (np.arange(parts)[:, None] * size + spaced).reshape(-1)
    return draws.take((slice(None), index)).reshaped(chains * index.size), chains * parts


def _rows(problem: Problem) -> Parts:
    """All rows with an observed cell; those whose missing cells are to be drawn by themselves."""
    entry = Entry.of(problem, np.random.default_rng(0))  # whose order nobody asks for: all are in
    return entry.rows(entry.data.counts)
