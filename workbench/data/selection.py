"""From a table to a dataset: which columns are features, which name the rows, which are known classes."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from workbench.data.dataset import DataError, Dataset
from workbench.data.levels import codes, names_of, observed_levels
from workbench.data.spelling import advice
from workbench.data.table import Column, SourceError, Table


def select(
    table: Table,
    *,
    columns: Sequence[str] | None = None,
    id: str | None = None,
    classes: str | None = None,
    counts: str | None = None,
    levels: bool | Collection[str] | Literal["words"] = False,
    complete_rows: bool = False,
    name: str = "data",
) -> Dataset:
    """Make a dataset of some columns of a table.

    Parameters
    ----------
    columns : the features; None takes every column of numbers (where ``levels`` is True: every column) that has no other use
    id, classes : the columns that name the rows and that hold known classes
    counts : the column of how many times each row was seen; rows seen 0 times are left out, with a note
    levels : whether all features, or which, hold levels: words or whole numbers; ``"words"``: those that hold words
    complete_rows : keep only rows without an empty cell in ``columns``, and note how many went

    Raises
    ------
    DataError
        If a column is unknown, named twice, not numeric or infinite, or nothing is left.
    """
    uses = {key: chosen for key, chosen in (("id", id), ("classes", classes), ("counts", counts)) if chosen is not None}
    unknown = [error for key, chosen in uses.items() if (error := _unknown(table, chosen, key))]
    features, notes, wrong = _features(table, columns, uses, words=levels is True)
    if levels == "words":
        named = {column.name for column in features if column.first_text is not None}
    else:
        named = {column.name for column in features} if levels is True else set(levels or ())
    numeric = [(index, column) for index, column in enumerate(features) if column.name not in named]
    errors = [*unknown, *wrong, *(error for index, column in numeric if (error := _not_finite(table, column, index, columns)))]
    if counts in table.columns and (error := _no_count(table, table.columns[str(counts)])):
        errors.append(error)
    if errors:
        raise SourceError.first_of(errors)
    if id is not None and (again := len(table.columns[id].texts) - len(set(table.columns[id].texts))):
        notes = [*notes, f"{again} of {len(table.columns[id].texts)} rows are named in {id} as an earlier row is, or not at all"]
    cells, names = _cells_and_levels(table, features, named, columns)
    try:
        data = Dataset.of(
            np.column_stack(cells),
            [column.name for column in features],
            ids=None if id is None else table.columns[id].texts,
            classes=None if classes is None else table.columns[classes].texts,
            counts=None if counts is None else table.columns[counts].numbers,
            name=name,
            notes=notes,
        )
    except DataError as error:  # every count is 0
        raise SourceError(str(error), "counts") if counts else error from None
    data = data if counts is None else _counted(data, counts)
    data = replace(data, levels=names) if named else data
    return observed_levels(complete(data) if complete_rows else data)


def select_like(table: Table, fitted: Dataset, id: str | None = None) -> Dataset:
    """Make a dataset of the columns that were fitted, levels by the numbers that they had then; other columns are left out.

    Parameters
    ----------
    id : the column that names the rows, if it is there

    Raises
    ------
    SourceError
        If columns are missing, or a cell is not a finite number.
    UnseenLevelError
        If a cell holds a level that no fitted row has; it names the file and the line.
    """
    absent = [name for name in fitted.features if name not in table.columns]
    if absent:
        which = f"column {absent[0]!r}" if len(absent) == 1 else f"columns {', '.join(absent)}"
        raise SourceError(f"{table.name} has no {which}; give all that were fitted: {', '.join(fitted.features)}", "columns")
    cells = []
    for name, levels in zip(fitted.features, fitted.levels or (None,) * fitted.n_features, strict=True):
        column = table.columns[name]
        if levels is None and (error := _not_finite(table, column, 0, None)):
            raise error
        cells.append(column.numbers if levels is None else codes(column, levels, table.place))
    ids = table.columns[id].texts if id is not None and id in table.columns else None
    return replace(Dataset.of(np.column_stack(cells), fitted.features, ids=ids, name=table.name), levels=fitted.levels)


def _counted(data: Dataset, counts: str) -> Dataset:
    return replace(data, notes=(*data.notes, f"{data.n_rows} rows stand for {data.counts.sum():.0f} (counts in {counts})"))


def _cells_and_levels(
    table: Table, features: Sequence[Column], named: Collection[str], columns: Sequence[str] | None
) -> tuple[list[np.ndarray], tuple[tuple[str, ...] | None, ...]]:
    """Return each feature as numbers, with its levels where it holds such."""
    cells: list[np.ndarray] = []
    levels: list[tuple[str, ...] | None] = []
    for index, column in enumerate(features):
        own = None
        if column.name in named:
            try:
                own = names_of(column, table.place)
            except DataError as error:
                key, position = ("columns", index) if columns is not None else ("file", None)
                raise SourceError(str(error), key, position) from None
        cells.append(column.numbers if own is None else codes(column, own, table.place))
        levels.append(own)
    return cells, tuple(levels)


def _no_count(table: Table, column: Column) -> SourceError | None:
    """Say where the first cell stands that counts nothing."""
    numbers = column.numbers
    wrong = ~(np.isfinite(numbers) & (numbers >= 0) & (numbers == np.round(numbers)))
    if not wrong.any():
        return None
    row = int(wrong.argmax())
    cell = column.texts[row]
    what = f"{cell!r} is no count" if cell else "is empty"
    return SourceError(f"{table.place(row)}: {column.name}: {what}; counts are whole numbers, 0 or more", "counts")


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


def _features(
    table: Table, columns: Sequence[str] | None, uses: Mapping[str, str], *, words: bool
) -> tuple[list[Column], list[str], list[SourceError]]:
    """Return the feature columns, notes on those left out, and what is wrong with the choice.

    ``uses`` are the columns that serve another purpose, by that purpose; ``words`` says whether words can be features.
    """
    taken = list(uses.values())
    if columns is None:
        return _default_features(table, taken, words=words)
    if not columns:
        return [], [], [SourceError("no column is named; name at least one, or leave the key out", "columns")]
    chosen: list[Column] = []
    errors: list[SourceError] = []
    for index, title in enumerate(columns):
        error = _unknown(table, title, "columns", index)
        if title in columns[:index]:
            error = SourceError(f"{title!r} is there twice; leave out one", "columns", index)
        elif title in taken:
            use = next(key for key, chosen in uses.items() if chosen == title)
            error = SourceError(
                f"{title!r} is named as {use}, and such a column is never fitted; leave it out of one of the two", "columns", index
            )
        if error:
            errors.append(error)
        else:
            chosen.append(table.columns[title])
    return chosen, [], errors


def _default_features(table: Table, taken: Sequence[str], *, words: bool) -> tuple[list[Column], list[str], list[SourceError]]:
    """Take every column of numbers; one of mostly numbers counts, so that a stray word is not passed over in silence."""
    others = [column for title, column in table.columns.items() if title not in taken]
    if words and others:
        return others, [], []
    chosen = [column for column in others if column.mostly_numbers]
    empty = [column.name for column in others if not any(column.texts)]
    words_of = [column.name for column in others if not column.mostly_numbers and column.name not in empty]
    if commas := [error for column in others if column.name in words_of and (error := _decimal_commas(table, column))]:
        return [], [], commas
    if not chosen:
        return [], [], [SourceError(no_numbers(table), "file")]
    notes = [f"Not numbers, so not used: {', '.join(words_of)}"] if words_of else []
    return chosen, [*notes, f"No cell observed, so not used: {', '.join(empty)}"] if empty else notes, []


def _decimal_commas(table: Table, column: Column) -> SourceError | None:
    """Say that a column holds numbers with a decimal comma, where half of its cells do: else it would be left out as words."""
    commas = [bool(re.fullmatch(r"[-+]?\d+([. ]\d{3})*,\d+", text)) for text in column.texts]
    if not any(commas) or 2 * sum(commas) < sum(map(bool, column.texts)):
        return None
    row = commas.index(True)
    what = f"{table.place(row)}: {column.name}: {column.cells[row]!r} has a decimal comma"
    return SourceError(f"{what}; write decimals with a point, thousands without a mark (pandas: `read_csv(decimal=',')`)", "file")


def no_numbers(table: Table) -> str:
    """Say that no column holds numbers, and what to do."""
    if not any(text for column in table.columns.values() for text in column.texts):
        return f"{table.name}: every cell is empty; choose another file"
    commas = any(_decimal_commas(table, column) for column in table.columns.values())
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
