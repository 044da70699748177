"""Terms: the coefficients of log p(x, z). Expectation: what an E step sums up, merged like a commutative monoid."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from workbench.models.shapes import LogDensity, LogJoint, PerComponent, PerFit, Responsibilities, Rows


class Statistics(ABC):
    """Expected sufficient statistics of K components, centred: a frozen dataclass of arrays (*batch, K, ...).

    ``counts`` (*batch, K) is N_k: all rows, those without an observed cell among them. Where cells may be missing, a field
    ``seen`` says how much was observed of what the other fields sum up.
    """

    intensive: ClassVar[tuple[str, ...]] = ("means",)
    """Fields that do not grow with the number of rows."""

    counts: PerComponent

    @abstractmethod
    def merge(self, other: Any) -> Statistics:
        """The statistics of both sets of rows together: associative and commutative up to rounding."""

    def arrays(self) -> tuple[Any, ...]:
        """The fields, in order: arrays, or statistics of blocks."""
        return tuple(getattr(self, field.name) for field in dataclasses.fields(self))  # type: ignore[arg-type]

    def named(self) -> dict[str, Any]:
        """The same by the fields' names; blocks by their numbers."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]

    def rebuilt[S: Statistics](self: S, arrays: Sequence[Any]) -> S:
        """Statistics of the same kind, of other :meth:`arrays`."""
        return type(self)(*arrays)

    def scaled[S: Statistics](self: S, factor: float | PerComponent) -> S:
        """The statistics of rows that count ``factor`` times; or as often as each component's own factor says, (*batch, K)."""
        return self.rebuilt([array if name in self.intensive else _times(factor, array) for name, array in self.named().items()])

    def mapped[S: Statistics](self: S, function: Callable[[np.ndarray], np.ndarray]) -> S:
        """The same kind with ``function`` applied to every array."""
        return self.rebuilt([each.mapped(function) if isinstance(each, Statistics) else function(each) for each in self.arrays()])

    def possible[S: Statistics](self: S) -> S:
        """The same, with numbers of rows and cells that are below 0 at 0: extrapolated statistics may be what no q has."""
        signed = ("means", "scatters")
        return self.rebuilt([array if name in signed else np.maximum(array, 0.0) for name, array in self.named().items()])

    def take[S: Statistics](self: S, index: Any) -> S:
        """Index the batch axes."""
        return type(self)(*(array.take(index) if isinstance(array, Statistics) else array[index] for array in self.arrays()))

    @classmethod
    def joined[S: Statistics](cls: type[S], parts: Sequence[S]) -> S:
        """Several batches one after the other, along the first axis."""
        columns = zip(*(part.arrays() for part in parts), strict=True)
        return cls(*(type(c[0]).joined(c) if isinstance(c[0], Statistics) else np.concatenate(c) for c in columns))


def _times(factor: float | PerComponent, array: np.ndarray) -> np.ndarray:
    """A field (*batch, K, ...), each component by its own factor."""
    each = np.asarray(factor)
    return np.asarray(each.reshape(*each.shape, *(1,) * (array.ndim - each.ndim)) * array if each.ndim else factor * array)


@runtime_checkable
class Terms(Protocol):
    """The coefficients of log p(x, z = k), from a mixture (EM) or in expectation under a posterior (variational Bayes)."""

    @property
    def batch_shape(self) -> tuple[int, ...]: ...

    @property
    def n_components(self) -> int: ...

    def take(self, index: Any) -> Terms:
        """Index the batch axes."""
        ...

    def log_joint(self, x: Rows) -> LogJoint:
        """log p(x_n, z_n = k) of every row and component."""
        ...

    def statistics(self, x: Rows, responsibilities: Responsibilities) -> Statistics:
        """Statistics of the rows, each weighed by its responsibilities (times its count)."""
        ...

    def expected(self, statistics: Any) -> PerFit:
        """E_q log p(x, z) of the q that ``statistics`` were summed under, (*batch), but for a constant of the data.

        Where cells are missing under one covariance matrix, q is over them too: their conditional moments are in the statistics.
        """
        ...


@dataclass(frozen=True, eq=False)
class Coefficients:
    """Terms all of whose fields are arrays, batch axes first; the first field is (*batch, K)."""

    @property
    def batch_shape(self) -> tuple[int, ...]:
        return self._first.shape[:-1]

    @property
    def n_components(self) -> int:
        return int(self._first.shape[-1])

    @property
    def _first(self) -> PerComponent:
        return next(iter(vars(self).values()))

    def take[C: Coefficients](self: C, index: Any) -> C:
        """Index the batch axes."""
        return type(self)(*(getattr(self, field.name)[index] for field in dataclasses.fields(self)))


@dataclass(frozen=True, eq=False)
class Expectation:
    """What one E step finds out over a set of rows, each ``counts`` times.

    Attributes
    ----------
    statistics : expected statistics of the components
    log_likelihood : (*batch), sum of log p(x_n)
    expected_complete : (*batch), E_q log p(x, z), Bishop's Q at the parameters of the E step
    entropy : (*batch), H(q) of the responsibilities in nats
    """

    statistics: Statistics
    log_likelihood: PerFit
    expected_complete: PerFit
    entropy: PerFit

    @property
    def bound(self) -> PerFit:
        """L(q, theta) = E_q log p(x, z) + H(q); equal to the log likelihood where q is the posterior of the labels."""
        return np.asarray(self.expected_complete + self.entropy)

    def merge(self, other: Expectation) -> Expectation:
        return Expectation(
            self.statistics.merge(other.statistics),
            self.log_likelihood + other.log_likelihood,
            self.expected_complete + other.expected_complete,
            self.entropy + other.entropy,
        )

    def take(self, index: Any) -> Expectation:
        """Index the batch axes."""
        numbers = (np.asarray(value)[index] for value in (self.log_likelihood, self.expected_complete, self.entropy))
        return Expectation(self.statistics.take(index), *numbers)

    @classmethod
    def joined(cls, parts: Sequence[Expectation]) -> Expectation:
        """Several batches one after the other, along the first axis."""
        if len(parts) == 1:
            return parts[0]
        statistics = type(parts[0].statistics).joined([part.statistics for part in parts])
        names = ("log_likelihood", "expected_complete", "entropy")
        return cls(statistics, *(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def labelled(counts: np.ndarray, log_weights: np.ndarray) -> PerFit:
    """sum_k N_k log weight_k (*batch), with 0 times anything as 0: E_q log p(z)."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(counts > 0, counts * log_weights, 0.0).sum(axis=-1))


def log_sum_exp(log_joint: LogJoint) -> LogDensity:
    """log sum_k exp over the last axis; -inf where all are, never a warning."""
    top = log_joint.max(axis=-1)
    anchor = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.exp(log_joint - anchor[..., None]).sum(axis=-1)) + anchor)
