"""Guesses: what the columns of a file look like, and so which family a starter config gives them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from workbench.data.selection import no_numbers, select
from workbench.data.table import Column, SourceError, Table

BINARY = frozenset({0.0, 1.0})
FEW = 20
"""A column of words with at most so many different ones may hold levels or classes."""
MOST_COUNTED = 100
"""Whole numbers from 0 up to that are taken for counts of events."""
CLASSES = frozenset({"class", "classes", "species", "type", "label", "labels", "group", "target", "diagnosis", "party", "cluster"})
CLASSES_LEFT_OUT = "it may be known classes, see below; to fit it, add it to the columns, words to a block `categorical`"
COUNTS = frozenset({"count", "counts", "freq", "frequency", "frequencies", "multiplicity"})
"""Names, in lower case, of columns that say what others are."""


@dataclass(frozen=True)
class Guess:
    """What the columns of a file look like.

    Attributes
    ----------
    blocks : the columns to fit, by family: numbers gaussian, 0 and 1 bernoulli, small whole numbers from 0 poisson, words categorical
    unused : columns that were not taken, and why
    id, classes : columns that may name rows, and hold classes, or None
    counts : the column that says how often each row was seen, or None
    gaps : whether a cell of the columns to fit is empty
    """

    blocks: Mapping[str, tuple[str, ...]]
    unused: tuple[tuple[str, str], ...] = ()
    id: str | None = None
    classes: str | None = None
    counts: str | None = None
    gaps: bool = False

    @property
    def family(self) -> str:
        return next(iter(self.blocks)) if len(self.blocks) == 1 else "product"

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(column for columns in self.blocks.values() for column in columns)


OLD_FAITHFUL = Guess({"gaussian": ("eruptions", "waiting")})


def guess(table: Table, counts: str | None = None) -> Guess:
    """Guess what to do with the columns of a table.

    Parameters
    ----------
    counts : the column that says how often each row was seen; None for a guess by name

    Raises
    ------
    DataError
        If no column holds numbers, or words that come again, or ``counts`` is no column of whole numbers.
    """
    if counts is None:
        counts = next((name for name, column in table.columns.items() if name.lower() in COUNTS and _whole(column)), None)
        counts = counts if len(table.columns) > 1 else None
    names = next((name for name, column in table.columns.items() if name != counts and _names_rows(column)), None)
    found = _guess(table, counts, names) or _guess(table, counts, None)
    if found is None:
        raise SourceError(no_numbers(table), "file")
    return found


def _guess(table: Table, counts: str | None, names: str | None) -> Guess | None:
    """The guess with some columns that count rows and name them; None where no other column can be fitted."""
    kinds = {name: _kind(column) for name, column in table.columns.items() if name not in (names, counts)}
    classes = _classes(table, kinds)
    order = ("gaussian", "poisson", "bernoulli", "categorical")
    blocks = {family: tuple(name for name, kind in kinds.items() if kind == family and name != classes) for family in order}
    blocks = {family: columns for family, columns in blocks.items() if columns}
    if not blocks:
        return None
    used = [name for columns in blocks.values() for name in columns]
    why = {**kinds, **({} if classes is None else {classes: CLASSES_LEFT_OUT})}
    unused = tuple((name, why[name]) for name in kinds if name not in used)
    gaps = any("" in table.columns[name].texts for name in used)
    select(table, columns=used, counts=counts, levels=blocks.get("categorical", ()))
    return Guess(blocks, unused, names, classes, counts, gaps)


def _kind(column: Column) -> str:
    """The family of a column, or in words why it has none."""
    levels = len(set(column.texts) - {""})
    if levels <= 1:
        return "the same in every row" if levels else "empty"
    if column.first_text is None:
        values = set(column.numbers[~np.isnan(column.numbers)].tolist())
        if values <= BINARY:
            return "bernoulli"
        return "poisson" if _whole(column) and min(values) == 0.0 and max(values) <= MOST_COUNTED else "gaussian"
    if column.mostly_numbers:
        return _stray(column)
    return "categorical" if levels <= FEW else f"words, more than {FEW} levels"


def _whole(column: Column) -> bool:
    """Whether a column holds whole numbers from 0 on, and nothing else but empty cells."""
    numbers = column.numbers[~np.isnan(column.numbers)]
    return column.first_text is None and numbers.size > 0 and bool(((numbers >= 0) & (numbers == np.round(numbers))).all())


def _classes(table: Table, kinds: Mapping[str, str]) -> str | None:
    """Beside numbers the only column of words, or a column of few levels that is named so."""
    words = [name for name, kind in kinds.items() if kind == "categorical"]
    numbers = [name for name, kind in kinds.items() if kind in ("gaussian", "bernoulli", "poisson")]
    named = [name for name in kinds if name.lower() in CLASSES and 1 < len(set(table.columns[name].texts)) <= FEW]
    if not numbers or numbers == named:
        return None
    return words[0] if len(words) == 1 else next(iter(named), None)


def _names_rows(column: Column) -> bool:
    """Whether every cell is another word, or the column counts rows from 0 or 1."""
    texts = column.texts
    if len(set(texts)) < len(texts) or len(texts) < 3:
        return False
    numbers = column.numbers
    counts = column.first_text is None and numbers[0] in (0.0, 1.0) and bool((np.diff(numbers) == 1.0).all())
    return counts or (column.first_text is not None and not column.mostly_numbers)


def _stray(column: Column) -> str:
    """Why a column of mostly numbers cannot be fitted as it is."""
    strays = [cell for cell, is_text in zip(column.cells, column.parsed[1], strict=True) if is_text]
    more = f", nor are {len(strays) - 1} more" if len(strays) > 2 else ", nor is 1 more" if len(strays) == 2 else ""
    return f"{json.dumps(str(strays[0]), ensure_ascii=False)} is not a number{more}; mend or empty the cells, and add it to columns"
