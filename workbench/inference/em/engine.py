"""Engine: who does the E and the M step - the book's lines, or the fast room's compiled ones - with one result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from workbench.data import Dataset
from workbench.inference.em import steps
from workbench.inference.em.steps import Assign, Power, hard, soft
from workbench.models import Expectation, Mixture, Prior, Statistics, Terms
from workbench.models.shapes import Counts, Flags

EngineName = Literal["fast", "book"]


@runtime_checkable
class Engine(Protocol):
    """An E step and an M step over batches of mixtures (restart,)."""

    def expect(self, mixture: Mixture, data: Dataset, counts: Counts | None = None, assign: Assign = soft) -> Expectation:
        """The E step over all rows; ``counts`` are the data's, or others: (N,) or (restart, N)."""
        ...

    def expect_terms(self, terms: Terms, data: Dataset, counts: Counts | None = None, assign: Assign = soft) -> Expectation:
        """The same for a batch of terms (restart,)."""
        ...

    def m_step(self, statistics: Statistics, prior: Prior | None, current: Mixture) -> Mixture:
        """The maximum-likelihood mixture of ``statistics``, or with a prior the posterior's mode."""
        ...

    def collapsed(self, mixture: Mixture, scale: np.ndarray) -> Flags:
        """Which fits have run into the boundary where the likelihood has no bound."""
        ...


@dataclass(frozen=True)
class Book:
    """The steps as the book has them, in NumPy: the reference."""

    def expect(self, mixture: Mixture, data: Dataset, counts: Counts | None = None, assign: Assign = soft) -> Expectation:
        return steps.expect(mixture, data, counts, assign)

    def expect_terms(self, terms: Terms, data: Dataset, counts: Counts | None = None, assign: Assign = soft) -> Expectation:
        return steps.expect_terms(terms, data, counts, assign)

    def m_step(self, statistics: Statistics, prior: Prior | None, current: Mixture) -> Mixture:
        return steps.m_step(statistics, prior, current)

    def collapsed(self, mixture: Mixture, scale: np.ndarray) -> Flags:
        return mixture.components.collapsed(scale)


@dataclass(frozen=True)
class Fast:
    """The compiled steps of the fast room; the bits do not depend on ``threads``."""

    threads: int = 1

    def expect(self, mixture: Mixture, data: Dataset, counts: Counts | None = None, assign: Assign = soft) -> Expectation:
        from workbench.fast import expectation

        rule, beta = _rule(assign)
        return expectation.expect(mixture, data, counts, rule=rule, beta=beta, threads=self.threads)

    def expect_terms(self, terms: Terms, data: Dataset, counts: Counts | None = None, assign: Assign = soft) -> Expectation:
        from workbench.fast import expectation

        rule, beta = _rule(assign)
        return expectation.expect_terms(terms, data, counts, rule=rule, beta=beta, threads=self.threads)

    def m_step(self, statistics: Statistics, prior: Prior | None, current: Mixture) -> Mixture:
        from workbench.fast import expectation

        return expectation.m_step(statistics, prior, current)

    def collapsed(self, mixture: Mixture, scale: np.ndarray) -> Flags:
        from workbench.fast import expectation

        return expectation.collapsed(mixture, scale)


BOOK = Book()


def engine(name: EngineName, threads: int = 1) -> Engine:
    """The engine of an option's value."""
    return Fast(threads) if name == "fast" else BOOK


def _rule(assign: Assign) -> tuple[Literal["soft", "hard", "power"], float]:
    """How the fast room spells a restriction of q."""
    if assign is soft:
        return "soft", 1.0
    if assign is hard:
        return "hard", 1.0
    if isinstance(assign, Power):
        return "power", assign.beta
    raise TypeError(f"the fast engine has no compiled step for {assign!r}; use the book's")
