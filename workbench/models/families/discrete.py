"""What families of independent discrete features have in common: sums of what was seen, log 0 kept finite, no singular solutions."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from typing import Any

import numpy as np

from workbench.data import Dataset
from workbench.models.components import Components, Regularity
from workbench.models.prior import ComponentsPrior
from workbench.models.shapes import Flags, LogJoint, Responsibilities, Rows, Weights
from workbench.models.terms import Statistics

LOG_ZERO = -1e30
"""Stands for log 0 inside a matrix product, where -inf times a cell that is not there, or a count of 0, would be nan."""


PLAINLY_FINITE = 1e15
"""No sum of finite logs is as large, and any with an exponent above 1e-15 of log 0 among them is larger."""


def finite_log(p: np.ndarray) -> np.ndarray:
    """log p with ``LOG_ZERO`` for log 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.maximum(np.log(p), LOG_ZERO)


def with_zeros(total: LogJoint) -> LogJoint:
    """Sums of finite logs, -inf again where a log 0 is among them."""
    return np.where(total < LOG_ZERO / 2.0, -np.inf, total)


def sums(x: Rows, responsibilities: Responsibilities) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts N_k, weighted sums of the observed cells, and weighted numbers of them."""
    weights = np.swapaxes(responsibilities, -1, -2)  # (*batch, K, N)
    observed = ~np.isnan(x)
    return weights.sum(axis=-1), weights @ np.where(observed, x, 0.0), weights @ observed.astype(float)


class Powers(ComponentsPrior):
    """A prior whose log density is a sum of products, exponents times logarithms (or values) of the parameters, less its normaliser."""

    @abstractmethod
    def exponents(self) -> np.ndarray:
        """(numbers,), or (*batch, K, numbers) after an update."""

    @abstractmethod
    def factors(self, components: Any) -> np.ndarray:
        """What the exponents are those of, log 0 finite; (*batch, K, numbers)."""

    def pair_log_densities(self, components: Any) -> np.ndarray:
        """By one matrix product: no logarithm is taken twice, and nothing has priors x mixtures x features."""
        factors = self.factors(components)
        found = products(np.atleast_2d(self.exponents()), factors)
        if (factors == LOG_ZERO).any():
            found = np.where(np.abs(found) < PLAINLY_FINITE, found, np.copysign(np.inf, found))
        return np.asarray(found - np.atleast_1d(self.log_normaliser())[..., None])


def products(exponents: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """sum_f exponents[..., k, f] factors[..., j, f], (*batch, K, J); of (m, 1, K, F) and (n, J, F) as one product of two matrices."""
    if exponents.ndim == 4 and exponents.shape[1] == 1 and factors.ndim == 3:
        (m, _, k, f), (n, j, _) = exponents.shape, factors.shape
        whole = exponents.reshape(m * k, f) @ factors.reshape(n * j, f).T
        return np.moveaxis(whole.reshape(m, k, n, j), 2, 1)
    return np.asarray(exponents @ np.swapaxes(factors, -1, -2))


class Sums(Statistics):
    """Statistics that are sums alone: those of two sets of rows add up, field by field."""

    def merge[S: Sums](self: S, other: S) -> S:
        return type(self)(*(mine + theirs for mine, theirs in zip(self.arrays(), other.arrays(), strict=True)))


@dataclasses.dataclass(frozen=True, eq=False)
class BoundedComponents(Components):
    """Components whose likelihood is bounded: nothing is singular."""

    @property
    def lost_is_singular(self) -> bool:
        """Without it this is an optimum of fewer components, like any other."""
        return False

    def regularity(self, weights: Weights, data: Dataset) -> Regularity:
        return Regularity.regular(self.batch_shape)

    def collapsed(self, scale: np.ndarray) -> Flags:
        return np.zeros(self.batch_shape, bool)
