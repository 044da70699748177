"""Enumeration: the joint probability of data and labels for every labelling of a problem, and draws from what they sum to."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from workbench.data import Dataset
from workbench.inference.exact.labellings import labellings
from workbench.models import Mixture, Prior, Statistics
from workbench.models.mixture import gathered
from workbench.models.shapes import PerFit
from workbench.problem import Problem


@dataclass(frozen=True, eq=False)
class Enumeration:
    """All labellings of a problem.

    Attributes
    ----------
    rows : each distinct row with an observed cell once; the others say nothing of theta. Its counts are 1
    units : ndarray (R,), how many times each counts
    symmetric : whether the prior treats all components alike, so that names do not matter
    log_base : what the conjugate normalisers leave out of log p(x, z)
    """

    problem: Problem
    prior: Prior
    rows: Dataset
    units: np.ndarray
    symmetric: bool
    log_base: float

    @classmethod
    def of(cls, problem: Problem) -> Enumeration:
        """The labellings of ``problem``, which has a prior."""
        assert problem.prior is not None  # refused before
        data = problem.data
        known = data.take(np.flatnonzero(~np.isnan(data.x).all(axis=1))).distinct()[0]
        concentration = problem.prior.concentration
        return cls(
            problem=problem,
            prior=problem.prior,
            rows=dataclasses.replace(known, counts=np.ones(known.n_rows)),
            units=known.counts,
            symmetric=bool((concentration == concentration[0]).all()),
            log_base=problem.family.log_base(data),
        )

    def log_weights(self, progress: Callable[[float], None]) -> np.ndarray:
        """log p(x, z) of every labelling, times the labellings that each stands for, in the order of ``labellings``."""
        found, done = [], 0.0
        total = self.units.sum() * np.log(self.problem.n_components)  # of K**N
        for part in labellings(self.units, self.problem.n_components, self.symmetric):
            found.append(part.log_ways + self._log_evidence(self._statistics(part.shares)))
            done += float(np.exp(part.log_ways - total).sum())
            progress(min(done, 1.0))
        return np.concatenate(found)

    def sample(self, rng: np.random.Generator, size: int, log_weights: np.ndarray) -> Mixture:
        """``size`` independent draws from the posterior: a labelling by its probability, theta given it, and names at random."""
        below = np.cumsum(np.exp(log_weights - log_weights.max()))
        chosen = np.searchsorted(below, below[-1] * rng.random(size), side="right")
        order = np.argsort(chosen, kind="stable")
        drawn = gathered([self._drawn(rng, *own) for own in self._chosen(chosen[order])])
        drawn = drawn.take(np.argsort(order))
        if not self.symmetric:
            return drawn
        return drawn.relabelled(rng.permuted(np.tile(np.arange(drawn.n_components), (size, 1)), axis=1))

    def _chosen(self, numbers: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Of the labellings with these rising numbers the shares, part by part, each once, and which of them each number is."""
        first = 0
        for part in labellings(self.units, self.problem.n_components, self.symmetric):
            last = first + part.log_ways.size
            own = numbers[np.searchsorted(numbers, first) : np.searchsorted(numbers, last)] - first
            if own.size:
                different, which = np.unique(own, return_inverse=True)
                yield part.shares[different], which
            first = last

    def _drawn(self, rng: np.random.Generator, shares: np.ndarray, which: np.ndarray) -> Mixture:
        """Theta given labellings: ``which`` of ``shares`` for each draw."""
        return self.prior.posterior(self._statistics(shares).take(which)).sample(rng, which.shape)

    def _statistics(self, shares: np.ndarray) -> Statistics:
        return self.problem.family.statistics(self.rows, shares)

    def _log_evidence(self, statistics: Statistics) -> PerFit:
        """log p(x, z), parameters integrated out."""
        return np.asarray(self.prior.posterior(statistics).log_normaliser() - self.prior.log_normaliser() + self.log_base)
