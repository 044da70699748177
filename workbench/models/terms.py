"""Terms: the coefficients of log p(x, z). Expectation: what an E step sums up, merged like a commutative monoid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from workbench.models.shapes import LogDensity, LogJoint, PerComponent, PerFit, Responsibilities, Rows


@runtime_checkable
class Statistics(Protocol):
    """Expected sufficient statistics of K components, centred; ``counts`` (*batch, K) is N_k."""

    @property
    def counts(self) -> PerComponent: ...

    def merge(self, other: Any) -> Statistics:
        """The statistics of both sets of rows together: associative and commutative up to rounding."""
        ...


@runtime_checkable
class Terms(Protocol):
    """The coefficients of log p(x, z = k), from a mixture (EM) or in expectation under a posterior (variational Bayes)."""

    @property
    def batch_shape(self) -> tuple[int, ...]: ...

    def log_joint(self, x: Rows) -> LogJoint:
        """log p(x_n, z_n = k) of every row and component."""
        ...

    def statistics(self, x: Rows, responsibilities: Responsibilities) -> Statistics:
        """Statistics of the rows, each weighed by its responsibilities (times its count)."""
        ...


@dataclass(frozen=True, eq=False)
class Expectation:
    """What one E step finds out over a set of rows.

    Attributes
    ----------
    statistics : expected statistics of the components
    log_likelihood : (*batch), sum of log p(x_n)
    entropy : (*batch), H(q) of the responsibilities in nats
    """

    statistics: Statistics
    log_likelihood: PerFit
    entropy: PerFit

    def merge(self, other: Expectation) -> Expectation:
        return Expectation(
            self.statistics.merge(other.statistics),
            self.log_likelihood + other.log_likelihood,
            self.entropy + other.entropy,
        )


def log_sum_exp(log_joint: LogJoint) -> LogDensity:
    """log sum_k exp over the last axis; -inf where all are, never a warning."""
    top = log_joint.max(axis=-1)
    anchor = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.exp(log_joint - anchor[..., None]).sum(axis=-1)) + anchor)
