"""The book's EM: an E step, an M step (Bishop 2006, ch. 9; Neal & Hinton 1998).

The M step is written in :mod:`workbench.models.maximum`: the compiled one falls back on the same lines.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from workbench.data import Dataset
from workbench.models import Expectation, Mixture, Terms
from workbench.models.maximum import m_step
from workbench.models.mixture import BLOCK, fits_per_block
from workbench.models.shapes import Counts, LogDensity, LogJoint, Responsibilities, Rows
from workbench.models.terms import log_sum_exp

__all__ = ["Assign", "Power", "e_step", "expect", "expect_terms", "hard", "m_step", "soft"]

Assign = Callable[[LogJoint, LogDensity], Responsibilities]
"""Every restriction of q is this one argument: (log joint, log density) -> responsibilities."""


def soft(log_joint: LogJoint, log_density: LogDensity) -> Responsibilities:
    """The posterior of the labels, q(z) = p(z | x, theta) (Bishop 2006, eq. 9.13)."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.exp(log_joint - log_density[..., None]))


def hard(log_joint: LogJoint, log_density: LogDensity) -> Responsibilities:
    """All on the likeliest label, of several equal ones the first: classification EM (Celeux & Govaert 1992)."""
    likeliest = log_joint.argmax(axis=-1)
    return np.asarray(np.arange(log_joint.shape[-1]) == likeliest[..., None], dtype=float)


@dataclass(frozen=True)
class Power:
    """q proportional to p(z | x, theta) ** beta: deterministic annealing (Ueda & Nakano 1998); 1 is soft."""

    beta: float

    def __call__(self, log_joint: LogJoint, log_density: LogDensity) -> Responsibilities:
        flat = self.beta * log_joint
        return soft(flat, log_sum_exp(flat))


def e_step(terms: Terms, x: Rows, counts: Counts, assign: Assign = soft) -> Expectation:
    """Responsibilities of the rows, summed into statistics, with the log likelihood, E_q log p(x, z) and H(q).

    ``counts`` (N,), or (*batch, N) where every fit of the batch weighs the rows its own way.
    """
    log_joint = terms.log_joint(x)
    log_density = log_sum_exp(log_joint)
    responsibilities = assign(log_joint, log_density)
    absent = counts == 0
    if absent.any():  # a row that counts nothing may well be impossible
        responsibilities, log_density = np.where(absent[..., None], 0.0, responsibilities), np.where(absent, 0.0, log_density)
    used = responsibilities > 0
    with np.errstate(invalid="ignore"):  # 0 times -inf
        complete = np.where(used, responsibilities * log_joint, 0.0).sum(axis=-1)
    plogp = (responsibilities * np.log(np.where(used, responsibilities, 1.0))).sum(axis=-1)
    return Expectation(
        statistics=terms.statistics(x, responsibilities * counts[..., None]),
        log_likelihood=(log_density * counts).sum(axis=-1),
        expected_complete=(complete * counts).sum(axis=-1),
        entropy=-(plogp * counts).sum(axis=-1),
    )


def expect(mixture: Mixture, data: Dataset, counts: Counts | None = None, assign: Assign = soft) -> Expectation:
    """The E step over all rows for a batch of mixtures (restart,), in blocks that stay in cache.

    Bits do not depend on how many fits are in the batch. ``counts`` are the data's, or others: (N,) or (restart, N).
    """
    return _in_blocks(lambda chosen: mixture.take(chosen).terms(), mixture.weights.shape, data, counts, assign)


def expect_terms(terms: Terms, data: Dataset, counts: Counts | None = None, assign: Assign = soft) -> Expectation:
    """The same of a batch of terms (restart,), as variational Bayes has them in expectation."""
    return _in_blocks(terms.take, (*terms.batch_shape, terms.n_components), data, counts, assign)


def _in_blocks(
    terms_of: Callable[[slice], Terms], shape: tuple[int, ...], data: Dataset, counts: Counts | None, assign: Assign
) -> Expectation:
    """The E step of fits (restart, K), some at a time and rows block by block."""
    n_fits, n_components = shape
    width = n_components * data.n_features
    rows = max(64, BLOCK // (8 * width))
    fits = fits_per_block(width * min(rows, data.n_rows))
    weigh = data.counts if counts is None else counts
    parts = []
    for start in range(0, n_fits, fits):
        chosen = slice(start, start + fits)
        terms = terms_of(chosen)
        own = weigh if weigh.ndim == 1 else weigh[chosen]
        total: Expectation | None = None
        for at in range(0, data.n_rows, rows):
            block = e_step(terms, data.x[at : at + rows], own[..., at : at + rows], assign)
            total = block if total is None else total.merge(block)
        assert total is not None  # data have at least one row
        parts.append(total)
    return Expectation.joined(parts)
