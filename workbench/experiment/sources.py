"""The data section of a config as datasets: loaded once, split by seed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from workbench.data.builtin import load_built_in
from workbench.data.dataset import Dataset
from workbench.data.readers import read_table
from workbench.data.selection import complete, select
from workbench.data.split import split
from workbench.data.table import SourceError, Table
from workbench.experiment.sections import Data, Synthetic
from workbench.models.families import Family
from workbench.models.mixture import Mixture
from workbench.models.synthetic import synthetic


@dataclass(frozen=True)
class Choice:
    """A valid data section.

    Attributes
    ----------
    data : its keys
    synthetic, family : what synthetic data are drawn from, or None
    model : the family that the rows are read for, which knows its columns and which of them hold levels; None: any numbers
    """

    data: Data
    synthetic: Synthetic | None = None
    family: Family | None = None
    model: Family | None = None

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The features that are asked for; None takes the source's own."""
        return self.data.columns if self.data.columns is not None or self.model is None else self.model.columns

    @property
    def levels(self) -> bool | tuple[str, ...] | Literal["words"]:
        """Whether all features, or which, hold levels; words where it is not known what they are read for."""
        return "words" if self.model is None else self.model.levels


@dataclass(frozen=True, eq=False)
class Loaded:
    """Rows to fit, rows held out, and the mixture they came from where it is known."""

    train: Dataset
    held_out: Dataset | None = None
    truth: Mixture | None = None


class Sources:
    """Data by choice and seed, each loaded once.

    Parameters
    ----------
    folder : what file paths are relative to
    frame : data in memory: a DataFrame, an array or a Dataset
    """

    def __init__(self, folder: Path, frame: Any = None) -> None:
        self.folder = folder
        self.frame = frame
        self._whole: dict[Any, tuple[Dataset, Mixture | None]] = {}
        self._split: dict[Any, Loaded] = {}

    def load(self, choice: Choice, seed: int) -> Loaded:
        """Load and split.

        Raises
        ------
        DataError
            If the data cannot be used.
        """
        if (choice, seed) not in self._split:
            data, truth = self._load_whole(choice, seed)
            fraction = choice.data.held_out
            if fraction:
                train, held_out = split(data, fraction, generator(seed, data.order, "held_out"))
                self._split[choice, seed] = Loaded(train, held_out, truth)
            else:
                self._split[choice, seed] = Loaded(data, None, truth)
        return self._split[choice, seed]

    def _load_whole(self, choice: Choice, seed: int) -> tuple[Dataset, Mixture | None]:
        whole = replace(choice, data=replace(choice.data, held_out=0.0))
        key = (whole, seed if choice.synthetic else None)
        if key not in self._whole:
            drawn = choice.synthetic is not None
            self._whole[key] = self._draw(whole, seed) if drawn else (self._read(whole), None)
        return self._whole[key]

    def _read(self, choice: Choice) -> Dataset:
        data = choice.data
        options: dict[str, Any] = {
            "columns": choice.columns,
            "id": data.id,
            "classes": data.classes,
            "counts": data.counts,
            "levels": choice.levels,
            "complete_rows": data.complete_rows,
        }
        if data.name is not None:
            return load_built_in(data.name, **options)
        if data.file is not None:
            table = read_table(self.folder / data.file, data.file)
            return select(table, name=Path(data.file).stem, **options)
        return _from_memory(self.frame, options)

    def _draw(self, choice: Choice, seed: int) -> tuple[Dataset, Mixture | None]:
        drawn, family = choice.synthetic, choice.family
        if drawn is None or family is None:
            raise SourceError("synthetic data need a family; name one", "synthetic")
        sizes = (drawn.n_rows, drawn.n_components, drawn.n_features)
        data, truth = synthetic(family, *sizes, drawn.separation, drawn.missing, generator(seed, "synthetic"))
        return complete(data) if choice.data.complete_rows else data, truth


def _from_memory(frame: Any, options: dict[str, Any]) -> Dataset:
    if hasattr(frame, "columns"):
        return select(Table.of_frame(frame), **options)
    for key in ("id", "classes", "counts"):
        if options[key] is not None:
            raise SourceError("an array has no names; give a DataFrame, or leave it out", key)
    data = Dataset.of(frame, levels=options["levels"] if options["levels"] != "words" else False)
    data = data if options["columns"] is None else data.only(options["columns"])
    return complete(data) if options["complete_rows"] else data


def generator(*parts: object) -> np.random.Generator:
    """Return the random numbers that belong to ``parts``: a seed and what it is used for."""
    digest = hashlib.sha256("|".join(map(str, parts)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))
