"""The files of a run, each opened when it is asked for; tables written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.experiment.files import replaced
from workbench.fit import Fit

if TYPE_CHECKING:
    import pandas as pd

LONGEST_CSV = 100_000
"""Rows above which a table is Parquet."""


@dataclass(frozen=True, eq=False)
class Files(Mapping[str, Any]):
    """Files of a folder by their names without suffix, opened lazily."""

    folder: Path
    suffixes: tuple[str, ...]
    opener: Any

    def _paths(self) -> dict[str, Path]:
        if not self.folder.is_dir():
            return {}
        return {path.name.removesuffix(path.suffix): path for path in sorted(self.folder.iterdir()) if path.suffix in self.suffixes}

    def __getitem__(self, name: str) -> Any:
        return self.opener(self._paths()[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths())

    def __len__(self) -> int:
        return len(self._paths())


def read_fit(path: Path) -> Fit:
    from workbench.datatree import from_tree

    tree = open_fit(path)
    try:
        return from_tree(tree.load())
    finally:
        tree.close()


def open_fit(path: Path) -> Any:
    import xarray as xr

    return xr.open_datatree(path, engine="h5netcdf")


def open_table(path: Path) -> Any:
    import pandas as pd

    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    # Whole columns at once, for their types; and "NA" is a user's word, where an empty cell is none.
    return pd.read_csv(path, low_memory=False, keep_default_na=False, na_values=[""])


def write_table(folder: Path, name: str, table: pd.DataFrame) -> None:
    """CSV with numbers that read back to the same bits; above 100,000 rows Parquet instead."""
    long = len(table) > LONGEST_CSV
    wanted, other = (folder / f"{name}{suffix}" for suffix in ((".parquet", ".csv") if long else (".csv", ".parquet")))
    write_rows(table, wanted)
    other.unlink(missing_ok=True)


def write_rows(table: pd.DataFrame, path: Path) -> None:
    """Write a table by its suffix, whole or not at all."""
    with replaced(path) as part:
        table.to_parquet(part, index=False) if path.suffix == ".parquet" else table.to_csv(part, index=False, lineterminator="\n")
