"""Data that came in memory, written beside a run so that its config can be run again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workbench.data.dataset import Dataset
from workbench.data.table import Column, Table

FILE = "data.parquet"


@dataclass(frozen=True, eq=False)
class Written:
    """A table of data in memory, and which of its columns name rows and classes, and count."""

    table: Table
    id: str | None = None
    classes: str | None = None
    counts: str | None = None


def tabulate(frame: Any) -> Written:
    """Return a DataFrame, an array or a Dataset as a table."""
    if hasattr(frame, "columns"):
        return Written(Table.of_frame(frame))
    data = Dataset.of(frame)
    columns = [Column(name, _cells(data, d)) for d, name in enumerate(data.features)]
    extra: dict[str, str | None] = {"id": None, "classes": None, "counts": None}
    for what, words in (("id", data.ids), ("classes", data.classes)):
        if words is not None:
            extra[what] = _free(what, [column.name for column in columns])
            columns.append(Column(str(extra[what]), list(words)))
    if (data.counts != 1.0).any():
        extra["counts"] = _free("counts", [column.name for column in columns])
        columns.append(Column(str(extra["counts"]), data.counts))
    return Written(Table.of("data", columns), **extra)


def _cells(data: Dataset, d: int) -> np.ndarray | list[str]:
    """A column's numbers, or its levels by name."""
    levels = data.levels[d] if data.levels else None
    if levels is None:
        return np.asarray(data.x[:, d])
    return ["" if np.isnan(code) else levels[int(code)] for code in data.x[:, d]]


def _free(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name += "_"
    return name


def write(frame: Any, folder: Path) -> Path:
    """Write ``frame`` into ``folder``; every number is kept to the last bit."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = tabulate(frame).table.columns
    arrays = {name: c.cells if isinstance(c.cells, np.ndarray) else list(c.cells) for name, c in columns.items()}
    path = folder / FILE
    pq.write_table(pa.table(arrays), path)
    return path
