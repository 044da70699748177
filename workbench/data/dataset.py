"""Dataset: rows and features as a dense float64 array, with what is known of each row."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from workbench.data.levels import Wanted


ORDERED_ROWS = 10_000
"""Rows by whose order data are told apart where units do not matter; with more, evenly spaced ones."""


class DataError(ValueError):
    """Data that cannot be used; the message is one line: what is wrong; what to do."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Observed rows; ``nan`` in ``x`` means "not observed".

    Attributes
    ----------
    x : ndarray (N, D), float64, read-only
    features : tuple of str, length D
    counts : ndarray (N,), how many times each row was seen
    rows : ndarray (N,), int64, number of each row in its source, from 0
    ids : the user's own row names, or None
    classes : known classes ("" for unknown), never used in fitting, or None
    name : what the data are called in messages and reports
    notes : sentences about what happened on the way in
    levels : for each feature the names of its levels, of which ``x`` holds the numbers, or None where it holds quantities;
        None where no feature has levels
    """

    x: np.ndarray
    features: tuple[str, ...]
    counts: np.ndarray
    rows: np.ndarray
    ids: tuple[str, ...] | None = None
    classes: tuple[str, ...] | None = None
    name: str = "data"
    notes: tuple[str, ...] = ()
    levels: tuple[tuple[str, ...] | None, ...] | None = None

    @classmethod
    def of(
        cls,
        x: Any,
        features: Sequence[str] | None = None,
        *,
        ids: Sequence[Any] | None = None,
        classes: Sequence[Any] | None = None,
        counts: Sequence[float] | np.ndarray | None = None,
        levels: Wanted = False,
        name: str = "data",
        notes: Sequence[str] = (),
    ) -> Dataset:
        """Make a dataset from an array (N, D) or (N,), a DataFrame, or a dataset.

        Parameters
        ----------
        counts : how many times each row was seen, whole numbers; rows seen 0 times are left out, with a note
        levels : which columns hold levels, words or whole numbers: all (True), some by name, or by name with those that are
            known, so that another one is an error

        Raises
        ------
        DataError
            If there is no row or no column, a value is infinite or not a number, a count is not a whole number, or names
            do not match.
        UnseenLevelError
            If a cell holds a level that is not known.
        """
        if isinstance(x, cls):
            return x
        named: tuple[tuple[str, ...] | None, ...] | None = None
        if levels:
            from workbench.data.levels import encoded

            x, features, named = encoded(x, features, levels)
        elif hasattr(x, "columns"):
            from workbench.data.table import check_parted

            check_parted(x)
            features = [str(column) for column in x.columns] if features is None else features
        values = _values(x)
        n_rows, n_features = values.shape
        names = tuple(features) if features is not None else tuple(f"x{d}" for d in range(n_features))
        _check(values, names)
        data = cls(
            x=values,
            features=names,
            counts=_multiplicities(counts, n_rows),
            rows=_read_only(np.arange(n_rows)),
            ids=_strings(ids, n_rows, "ids"),
            classes=_strings(classes, n_rows, "classes"),
            name=name,
            notes=tuple(notes),
            levels=named,
        )
        return data if counts is None else data._seen()

    def _seen(self) -> Dataset:
        """Leave out the rows that were seen 0 times."""
        seen = self.counts > 0
        if seen.all():
            return self
        if not seen.any():
            raise DataError(f"each of the {self.n_rows} rows has a count of 0; there is nothing to fit")
        note = f"{int((~seen).sum())} of {self.n_rows} rows with a count of 0 left out"
        return replace(self.take(np.flatnonzero(seen)), notes=(*self.notes, note))

    @property
    def n_rows(self) -> int:
        return int(self.x.shape[0])

    @property
    def n_features(self) -> int:
        return int(self.x.shape[1])

    @functools.cached_property
    def complete(self) -> bool:
        """Whether every cell is observed."""
        return not bool(np.isnan(self.x).any())

    @functools.cached_property
    def counts_are_whole(self) -> bool:
        """Whether every row stands for a whole number of units, which can each have a label of its own."""
        return not bool((self.counts % 1.0 != 0.0).any())

    @functools.cached_property
    def n_observed_rows(self) -> float:
        """N of the information criteria: rows with an observed cell, counts counted (statistics, section 6)."""
        return float(self.counts[~np.isnan(self.x).all(axis=1)].sum())

    @functools.cached_property
    def column_moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance (D,) of each column's observed cells, divisor their number; 0 where there are none."""
        seen = ~np.isnan(self.x)
        weights = seen * self.counts[:, None]
        total = np.maximum(weights.sum(axis=0), 1.0)
        mean = (np.where(seen, self.x, 0.0) * weights).sum(axis=0) / total
        mean = np.where(seen, self.x - mean, 0.0).T @ self.counts / total + mean  # again from the differences: no digits lost
        constant = np.where(seen, self.x, -np.inf).max(axis=0) <= np.where(seen, self.x, np.inf).min(axis=0)
        deviations = np.where(seen & ~constant, self.x - mean, 0.0)
        return mean, self.counts @ deviations**2 / total

    @property
    def spread(self) -> np.ndarray:
        """Standard deviations (D,) of the observed cells, 1 where a column does not vary: a scale to measure by."""
        variance = self.column_moments[1]
        return np.where(variance > 0, np.sqrt(variance), 1.0)

    @functools.cached_property
    def fingerprint(self) -> str:
        """Hex SHA-256 of what a fit sees: the names of features and levels, the cells and the counts."""
        return self._digest(np.where(np.isnan(self.x), np.nan, self.x + 0.0))  # one nan, one zero

    @functools.cached_property
    def order(self) -> str:
        """Hex SHA-256 of what no change of units touches: names, counts, and of up to 10,000 rows which cells are larger than which.

        What chance does with the rows, a start or a split, belongs to it, so that the same rows in other units meet the same.
        """
        some = self.x[np.linspace(0, self.n_rows - 1, min(self.n_rows, ORDERED_ROWS)).astype(int)]
        ranks = [np.unique(column, return_inverse=True, equal_nan=True)[1].ravel() for column in some.T]  # an empty cell is the largest
        return self._digest(np.where(np.isnan(some), -1, np.stack(ranks, axis=1)))

    def _digest(self, cells: np.ndarray) -> str:
        digest = hashlib.sha256("\x1f".join(self.features).encode())
        if self.levels is not None:
            digest.update(json.dumps(self.levels).encode())
        for array in (cells, self.counts):
            digest.update(str(array.shape).encode())
            digest.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
        return digest.hexdigest()

    def blocks(self, rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield (x, counts) of up to ``rows`` rows at a time, in order."""
        for start in range(0, self.n_rows, rows):
            yield self.x[start : start + rows], self.counts[start : start + rows]

    @property
    def n_levels(self) -> tuple[int, ...]:
        """For each feature the number of its levels, 0 where it holds quantities."""
        return tuple(0 if names is None else len(names) for names in self.levels or (None,) * self.n_features)

    def only(self, names: Sequence[str]) -> Dataset:
        """Return the features ``names``, in that order.

        Raises
        ------
        DataError
            If one is not there.
        """
        unknown = [name for name in names if name not in self.features]
        if unknown:
            raise DataError(f"there is no column {unknown[0]!r} among the features {', '.join(self.features)}; name one of those")
        if tuple(names) == self.features:
            return self
        index = [self.features.index(name) for name in names]
        levels = None if self.levels is None else tuple(self.levels[d] for d in index)
        return replace(self, x=_read_only(self.x[:, index]), features=tuple(names), levels=levels)

    def distinct(self) -> tuple[Dataset, np.ndarray]:
        """Each distinct row once, its counts added up, and where each row of this is among them."""
        empty = np.isnan(self.x)
        keys = np.concatenate([np.where(empty, 0.0, self.x + 0.0), empty], axis=1)  # one nan, one zero
        _, first, group = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        group = group.ravel()
        return replace(self.take(first), counts=_read_only(np.bincount(group, weights=self.counts))), group

    def take(self, indices: Any) -> Dataset:
        """Return the rows at ``indices``, each keeping its number, id and class."""
        index = np.asarray(indices)
        return replace(
            self,
            x=_read_only(self.x[index]),
            counts=_read_only(self.counts[index]),
            rows=_read_only(self.rows[index]),
            ids=None if self.ids is None else tuple(self.ids[i] for i in index),
            classes=None if self.classes is None else tuple(self.classes[i] for i in index),
        )


def _multiplicities(counts: Sequence[float] | np.ndarray | None, n_rows: int) -> np.ndarray:
    if counts is None:
        return _read_only(np.ones(n_rows))
    values = np.array(counts, dtype=np.float64)
    if values.shape != (n_rows,):
        raise DataError(f"counts have shape {values.shape} for {n_rows} rows; give one count a row")
    wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0) & (values == np.round(values))))
    if wrong.size:
        raise DataError(f"the count of row {wrong[0]} is {values[wrong[0]]:g}; counts are whole numbers, 0 or more")
    return _read_only(values)


def _values(x: Any) -> np.ndarray:
    try:
        values = np.array(x, dtype=np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise DataError(f"a column is not numeric ({error}); name numeric columns, or code the others as numbers") from None
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2:
        raise DataError(f"data have {values.ndim} dimensions; give an array of rows and columns")
    values.setflags(write=False)
    return values


def _check(values: np.ndarray, features: tuple[str, ...]) -> None:
    n_rows, n_features = values.shape
    if n_rows == 0 or n_features == 0:
        raise DataError(f"there are no data ({n_rows} rows, {n_features} columns); give at least one row and one column")
    if len(features) != n_features:
        raise DataError(f"{len(features)} names for {n_features} columns; give one name a column")
    if len(set(features)) < n_features:
        twice = next(name for name in features if features.count(name) > 1)
        raise DataError(f"column {twice!r} is there twice; rename or leave out one")
    if np.isinf(values).any():
        row, column = np.argwhere(np.isinf(values))[0]
        raise DataError(f"row {row}, column {features[column]!r} is infinite; leave the cell empty if it was not observed")


def _strings(values: Sequence[Any] | None, n_rows: int, what: str) -> tuple[str, ...] | None:
    if values is None:
        return None
    if len(values) != n_rows:
        raise DataError(f"{len(values)} {what} for {n_rows} rows; give one a row")
    return tuple(str(value) for value in values)


def _read_only(array: np.ndarray) -> np.ndarray:
    array = np.ascontiguousarray(array)
    array.setflags(write=False)
    return array
