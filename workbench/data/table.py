"""Table: columns as a source holds them, before some are chosen to be a dataset."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workbench.data.dataset import DataError

NOT_OBSERVED = frozenset({"", "nan", "na"})
"""Cells, in lower case, that stand for "not observed"."""


class SourceError(DataError):
    """A fault of the data that belongs to one key of the ``data:`` section.

    Attributes
    ----------
    key : the key at fault, such as ``columns``
    index : the position in its list, or None
    others : further faults found at the same time
    """

    def __init__(self, message: str, key: str, index: int | None = None) -> None:
        super().__init__(message)
        self.key = key
        self.index = index
        self.others: tuple[SourceError, ...] = ()

    @classmethod
    def first_of(cls, errors: Sequence[SourceError]) -> SourceError:
        """Return the first, which knows of the others."""
        errors[0].others = tuple(errors[1:])
        return errors[0]


@dataclass(frozen=True, eq=False)
class Column:
    """One column.

    Attributes
    ----------
    name : its name
    cells : text as it was read, or an array of numbers
    """

    name: str
    cells: Sequence[str] | np.ndarray

    @functools.cached_property
    def parsed(self) -> tuple[np.ndarray, np.ndarray]:
        """Numbers (N,), nan where there is none, and whether each cell is text that is no number (N,)."""
        if isinstance(self.cells, np.ndarray):
            return self.cells, np.zeros(self.cells.size, bool)
        values = [number_of(cell) for cell in self.cells]
        numbers = np.array([math.nan if value is None else value for value in values], dtype=np.float64)
        return numbers, np.array([value is None for value in values], dtype=bool)

    @property
    def numbers(self) -> np.ndarray:
        return self.parsed[0]

    @property
    def first_text(self) -> int | None:
        """Row of the first cell that is neither a number nor empty, or None."""
        is_text = self.parsed[1]
        return int(is_text.argmax()) if is_text.any() else None

    @property
    def mostly_numbers(self) -> bool:
        """Whether at least half of the cells that hold something hold numbers."""
        numbers, is_text = self.parsed
        observed = int((~np.isnan(numbers)).sum())
        return observed > 0 and observed >= int(is_text.sum())

    @functools.cached_property
    def texts(self) -> tuple[str, ...]:
        """Cells as words; whole numbers without a decimal point, "" where nothing was observed."""
        if isinstance(self.cells, np.ndarray):
            return tuple("" if math.isnan(value) else f"{value:.17g}" for value in self.cells.tolist())
        return tuple("" if cell.lower() in NOT_OBSERVED else cell for cell in self.cells)


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length, by name, and how to say where a row is.

    Attributes
    ----------
    name : what the source is called in messages
    columns : Column by name, in the source's order
    place : row -> "FILE:LINE" or "FILE, row N"
    """

    name: str
    columns: dict[str, Column]
    place: Callable[[int], str] = field(repr=False)

    @classmethod
    def of(cls, name: str, columns: Sequence[Column], place: Callable[[int], str] | None = None) -> Table:
        """Collect columns.

        Raises
        ------
        DataError
            If there is no column or no row, a column has no name, or two have the same.
        """
        by_name: dict[str, Column] = {}
        for number, column in enumerate(columns, start=1):
            if not column.name:
                raise DataError(f"{name}: column {number} has no name; name it, or write the file without row numbers")
            if column.name in by_name:
                raise DataError(f"{name}: column {column.name!r} is there twice; rename or leave out one")
            by_name[column.name] = column
        if not by_name or not len(columns[0].cells):
            raise DataError(f"{name}: there are no data; give at least one row and one column")
        return cls(name, by_name, place or (lambda row: f"{name}, row {row}"))

    @classmethod
    def of_frame(cls, frame: Any, name: str = "data") -> Table:
        """Collect the columns of a DataFrame: those of numbers as numbers, all others as words.

        Raises
        ------
        DataError
            If its one column holds whole rows of a file that is separated otherwise.
        """
        check_parted(frame)
        return cls.of(name, [Column(str(key), _cells(frame[key])) for key in frame.columns])

    @classmethod
    def of_values(cls, x: Any, features: Sequence[str] | None = None, name: str = "data") -> Table:
        """Collect the columns of a DataFrame or an array (N, D) or (N,), be they numbers or words.

        Raises
        ------
        DataError
            If names do not match.
        """
        if hasattr(x, "columns"):
            return cls.of_frame(x, name)
        values = np.asarray(x)
        values = values[:, None] if values.ndim == 1 else values
        if values.ndim != 2:
            raise DataError(f"data have {values.ndim} dimensions; give an array of rows and columns")
        titles = [f"x{d}" for d in range(values.shape[1])] if features is None else list(features)
        if len(titles) != values.shape[1]:
            raise DataError(f"{len(titles)} names for {values.shape[1]} columns; give one name a column")
        return cls.of(name, [Column(title, _of_any(values[:, d])) for d, title in enumerate(titles)])

    @property
    def n_rows(self) -> int:
        return len(next(iter(self.columns.values())).cells)


def check_parted(frame: Any) -> None:
    """Hold a DataFrame to have columns, not whole rows of a file that was read by another delimiter than its own.

    Raises
    ------
    DataError
        Naming the delimiter.
    """
    if len(frame.columns) != 1 or not len(frame):
        return
    title, cell = str(frame.columns[0]), str(frame.iloc[0, 0])
    for delimiter in ";\t|":
        if title.count(delimiter) == cell.count(delimiter) > 0:
            raise DataError(f"the one column {title!r} holds whole rows, separated by {delimiter!r}; read the file with sep={delimiter!r}")


def number_of(cell: str) -> float | None:
    """Read a cell: nan if it was not observed, None if it is text."""
    if cell.lower() in NOT_OBSERVED:
        return math.nan
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def _cells(series: Any) -> Sequence[str] | np.ndarray:
    try:
        if getattr(series.dtype, "kind", "O") in "biuf":
            return np.asarray(series.to_numpy(dtype=np.float64, na_value=np.nan))
    except (TypeError, ValueError):
        pass
    return ["" if missing else str(value).strip() for value, missing in zip(series, series.isna(), strict=True)]


def _of_any(values: np.ndarray) -> Sequence[str] | np.ndarray:
    """Numbers of a numeric array, else words: "007" stays what it is."""
    if values.dtype.kind in "biuf":
        return np.asarray(values, dtype=np.float64)
    missing = [cell is None or (isinstance(cell, float) and math.isnan(cell)) for cell in values.tolist()]
    return ["" if gone else str(cell).strip() for cell, gone in zip(values.tolist(), missing, strict=True)]
