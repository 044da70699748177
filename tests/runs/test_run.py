"""A run: computed once, resumed, changed, failed; the same numbers every time."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.experiment.config import load
from workbench.experiment.events import Ended, Event, Started
from workbench.experiment.store import Store
from workbench.inference import EM, Context
from workbench.runs import Run, run
from workbench.runs.provenance import command_of

CONFIG: dict[str, Any] = {
    "name": "small",
    "data": "galaxies",
    "model": {"n_components": 2},
    "methods": {"em": {"restarts": 5}, "em_map": {"kind": "em", "objective": "posterior", "restarts": 5}},
    "seed": 1,
}


def heard(folder: Path, config: dict[str, Any] = CONFIG, **options: Any) -> tuple[Run, list[str], Ended]:
    events: list[Event] = []
    result = run({**config, "report": False}, folder, reporter=events.append, **options)
    end = events[-1]
    assert isinstance(end, Ended)
    return result, [event.name for event in events if isinstance(event, Started)], end


def test_a_second_run_computes_nothing(tmp_path: Path) -> None:
    _, first, _ = heard(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.csv")}
    _, second, end = heard(tmp_path)
    assert (first, second) == (["em", "em_map"], [])
    assert (end.computed, end.kept) == (0, 2)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.csv")}


def test_one_changed_method_is_computed_alone(tmp_path: Path) -> None:
    heard(tmp_path)
    _, started, _ = heard(tmp_path, {**CONFIG, "methods": {**CONFIG["methods"], "em": {"restarts": 6}}})
    assert started == ["em"]


def test_a_label_that_is_gone_leaves_the_folder(tmp_path: Path) -> None:
    heard(tmp_path)
    result, started, _ = heard(tmp_path, {**CONFIG, "methods": {"em": {"restarts": 5}}})
    assert started == []
    assert set(result.fits) == {"em"}
    assert set(result.tables["likelihoods"]["method"]) == {"em"}


@pytest.mark.parametrize(
    ("section", "sweep"),
    [("model", {"model.n_components": [1, 2]}), ("data", {"data.name": ["galaxies", "old_faithful"]})],
)
def test_a_section_may_be_in_the_sweep_alone(section: str, sweep: dict[str, Any], tmp_path: Path) -> None:
    """Also its resolved config, from which the run is made again."""
    config = {key: value for key, value in CONFIG.items() if key != section} | {"sweep": sweep, "methods": {"em": {"restarts": 2}}}
    first, _, _ = heard(tmp_path, config)
    again = run(first.folder / "config.yaml", tmp_path / "again")
    assert {path.name for path in (again.folder / "fits").iterdir()} == {path.name for path in (first.folder / "fits").iterdir()}
    for name in ("optima", "parameters"):
        pd.testing.assert_frame_equal(again.tables[name], first.tables[name])


def test_a_damaged_fit_is_set_aside_and_computed_again(tmp_path: Path) -> None:
    heard(tmp_path)
    path = tmp_path / "fits" / "em.nc"
    whole = path.read_bytes()
    path.write_bytes(whole[:1000])
    _, started, _ = heard(tmp_path)
    assert started == ["em"]
    assert (tmp_path / "fits" / "em.nc.damaged").read_bytes() == whole[:1000]


def test_a_start_can_be_made_again_from_the_table(tmp_path: Path) -> None:
    result, _, _ = heard(tmp_path)
    restarts = result.tables["restarts"]
    assert restarts["start_seed"].dtype == "int64"
    problem = load(CONFIG).cells()[0].problem
    method = EM(restarts=5)
    seeds = restarts.query("method == 'em'")["start_seed"].tolist()
    again = method.fit(problem, Context(lambda i: seeds[i], lambda i: i))
    assert again.restarts is not None
    assert again.restarts.objective.tolist() == restarts.query("method == 'em'")["objective"].tolist()


def test_a_lost_manifest_means_everything_again(tmp_path: Path) -> None:
    heard(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    _, started, _ = heard(tmp_path)
    assert started == ["em", "em_map"]


def test_tables_are_the_same_bytes_seconds_aside(tmp_path: Path) -> None:
    one, _, _ = heard(tmp_path / "a")
    two, _, _ = heard(tmp_path / "b")
    assert set(one.tables) == set(two.tables)
    for name, table in one.tables.items():
        aside = [column for column in table.columns if column.startswith("seconds")]
        assert table.drop(columns=aside).equals(two.tables[name].drop(columns=aside)), name


def test_twins_are_fitted_once_and_written_twice(tmp_path: Path) -> None:
    result, started, _ = heard(tmp_path, {**CONFIG, "methods": {"em": {"restarts": 5}, "again": {"kind": "em", "restarts": 5}}})
    assert started == ["em"]
    assert set(result.fits) == {"em", "again"}


def test_a_sweep_is_one_run_with_a_column(tmp_path: Path) -> None:
    result, _, _ = heard(tmp_path, {**CONFIG, "sweep": {"model.n_components": [1, 2, 3]}})
    assert sorted(result.fits)[0] == "em,model.n_components=1"
    bic = result.tables["likelihoods"].query("method == 'em'").set_index("model.n_components")["bic"]
    assert bic.idxmin() == 3


def test_a_failing_fit_is_a_row_and_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.inference import EM

    whole = EM.fit

    def broken(self: EM, problem: Any, context: Any = None) -> Any:
        if self.objective == "posterior":
            raise RuntimeError("no such luck")
        return whole(self, problem, context)

    monkeypatch.setattr(EM, "fit", broken)
    result, _, end = heard(tmp_path)
    assert end.failed == 1
    assert "no such luck" in result.failures["em_map"]
    row = result.tables["likelihoods"].set_index("method").loc["em_map"]
    assert "no such luck" in row["status"]
    assert "Traceback" in (tmp_path / "run.log").read_text()
    monkeypatch.setattr(EM, "fit", whole)
    again, started, _ = heard(tmp_path)
    assert started == ["em_map"]
    assert not again.failures


def test_an_interrupt_keeps_what_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.inference import EM

    whole = EM.fit

    def interrupted(self: EM, problem: Any, context: Any = None) -> Any:
        if self.objective == "posterior":
            raise KeyboardInterrupt
        return whole(self, problem, context)

    monkeypatch.setattr(EM, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        heard(tmp_path)
    assert list(Store.open(tmp_path).entries) == ["fits/em.nc"]
    monkeypatch.setattr(EM, "fit", whole)
    assert heard(tmp_path)[1] == ["em_map"]


def test_open_and_report_from_disk(tmp_path: Path) -> None:
    heard(tmp_path)
    page = Run.open(tmp_path).report()
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!")
    assert not re.search(r"""(?:src|href|srcset|data|@import|url\()\s*=?\s*["']?\s*(?:https?:)?//""", text)  # nothing from the network
    with pytest.raises(FileNotFoundError, match=r"holds no run"):
        Run.open(tmp_path / "fits")


def test_a_fit_on_disk_says_where_it_comes_from(tmp_path: Path) -> None:
    result, _, _ = heard(tmp_path)
    with result.fits["em"] as tree:
        attrs = tree.attrs
    assert (attrs["method"], attrs["kind"], attrs["estimate"], attrs["seed"]) == ("em", "em", "point", 1)
    assert set(json.loads(attrs["versions"])) == {"numpy", "scipy", "numba"}
    assert json.loads(attrs["options"])["restarts"] == 5
    assert attrs["status"] == "converged"
    assert attrs["seconds_run"] > 0


def test_a_sweep_over_files_is_the_same_run_from_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    for name, shift in (("a", 0.0), ("x/b", 5.0)):
        values = np.concatenate([np.arange(8.0), np.arange(8.0) ** 2 / 8.0 + 50.0]) + shift
        (tmp_path / f"{name}.csv").write_text("v\n" + "\n".join(map(str, values)) + "\n")
    config = tmp_path / "config.yaml"
    config.write_text(
        "data: {file: a.csv}\nmodel: {n_components: 2}\nmethods: {em: {restarts: 3}}\nsweep: {data.file: [a.csv, x/b.csv]}\nreport: false\n"
    )
    first = run(config, tmp_path / "far" / "out")
    assert sorted(first.fits) == ["em,data.file=a.csv", "em,data.file=b.csv"]
    assert first.tables["likelihoods"]["data.file"].tolist() == ["a.csv", "b.csv"]
    before = (first.folder / "config.yaml").read_bytes()
    events: list[Event] = []
    run(first.folder / "config.yaml", first.folder, reporter=events.append)
    assert isinstance(events[-1], Ended)
    assert (events[-1].computed, events[-1].kept) == (0, 2)
    assert (first.folder / "config.yaml").read_bytes() == before


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "v.csv").write_text("v\n1\n2\n4\n")
    config = {**CONFIG, "data": {"file": "."}, "sweep": {"data.file": [f"{tmp_path}/a/v.csv", f"{tmp_path}/b/v.csv"]}}
    assert [cell.values for cell in load(config).cells()] == [{"data.file": "a/v.csv"}, {"data.file": "b/v.csv"}]


