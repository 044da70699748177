"""The book's EM: an E step, an M step, and their endless iteration (Bishop 2006, ch. 9; Neal & Hinton 1998)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.data import Dataset
from workbench.models import Expectation, Mixture, Prior, Statistics, Terms
from workbench.models.mixture import BLOCK
from workbench.models.shapes import Counts, LogDensity, LogJoint, PerFit, Responsibilities, Rows
from workbench.models.terms import log_sum_exp
from workbench.problem import Problem

Assign = Callable[[LogJoint, LogDensity], Responsibilities]
"""Every restriction of q is this one argument: (log joint, log density) -> responsibilities."""


def soft(log_joint: LogJoint, log_density: LogDensity) -> Responsibilities:
    """The posterior of the labels, q(z) = p(z | x, theta) (Bishop 2006, eq. 9.13)."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.exp(log_joint - log_density[..., None]))


def e_step(terms: Terms, x: Rows, counts: Counts, assign: Assign = soft) -> Expectation:
    """Responsibilities of the rows, summed into statistics, with the log likelihood and H(q)."""
    log_joint = terms.log_joint(x)
    log_density = log_sum_exp(log_joint)
    responsibilities = assign(log_joint, log_density)
    plogp = responsibilities * np.log(np.where(responsibilities > 0, responsibilities, 1.0))
    return Expectation(
        statistics=terms.statistics(x, responsibilities * counts[:, None]),
        log_likelihood=(log_density * counts).sum(axis=-1),
        entropy=-(plogp.sum(axis=-1) * counts).sum(axis=-1),
    )


def m_step(statistics: Statistics, prior: Prior | None, current: Mixture) -> Mixture:
    """The maximum of L(q, theta) over theta, or with a prior the mode of the updated prior: exact in both cases."""
    if prior is not None:
        return prior.posterior(statistics).mode()
    weights = statistics.counts / statistics.counts.sum(axis=-1, keepdims=True)
    return Mixture(weights, current.components.maximise(statistics))


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
            mixture, statistics = mixture.take(keep), _taken(statistics, keep)
        with np.errstate(all="ignore"):
            mixture = m_step(statistics, prior, mixture)


def expect(mixture: Mixture, data: Dataset, assign: Assign = soft) -> Expectation:
    """The E step over all rows, in blocks that stay in cache; bits do not depend on how many fits are in the batch."""
    width = mixture.n_components * data.n_features
    rows = max(64, BLOCK // (8 * width))
    fits = max(1, BLOCK // (width * min(rows, data.n_rows)))
    parts = []
    for start in range(0, mixture.weights.shape[0], fits):
        terms = mixture.take(slice(start, start + fits)).terms()
        blocks = [e_step(terms, x, counts, assign) for x, counts in data.blocks(rows)]
        total = blocks[0]
        for block in blocks[1:]:
            total = total.merge(block)
        parts.append(total)
    return parts[0] if len(parts) == 1 else _joined(parts)


def _taken(statistics: Any, index: Any) -> Any:
    return type(statistics)(*(getattr(statistics, field.name)[index] for field in dataclasses.fields(statistics)))


def _joined(parts: list[Expectation]) -> Expectation:
    """The expectations of several batches as one."""
    first = parts[0].statistics
    names = [field.name for field in dataclasses.fields(first)]  # type: ignore[arg-type]
    arrays = [np.concatenate([getattr(part.statistics, name) for part in parts]) for name in names]
    return Expectation(
        type(first)(*arrays),
        np.concatenate([part.log_likelihood for part in parts]),
        np.concatenate([part.entropy for part in parts]),
    )
