"""In what order rows enter, and how many at a time."""

from __future__ import annotations

import dataclasses
import functools
import math
from dataclasses import dataclass

import numpy as np

from workbench.data import Dataset
from workbench.problem import Problem

GROWTH = 0.5
"""Units that enter at a time, as a share of those that are in: the larger a block, the fewer rows pull against each other on the way,
but the less the rows before it tell where the next are going."""
LATE_GROWTH = 0.15
"""The same of rows whose cells are to be drawn, which proposals leave out until they count in full."""


@dataclass(frozen=True, eq=False)
class Entry:
    """Rows in a random order, unit by unit: at time t row n has entered floor(t c_n + u_n) times, u_n uniform.

    So a row that counts once enters as a whole, and one that counts a million times enters little by little. Rows with cells that are
    to be drawn begin when all others are in, at time 1.

    Attributes
    ----------
    data : the rows with an observed cell; the others say nothing of theta
    offsets : ndarray (N,), u
    late : ndarray (N,), which rows have cells that are to be drawn
    """

    data: Dataset
    offsets: np.ndarray
    late: np.ndarray

    @classmethod
    def of(cls, problem: Problem, rng: np.random.Generator) -> Entry:
        data = problem.data.take(np.flatnonzero(~np.isnan(problem.data.x).all(axis=1) & (problem.data.counts > 0.0)))
        return cls(data, rng.random(data.n_rows), problem.family.augmented(data))

    @property
    def total(self) -> float:
        """All units."""
        return float(self.data.counts.sum())

    def singly(self, most: int) -> np.ndarray:
        """Row numbers of the first units to enter, one after the other, up to ``most`` of them; late ones left out."""
        early = np.flatnonzero(~self.late)
        counts, offsets = self.data.counts[early], self.offsets[early]
        near = np.argsort((1.0 - offsets) / counts, kind="stable")[:most]  # no unit is in before its row's first
        unit = np.arange(1.0, most + 1.0)
        times = np.where(unit <= counts[near, None], (unit - offsets[near, None]) / counts[near, None], np.inf)
        order = np.argsort(times, axis=None, kind="stable")[: int(min(most, counts.sum()))]
        return np.asarray(early[near[order // most]])

    def blocks(self, units: float = 0.0) -> list[np.ndarray]:
        """How many units of each row, (N,), have entered by the end of each block, from the first so many on; the last is all."""
        found, early = [], float(self.data.counts[~self.late].sum())
        while units < self.total:
            growth, end = (GROWTH, early) if units < early else (LATE_GROWTH, self.total)
            entered = self._at(min(end, units + max(1.0, np.floor(growth * units))))
            units = float(entered.sum())
            found.append(entered)
        return found

    def _at(self, units: float) -> np.ndarray:
        """The first state with at least so many units."""
        if (self.data.counts == 1.0).all():
            return np.asarray(np.bincount(self._order[: math.ceil(units)], minlength=self.data.n_rows), float)
        low, high = 0.0, 2.0
        while True:
            middle = (low + high) / 2.0
            if not low < middle < high:
                return self._entered(high)
            if self._entered(middle).sum() >= units:
                high = middle
            else:
                low = middle

    @functools.cached_property
    def _order(self) -> np.ndarray:
        """Rows that count once, as they enter."""
        return np.argsort(np.where(self.late, 1.0, 0.0) - self.offsets, kind="stable")

    def _entered(self, time: float) -> np.ndarray:
        own = np.clip(np.where(self.late, time - 1.0, time), 0.0, 1.0)
        return np.where(own < 1.0, np.minimum(np.floor(own * self.data.counts + self.offsets), self.data.counts), self.data.counts)

    def rows(self, units: np.ndarray) -> tuple[Dataset | None, Dataset | None]:
        """The rows of which there are any, so often; those with cells to be drawn by themselves."""
        return self._some(units, ~self.late), self._some(units, self.late)

    def _some(self, units: np.ndarray, which: np.ndarray) -> Dataset | None:
        chosen = np.flatnonzero(which & (units > 0.0))
        return dataclasses.replace(self.data.take(chosen), counts=units[chosen]) if chosen.size else None
