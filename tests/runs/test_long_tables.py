"""Tables of up to 100,000 rows are CSV, longer ones Parquet: one of the two, whole, and read back alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from workbench.compare.assembly import COLUMNS, frame
from workbench.runs import Run, run
from workbench.runs.files import LONGEST_CSV, write_table


def assignments(n_rows: int) -> pd.DataFrame:
    """As a run makes it: in one block, some cells empty."""
    ids = np.array([f"row {i}" if i % 3 else "" for i in range(n_rows)], dtype=object)
    block = {"method": "em", "row": np.arange(n_rows), "id": ids, "label": np.arange(n_rows) % 2, "responsibility": np.arange(n_rows) / 7.0}
    return frame([block], COLUMNS["assignments"].split())


def test_the_longest_csv_has_100_000_rows(tmp_path: Path) -> None:
    assert LONGEST_CSV == 100_000
    (tmp_path / "tables").mkdir()
    for n_rows, suffix in ((100_000, ".csv"), (100_001, ".parquet"), (100_000, ".csv")):
        table = assignments(n_rows)
        write_table(tmp_path / "tables", "assignments", table)
        assert [path.suffix for path in (tmp_path / "tables").iterdir()] == [suffix]  # of an earlier run nothing is left
        found = Run(tmp_path, {}).tables["assignments"]
        assert list(found.columns) == list(table.columns)
        for name in ("row", "label", "responsibility"):
            np.testing.assert_array_equal(found[name], table[name])
        assert found["id"].fillna("").tolist() == table["id"].tolist()


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """EM at its slowest, so that 21 restarts leave a long path."""
    config = {"data": "death_notices", "model": {"family": "poisson", "n_components": 2}, "methods": {"em": {"restarts": 21}}}
    return run({**config, "report": False}, tmp_path_factory.mktemp("long"))


def test_every_table_of_a_long_run_is_one_file(long: Run) -> None:
    files = sorted(path.name for path in (long.folder / "tables").iterdir())
    assert len({name.partition(".")[0] for name in files}) == len(files)
    assert "path.parquet" in files
    assert len(long.tables["path"]) > LONGEST_CSV
    assert all(len(table) <= LONGEST_CSV for name, table in long.tables.items() if f"{name}.csv" in files)
    assert {name.partition(".")[0] for name in files} >= set(COLUMNS)


def test_no_row_of_a_parquet_table_lacks_a_cell_or_stands_twice(long: Run) -> None:
    """Of a table of one block a method, as the path is: every column as long as the others, every iteration with every parameter."""
    file = pq.ParquetFile(long.folder / "tables" / "path.parquet")
    for group in (file.metadata.row_group(i) for i in range(file.num_row_groups)):
        assert {group.column(j).num_values for j in range(group.num_columns)} == {group.num_rows}
    path = long.tables["path"]
    assert list(path.columns) == COLUMNS["path"].split()
    assert not path.duplicated(["method", "restart", "iteration", "parameter", "component"]).any()
    assert (path.groupby(["restart", "iteration"]).size() == 4).all()
    assert path["value"].notna().all()
    last = path.groupby("restart")["iteration"].max()
    steps = long.tables["restarts"].set_index("restart")["iterations"]
    assert last.to_dict() == steps.to_dict()
