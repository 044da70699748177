"""What the compiled E steps of all discrete families share: a parameter's log densities of cells in, sums by cell out."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from workbench.data import Dataset
from workbench.fast import chunks
from workbench.fast.arrays import read_only
from workbench.fast.assign import Assignment
from workbench.fast.codes import Coded, coded
from workbench.fast.lanes import WIDTH
from workbench.fast.lookup import e_step
from workbench.models import Expectation, Statistics
from workbench.models.families.discrete import LOG_ZERO

OVERHEAD = 3
"""Work on a row that does not depend on the number of its registers, in registers."""
LITTLE = 1 << 14
"""Lookups, components counted, that take less time than all else in a step of EM does: some 20 microseconds."""
NEUTRAL = 0.5
"""Stands for parameters of components that are not there: any that has a density."""
START = 3 * WIDTH

LogCells = Callable[[Coded, np.ndarray, np.ndarray, int], None]
"""(codes, a parameter (G, M, lanes), cells (G, C', lanes), first): writes the log densities of the cells to first .. of ``cells``."""
Summarise = Callable[[Coded, np.ndarray], tuple[np.ndarray, ...]]
"""(codes, responsibilities by cell (G, C, lanes)) -> statistics (G, M, lanes)."""


@functools.cache
def widths(n_fits: int, n_components: int, little: bool) -> tuple[int, ...]:
    """How many of so few fits are worked on side by side, in turn: 1, 2, 4 or 8, the last perhaps with places left over.

    Each is code of its own; where there is ``little`` to do, 8 will do.
    """
    if n_fits <= 0:
        return ()
    ways = [(width, *widths(n_fits - width, n_components, little)) for width in ((WIDTH,) if little else (1, 2, 4, WIDTH))]
    return min(ways, key=lambda way: sum(OVERHEAD - (-n_components * width // WIDTH) for width in way))


@dataclass(frozen=True)
class Layout:
    """How numbers of fits and components lie side by side in registers: so many ``together``, number k of fit f at k * together + f."""

    n_fits: int
    n_components: int
    together: int

    def place(self, array: np.ndarray, fill: float) -> np.ndarray:
        """(fit, K, M) -> (G, M, lanes), a row of registers for so many fits; the last fit stands in for those that are not there."""
        missing = -self.n_fits % self.together
        full = np.concatenate([array, np.repeat(array[-1:], missing, axis=0)]) if missing else array
        size = array.shape[2]
        placed = np.full((full.shape[0] // self.together, size, self.n_lanes // self.together, self.together), fill)
        placed[:, :, : self.n_components] = full.reshape(-1, self.together, self.n_components, size).transpose(0, 3, 2, 1)
        return placed.reshape(-1, size, self.n_lanes)

    @property
    def n_lanes(self) -> int:
        return -(-self.n_components * self.together // WIDTH) * WIDTH

    def back(self, placed: np.ndarray) -> np.ndarray:
        """(G, M, lanes) -> (fit, K, M)."""
        apart = placed.reshape(*placed.shape[:2], -1, self.together)[:, :, : self.n_components].transpose(0, 3, 2, 1)
        return np.ascontiguousarray(apart).reshape(-1, self.n_components, placed.shape[1])[: self.n_fits]

    def totals(self, placed: np.ndarray) -> np.ndarray:
        """(G, 3, 8) -> (fit, 3)."""
        return np.swapaxes(placed[:, :, : self.together], 1, 2).reshape(-1, 3)[: self.n_fits]

    def weights_of_rows(self, counts: np.ndarray) -> np.ndarray:
        """Counts (1, N) or (fit, N), a row for every lane that is a fit."""
        missing = 0 if counts.shape[0] == 1 else -self.n_fits % self.together
        return read_only(np.concatenate([counts, np.repeat(counts[-1:], missing, axis=0)]) if missing else counts)

    def seeds(self, how: Assignment) -> Assignment:
        """The same with a seed for every lane that is a fit."""
        return how.of(np.minimum(np.arange(self.n_fits + -self.n_fits % self.together), self.n_fits - 1))


@dataclass(frozen=True)
class Discrete:
    """A discrete family's E step."""

    log_cells: LogCells
    summarise: Summarise
    statistics: Callable[..., Statistics]

    def expect(
        self, log_weights: np.ndarray, parameter: np.ndarray, data: Dataset, counts: np.ndarray, how: Assignment, threads: int
    ) -> Expectation:
        """The E step of a batch of fits: log weights (fit, K), parameter (fit, K, M), counts (1, N) or (fit, N)."""
        known = coded(data)
        rows = known.gathered(counts)
        n_fits, n_components = log_weights.shape
        parts, first = [], 0
        little = known.codes.size * n_components < LITTLE
        for together in (n_fits // WIDTH * WIDTH, *widths(n_fits % WIDTH, n_components, little)):
            chosen = slice(first, min(n_fits, first + together))
            if chosen.start < chosen.stop:
                own = rows[chosen] if rows.shape[0] > 1 else rows
                layout = Layout(chosen.stop - chosen.start, n_components, min(WIDTH, together))
                parts.append(self._part(layout, known, log_weights[chosen], parameter[chosen], own, how.of(chosen), threads))
            first = chosen.stop
        return Expectation.joined(parts)

    def _part(
        self,
        layout: Layout,
        known: Coded,
        log_weights: np.ndarray,
        parameter: np.ndarray,
        counts: np.ndarray,
        how: Assignment,
        threads: int,
    ) -> Expectation:
        constant = np.ascontiguousarray(layout.place(log_weights[:, :, None], -np.inf)[:, 0])
        cells = np.zeros((constant.shape[0], known.n_cells + 1, constant.shape[1]))  # the last: a cell that was not observed
        with np.errstate(divide="ignore", invalid="ignore"):
            self.log_cells(known, layout.place(parameter, NEUTRAL), cells, 0)
        arguments = (
            cells,
            constant,
            known.places,
            known.members,
            layout.weights_of_rows(counts),
            layout.seeds(how),
            (0,) * layout.together,
        )
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


def logarithms(weights: np.ndarray) -> np.ndarray:
    """log weights, -inf of 0."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(weights))


def with_zeros(logs: np.ndarray) -> np.ndarray:
    """Logs of which a finite one stands for log 0, with -inf."""
    return np.where(logs < LOG_ZERO / 2.0, -np.inf, logs)


def by_feature(known: Coded, cells: np.ndarray) -> np.ndarray:
    """Numbers of cells (G, C, lanes) summed over each feature's (G, D, lanes)."""
    total = np.zeros((cells.shape[0], known.n_features, cells.shape[2]))
    if known.n_cells:
        features, starts = np.unique(known.feature, return_index=True)
        total[:, features] = np.add.reduceat(cells, starts, axis=1)
    return total
