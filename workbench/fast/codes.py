"""Discrete rows as codes: what an E step may look up instead of multiplying.

A *cell* is a feature with a value. Where features take few values, a few columns together take few values too, and the log
densities of such a group can be summed once for each of its values (the trick of Arlazarov et al. 1970 for binary matrices):
a row's log joint is then a lookup a group. A cell that was not observed has log density 0, and log 0 is -inf: nothing is
multiplied by a 0 that means "not there".
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from workbench.data import Dataset

GROUP = 48
"""Values of a group of columns at most, if a single column does not have more."""


@dataclass(frozen=True, eq=False)
class Coded:
    """Distinct rows of discrete data, by groups of columns.

    Attributes
    ----------
    codes : ndarray (N', G) of int64, for every distinct row and group an entry of the groups' table
    members : ndarray (S, M) of int64, for every entry the cells that it sums up; C, the number of cells, where there is none
    feature, value : ndarray (C,), what each cell is: number of the feature, value
    n_features : D
    place : ndarray (N,), which distinct row each row of the data is
    """

    codes: np.ndarray
    members: np.ndarray
    feature: np.ndarray
    value: np.ndarray
    n_features: int
    place: np.ndarray

    @property
    def n_cells(self) -> int:
        return int(self.feature.size)

    def gathered(self, counts: np.ndarray) -> np.ndarray:
        """Counts (F, N) of the rows as counts (F, N') of the distinct ones."""
        if self.codes.shape[0] == self.place.size:
            return counts
        return np.stack([np.bincount(self.place, weights=row, minlength=self.codes.shape[0]) for row in counts])


def encode(x: np.ndarray, distinct: bool = True) -> Coded:
    """Codes of the rows of ``x`` (N, D); nan is a cell that is not observed. Distinct rows are numbered where that halves
    them at least, unless ``distinct`` is false."""
    features, values, columns, start = [], [], [], 0
    for d in range(x.shape[1]):
        seen = np.unique(x[:, d])
        seen = seen[~np.isnan(seen)]
        columns.append(np.where(np.isnan(x[:, d]), -1, start + np.searchsorted(seen, x[:, d])))
        features.append(np.full(seen.size, d))
        values.append(seen)
        start += seen.size
    codes, members = _grouped(columns, start, min(GROUP, max(2, x.shape[0] // 8)))
    place = np.arange(x.shape[0])
    if distinct:
        codes, place = _distinct(codes)
    return Coded(np.ascontiguousarray(codes), members, np.concatenate(features).astype(np.int64), np.concatenate(values), x.shape[1], place)


def _grouped(columns: list[np.ndarray], n_cells: int, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """Neighbouring columns together as long as they take few values."""
    codes: list[np.ndarray] = []
    members: list[list[tuple[int, ...]]] = []
    for column in columns:
        own, code = np.unique(column, return_inverse=True)
        alone: list[tuple[int, ...]] = [(int(cell),) if cell >= 0 else () for cell in own]
        if codes:
            pairs = codes[-1] * own.size + code
            found = np.flatnonzero(np.bincount(pairs, minlength=len(members[-1]) * own.size))
            if found.size <= limit:
                renumber = np.zeros(len(members[-1]) * own.size, dtype=np.int64)
                renumber[found] = np.arange(found.size)
                codes[-1] = renumber[pairs]
                members[-1] = [members[-1][pair // own.size] + alone[pair % own.size] for pair in found]
                continue
        codes.append(code)
        members.append(alone)
    entries = [entry for group in members for entry in group]
    table = np.full((len(entries), max(1, *map(len, entries))), n_cells)
    for row, entry in zip(table, entries, strict=True):
        row[: len(entry)] = entry
    starts = np.cumsum([0, *map(len, members[:-1])])
    return np.stack([code + first for code, first in zip(codes, starts, strict=True)], axis=1), table


def _distinct(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct rows and which of them each row is; all rows, if more than half are distinct."""
    n_rows = codes.shape[0]
    place = np.zeros(n_rows, dtype=np.int64)
    for column in codes.T:
        first, place = np.unique(place * (int(column.max()) + 1) + column, return_index=True, return_inverse=True)[1:]
        if 2 * first.size > n_rows:
            return codes, np.arange(n_rows)
    return codes[first], place


@functools.lru_cache(maxsize=8)
def coded(data: Dataset) -> Coded:
    """Codes of a dataset, worked out once."""
    return encode(data.x)
