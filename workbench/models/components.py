"""Components: what K components of one family can do, whatever the family."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from workbench.data import Dataset
from workbench.models.shapes import Cells, Flags, Labels, Permutation, Rows, Weights
from workbench.models.terms import Terms


@dataclass(frozen=True, eq=False)
class Regularity:
    """Whether a solution is singular, or spurious (statistics, section 3), for each fit of a batch."""

    singular: Flags
    spurious: Flags

    @classmethod
    def regular(cls, batch_shape: tuple[int, ...]) -> Regularity:
        """Nothing is wrong with any of them: families whose likelihood is bounded."""
        return cls(np.zeros(batch_shape, bool), np.zeros(batch_shape, bool))


Outside = tuple[str, tuple[int, ...], str]
"""A parameter's name, a place in it, counted from 0, and what is wrong there; what to do."""


def beyond(parameter: str, values: np.ndarray, wrong: np.ndarray, wanted: str) -> Iterator[Outside]:
    """The entries of ``values`` that are ``wrong``."""
    for place in np.argwhere(wrong):
        yield parameter, tuple(place.tolist()), f"is {values[tuple(place)]:g}; {wanted}"


@dataclass(frozen=True, eq=False)
class Components(ABC):
    """The parameters of K components; every field is an array (*batch, K, ...), or (*batch, ...) of what they share.

    A concrete family's dataclass *is* its parametrisation: its fields are the names that users see.
    """

    dims: ClassVar[dict[str, tuple[str, ...]]]
    """For each parameter the names of its axes after the batch: ``component`` first, or not at all where all share it."""

    def parameters(self) -> dict[str, np.ndarray]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @property
    def batch_shape(self) -> tuple[int, ...]:
        name, array = next(iter(self.parameters().items()))
        return array.shape[: array.ndim - len(self.dims[name])]

    @property
    def n_components(self) -> int:
        name = next(name for name, dims in self.dims.items() if dims[:1] == ("component",))
        return int(getattr(self, name).shape[-len(self.dims[name])])

    @property
    def lost_is_singular(self) -> bool:
        """Whether losing a component, whose weight is then 0, is one of the singular ends: where its count is (statistics, section 3)."""
        return True

    def map[C: Components](self: C, function: Callable[[np.ndarray], np.ndarray]) -> C:
        """The same family with ``function`` applied to every parameter array."""
        return type(self)(**{name: function(array) for name, array in self.parameters().items()})

    def take[C: Components](self: C, index: Any) -> C:
        """Index the batch axes."""
        return self.map(lambda array: array[index])

    @classmethod
    def combined[C: Components](cls: type[C], parts: Sequence[C], join: Callable[[list[np.ndarray]], np.ndarray]) -> C:
        """One batch out of several: ``join`` (``np.stack``, ``np.concatenate``) of their arrays, parameter by parameter."""
        each = [part.parameters() for part in parts]
        return cls(**{name: join([arrays[name] for arrays in each]) for name in each[0]})

    def relabelled[C: Components](self: C, permutation: Permutation) -> C:
        """Component ``permutation[k]`` of this becomes component k; (*batch, K) or (K,)."""
        batch = len(self.batch_shape)
        own = {name: array for name, array in self.parameters().items() if self.dims[name][:1] == ("component",)}
        return dataclasses.replace(self, **{name: _permuted(array, permutation, batch) for name, array in own.items()})

    @abstractmethod
    def terms(self, weights: Weights) -> Terms:
        """The coefficients of log p(x, z = k) under these parameters and ``weights``."""

    @abstractmethod
    def maximise(self, statistics: Any) -> Components:
        """The maximum-likelihood parameters given ``statistics``; a component without rows stays as it is."""

    @abstractmethod
    def sample(self, rng: np.random.Generator, labels: Labels) -> Rows:
        """One row for each label; an unbatched mixture only."""

    @abstractmethod
    def conditional(self, x: Rows) -> tuple[Cells, Cells]:
        """Mean and variance of every cell given its row's observed cells and the label k, each (*batch, N, K, D).

        A cell that was observed is itself, with variance 0; nan where a missing one has no mean (levels).
        """

    def outside(self) -> Iterator[Outside]:
        """What of unbatched components is outside the space of their parameters; means may be anywhere."""
        yield from ()

    @abstractmethod
    def regularity(self, weights: Weights, data: Dataset) -> Regularity:
        """Which fits of the batch are singular or spurious on ``data``."""

    @abstractmethod
    def collapsed(self, scale: np.ndarray) -> Flags:
        """Which fits of the batch have run into the boundary where the likelihood has no bound.

        ``scale`` (D,) are the data's standard deviations.
        """


def _permuted(array: np.ndarray, permutation: Permutation, batch: int) -> np.ndarray:
    index = np.broadcast_to(permutation, array.shape[: batch + 1])
    return np.take_along_axis(array, index.reshape(index.shape + (1,) * (array.ndim - batch - 1)), axis=batch)
