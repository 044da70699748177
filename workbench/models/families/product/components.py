"""Components, terms and statistics of blocks of columns that are independent of each other given the label."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from workbench.data import Dataset
from workbench.models.components import Components, Outside, Regularity
from workbench.models.families.categorical.components import CategoricalComponents
from workbench.models.shapes import Flags, Labels, LogJoint, PerComponent, PerFit, Permutation, Responsibilities, Rows, Weights
from workbench.models.terms import Statistics, Terms, labelled


def slices(sizes: Sequence[int]) -> Iterator[slice]:
    """Consecutive slices of these sizes."""
    start = 0
    for size in sizes:
        yield slice(start, start + size)
        start += size


_PARTS: weakref.WeakKeyDictionary[Dataset, dict[tuple[str, ...], Dataset]] = weakref.WeakKeyDictionary()


def block_data(data: Dataset, names: Sequence[str]) -> Dataset:
    """The columns ``names`` of a dataset, made once: what is worked out once for each dataset, its moments say, is so for a block."""
    known = _PARTS.setdefault(data, {})
    if tuple(names) not in known:
        own = data.only(names)
        if own is data:  # kept by itself it would never go
            return data
        known[tuple(names)] = own
    return known[tuple(names)]


@dataclass(frozen=True)
class Layout:
    """How the blocks make one whole.

    Attributes
    ----------
    sizes : how many columns each block has
    names : for each block the name here of each of its own parameters
    axes : for each block the name here of each of its own axes
    """

    sizes: tuple[int, ...]
    names: tuple[Mapping[str, str], ...]
    axes: tuple[Mapping[str, str], ...]

    @property
    def columns(self) -> tuple[slice, ...]:
        """Where the features of each block stand."""
        return tuple(slices(self.sizes))


@dataclass(frozen=True, eq=False)
class ProductStatistics(Statistics):
    """Counts N_k, and the statistics of each block."""

    counts: PerComponent
    blocks: tuple[Statistics, ...]

    def merge(self, other: ProductStatistics) -> ProductStatistics:
        blocks = tuple(mine.merge(theirs) for mine, theirs in zip(self.blocks, other.blocks, strict=True))
        return ProductStatistics(self.counts + other.counts, blocks)

    def arrays(self) -> tuple[Any, ...]:
        return (self.counts, *self.blocks)

    def named(self) -> dict[str, Any]:
        return {"counts": self.counts, **{str(i): block for i, block in enumerate(self.blocks)}}

    def rebuilt(self, arrays: Sequence[Any]) -> ProductStatistics:
        counts, *blocks = arrays
        return ProductStatistics(counts, tuple(blocks))

    def possible(self) -> ProductStatistics:
        return ProductStatistics(np.maximum(self.counts, 0.0), tuple(block.possible() for block in self.blocks))

    def take(self, index: Any) -> ProductStatistics:
        return ProductStatistics(self.counts[index], tuple(block.take(index) for block in self.blocks))

    def scaled(self, factor: float | PerComponent) -> ProductStatistics:
        return ProductStatistics(factor * self.counts, tuple(block.scaled(factor) for block in self.blocks))

    @classmethod
    def joined(cls, parts: Sequence[ProductStatistics]) -> ProductStatistics:
        blocks = tuple(type(own[0]).joined(own) for own in zip(*(part.blocks for part in parts), strict=True))
        return cls(np.concatenate([part.counts for part in parts]), blocks)


@dataclass(frozen=True, eq=False)
class ProductTerms:
    """log p(x, z = k) = log weight_k + sum over blocks of log p(x_block | z = k)."""

    log_weights: PerComponent
    blocks: tuple[Terms, ...]
    columns: tuple[slice, ...]

    @property
    def batch_shape(self) -> tuple[int, ...]:
        return self.log_weights.shape[:-1]

    @property
    def n_components(self) -> int:
        return int(self.log_weights.shape[-1])

    def take(self, index: Any) -> ProductTerms:
        """Index the batch axes."""
        return replace(self, log_weights=self.log_weights[index], blocks=tuple(block.take(index) for block in self.blocks))

    def log_joint(self, x: Rows) -> LogJoint:
        total = np.asarray(self.log_weights[..., None, :] + np.zeros((x.shape[0], 1)))
        for block, columns in zip(self.blocks, self.columns, strict=True):
            total = total + block.log_joint(x[:, columns])
        return total

    def statistics(self, x: Rows, responsibilities: Responsibilities) -> ProductStatistics:
        blocks = (block.statistics(x[:, columns], responsibilities) for block, columns in zip(self.blocks, self.columns, strict=True))
        return ProductStatistics(responsibilities.sum(axis=-2), tuple(blocks))

    def expected(self, statistics: ProductStatistics) -> PerFit:
        """The labels', and each block's given the labels."""
        each = (block.expected(own) for block, own in zip(self.blocks, statistics.blocks, strict=True))
        return np.asarray(labelled(statistics.counts, self.log_weights) + sum(each))


@dataclass(frozen=True, eq=False)
class ProductComponents(Components):
    """Blocks of components over consecutive columns.

    Attributes
    ----------
    blocks : the components of each block, all of one batch and K
    layout : where their columns stand and what their parameters are called
    """

    blocks: tuple[Components, ...]
    layout: Layout

    @property
    def dims(self) -> dict[str, tuple[str, ...]]:  # type: ignore[override]
        found: dict[str, tuple[str, ...]] = {}
        for block, names, axes in zip(self.blocks, self.layout.names, self.layout.axes, strict=True):
            found |= {names[name]: tuple(axes.get(dim, dim) for dim in own) for name, own in block.dims.items()}
        return found

    def parameters(self) -> dict[str, np.ndarray]:
        pairs = zip(self.blocks, self.layout.names, strict=True)
        return {names[name]: array for block, names in pairs for name, array in block.parameters().items()}

    @classmethod
    def combined(cls, parts: Sequence[ProductComponents], join: Callable[[list[np.ndarray]], np.ndarray]) -> ProductComponents:
        return parts[0].of([type(own[0]).combined(own, join) for own in zip(*(part.blocks for part in parts), strict=True)])

    @property
    def batch_shape(self) -> tuple[int, ...]:
        return self.blocks[0].batch_shape

    @property
    def n_components(self) -> int:
        return self.blocks[0].n_components

    def of(self, blocks: Sequence[Components]) -> ProductComponents:
        """Other components in the same blocks."""
        return replace(self, blocks=tuple(blocks))

    def each(self, do: Callable[[Any, slice], Any]) -> list[Any]:
        """What ``do`` says of each block and its columns."""
        return [do(block, columns) for block, columns in zip(self.blocks, self.layout.columns, strict=True)]

    def map(self, function: Callable[[np.ndarray], np.ndarray]) -> ProductComponents:
        return self.of([block.map(function) for block in self.blocks])

    def relabelled(self, permutation: Permutation) -> ProductComponents:
        return self.of([block.relabelled(permutation) for block in self.blocks])

    def terms(self, weights: Weights) -> ProductTerms:
        with np.errstate(divide="ignore"):
            logs = np.log(weights)
        return ProductTerms(logs, tuple(block.terms(np.ones_like(weights)) for block in self.blocks), self.layout.columns)

    def maximise(self, statistics: ProductStatistics) -> ProductComponents:
        """Block by block: given the labels they have nothing to do with each other."""
        return self.of([block.maximise(own) for block, own in zip(self.blocks, statistics.blocks, strict=True)])

    def sample(self, rng: np.random.Generator, labels: Labels) -> Rows:
        return np.concatenate([block.sample(rng, labels) for block in self.blocks], axis=1)

    def conditional(self, x: Rows) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of each cell given its row's observed cells and the label; nan where that has levels."""
        means, variances = zip(*self.each(lambda block, columns: block.conditional(x[:, columns])), strict=True)
        return np.concatenate(means, axis=-1), np.concatenate(variances, axis=-1)

    def level_probabilities(self, x: Rows) -> np.ndarray:
        """Probability of each level of each cell given the label (*batch, N, K, D, L); nan for features without levels."""
        width = max((block.probs.shape[-1] for block in self.blocks if isinstance(block, CategoricalComponents)), default=0)
        found = np.full((*self.batch_shape, x.shape[0], self.n_components, x.shape[1], width), np.nan)
        for block, columns in zip(self.blocks, self.layout.columns, strict=True):
            if isinstance(block, CategoricalComponents):
                found[..., columns, :] = block.level_probabilities(x[:, columns])
        return found

    @property
    def lost_is_singular(self) -> bool:
        return any(block.lost_is_singular for block in self.blocks)

    def outside(self) -> Iterator[Outside]:
        for block, names in zip(self.blocks, self.layout.names, strict=True):
            yield from ((names[parameter], place, what) for parameter, place, what in block.outside())

    def regularity(self, weights: Weights, data: Dataset) -> Regularity:
        """Singular, or spurious, if a block is."""
        found = self.each(lambda block, columns: block.regularity(weights, block_data(data, data.features[columns])))
        return Regularity(np.any([one.singular for one in found], axis=0), np.any([one.spurious for one in found], axis=0))

    def collapsed(self, scale: np.ndarray) -> Flags:
        return np.asarray(np.any(self.each(lambda block, columns: block.collapsed(scale[columns])), axis=0))
