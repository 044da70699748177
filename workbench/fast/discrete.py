"""What the compiled E steps of all discrete families share: a parameter's log densities of cells in, sums by cell out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from workbench.data import Dataset
from workbench.fast import chunks
from workbench.fast.arrays import read_only
from workbench.fast.codes import Coded, coded
from workbench.fast.lanes import WIDTH
from workbench.fast.lookup import e_step
from workbench.models import Expectation, Statistics

SHARED = 1.5
"""One fit alone costs so much a register more than one of eight side by side."""
NEUTRAL = 0.5
"""Stands for parameters of components that are not there: any that has a density."""
START = 3 * WIDTH

LogCells = Callable[[Coded, np.ndarray], np.ndarray]
"""(codes, a parameter (G, M, lanes)) -> log densities of the cells (G, C, lanes)."""
Summarise = Callable[[Coded, np.ndarray], tuple[np.ndarray, ...]]
"""(codes, responsibilities by cell (G, C, lanes)) -> statistics (G, M, lanes)."""


@dataclass(frozen=True)
class Layout:
    """How numbers of fits and components lie side by side in registers: components across, or eights of fits."""

    n_fits: int
    n_components: int
    across: bool

    def place(self, array: np.ndarray, fill: float) -> np.ndarray:
        """(fit, K, M) -> (G, M, lanes), a fit a row of registers or eight; the last fit stands in for those that are not there."""
        if self.across:
            padding = -self.n_components % WIDTH
            return np.pad(np.swapaxes(array, 1, 2), ((0, 0), (0, 0), (0, padding)), constant_values=fill)
        missing = -self.n_fits % WIDTH
        full = np.concatenate([array, np.repeat(array[-1:], missing, axis=0)]) if missing else array
        eights = full.reshape(-1, WIDTH, self.n_components, array.shape[2]).transpose(0, 3, 2, 1)
        return np.ascontiguousarray(eights).reshape(-1, array.shape[2], self.n_components * WIDTH)

    def back(self, placed: np.ndarray) -> np.ndarray:
        """(G, M, lanes) -> (fit, K, M)."""
        if self.across:
            return np.ascontiguousarray(np.swapaxes(placed[..., : self.n_components], 1, 2))
        eights = placed.reshape(placed.shape[0], -1, self.n_components, WIDTH).transpose(0, 3, 2, 1)
        return np.ascontiguousarray(eights).reshape(-1, self.n_components, placed.shape[1])[: self.n_fits]

    def totals(self, placed: np.ndarray) -> np.ndarray:
        """(G, 3, 8) -> (fit, 3): across, what a fit has is in the first lane."""
        return placed[:, :, 0] if self.across else np.swapaxes(placed, 1, 2).reshape(-1, 3)[: self.n_fits]

    def weights_of_rows(self, counts: np.ndarray) -> np.ndarray:
        """Counts (1, N) or (fit, N), a row for every lane that is a fit."""
        missing = 0 if self.across or counts.shape[0] == 1 else -self.n_fits % WIDTH
        return read_only(np.concatenate([counts, np.repeat(counts[-1:], missing, axis=0)]) if missing else counts)


@dataclass(frozen=True)
class Discrete:
    """A discrete family's E step."""

    log_cells: LogCells
    summarise: Summarise
    statistics: Callable[..., Statistics]

    def expect(
        self, weights: np.ndarray, parameter: np.ndarray, data: Dataset, counts: np.ndarray, rule: int, beta: float, threads: int
    ) -> Expectation:
        """The E step of a batch of fits: weights (fit, K), parameter (fit, K, M), counts (1, N) or (fit, N)."""
        known = coded(data)
        rows = known.gathered(counts)
        n_fits, n_components = weights.shape
        alone = n_fits % WIDTH
        if alone * -(-n_components // WIDTH) * SHARED > n_components:
            alone = 0
        parts = []
        for chosen, across in ((slice(0, n_fits - alone), False), (slice(n_fits - alone, n_fits), True)):
            if chosen.start < chosen.stop:
                own = rows[chosen] if rows.shape[0] > 1 else rows
                layout = Layout(chosen.stop - chosen.start, n_components, across)
                parts.append(self._part(layout, known, weights[chosen], parameter[chosen], own, rule, beta, threads))
        return Expectation.joined(parts)

    def _part(
        self,
        layout: Layout,
        known: Coded,
        weights: np.ndarray,
        parameter: np.ndarray,
        counts: np.ndarray,
        rule: int,
        beta: float,
        threads: int,
    ) -> Expectation:
        with np.errstate(divide="ignore", invalid="ignore"):
            constant = np.ascontiguousarray(np.log(layout.place(weights[:, :, None], 0.0)[:, 0]))
            cells = self.log_cells(known, layout.place(parameter, NEUTRAL))
        cells = np.ascontiguousarray(
            np.concatenate([cells, np.zeros((cells.shape[0], 1, cells.shape[2]))], axis=1)
        )  # a cell that was not observed
        arguments = (cells, constant, known.codes, known.members, layout.weights_of_rows(counts), rule, beta, (0,) if layout.across else ())
        n_rows, lanes = known.codes.shape[0], constant.shape[1]
        work, size = known.codes.size * parameter.shape[0] * parameter.shape[1], START + lanes * (known.n_cells + 2)
        partial = chunks.run(e_step, cells.shape[0], n_rows, size, arguments, threads=threads, work=work)
        found = partial[:, 0]
        for chunk in range(1, partial.shape[1]):
            found = found + partial[:, chunk]
        sums = found[:, START:].reshape(-1, known.n_cells + 2, lanes)
        summaries = (layout.back(placed) for placed in self.summarise(known, sums[:, 1:-1]))
        totals = layout.totals(found[:, :START].reshape(-1, 3, WIDTH))
        return Expectation(self.statistics(layout.back(sums[:, :1])[..., 0], *summaries), totals[:, 0], totals[:, 1], totals[:, 2])


def by_feature(known: Coded, cells: np.ndarray) -> np.ndarray:
    """Numbers of cells (G, C, lanes) summed over each feature's (G, D, lanes)."""
    total = np.zeros((cells.shape[0], known.n_features, cells.shape[2]))
    if known.n_cells:
        features, starts = np.unique(known.feature, return_index=True)
        total[:, features] = np.add.reduceat(cells, starts, axis=1)
    return total
