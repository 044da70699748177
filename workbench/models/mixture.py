"""Mixture: weights and components, and what follows from them for rows of data."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.data import Dataset
from workbench.models.components import Components
from workbench.models.shapes import Counts, Imputed, Labels, LogDensity, LogJoint, PerFit, Permutation, Responsibilities, Rows, Weights
from workbench.models.terms import Statistics, Terms, log_sum_exp

BLOCK = 1 << 18
"""Numbers of an intermediate array (batch, K, rows, D) worked on at a time: 2 MiB, which stays in cache."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """A mixture model p(x) = sum_k weights_k p(x | theta_k), or a batch of them (restarts, draws).

    Attributes
    ----------
    weights : ndarray (*batch, K)
    components : Components with the same batch
    """

    weights: Weights
    components: Components

    @property
    def n_components(self) -> int:
        return int(self.weights.shape[-1])

    @property
    def batch_shape(self) -> tuple[int, ...]:
        return self.weights.shape[:-1]

    def parameters(self) -> dict[str, np.ndarray]:
        """All parameters by name, weights first."""
        return {"weights": self.weights, **self.components.parameters()}

    @property
    def dims(self) -> dict[str, tuple[str, ...]]:
        return {"weights": ("component",), **self.components.dims}

    def take(self, index: Any) -> Mixture:
        """Index the batch axes."""
        return Mixture(self.weights[index], self.components.take(index))

    def reshaped(self, *batch_shape: int) -> Mixture:
        """The same mixtures with another batch shape."""
        skip = len(self.batch_shape)
        return Mixture(
            self.weights.reshape(*batch_shape, *self.weights.shape[skip:]),
            self.components.map(lambda array: array.reshape(*batch_shape, *array.shape[skip:])),
        )

    def relabelled(self, permutation: Permutation) -> Mixture:
        """Component ``permutation[k]`` of this becomes component k."""
        index = np.broadcast_to(permutation, self.weights.shape)
        return Mixture(np.take_along_axis(self.weights, index, axis=-1), self.components.relabelled(permutation))

    def terms(self) -> Terms:
        return self.components.terms(self.weights)

    def log_joint(self, x: Rows) -> LogJoint:
        """log p(x_n, z_n = k), shape (*batch, N, K)."""
        return self.terms().log_joint(x)

    def log_density(self, x: Rows) -> LogDensity:
        """log p(x_n), shape (*batch, N)."""
        return log_sum_exp(self.log_joint(x))

    def responsibilities(self, x: Rows) -> Responsibilities:
        """p(z_n = k | x_n), shape (*batch, N, K) (Bishop 2006, eq. 9.13); nan for a row without density."""
        log_joint = self.log_joint(x)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.exp(log_joint - log_sum_exp(log_joint)[..., None]))

    def blocks(self, x: Rows) -> Iterator[tuple[slice, LogJoint]]:
        """Yield (rows, log joint of those rows), as many at a time as stay in cache."""
        terms = self.terms()
        size = rows_per_block(self.weights.size * x.shape[1])
        for start in range(0, x.shape[0], size):
            rows = slice(start, min(start + size, x.shape[0]))
            yield rows, terms.log_joint(x[rows])

    def log_likelihood(self, x: Rows, counts: Counts | None = None) -> PerFit:
        """Sum of log p(x_n) over the rows, each ``counts`` times; shape (*batch), no array with an N axis kept."""
        total = np.zeros(self.batch_shape)
        for rows, log_joint in self.blocks(x):
            density = log_sum_exp(log_joint)
            if counts is not None:
                own = counts[..., rows]
                density = np.where(own > 0, density, 0.0) * own  # a row counted 0 times may well be impossible
            total = total + density.sum(axis=-1)
        return total

    def statistics(self, x: Rows, counts: Counts | None = None) -> Statistics:
        """Expected statistics under the posterior of the labels, rows each ``counts`` times: one E step, in blocks."""
        terms, parts = self.terms(), []
        for rows, log_joint in self.blocks(x):
            shares = np.exp(log_joint - log_sum_exp(log_joint)[..., None])
            parts.append(terms.statistics(x[rows], shares if counts is None else shares * counts[rows, None]))
        return functools.reduce(lambda total, part: total.merge(part), parts)

    def imputations(self, rows: Dataset | Any) -> tuple[Imputed, Imputed]:
        """Mean and standard deviation of every cell given what was observed of its row, each (*batch, N, D).

        Over the labels, r_nk given the observed cells: mean = sum_k r_nk m_nkd, variance = sum_k r_nk (v_nkd + (m_nkd - mean)^2)
        (the laws of total expectation and variance). A cell that was observed is itself, with 0; a missing one that holds a level
        has no mean, nan.

        Parameters
        ----------
        rows : Dataset, array (N, D) or (N,), or DataFrame of numbers, the columns in the mixture's order

        Raises
        ------
        DataError
            If a column is not numeric.
        """
        x = Dataset.of(rows).x
        shape = (*self.batch_shape, *x.shape)
        mean, sd = np.array(np.broadcast_to(x, shape)), np.zeros(shape)
        incomplete = np.flatnonzero(np.isnan(x).any(axis=1))
        size = rows_per_block(self.weights.size * x.shape[1])
        for start in range(0, incomplete.size, size):
            chosen = incomplete[start : start + size]
            part = x[chosen]
            shares = self.responsibilities(part)[..., None]
            means, variances = self.components.conditional(part)
            centre = (shares * means).sum(axis=-2)
            spread = (shares * (variances + (means - centre[..., None, :]) ** 2)).sum(axis=-2)
            mean[..., chosen, :] = np.where(np.isnan(part), centre, part)
            sd[..., chosen, :] = np.where(np.isnan(part), np.sqrt(spread), 0.0)
        return mean, sd

    def sample(self, rng: np.random.Generator, n_rows: int) -> tuple[Rows, Labels]:
        """Draw rows and the labels they came from; an unbatched mixture only."""
        if self.batch_shape:
            raise ValueError(f"sample needs one mixture, not a batch of shape {self.batch_shape}; take one first")
        labels = rng.choice(self.n_components, size=n_rows, p=self.weights / self.weights.sum())
        return self.components.sample(rng, labels), labels


def rows_per_block(numbers_per_row: int) -> int:
    """Rows of a block of about ``BLOCK`` numbers; at least 64, so that little data is not cut up."""
    return max(64, BLOCK // max(1, numbers_per_row))


def fits_per_block(numbers_per_fit: int) -> int:
    """Fits, or draws, of a block of about ``BLOCK`` numbers; at least one, however much data there is."""
    return max(1, BLOCK // max(1, numbers_per_fit))


def stacked(mixtures: list[Mixture]) -> Mixture:
    """One batch out of several mixtures of the same shape, along a new first axis."""
    return combined(mixtures, np.stack)


def gathered(mixtures: list[Mixture]) -> Mixture:
    """Several batches one after the other, along the first axis."""
    return combined(mixtures, np.concatenate)


def numbered(parts: Sequence[tuple[np.ndarray, Mixture]]) -> Mixture:
    """One batch of several parts, each with the numbers of its fits, in the order of the numbers."""
    order = np.argsort(np.concatenate([numbers for numbers, _ in parts]), kind="stable")
    return gathered([mixture for _, mixture in parts]).take(order)


def combined(mixtures: list[Mixture], join: Callable[[list[np.ndarray]], np.ndarray]) -> Mixture:
    """One batch out of several: ``join`` of their arrays, parameter by parameter."""
    parts = [mixture.components for mixture in mixtures]
    return Mixture(join([mixture.weights for mixture in mixtures]), type(parts[0]).combined(parts, join))