def test_a_long_table_reads_back_as_it_was_written(tmp_path: Path) -> None:
    """Words that begin after many empty cells, the words NA and None, and numbers of seventeen digits."""
    rows = 300_000
    level = pd.Series([np.nan] * (rows - 2) + ["NA", "None"], dtype=object)
    values = np.full(rows, 0.1) + np.arange(rows) / 7.0
    (tmp_path / "tables").mkdir()
    pd.DataFrame({"level": level, "value": values}).to_csv(tmp_path / "tables" / "path.csv", index=False)
    found = Run(tmp_path, {}).tables["path"]
    assert found["level"].tolist()[-2:] == ["NA", "None"]
    assert found["level"].isna().sum() == rows - 2
    np.testing.assert_array_equal(found["value"], values)


@pytest.mark.parametrize(
    ("argv", "command"),
    [
        (["/usr/bin/workbench", "run", "my config.yaml"], "workbench run 'my config.yaml'"),
        (["/site-packages/workbench/__main__.py", "run", "a.yaml"], "python -m workbench run a.yaml"),
        (["workbench.exe", "run", "a.yaml"], "workbench run a.yaml"),
        (["/home/me/workbench_study.py", "7"], "workbench.run(...)"),
        ([""], "workbench.run(...)"),
    ],
)
def test_the_command_is_what_was_typed(argv: list[str], command: str) -> None:
    assert command_of(argv) == command
