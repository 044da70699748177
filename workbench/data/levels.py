"""Levels: what a categorical column can hold, by name; a cell then holds the number of its level."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from workbench.data.dataset import DataError, Dataset
from workbench.data.spelling import there_are
from workbench.data.table import Column, Table

Names = tuple[str, ...]
Wanted = bool | Sequence[str] | Mapping[str, Sequence[str] | None]
"""Which columns hold levels: all (True), some by name, or by name with the levels that are known (None: read off the column)."""


class UnseenLevelError(DataError):
    """A level that was not among those that were fitted.

    Attributes
    ----------
    column, level : where it stands, and what it is
    known : the levels that were fitted
    """

    def __init__(self, place: str, column: str, level: str, known: Names) -> None:
        super().__init__(
            f"{place}: column {column!r} holds level {level!r}, which no fitted row has; {there_are(known)}; "
            "mend or empty the cell, or fit rows that have it"
        )
        self.column, self.level, self.known = column, level, known


def encoded(x: Any, features: Sequence[str] | None, wanted: Wanted) -> tuple[np.ndarray, Names, tuple[Names | None, ...]]:
    """Read an array or a DataFrame whose ``wanted`` columns hold levels.

    Returns
    -------
    x : ndarray (N, D), numbers, and codes of levels; nan where nothing was observed
    features : names of the columns
    levels : for each column its levels, or None

    Raises
    ------
    DataError
        If another column is not numeric, or ``wanted`` names a column that is not there.
    """
    table = Table.of_values(x, features)
    known = _known(wanted, tuple(table.columns))
    columns, levels = [], []
    for name, column in table.columns.items():
        own = None
        if name in known:
            given = known[name]
            own = names_of(column, table.place) if given is None else tuple(given)
        elif column.first_text is not None:
            cell = column.cells[column.first_text]
            raise DataError(
                f"a column is not numeric ({name!r} holds {cell!r}); name numeric columns, code the others as numbers, or fit them "
                "as levels (family: categorical, or a block of product)"
            )
        columns.append(column.numbers if own is None else codes(column, own, table.place))
        levels.append(own)
    return np.column_stack(columns), tuple(table.columns), tuple(levels)


def _known(wanted: Wanted, features: Names) -> Mapping[str, Sequence[str] | None]:
    if isinstance(wanted, bool):
        return dict.fromkeys(features) if wanted else {}
    for name in wanted:
        if name not in features:
            raise DataError(f"there is no column {name!r} to hold levels; {there_are(features)}")
    return wanted if isinstance(wanted, Mapping) else dict.fromkeys(wanted)


def words(column: Column) -> Names:
    """Cells as words: "" where nothing was observed, whole numbers without a decimal point."""
    return tuple(re.sub(r"^([-+]?\d+)\.0*$", r"\1", text) for text in column.texts)


def names_of(column: Column, place: Callable[[int], str]) -> Names:
    """Return the levels of a column in natural order: numbers by size, then words, digits within them by size.

    Raises
    ------
    DataError
        If it holds numbers that are not whole: they name nothing.
    """
    numbers = column.numbers
    broken = np.flatnonzero(~np.isnan(numbers) & (numbers != np.round(numbers)))
    if column.first_text is None and broken.size:
        raise DataError(
            f"{place(int(broken[0]))}: column {column.name!r} holds {numbers[broken[0]]:g} and levels are words or whole numbers; "
            "choose another column, or another family for it"
        )
    return tuple(sorted(set(words(column)) - {""}, key=natural))


def natural(name: str) -> tuple[Any, ...]:
    """Return the key by which levels are sorted."""
    if re.fullmatch(r"[-+]?\d+(\.\d+)?", name):
        return (0, float(name), name)
    parts = re.split(r"(\d+)", name.casefold())
    return (1, [(int(part), "") if part.isdigit() else (-1, part) for part in parts], name)


def codes(column: Column, levels: Names, place: Callable[[int], str]) -> np.ndarray:
    """Return the number of each cell's level as float64, nan where nothing was observed.

    Raises
    ------
    UnseenLevelError
        If a cell holds another level.
    """
    number = {"": np.nan, **{name: float(code) for code, name in enumerate(levels)}}
    cells = words(column)
    for row, cell in enumerate(cells):
        if cell not in number:
            raise UnseenLevelError(place(row), column.name, cell, levels)
    return np.array([number[cell] for cell in cells])


def with_levels(data: Dataset, columns: Sequence[str]) -> Dataset:
    """Return the data with levels in ``columns``: whole numbers become levels where there are none yet."""
    own = data.levels or (None,) * data.n_features
    if all(own[d] is not None or name not in columns for d, name in enumerate(data.features)):
        return data
    x, levels = np.array(data.x), list(own)

    def place(row: int) -> str:
        return f"row {data.rows[row]}"

    for d, name in enumerate(data.features):
        if name in columns and own[d] is None:
            column = Column(name, data.x[:, d])
            levels[d] = names_of(column, place)
            x[:, d] = codes(column, levels[d] or (), place)
    return _replaced(data, x, levels)


def observed_levels(data: Dataset) -> Dataset:
    """Return the data with those levels only that some row has: the levels of the rows that are fitted."""
    if data.levels is None:
        return data
    x, levels = np.array(data.x), list(data.levels)
    for d, names in enumerate(data.levels):
        if names is not None:
            seen = np.unique(x[~np.isnan(x[:, d]), d]).astype(int)
            if seen.size < len(names):
                levels[d] = tuple(names[code] for code in seen)
                x[:, d] = np.where(np.isnan(x[:, d]), np.nan, np.searchsorted(seen, x[:, d]))
    return _replaced(data, x, levels)


def encoded_like(data: Dataset, fitted: Dataset) -> Dataset:
    """Return ``data`` with the codes of ``fitted``, whose columns it has in the same order.

    Raises
    ------
    UnseenLevelError
        If a cell holds a level that ``fitted`` has not.
    """
    if fitted.levels is None:
        return data
    own = with_levels(data, [name for name, names in zip(fitted.features, fitted.levels, strict=True) if names is not None])
    x = np.array(own.x)
    for d, (mine, theirs) in enumerate(zip(own.levels or (), fitted.levels, strict=True)):
        if mine is not None and theirs is not None and mine != theirs:
            cells = ["" if np.isnan(code) else mine[int(code)] for code in own.x[:, d]]
            x[:, d] = codes(Column(own.features[d], cells), theirs, lambda row: f"row {own.rows[row]}")
    return _replaced(own, x, fitted.levels)


def _replaced(data: Dataset, x: np.ndarray, levels: Sequence[Names | None]) -> Dataset:
    x.setflags(write=False)
    return replace(data, x=x, levels=tuple(levels))
