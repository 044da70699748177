"""In what order rows enter, and how many at a time."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from workbench.data import Dataset
from workbench.problem import Problem

GROWTH = 0.5
"""Units that enter at a time, as a share of those that are in: the larger a block, the fewer rows pull against each other on the way,
but the less the rows before it tell where the next are going."""


@dataclass(frozen=True, eq=False)
class Entry:
    """Rows in a random order, unit by unit: at time t row n has entered floor(t c_n + u_n) times, u_n uniform.

    So a row that counts once enters as a whole, and one that counts a million times enters little by little.

    Attributes
    ----------
    data : the rows with an observed cell; the others say nothing of theta
    offsets : ndarray (N,), u
    """

    data: Dataset
    offsets: np.ndarray

    @classmethod
    def of(cls, problem: Problem, rng: np.random.Generator) -> Entry:
        data = problem.data.take(np.flatnonzero(~np.isnan(problem.data.x).all(axis=1) & (problem.data.counts > 0.0)))
        return cls(data, rng.random(data.n_rows))

    @property
    def total(self) -> float:
        """All units."""
        return float(self.data.counts.sum())

    def blocks(self) -> list[np.ndarray]:
        """How many units of each row, (N,), have entered by the end of each block; the last is all."""
        found, units = [], 0.0
        while units < self.total:
            wanted = min(self.total, units + max(1.0, np.floor(GROWTH * units)))
            entered = self._at(wanted)
            units = float(entered.sum())
            found.append(entered)
        return found

    def _at(self, units: float) -> np.ndarray:
        """The first state with at least so many units."""
        if units >= self.total:
            return self.data.counts
        low, high = 0.0, 1.0
        while True:
            middle = (low + high) / 2.0
            if not low < middle < high:
                return self._entered(high)
            if self._entered(middle).sum() >= units:
                high = middle
            else:
                low = middle

    def _entered(self, time: float) -> np.ndarray:
        return self.data.counts if time >= 1.0 else np.minimum(np.floor(time * self.data.counts + self.offsets), self.data.counts)

    def rows(self, units: np.ndarray) -> Dataset:
        """The rows of which there are any, so often."""
        chosen = np.flatnonzero(units > 0.0)
        return dataclasses.replace(self.data.take(chosen), counts=units[chosen])
