"""Saved: the fits of a run's folder by themselves, without the data and the config that they came from."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.compare.prediction import predict
from workbench.compare.relabelling import Relabelling
from workbench.compare.settled import common_reference, leading
from workbench.data import Dataset
from workbench.data.readers import read_table
from workbench.data.selection import select_like
from workbench.data.spelling import advice
from workbench.data.table import Table
from workbench.datatree import from_tree, problem_of
from workbench.experiment.positions import parse
from workbench.experiment.store import FITS, Store
from workbench.fit import Fit
from workbench.models.shapes import Responsibilities
from workbench.problem import Problem

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Saved:
    """A fit on disk.

    Attributes
    ----------
    name : its file's name without suffix, ``em`` or in a sweep ``em,model.n_components=2``
    label : its method's label in the config
    values : swept dotted key -> value
    status : why there is none, where it failed; else empty
    """

    name: str
    label: str
    values: Mapping[str, Any]
    status: str
    path: Path

    @functools.cached_property
    def tree(self) -> Any:
        """The file, read whole.

        Raises
        ------
        OSError
            If it is damaged or gone.
        """
        import xarray as xr

        try:
            with xr.open_datatree(self.path, engine="h5netcdf") as tree:
                return tree.load()
        except OSError as error:
            raise OSError(f"{self.path} cannot be read ({str(error).splitlines()[0]}); run the config again") from None

    @property
    def has_draws(self) -> bool:
        return "posterior" in self.tree.children

    @functools.cached_property
    def fit(self) -> Fit:
        return from_tree(self.tree)

    @functools.cached_property
    def problem(self) -> Problem:
        return problem_of(self.tree)


def saved_fits(folder: Path) -> list[Saved]:
    """The fits of a run, cell by cell in the order of the sweep, methods in the config's order; none if there is no run."""
    config, found = _config(folder), []
    for artefact, entry in Store.open(folder).of(FITS).items():
        name = artefact.partition("/")[2].removesuffix(".nc")
        status = str(entry["status"]) if entry.get("failed") else ""
        label, *parts = name.split(",")
        values = entry.get("values", dict(part.split("=", 1) for part in parts))  # an early manifest has only the name
        found.append(Saved(name, entry.get("label", label), values, status, folder / artefact))
    methods, sweep = list(config.get("methods") or {}), config.get("sweep") or {}

    def place(each: Saved) -> tuple[int, ...]:
        return (*(_index(sweep[key], value) for key, value in each.values.items()), methods.index(each.label))

    return sorted(found, key=place)


def _index(values: Sequence[Any], value: Any) -> int:
    """The number of a swept value; a file is called by the end of its path."""
    return next((i for i, each in enumerate(values) if str(each) == str(value) or str(each).endswith(f"/{value}")), len(values))


def predictions(folder: Path, data: Any, method: str | None = None) -> tuple[pd.DataFrame, list[str]]:
    """What the fits of a run say of rows, one below the other, and which of all fits had nothing to say, and why.

    Raises
    ------
    ValueError
        If there is no fit of that name, or none has anything to predict with.
    DataError
        If the rows cannot be read as the fitted ones.
    """
    import pandas as pd

    fits = saved_fits(folder)
    asked = _named(fits, method)
    table = read_table(Path(data)) if isinstance(data, str | os.PathLike) else None
    silent = {each.name: reason for each in asked if (reason := each.status or ("" if each.has_draws else each.tree.attrs["status"]))}
    told = [f"{name} has nothing to predict with: {reason}" for name, reason in silent.items()]
    if len(silent) == len(asked):
        raise ValueError("; ".join(told))
    parts, rule = [], _config(folder).get("relabelling", "assignment")
    for each in (fit for fit in asked if fit.name not in silent):
        rows = data if table is None else _read(table, each.problem, _row_names(folder))
        found = predict(each.problem, each.fit, rows, reference=_reference(fits, each, rule), relabelling=rule)
        for place, (key, value) in enumerate({**each.values, "method": each.label}.items()):
            found.insert(place, key, value)
        parts.append(found)
    return pd.concat(parts, ignore_index=True), told


def _named(fits: Sequence[Saved], method: str | None) -> list[Saved]:
    found = [each for each in fits if method in (None, each.label, each.name)]
    if not found:
        raise ValueError(f"there is no fit {method!r}; {advice(str(method), dict.fromkeys(each.label for each in fits))}")
    return found


def _read(table: Table, problem: Problem, names: str | None) -> Dataset:
    rows = select_like(table, problem.data, names)
    problem.check_possible(rows, table.place)
    return rows


def _reference(fits: Sequence[Saved], like: Saved, rule: Relabelling) -> Responsibilities | None:
    """What the labels of all fits of a cell are aligned with, as in the run's tables."""
    cell = [each for each in fits if dict(each.values) == dict(like.values) and not each.status]
    first = leading([(each.tree.attrs["estimate"], each.has_draws) for each in cell])
    return None if first is None else common_reference(cell[first].problem, [cell[first].fit], rule)


def _row_names(folder: Path) -> str | None:
    """The column that names the rows in the run's data, if there is one."""
    data = _config(folder).get("data")
    return data.get("id") if isinstance(data, Mapping) else None


def _config(folder: Path) -> Mapping[str, Any]:
    try:
        value = parse((folder / "config.yaml").read_text(encoding="utf-8"), "config.yaml").value
    except OSError:
        return {}
    return value if isinstance(value, Mapping) else {}
