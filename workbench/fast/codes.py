"""Discrete rows as codes: what an E step may look up instead of multiplying.

A *cell* is a feature with a value. Where features take few values, a few columns together take few values too, and the log
densities of such a group can be summed once for each of its values (the trick of Arlazarov et al. 1970 for binary matrices):
a row's log joint is then a lookup a group. The sums of a group are themselves put together from those of its halves, so that
each costs one addition. A cell that was not observed has log density 0, and log 0 is -inf: nothing is multiplied by a 0 that
means "not there".
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from workbench.data import Dataset
from workbench.fast.lanes import WIDTH

GROUP = 64
"""Values of a group of columns at most, if a single column does not have more."""
NOTHING = -1
"""Stands for a cell that was not observed."""


@dataclass(frozen=True, eq=False)
class Coded:
    """Distinct rows of discrete data, by groups of columns.

    Attributes
    ----------
    codes : ndarray (N', G) of int64, for every distinct row and group an entry of the table: below C, the number of cells, the
        cell itself; C, nothing observed; above, a sum
    members : ndarray (S, 2) of int64, for entry C + 1 + s the two entries, both before it, that it sums up
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

    @functools.cached_property
    def places(self) -> np.ndarray:
        """Where the entries of ``codes`` begin in a table of registers."""
        return np.ascontiguousarray(self.codes * WIDTH)

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
        columns.append(np.where(np.isnan(x[:, d]), NOTHING, start + np.searchsorted(seen, x[:, d])))
        features.append(np.full(seen.size, d))
        values.append(seen)
        start += seen.size
    sums = Sums(start)
    groups = _groups(columns, min(GROUP, max(2, x.shape[0] // 8)))
    found = [sums.entries(columns[first:last]) for first, last in groups]
    codes = np.stack([own[code] for own, code in found], axis=1)
    members = np.array(sums.members, dtype=np.int64).reshape(-1, 2)
    place = np.arange(x.shape[0])
    if distinct:
        codes, place = _distinct(codes)
    return Coded(np.ascontiguousarray(codes), members, np.concatenate(features).astype(np.int64), np.concatenate(values), x.shape[1], place)


def _groups(columns: list[np.ndarray], limit: int) -> list[tuple[int, int]]:
    """Neighbouring columns first .. last together as long as they take few values."""
    groups: list[tuple[int, int]] = []
    size, code = 0, np.empty(0, np.int64)
    for d, column in enumerate(columns):
        own, alone = np.unique(column, return_inverse=True)
        if groups:
            found, pairs = _numbered(code * own.size + alone, size * own.size)
            if found.size <= limit:
                groups[-1], size, code = (groups[-1][0], d + 1), found.size, pairs
                continue
        groups.append((d, d + 1))
        size, code = own.size, alone
    return groups


def _numbered(numbers: np.ndarray, below: int) -> tuple[np.ndarray, np.ndarray]:
    """The distinct numbers, all below so much, and which of them each is."""
    if below > 4 * numbers.size:
        found, place = np.unique(numbers, return_inverse=True)
        return found, place
    found = np.flatnonzero(np.bincount(numbers, minlength=below))
    places = np.zeros(below, dtype=np.int64)
    places[found] = np.arange(found.size)
    return found, places[numbers]


class Sums:
    """Entries of the table, numbered as they are needed: cells, nothing, and sums of two entries."""

    def __init__(self, n_cells: int) -> None:
        self.n_cells = n_cells
        self.members: list[tuple[int, int]] = []

    def entries(self, columns: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """The entries for what rows have in these columns, which hold cells, and which of them each row (N,) has."""
        if len(columns) == 1:
            own, code = np.unique(columns[0], return_inverse=True)
            return np.where(own == NOTHING, self.n_cells, own), code
        half = len(columns) // 2
        (left, first), (right, second) = self.entries(columns[:half]), self.entries(columns[half:])
        pairs, code = _numbered(first * right.size + second, left.size * right.size)
        return np.array([self._entry(int(left[pair // right.size]), int(right[pair % right.size])) for pair in pairs]), code

    def _entry(self, left: int, right: int) -> int:
        if self.n_cells in (left, right):
            return right if left == self.n_cells else left
        self.members.append((left, right))
        return self.n_cells + len(self.members)


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
