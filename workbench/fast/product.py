"""Blocks of columns that are independent given the label, compiled: a Gaussian block beside discrete ones.

The discrete blocks' log densities are looked up and added to the log joints of the Gaussian block, block of rows by block of
rows; both kinds of sums are taken of the same shares.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from workbench.data import Dataset
from workbench.fast import chunks, expectation
from workbench.fast.arrays import owned, read_only
from workbench.fast.assign import Assignment
from workbench.fast.codes import Coded, encode
from workbench.fast.discrete import logarithms
from workbench.fast.gaussian import factors, independent, matrices, missing
from workbench.fast.gaussian.algebra import logs_of, merged, weights_of
from workbench.fast.lanes import WIDTH
from workbench.fast.mixed import axis_e_step, matrix_e_step
from workbench.fast.parts import GIVEN, STEPS, Parts, discrete_parts
from workbench.models import Expectation, Mixture, Prior, Statistics, Terms
from workbench.models.components import Components
from workbench.models.families.gaussian.full import FullComponents
from workbench.models.families.gaussian.independent import DiagonalStatistics
from workbench.models.families.gaussian.quadratic import FullStatistics, FullTerms
from workbench.models.families.gaussian.tied import TiedComponents
from workbench.models.families.product.components import ProductComponents, ProductStatistics, ProductTerms
from workbench.models.families.product.prior import ProductPrior
from workbench.models.shapes import Flags

MATRICES = (FullComponents, TiedComponents, FullTerms)
"""Blocks whose features are not independent."""


def expect(mixture: Mixture, data: Dataset, counts: np.ndarray, how: Assignment, threads: int) -> Expectation:
    """The E step over all rows of a batch of mixtures (restart,)."""
    rest = mixture.components
    assert isinstance(rest, ProductComponents)
    if len(rest.blocks) == 1:
        own = Mixture(mixture.weights, rest.blocks[0])
        found = expectation.assigned(own, data, counts, how, threads)
        return replace(found, statistics=ProductStatistics(found.statistics.counts, (found.statistics,)))
    others = [i for i, block in enumerate(rest.blocks) if type(block) in STEPS]
    parts, parameters = discrete_parts([rest.blocks[i] for i in others], [rest.layout.sizes[i] for i in others])
    if len(others) == len(rest.blocks):
        return parts.alone().expect(logarithms(mixture.weights), parameters, data, counts, how, threads)
    (place,) = set(range(len(rest.blocks))).difference(others)
    columns = rest.layout.columns[place]
    rows = _rows(data, columns.start, columns.stop, isinstance(rest.blocks[place], MATRICES))
    step = Mixed(rows, parts, read_only(counts[:, rows.order]), place, how, threads)
    return step.expect(logs_of(mixture.weights), rest.blocks[place], parameters)


def expect_terms(terms: ProductTerms, data: Dataset, counts: np.ndarray, how: Assignment, threads: int) -> Expectation:
    """The E step over all rows of a batch of terms (restart,)."""
    if len(terms.blocks) == 1:
        own = _beside(terms.blocks[0], terms.log_weights)
        found = expectation.assigned_by_terms(own, data, counts, how, threads)
        return replace(found, statistics=ProductStatistics(found.statistics.counts, (found.statistics,)))
    others = [i for i, block in enumerate(terms.blocks) if type(block) in GIVEN]
    sizes = [terms.columns[i].stop - terms.columns[i].start for i in others]
    parts, numbers = discrete_parts([terms.blocks[i] for i in others], sizes)
    if len(others) == len(terms.blocks):
        return parts.alone().expect(terms.log_weights, numbers, data, counts, how, threads)
    (place,) = set(range(len(terms.blocks))).difference(others)
    columns = terms.columns[place]
    rows = _rows(data, columns.start, columns.stop, isinstance(terms.blocks[place], MATRICES))
    step = Mixed(rows, parts, read_only(counts[:, rows.order]), place, how, threads)
    return step.expect(owned(terms.log_weights), terms.blocks[place], numbers)


def _beside(block: Any, log_weights: np.ndarray) -> Terms:
    """The terms of a block whose own log weights are 0, with these."""
    fields = (name for name in ("log_weights", "constant") if hasattr(block, name))
    added: Terms = replace(block, **{name: getattr(block, name) + log_weights for name in fields})
    return added


def m_step(statistics: ProductStatistics, prior: Prior | None, current: Mixture) -> Mixture:
    """Block by block: given the labels they have nothing to do with each other."""
    rest = current.components
    assert isinstance(rest, ProductComponents)
    priors: list[Prior | None] = [None] * len(rest.blocks)
    if prior is not None:
        assert isinstance(prior.components, ProductPrior)
        priors = [Prior(prior.concentration, own) for own in prior.components.blocks]
    blocks = [
        expectation.m_step(own, before, Mixture(current.weights, block)).components
        for own, before, block in zip(statistics.blocks, priors, rest.blocks, strict=True)
    ]
    return Mixture(weights_of(statistics.counts, prior), rest.of(blocks))


def collapsed(mixture: Mixture, scale: np.ndarray) -> Flags:
    """Where a block has collapsed."""
    rest = mixture.components
    assert isinstance(rest, ProductComponents)
    return np.any(rest.each(lambda block, columns: expectation.collapsed(Mixture(mixture.weights, block), scale[columns])), axis=0)


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a dataset for both kinds of kernels.

    Attributes
    ----------
    order : ndarray (N,), the rows' places in the data
    x : ndarray (N, D), the Gaussian features; under matrices 0 where nothing was seen
    starts, seen : the patterns' first rows and features seen; under matrices rows are sorted by pattern
    codes : ndarray (N, G), the discrete features
    known : what the codes mean
    """

    order: np.ndarray
    x: np.ndarray
    starts: np.ndarray
    seen: np.ndarray
    codes: np.ndarray
    known: Coded


