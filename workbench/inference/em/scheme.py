"""Scheme: how a kind of EM moves a batch of mixtures, without end; stopping, tracing and timing are its consumers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from workbench.data import Dataset
from workbench.inference.em.engine import BOOK, Engine
from workbench.inference.em.steps import Assign, soft
from workbench.models import Expectation, Mixture, Prior
from workbench.models.mixture import gathered
from workbench.models.shapes import PerFit
from workbench.problem import Problem

LEAP, PARTIAL, EXACT = range(3)
"""What may lead from one iteration to the next."""

Objective = Callable[[Expectation], PerFit]
"""What a kind climbs, without the prior's density, from its E step."""


@dataclass(frozen=True, eq=False)
class Iteration:
    """A batch of mixtures, what the E step says at them, and the objective that belongs to them.

    Attributes
    ----------
    objective : (restart,)
    by : (restart,), what led here from the iteration before: ``EXACT``, EM's own M step; ``PARTIAL``, an M step that only goes
        uphill; ``LEAP``, neither, as theta did not move while q stayed
    rises : whether the objective may be compared with the iteration's before, and may not be lower
    settles : whether the scheme may stop here: not while a temperature is still to change
    assign : how q followed from the mixture
    shares : (restart, N, K), q itself where a scheme that holds it was asked to show it
    """

    mixture: Mixture
    expectation: Expectation
    objective: np.ndarray
    by: np.ndarray
    rises: bool = True
    settles: bool = True
    assign: Assign = soft
    shares: np.ndarray | None = None

    @property
    def plain(self) -> np.ndarray:
        """Whether EM's own step led here, (restart,)."""
        return np.asarray(self.by == EXACT)

    def led(self, by: int) -> Iteration:
        """The same, with ``by`` leading to all of it."""
        return replace(self, by=np.full_like(self.by, by))

    @classmethod
    def numbered(cls, parts: Sequence[tuple[np.ndarray, Iteration]]) -> Iteration:
        """One batch of several parts of one iteration, each with the numbers of its fits, in the order of the numbers."""
        parts = [(numbers, part) for numbers, part in parts if numbers.size]
        each = [part for _, part in parts]
        if len(each) == 1:
            return each[0]
        order = np.argsort(np.concatenate([numbers for numbers, _ in parts]), kind="stable")
        joined = replace(
            each[0],
            mixture=gathered([part.mixture for part in each]),
            expectation=Expectation.joined([part.expectation for part in each]),
            objective=np.concatenate([part.objective for part in each]),
            by=np.concatenate([part.by for part in each]),
        )
        return joined.take(order)

    def take(self, index: Any) -> Iteration:
        """Index the batch."""
        return replace(
            self,
            mixture=self.mixture.take(index),
            expectation=self.expectation.take(index),
            objective=self.objective[index],
            by=self.by[index],
            shares=None if self.shares is None else self.shares[index],
        )


Scheme = Generator[Iteration, Any, None]
"""Yields iterations; is sent an index of the batch, to go on with those fits alone, or None to go on with all."""


@dataclass(frozen=True, eq=False)
class Steps:
    """The E and M step of one problem.

    Attributes
    ----------
    prior : the problem's for MAP, None for maximum likelihood
    likelihood : whether the objective is one, with the singular solutions that likelihoods have; a sum of squares has none
    """

    problem: Problem
    prior: Prior | None = None
    engine: Engine = BOOK
    likelihood: bool = True

    @functools.cached_property
    def chart(self) -> Prior:
        """Unconstrained coordinates: the prior's for MAP; for maximum likelihood the family's own, which no prior moves."""
        return self.problem.family.coordinates(self.data, self.problem.n_components) if self.prior is None else self.prior

    @property
    def data(self) -> Dataset:
        return self.problem.data

    def evaluate(self, mixture: Mixture, assign: Assign = soft, objective: Objective | None = None, counts: Any = None) -> Iteration:
        """The E step at ``mixture``, with the objective there: log p(x | theta), or log p(x, theta) with a prior."""
        with np.errstate(all="ignore"):
            expectation = self.engine.expect(mixture, self.data, counts, assign)
            value = np.asarray(expectation.log_likelihood if objective is None else objective(expectation))
            if self.prior is not None:
                value = value + self.prior.log_density(mixture)
        return Iteration(mixture, expectation, value, np.full(mixture.weights.shape[0], EXACT), assign=assign)

    def maximise(self, iteration: Iteration) -> Mixture:
        """The M step after ``iteration``."""
        with np.errstate(all="ignore"):
            return self.engine.m_step(iteration.expectation.statistics, self.prior, iteration.mixture)


def plain(start: Mixture, steps: Steps, assign: Assign = soft, objective: Objective | None = None, counts: Any = None) -> Scheme:
    """EM: an E step, an M step, for ever (Bishop 2006, section 9.2.2); with ``assign`` its hard relative."""
    mixture = start
    while True:
        iteration = steps.evaluate(mixture, assign, objective, counts)
        keep = yield iteration
        if keep is not None:
            iteration = iteration.take(keep)
            counts = counts if counts is None or np.ndim(counts) == 1 else counts[keep]
        mixture = steps.maximise(iteration)
