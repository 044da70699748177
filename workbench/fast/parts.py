"""The discrete blocks of a product, compiled: coded together like the rows of one family, whatever family their cells come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from workbench.fast import bernoulli, categorical, poisson
from workbench.fast.codes import Coded
from workbench.fast.discrete import Discrete
from workbench.models import Statistics, Terms
from workbench.models.components import Components
from workbench.models.families.bernoulli import BernoulliComponents, BernoulliTerms
from workbench.models.families.categorical.components import CategoricalComponents, CategoricalTerms
from workbench.models.families.poisson import PoissonComponents, PoissonTerms
from workbench.models.families.product.components import ProductStatistics

STEPS: dict[type[Components], tuple[Callable[[int, int], Discrete], int]] = {
    BernoulliComponents: (lambda n_features, n_levels: bernoulli.STEP, 2),
    PoissonComponents: (lambda n_features, n_levels: poisson.STEP, 2),
    CategoricalComponents: (categorical.step, 1),
}
"""For each class of components its E step, by numbers of features and of levels, and how many sums its statistics have."""

GIVEN: dict[type[Any], tuple[Callable[[int, int], Discrete], int, Callable[[Any], np.ndarray]]] = {
    BernoulliTerms: (lambda n_features, n_levels: bernoulli.GIVEN, 2, bernoulli.numbers_of),
    PoissonTerms: (lambda n_features, n_levels: poisson.GIVEN, 2, poisson.numbers_of),
    CategoricalTerms: (categorical.given, 1, categorical.numbers_of),
}
"""For each class of terms the same, and what makes numbers (fit, K, M) of them."""


@dataclass(frozen=True)
class Part:
    """One discrete block among all of them.

    Attributes
    ----------
    features, numbers : its place among the discrete features, and among the parameters (fit, K, M)
    n_sums : arrays of its statistics beside the counts
    """

    step: Discrete
    features: slice
    numbers: slice
    n_sums: int

    def known(self, known: Coded) -> tuple[Coded, slice]:
        """Its own cells, and where they stand among all; cells are in the order of their features."""
        first, last = np.searchsorted(known.feature, (self.features.start, self.features.stop))
        cells, n_features = slice(int(first), int(last)), self.features.stop - self.features.start
        return replace(known, feature=known.feature[cells] - self.features.start, value=known.value[cells], n_features=n_features), cells


@dataclass(frozen=True)
class Parts:
    """All discrete blocks of a product."""

    parts: tuple[Part, ...]

    def log_cells(self, known: Coded, placed: np.ndarray, cells: np.ndarray, first: int) -> None:
        """Log densities of the cells into first .. of (G, C', lanes) under parameters (G, M, lanes)."""
        for part in self.parts:
            own, where = part.known(known)
            part.step.log_cells(own, placed[:, part.numbers], cells, first + where.start)

    def summarise(self, known: Coded, cells: np.ndarray) -> tuple[np.ndarray, ...]:
        """The sums of each block's statistics, one block after the other, of sums by cell."""
        owns = ((part, *part.known(known)) for part in self.parts)
        return tuple(array for part, own, where in owns for array in part.step.summarise(own, cells[:, where]))

    def statistics(self, counts: np.ndarray, *sums: np.ndarray) -> tuple[Statistics, ...]:
        """The blocks' statistics of the sums of ``summarise``, as (fit, K, M)."""
        each = iter(sums)
        return tuple(part.step.statistics(counts, *(next(each) for _ in range(part.n_sums))) for part in self.parts)

    def alone(self) -> Discrete:
        """The E step where there is nothing beside them."""
        return Discrete(self.log_cells, self.summarise, lambda counts, *sums: ProductStatistics(counts, self.statistics(counts, *sums)))


def _known(block: Components | Terms) -> tuple[Callable[[int, int], Discrete], int, np.ndarray]:
    """What makes the E step of a block, how many sums its statistics have, and its numbers (fit, K, M)."""
    if isinstance(block, Components):
        (values,) = block.parameters().values()
        return *STEPS[type(block)], values.reshape(*values.shape[:2], -1)
    made, n_sums, numbers_of = GIVEN[type(block)]
    return made, n_sums, numbers_of(block)


def discrete_parts(blocks: Sequence[Components | Terms], sizes: Sequence[int]) -> tuple[Parts, np.ndarray]:
    """Discrete blocks of so many columns, and their parameters (fit, K, M) one after the other."""
    parts, arrays, feature, number = [], [], 0, 0
    for block, size in zip(blocks, sizes, strict=True):
        made, n_sums, array = _known(block)
        n_numbers = array.shape[2]
        step = made(size, n_numbers // size)
        parts.append(Part(step, slice(feature, feature + size), slice(number, number + n_numbers), n_sums))
        arrays.append(array)
        feature, number = feature + size, number + n_numbers
    return Parts(tuple(parts)), np.concatenate(arrays, axis=2)
