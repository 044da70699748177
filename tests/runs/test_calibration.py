"""A calibration in a run: batches that are kept, resumed and extended, tables, and the same numbers whoever computes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from workbench.experiment.config import load
from workbench.experiment.events import Checked, Ended, Event, Planned
from workbench.experiment.replicates import checks
from workbench.experiment.store import Store
from workbench.runs import Run, run

CONFIG: dict[str, Any] = {
    "name": "small",
    "data": {"synthetic": {"n_rows": 6, "n_components": 2, "n_features": 1}},
    "model": {"n_components": 2},
    "methods": {
        "exact": {"chains": 1, "draws": 99},
        "em_map": {"kind": "em", "objective": "posterior", "restarts": 3},
        "kmeans": {"restarts": 2},
    },
    "check": {"kind": "sbc", "replicates": 25},
    "report": False,
}
BATCHES = {"0-9", "10-19", "20-24"}


def heard(folder: Path, config: dict[str, Any] = CONFIG, **options: Any) -> tuple[Run, list[Event], Ended]:
    events: list[Event] = []
    result = run(config, folder, reporter=events.append, jobs=options.pop("jobs", 1), **options)
    end = events[-1]
    assert isinstance(end, Ended)
    return result, events, end


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Event]]:
    folder = tmp_path_factory.mktemp("run")
    return folder, heard(folder, jobs=2)[1]


def test_batches_are_artefacts_and_their_progress_is_told(finished: tuple[Path, list[Event]]) -> None:
    folder, events = finished
    assert {path.name for path in (folder / "checks").iterdir()} == {
        f"{m},replicates={b}.json" for m in ("exact", "em_map") for b in BATCHES
    }
    told = [event for event in events if isinstance(event, Checked) and event.method == "exact"]
    assert sorted(event.done for event in told)[-1] == 25
    assert {(event.wanted, event.size) for event in told} == {(25, 10), (25, 5)}
    assert json.loads((folder / "manifest.json").read_text())["checks"].keys() == {
        f"checks/{p.name}" for p in (folder / "checks").iterdir()
    }


def test_tables_and_verdicts(finished: tuple[Path, list[Event]]) -> None:
    tables = Run.open(finished[0]).tables
    ranks, intervals = tables["calibration"].query("method == 'exact'"), tables["calibration"].query("method == 'em_map'")
    assert list(tables["calibration"].columns[:4]) == ["method", "quantity", "replicate", "rank"]
    assert ranks.groupby("quantity").size().unique().tolist() == [25]
    assert ranks["rank"].between(0, 99).all()
    assert set(ranks["ranks"]) == {99}
    assert intervals["rank"].isna().all()
    assert set(intervals["covered"].dropna()) <= {0, 1}
    share = tables["coverage"].set_index("quantity")
    for quantity, rows in intervals.groupby("quantity"):
        assert share.loc[quantity, "intervals"] == rows["covered"].count()
        assert share.loc[quantity, "coverage"] == pytest.approx(rows["covered"].mean())
    checked = tables["diagnostics"].query("method == 'exact'").set_index("quantity")
    assert {f"calibration_{quantity}" for quantity in ranks["quantity"]} <= set(checked.index)
    curve = tables["calibration_ecdf"].query("quantity == 'log_likelihood'")
    own = ranks.query("quantity == 'log_likelihood'")["rank"]
    assert curve["difference"].to_numpy() == pytest.approx([(own <= i).mean() - (i + 1) / 100 for i in range(99)])
    assert (curve["lower"] <= 0).all()
    assert (curve["upper"] >= 0).all()


def test_a_second_run_computes_nothing_and_the_resolved_config_is_the_same_run(finished: tuple[Path, list[Event]]) -> None:
    folder = finished[0]
    _, events, end = heard(folder)
    assert (end.computed, end.replicates) == (0, 0)
    assert [event for event in events if isinstance(event, Planned)] == [Planned(str(folder), 3, 3, 50, 50)]
    again = load(folder / "config.yaml")
    assert [task.key for task in checks(again)] == [task.key for task in checks(load(CONFIG))]


@pytest.mark.slow
def test_more_replicates_leave_those_that_are_there(tmp_path: Path) -> None:
    small = {**CONFIG, "methods": {"exact": CONFIG["methods"]["exact"]}}
    heard(tmp_path, {**small, "check": {"replicates": 10}})
    before = Run.open(tmp_path).tables["calibration"]
    _, _, end = heard(tmp_path, {**small, "check": {"replicates": 15}})
    assert (end.computed, end.replicates) == (0, 5)
    after = Run.open(tmp_path).tables["calibration"]
    assert after.query("replicate < 10").reset_index(drop=True).equals(before)
    _, _, end = heard(tmp_path, {key: value for key, value in small.items() if key != "check"})
    assert end.computed == 0
    assert not {"calibration", "calibration_ecdf", "coverage"} & set(Run.open(tmp_path).tables)
    assert list((tmp_path / "checks").iterdir()) == []


@pytest.mark.slow
def test_one_process_or_two_in_any_order_the_same_numbers(finished: tuple[Path, list[Event]], tmp_path: Path) -> None:
    one, _, _ = heard(tmp_path)
    for name in ("calibration", "calibration_ecdf", "coverage"):
        assert one.tables[name].equals(Run.open(finished[0]).tables[name]), name


def test_what_a_kill_leaves_is_gone_on_from(tmp_path: Path, finished: tuple[Path, list[Event]]) -> None:
    small = {**CONFIG, "methods": {"exact": CONFIG["methods"]["exact"]}}

    def stop(event: Event) -> None:
        if isinstance(event, Checked):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(small, tmp_path, jobs=1, reporter=stop)
    kept = [name for name in Store.open(tmp_path).entries if name.startswith("checks/")]
    assert kept == ["checks/exact,replicates=0-9.json"]
    (tmp_path / kept[0]).write_text("[")  # and damage is noticed
    _, _, end = heard(tmp_path, small)
    assert end.replicates == 25
    numbers = [Run.open(folder).tables["calibration"].query("method == 'exact'")["rank"].tolist() for folder in (tmp_path, finished[0])]
    assert numbers[0] == numbers[1]


def test_a_sweep_has_a_calibration_a_cell(tmp_path: Path) -> None:
    config = {
        **CONFIG,
        "methods": {"exact": CONFIG["methods"]["exact"]},
        "sweep": {"model.n_components": [1, 2]},
        "check": {"replicates": 3},
    }
    result, events, _ = heard(tmp_path, config)
    table = result.tables["calibration"]
    assert set(table["model.n_components"]) == {1, 2}
    assert {event.method for event in events if isinstance(event, Checked)} == {f"exact,model.n_components={k}" for k in (1, 2)}
    advice = result.tables["diagnostics"].query("quantity == 'calibration_log_likelihood'")["advice"]
    assert set(advice) == {"the replicates are too few to tell; raise replicates"}


def test_a_prior_that_cannot_be_is_a_mistake_of_the_check(tmp_path: Path) -> None:
    import numpy as np

    from workbench.experiment.mistakes import ConfigError

    config = {**CONFIG, "data": np.ones((5, 1)), "methods": {"kmeans": {"kind": "em"}}}
    with pytest.raises(ConfigError, match="check: draws data from the prior, and there is none"):
        load(config)


def test_draws_made_elsewhere_cannot_be_checked() -> None:
    from workbench.experiment.checking import unfit
    from workbench.inference import METHODS

    assert unfit(METHODS["imported"](file="draws.nc")) == "cannot be fitted to other data"  # type: ignore[call-arg]
    assert unfit(METHODS["exact"]()) == ""