@functools.lru_cache(maxsize=8)
def _rows(data: Dataset, first: int, last: int, by_pattern: bool) -> Rows:
    """Columns first .. last are Gaussian; worked out once for each dataset."""
    x = np.ascontiguousarray(data.x[:, first:last])
    known = encode(np.delete(data.x, slice(first, last), axis=1), distinct=False)
    if by_pattern:
        own = missing.sort(x)
        return Rows(own.order, own.x, own.starts, own.seen, np.ascontiguousarray(known.codes[own.order]), known)
    nothing = np.empty(0, np.int64)
    return Rows(np.arange(data.n_rows), x, nothing, nothing, known.codes, known)


@dataclass(frozen=True, eq=False)
class Mixed:
    """The E step of a Gaussian block that stands at ``place`` among the discrete ones; counts (1, N) or (fit, N), rows in order."""

    rows: Rows
    parts: Parts
    counts: np.ndarray
    place: int
    how: Assignment
    threads: int

    def expect(self, log_weights: np.ndarray, block: Components | Terms, parameters: np.ndarray) -> Expectation:
        """As many fits at a time as their partial sums find room; parameters (fit, K, M) of the discrete blocks."""
        n_rows, n_components = self.rows.x.shape[0], log_weights.shape[1]
        n_chunks = -(-n_rows // chunks.chunk_rows(n_rows))
        numbers = n_components * (self.rows.known.n_cells + (1 + self.rows.x.shape[1]) ** 2)
        together = max(1, expectation.ROOM // (numbers * n_chunks))
        fits = (slice(first, first + together) for first in range(0, log_weights.shape[0], together))
        return Expectation.joined([self._part(log_weights[own], block.take(own), parameters[own], own) for own in fits])

    def _part(self, log_weights: np.ndarray, block: Components | Terms, parameters: np.ndarray, which: slice) -> Expectation:
        n_fits, n_components = log_weights.shape
        cells = np.zeros((n_fits, self.rows.known.n_cells + 1, n_components))  # the last: a cell that was not observed
        with np.errstate(divide="ignore", invalid="ignore"):
            self.parts.log_cells(self.rows.known, np.swapaxes(parameters, 1, 2), cells, 0)
        counts = self.counts if self.counts.shape[0] == 1 else read_only(self.counts[which])
        e_step = self._matrices if isinstance(block, MATRICES) else self._axes
        own, totals, sums = e_step(log_weights, block, cells, counts, self.how.of(which))
        summaries = self.parts.summarise(self.rows.known, sums)
        others = list(self.parts.statistics(own.counts, *(np.ascontiguousarray(np.swapaxes(array, 1, 2)) for array in summaries)))
        blocks = (*others[: self.place], own, *others[self.place :])
        return Expectation(ProductStatistics(own.counts, blocks), totals[:, 0], totals[:, 1], totals[:, 2])

    def _matrices(
        self, log_weights: np.ndarray, block: Components | Terms, cells: np.ndarray, counts: np.ndarray, how: Assignment
    ) -> tuple[Statistics, np.ndarray, np.ndarray]:
        """Statistics of the block, the three totals (fit, 3) and sums by discrete cell (fit, C, K); a covariance each or for all."""
        given, means, covariances = matrices.under(block)
        n_components, size = means.shape[1:]
        few = (0,) * (size if size <= factors.UNROLLED else 0)
        cells_at = missing.numbers(n_components, size) - WIDTH
        counted = slice(factors.numbers(n_components, size) - WIDTH, factors.numbers(n_components, size) - WIDTH + n_components)

        def sums(which: slice | np.ndarray, origins: np.ndarray) -> np.ndarray:
            own = counts if counts.shape[0] == 1 else read_only(counts[which])
            rows = (self.rows.x, self.rows.starts, self.rows.seen, self.rows.codes, self.rows.known.members, own)
            parameters = (log_weights[which], given[which], means[which], covariances[which], origins, cells[which])
            return self._run(matrix_e_step, origins, cells_at, cells, (few, *rows, *parameters, how.of(which)))

        first = sums(slice(None), means)
        seen, centres, scatters, totals, again = matrices.moments(first[:, None], means)
        if again.size:
            own = sums(again, centres[again])[:, None]
            seen[again], centres[again], scatters[again], totals[again], _ = matrices.moments(own, centres[again])
        statistics = FullStatistics(first[:, counted].copy(), centres, scatters, seen)
        return statistics, totals, self._by_cell(first, cells_at, cells)

    def _axes(
        self, log_weights: np.ndarray, block: Components | Terms, cells: np.ndarray, counts: np.ndarray, how: Assignment
    ) -> tuple[Statistics, np.ndarray, np.ndarray]:
        """The same under independent features, a variance each or for all."""
        constants, means, roots = independent.under(block)
        cells_at = factors.rounded_up(means.shape[1] * (1 + 3 * means.shape[2]))

        def sums(which: slice | np.ndarray, origins: np.ndarray) -> np.ndarray:
            own = counts if counts.shape[0] == 1 else read_only(counts[which])
            rows = (self.rows.x, self.rows.codes, self.rows.known.members, own)
            parameters = (log_weights[which], constants[which], means[which], roots[which], origins, cells[which])
            return self._run(axis_e_step, origins, cells_at, cells, (*rows, *parameters, how.of(which)))

        first = sums(slice(None), means)
        n, centres, scatters, seen, totals, again = independent.moments(first[:, None], means, False)
        if again.size:
            own = sums(again, centres[again])[:, None]
            n[again], centres[again], scatters[again], seen[again], totals[again], _ = independent.moments(own, centres[again], False)
        return DiagonalStatistics(n, centres, scatters, seen), totals, self._by_cell(first, cells_at, cells)

    def _run(self, e_step: Any, origins: np.ndarray, cells_at: int, cells: np.ndarray, arguments: tuple[Any, ...]) -> np.ndarray:
        """The sums of all rows (fit, numbers)."""
        n_fits, n_rows = origins.shape[0], self.rows.x.shape[0]
        length = cells_at + (cells.shape[1] - 1) * cells.shape[2] + WIDTH
        work = n_rows * (origins.size + n_fits * origins.shape[1] * self.rows.codes.shape[1])
        partial = chunks.run(e_step, n_fits, n_rows, length, arguments, threads=self.threads, work=work)
        return np.asarray(merged(partial))

    @staticmethod
    def _by_cell(sums: np.ndarray, cells_at: int, cells: np.ndarray) -> np.ndarray:
        n_fits, n_cells, n_components = cells.shape[0], cells.shape[1] - 1, cells.shape[2]
        return sums[:, cells_at : cells_at + n_cells * n_components].reshape(n_fits, n_cells, n_components)
