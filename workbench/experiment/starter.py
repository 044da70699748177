"""A commented starter config, fitted to the columns of a file if there is one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from workbench.data.readers import read_table
from workbench.data.selection import no_numbers
from workbench.data.table import Column, SourceError, Table
from workbench.experiment.resolved import Writer

SCHEMA_LINE = "# yaml-language-server: $schema=schema.json\n"

BINARY = frozenset({0.0, 1.0})
FEW = 20
"""A column of words with at most so many different ones may hold classes."""


@dataclass(frozen=True)
class Guess:
    """What the columns of a file look like.

    Attributes
    ----------
    family : bernoulli where most columns of numbers are binary, else gaussian; categorical where there are only words
    columns : the columns to fit
    unused : columns of numbers that were not taken, and why
    id, classes : columns that may name rows, and hold classes, or None
    gaps : whether a cell of ``columns`` is empty
    """

    family: str
    columns: tuple[str, ...]
    unused: tuple[tuple[str, str], ...] = ()
    id: str | None = None
    classes: str | None = None
    gaps: bool = False


OLD_FAITHFUL = Guess("gaussian", ("eruptions", "waiting"))


def guess(table: Table) -> Guess:
    """Guess what to do with the columns of a table.

    Raises
    ------
    DataError
        If no column holds numbers, or words that come again.
    """
    names = next((name for name, column in table.columns.items() if _names_rows(column)), None)
    numeric = {
        name: column for name, column in table.columns.items() if column.first_text is None and column.mostly_numbers and name != names
    }
    if not numeric:
        return _of_words(table, names)
    binary = [name for name, column in numeric.items() if set(column.numbers[~np.isnan(column.numbers)].tolist()) <= BINARY]
    family = "bernoulli" if len(binary) * 2 > len(numeric) else "gaussian"
    varies = [name for name, column in numeric.items() if len(set(column.numbers[~np.isnan(column.numbers)].tolist())) > 1]
    columns = binary if family == "bernoulli" else [name for name in varies if name not in binary] or varies or list(numeric)
    unused = tuple((name, _why(name, binary, varies, family)) for name in numeric if name not in columns)
    unused += tuple(
        (name, _stray(column)) for name, column in table.columns.items() if name not in numeric and column.mostly_numbers and name != names
    )
    words = [name for name in table.columns if name not in numeric and name != names and table.columns[name].first_text is not None]
    classes = next((name for name in words if 1 < len(set(table.columns[name].texts) - {""}) <= FEW), None)
    gaps = any(bool(np.isnan(numeric[name].numbers).any()) for name in columns)
    return Guess(family, tuple(columns), unused, names, classes, gaps)


def _of_words(table: Table, names: str | None) -> Guess:
    """Columns of words that come again, as levels."""
    levels = {name: len(set(column.texts) - {""}) for name, column in table.columns.items() if name != names}
    columns = tuple(name for name, number in levels.items() if 1 < number <= FEW)
    if not columns:
        raise SourceError(no_numbers(table), "file")
    why = {name: f"more than {FEW} levels" if number > FEW else "the same in every row" for name, number in levels.items()}
    gaps = any("" in table.columns[name].texts for name in columns)
    return Guess("categorical", columns, tuple((name, why[name]) for name in levels if name not in columns), names, None, gaps)


def _names_rows(column: Column) -> bool:
    """Whether every cell is another word, or the column counts rows from 0 or 1."""
    texts = column.texts
    if len(set(texts)) < len(texts) or len(texts) < 3:
        return False
    numbers = column.numbers
    counts = column.first_text is None and numbers[0] in (0.0, 1.0) and bool((np.diff(numbers) == 1.0).all())
    return counts or (column.first_text is not None and not column.mostly_numbers)


def _why(name: str, binary: list[str], varies: list[str], family: str) -> str:
    if family == "bernoulli":
        return "not binary"
    return "binary" if name in binary and name in varies else "the same in every row"


def _stray(column: Column) -> str:
    """Why a column of mostly numbers cannot be fitted as it is."""
    strays = [cell for cell, is_text in zip(column.cells, column.parsed[1], strict=True) if is_text]
    more = f", nor are {len(strays) - 1} more" if len(strays) > 2 else ", nor is 1 more" if len(strays) == 2 else ""
    return f"{json.dumps(str(strays[0]), ensure_ascii=False)} is not a number{more}; mend or empty the cells, and add it to columns"


def starter(name: str, file: Path | None = None, folder: Path = Path(), schema: bool = False) -> str:
    """Return the text of a starter config.

    Parameters
    ----------
    name : of the experiment
    file : data to fit, as the config will name it (relative to its folder); old_faithful if None
    folder : what ``file`` is relative to
    schema : whether schema.json stands beside the config

    Raises
    ------
    DataError
        If the file cannot be read or holds no column of numbers.
    """
    found = OLD_FAITHFUL if file is None else guess(read_table(folder / file, file.as_posix()))
    options = "covariance: full, " if found.family == "gaussian" else ""
    head = SCHEMA_LINE if schema else ""
    return head + TEMPLATE.format(
        name=_flow(name),
        data=BUILT_IN_DATA if file is None else _data(file.as_posix(), found),
        model=f"family: {found.family}, {options}n_components: 2",
        other="" if found.family != "gaussian" else " (covariance: full, tied, diagonal or spherical)",
        prior={"bernoulli": "a: 1, b: 1", "categorical": "alpha: 1"}.get(found.family, "mean_strength: 0.01"),
    )


BUILT_IN_DATA = """\
data: old_faithful                    # a built-in set (`workbench list data`), or a file:
# data: {file: my.csv, columns: [a, b], id: plant, classes: species, held_out: 0.2}
"""

TEMPLATE = """\
# Run:    workbench run THIS_FILE
# Check:  workbench check THIS_FILE      (reads it and the data, computes nothing)

