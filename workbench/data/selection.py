"""From a table to a dataset: which columns are features, which name the rows, which are known classes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from workbench.data.dataset import Dataset
from workbench.data.spelling import advice
from workbench.data.table import Column, SourceError, Table


def select(
    table: Table,
    *,
    columns: Sequence[str] | None = None,
    id: str | None = None,
    classes: str | None = None,
    complete_rows: bool = False,
    name: str = "data",
) -> Dataset:
    """Make a dataset of some columns of a table.

    Parameters
    ----------
    columns : the features; None takes every column of numbers that is neither ``id`` nor ``classes``
    id, classes : the columns that name the rows and that hold known classes
    complete_rows : keep only rows without an empty cell in ``columns``, and note how many went

    Raises
    ------
    DataError
        If a column is unknown, named twice, not numeric or infinite, or nothing is left.
    """
    unknown = [
        error for key, chosen in (("id", id), ("classes", classes)) if chosen is not None and (error := _unknown(table, chosen, key))
    ]
    features, notes, wrong = _features(table, columns, [title for title in (id, classes) if title is not None])
    errors = [*unknown, *wrong, *(error for index, column in enumerate(features) if (error := _not_finite(table, column, index, columns)))]
    if errors:
        raise SourceError.first_of(errors)
    if id is not None and (again := len(table.columns[id].texts) - len(set(table.columns[id].texts))):
        notes = [*notes, f"{again} of {len(table.columns[id].texts)} rows are named in {id} as an earlier row is, or not at all"]
    data = Dataset.of(
        np.column_stack([column.numbers for column in features]),
        [column.name for column in features],
        ids=None if id is None else table.columns[id].texts,
        classes=None if classes is None else table.columns[classes].texts,
        name=name,
        notes=notes,
    )
    return complete(data) if complete_rows else data


def complete(data: Dataset) -> Dataset:
    """Keep the rows without an empty cell, and note how many went.

    Raises
    ------
    DataError
        If none is left.
    """
    observed = ~np.isnan(data.x).any(axis=1)
    left = int(observed.sum())
    if left == data.n_rows:
        return data
    if left == 0:
        raise SourceError(f"each of the {data.n_rows} rows has an empty cell; choose other columns", "complete_rows")
    note = f"{data.n_rows - left} of {data.n_rows} rows with an empty cell left out"
    return replace(data.take(np.flatnonzero(observed)), notes=(*data.notes, note))


def _unknown(table: Table, chosen: str, key: str, index: int | None = None) -> SourceError | None:
    if chosen in table.columns:
        return None
    return SourceError(f"{table.name} has no column {chosen!r}; {advice(chosen, table.columns)}", key, index)


def _features(table: Table, columns: Sequence[str] | None, taken: Sequence[str]) -> tuple[list[Column], list[str], list[SourceError]]:
    """Return the feature columns, notes on those left out, and what is wrong with the choice."""
    if columns is None:
        return _default_features(table, taken)
    if not columns:
        return [], [], [SourceError("no column is named; name at least one, or leave the key out", "columns")]
    chosen: list[Column] = []
    errors: list[SourceError] = []
    for index, title in enumerate(columns):
        error = _unknown(table, title, "columns", index)
        if title in columns[:index]:
            error = SourceError(f"{title!r} is there twice; leave out one", "columns", index)
        elif title in taken:
            error = SourceError(
                f"{title!r} is named as id or classes, which are never fitted; leave it out of one of the two", "columns", index
            )
        if error:
            errors.append(error)
        else:
            chosen.append(table.columns[title])
    return chosen, [], errors


def _default_features(table: Table, taken: Sequence[str]) -> tuple[list[Column], list[str], list[SourceError]]:
    """Take every column of numbers; one of mostly numbers counts, so that a stray word is not passed over in silence."""
    others = [column for title, column in table.columns.items() if title not in taken]
    chosen = [column for column in others if column.mostly_numbers]
    words = [column.name for column in others if not column.mostly_numbers]
    if not chosen:
        return [], [], [SourceError(no_numbers(table), "file")]
    return chosen, [f"Not numbers, so not used: {', '.join(words)}"] if words else [], []


def no_numbers(table: Table) -> str:
    """Say that no column holds numbers, and what to do."""
    commas = any(re.fullmatch(r"[-+]?\d+,\d+", text) for column in table.columns.values() for text in column.texts[:100])
    return f"{table.name}: no column holds numbers; " + ("write decimals with a point" if commas else "code the words as numbers")


def _not_finite(table: Table, column: Column, index: int, columns: Sequence[str] | None) -> SourceError | None:
    """Say where the column's first cell stands that is not a finite number."""
    key, position = ("columns", index) if columns is not None else ("file", None)
    row = column.first_text
    if row is not None:
        what = f"{table.place(row)}: {column.name}: {column.cells[row]!r} is not a number"
        return SourceError(f"{what}; mend the cell (empty: not observed), or choose numeric columns", key, position)
    infinite = np.isinf(column.numbers)
    if infinite.any():
        what = f"{table.place(int(infinite.argmax()))}: {column.name}: is infinite"
        return SourceError(f"{what}; leave the cell empty if it was not observed", key, position)
    return None
