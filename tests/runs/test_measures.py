"""What takes seconds to tell of finished fits: computed once, by any number of processes, kept, and never the end of a run."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from workbench.cli.display import sentence
from workbench.compare.sensitivity import Look
from workbench.compare.sensitivity.under import Base, Under
from workbench.experiment import measures
from workbench.experiment.events import Ended, Event, Failed, Measured
from workbench.experiment.measures import read_under, under_prior
from workbench.fit import Evidence
from workbench.inference import Gibbs
from workbench.problem import Problem
from workbench.runs import Run, run
from workbench.runs.measuring import AGAIN

CONFIG: dict[str, Any] = {
    "name": "eight",
    "data": {"file": "eight.csv"},
    "model": {"n_components": 1},
    "methods": {"gibbs": {"draws": 200, "tune": 50}},
    "sweep": {"model.n_components": [1, 2]},
    "seed": 1,
    "report": False,
}
UNCHANGED = 1
"""The scale as of the K that BIC prefers is that cell's own: no time is taken."""


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("measures")
    (folder / "eight.csv").write_text("x\n-5.1\n-4.9\n-5.3\n-4.7\n4.8\n5.2\n5.05\n4.95\n")
    return folder


def measured(place: Path, folder: str, **options: Any) -> tuple[Run, list[str], list[Event]]:
    events: list[Event] = []
    data = {"file": str(place / "eight.csv")}
    found = run({**CONFIG, "data": data, **options.pop("config", {})}, place / folder, reporter=events.append, **options)
    return found, sorted(event.name for event in events if isinstance(event, Measured)), events


def changes(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "tables" / "prior_sensitivity.csv")


@pytest.mark.slow
def test_they_are_computed_once_and_are_the_same_from_the_disk(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(measures, "SMALL", 0)  # so processes are started
        found, first, _ = measured(place, "one", jobs=2)
    assert len(first) == 2 * 3 - UNCHANGED
    assert {path.stem for path in (found.folder / "measures").iterdir()} == set(first)
    assert "mean_strength_over_100,model.n_components=2" in first
    table = (found.folder / "tables" / "prior_sensitivity.csv").read_bytes()
    assert changes(found.folder)["log_evidence"].notna().all()
    gone = found.folder / "measures" / f"{first[0]}.json"
    answer, others = gone.read_bytes(), {each: (gone.parent / f"{each}.json").stat().st_mtime_ns for each in first[1:]}
    gone.unlink()
    found.report()
    assert gone.read_bytes() == answer
    assert others == {each: (gone.parent / f"{each}.json").stat().st_mtime_ns for each in first[1:]}
    assert (found.folder / "tables" / "prior_sensitivity.csv").read_bytes() == table
    assert measured(place, "one")[1] == []
    alone, again, _ = measured(place, "alone", jobs=1)
    assert again == first
    assert (alone.folder / "tables" / "prior_sensitivity.csv").read_bytes() == table
    assert measured(place, "one", force=True)[1] == first


def test_what_is_no_longer_asked_for_goes(place: Path) -> None:
    measured(place, "fewer")
    found, names, _ = measured(place, "fewer", config={"sweep": {"model.n_components": [2]}})
    assert names == []
    assert all("n_components=2" in path.name for path in (found.folder / "measures").iterdir())
    manifest = json.loads((found.folder / "manifest.json").read_text())
    assert {Path(name).name for name in manifest["measures"]} == {path.name for path in (found.folder / "measures").iterdir()}
    assert list(manifest["fits"]) == ["fits/gibbs,model.n_components=2.nc"]


def test_other_draws_are_looked_at_anew(place: Path) -> None:
    _, first, _ = measured(place, "draws")
    assert measured(place, "draws", overrides=["seed=2"])[1] == first


def test_one_that_fails_is_a_row_with_its_reason(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(look: Look) -> Under:
        raise RuntimeError(f"no way to {look.words}")

    with monkeypatch.context() as patch:
        patch.setattr(Look, "found", failing)
        patch.setattr(Look, "slow", property(lambda _: True))
        found, names, events = measured(place, "failing")
    assert names == []
    assert len([event for event in events if isinstance(event, Failed)]) == 2 * 3
    table = changes(found.folder)
    assert table.loc[table["prior"] == "mean_strength x 100", "note"].str.contains("RuntimeError: no way to mean_strength x 100").all()
    assert found.failures == {}
    assert Run.open(found.folder).failures == {}
    table = changes(found.folder)
    assert table.loc[table["prior"] != "as given", "note"].str.endswith(AGAIN).all()
    _, again, events = measured(place, "failing")
    assert len(again) == 2 * 3 - UNCHANGED
    assert changes(found.folder)["log_evidence"].notna().all()
    end = events[-1]
    assert isinstance(end, Ended)
    assert (end.computed, end.measures) == (0, len(again))
    assert sentence(end) == f"0 fits and {len(again)} log evidences computed, 0 failed in {end.seconds:.1f} s; see {found.folder}/tables"
    told = [sentence(event) for event in events if isinstance(event, Measured)]
    assert [text for text in told if text] == [f"{number} of {len(again)} looked at" for number in range(1, len(again) + 1)]
    manifest = json.loads((found.folder / "manifest.json").read_text())
    assert "finished" in manifest
    assert measured(place, "failing")[1] == []


def test_measures_that_a_killed_run_has_left_out_are_made_by_the_next(place: Path) -> None:
    found, _, _ = measured(place, "killed")
    path = found.folder / "manifest.json"
    manifest = json.loads(path.read_text())
    lost = manifest["measures"].popitem()[0]
    (found.folder / lost).unlink()
    del manifest["tables"], manifest["finished"]
    path.write_text(json.dumps(manifest))
    assert measured(place, "killed")[1] == [Path(lost).stem]
    assert "finished" in json.loads(path.read_text())


def test_an_answer_is_read_as_it_was_written(tmp_path: Path) -> None:
    problem = Problem([[1.0], [2.0], [4.0]], "gaussian", 1)
    task = under_prior(Look({}, "mean_strength x 100", {"mean_strength": 1.0}, Base.of(problem, {}, None)))
    for answer in (
        Under(Evidence("path", -3.25, 0.1 + 0.2), "path from gibbs", Evidence("path", 1 / 3, math.nan, trusted=False, note="why"), -4.0),
        Under(why="too many rows"),
    ):
        task.write(tmp_path / "answer.json", answer)
        found = read_under(tmp_path / "answer.json")
        assert repr(found) == repr(answer)


def test_the_key_is_of_what_decides_the_answer() -> None:
    problem = Problem([[1.0], [2.0], [4.0], [5.0]], "gaussian", 1)
    fit = Gibbs(chains=4, draws=100, tune=10).fit(problem)
    given = ("gibbs", fit.evidence[0])

    def key(words: str = "a", strength: float = 1.0, known: tuple[str, Evidence] = given, own: Any = fit) -> str:
        return under_prior(Look({}, words, {"mean_strength": strength}, Base.of(problem, {"gibbs": own}, known))).key

    assert key() == key(words="b")
    other = Gibbs(chains=4, draws=100, tune=11).fit(problem)
    assert len({key(), key(strength=2.0), key(known=("gibbs", Evidence("bridge", -9.0, 0.1))), key(own=other)}) == 4