name: {name}

{data}
# Components: how many, and of what kind{other}.
model: {{{model}}}
# The prior is one for all methods. Its default is weak and worked out from the rows that are fitted; by hand:
# model: {{{model}, prior: {{concentration: 1, {prior}}}}}

# Each method has a label; its kind is the label, unless `kind` says otherwise. `workbench list methods` shows all.
methods:
  em: {{restarts: 100}}                                        # maximum likelihood
  em_map: {{kind: em, objective: posterior, restarts: 100}}    # maximum of the posterior
  advi: {{restarts: 4}}                                        # variational: independent normal coordinates
  nuts: {{chains: 4, draws: 1000}}                             # Monte Carlo: the posterior itself

# Run it for several values; every combination of the lists is one cell of the report.
# sweep: {{model.n_components: [1, 2, 3, 4]}}

seed: 1
"""


def _flow(value: str | list[str]) -> str:
    """Write a word or a list of words in one line."""
    return str(yaml.dump([value], Dumper=Writer, default_flow_style=True, width=10**6, allow_unicode=True)).strip()[1:-1]


def _data(file: str, found: Guess) -> str:
    lines = ["data:", f"  file: {_flow(file)}", f"  columns: {_flow(list(found.columns))}"]
    lines += [f"  # {_flow(name)} was left out: {why}" for name, why in found.unused]
    lines.append(_line("id", found.id, "names the rows"))
    lines.append(_line("classes", found.classes, "known classes: never used in fitting, compared with afterwards"))
    if found.gaps:
        lines.append("  # complete_rows: true               # some cells are empty; as it is they are summed out of the likelihood")
    lines.append("  # held_out: 0.2                     # a share of the rows that no fit sees, to score predictions")
    return "\n".join(lines) + "\n"


def _line(key: str, column: str | None, what: str) -> str:
    return f"  # {key + ': ' + (_flow(column) if column else 'COLUMN'):<34}# {what}"
