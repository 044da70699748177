"""Methods given to ``workbench.run`` as objects: beside the config's, checked, swept and kept as those are."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

import workbench
from workbench.experiment.config import load
from workbench.experiment.mistakes import ConfigError
from workbench.experiment.objects import with_objects
from workbench.experiment.plan import plan
from workbench.inference import EM, METHODS, Imported
from workbench.inference.plugins import travels
from workbench.runs import Run, run

CONFIG: dict[str, Any] = {"data": "galaxies", "model": {"n_components": 2}, "report": False, "seed": 1}


@dataclasses.dataclass(frozen=True)
class Patient(EM):
    """EM under a name of its own."""

    kind: ClassVar[str] = "patient"
    patience: float = 1.0

    def fit(self, problem: Any, context: Any = None) -> Any:
        fit = super().fit(problem, context)
        return dataclasses.replace(fit, kind="patient", options={**fit.options, "patience": self.patience})


@pytest.fixture(autouse=True)
def _unplugged() -> Iterator[None]:
    """METHODS as they were."""
    before = dict(METHODS)
    yield
    METHODS.clear()
    METHODS.update(before)


def keys(config: dict[str, Any], **methods: Any) -> dict[str, str]:
    return {task.name: task.key for task in plan(load(config, methods=methods))}


def test_an_object_is_what_the_config_would_say() -> None:
    assert keys(CONFIG, em=EM(restarts=7, tol=1e-6)) == keys({**CONFIG, "methods": {"em": {"restarts": 7, "tol": 1e-6}}})


def test_an_object_takes_the_place_of_its_label_and_no_other() -> None:
    config = {**CONFIG, "methods": {"em": {"restarts": 5}, "vbem": {}}}
    found = load(config, methods={"em": EM(restarts=7), "mine": Patient(restarts=3)}).methods
    assert list(found) == ["em", "vbem", "mine"]
    assert (found["em"], found["mine"]) == (EM(restarts=7), Patient(restarts=3))


def test_a_run_of_objects_alone(tmp_path: Path) -> None:
    made = run(CONFIG, tmp_path, methods={"em": EM(restarts=4), "mine": Patient(restarts=4, patience=2.0)})
    table = made.tables["likelihoods"].set_index("method")
    assert table["kind"].to_dict() == {"em": "em", "mine": "patient"}
    assert table.loc["mine", "log_likelihood"] == table.loc["em", "log_likelihood"]
    assert "patience: 2.0" in (tmp_path / "config.yaml").read_text()
    assert run(tmp_path / "config.yaml", tmp_path).fits.keys() == {"em", "mine"}  # the class is known from now on
    assert not Run.open(tmp_path).failures


def test_options_of_objects_are_swept() -> None:
    sweep = {"methods.mine.patience": [0.5, 2.0]}
    assert list(keys({**CONFIG, "sweep": sweep}, mine=Patient())) == [f"mine,methods.mine.patience={value}" for value in (0.5, 2.0)]
    found = load({**CONFIG, "sweep": sweep}, methods={"mine": Patient()}).cells()
    assert [cell.methods["mine"] for cell in found] == [Patient(patience=0.5), Patient(patience=2.0)]


def test_a_class_defined_anew_takes_its_place_and_its_text_is_part_of_the_key() -> None:
    first = keys(CONFIG, mine=Patient())
    again = dataclasses.make_dataclass("Patient", [], bases=(Patient,), namespace={"kind": "patient"}, frozen=True)
    again.__module__, again.__qualname__ = Patient.__module__, Patient.__qualname__
    again.source_digest = "another text"  # type: ignore[attr-defined]
    assert keys(CONFIG, mine=again()) != first
    assert METHODS["patient"] is again


def test_a_faulty_class_defined_anew_leaves_the_one_that_is_known() -> None:
    keys(CONFIG, mine=Patient())
    again = dataclasses.make_dataclass("Patient", [], namespace={"kind": "patient"}, frozen=True)
    again.__module__, again.__qualname__ = Patient.__module__, Patient.__qualname__
    with pytest.raises(ConfigError, match="is no method"):
        load(CONFIG, methods={"mine": again()})
    assert METHODS["patient"] is Patient


def test_a_class_that_no_other_process_finds_stays_here() -> None:
    local = dataclasses.make_dataclass("Local", [], bases=(EM,), namespace={"kind": "local"}, frozen=True)
    local.__qualname__ = "somewhere.<locals>.Local"
    assert not travels(local)
    assert travels(EM)


def test_the_file_of_an_object_is_found_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    entry = with_objects({}, {"theirs": Imported(file="draws.nc")}, {})[0]["methods"]["theirs"]
    assert entry == {"kind": "imported", **dataclasses.asdict(Imported(file=str(tmp_path / "draws.nc")))}


class NoDataclass:
    kind = "none"


@dataclasses.dataclass(frozen=True)
class Careless:
    """Takes what it is given."""

    kind: ClassVar[str] = "careless"
    estimate: ClassVar[str] = "point"
    revision: ClassVar[int] = 1
    packages: ClassVar[tuple[str, ...]] = ()
    compiles: ClassVar[bool] = False
    length: float = 1.0

    def refuses(self, problem: Any) -> None:
        return None

    def fit(self, problem: Any, context: Any = None) -> Any:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ({"mine": Patient}, "methods={'mine': ...}: methods.mine: is the class Patient; give an object, as in Patient()"),
        ({"mine": "em"}, "methods={'mine': ...}: methods.mine: is \"em\"; give an object, as in workbench.EM(restarts=20)"),
        ({"mine": NoDataclass()}, "give an object, as in workbench.EM(restarts=20)"),
        ({"Mine": EM()}, "methods={'Mine': ...}: methods.Mine: a label is lower-case letters"),
        ({"mine": Careless("long")}, "methods={'mine': ...}: methods.mine.length: is \"long\"; give a number"),
        ({"mine": Careless(lambda: 1.0)}, "give plain numbers, words, lists or mappings"),
    ],
)
def test_what_is_wrong_with_an_object_is_told_before_anything_runs(methods: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        workbench.run({**CONFIG, "methods": {"em": {}}}, "nowhere", methods=methods)
    assert message in str(error.value)
    assert not Path("nowhere").exists()


def test_a_class_that_is_no_method_is_told() -> None:
    bare = dataclasses.make_dataclass("Bare", [], namespace={"kind": "bare"}, frozen=True)
    taken = dataclasses.make_dataclass("Taken", [], bases=(EM,), namespace={"kind": "em"}, frozen=True)
    for given, message in ((bare(), "is no method: Bare has no estimate"), (taken(), "there is a method 'em' already")):
        with pytest.raises(ConfigError, match=message):
            load({**CONFIG, "methods": {"vbem": {}}}, methods={"mine": given})
    assert METHODS["em"] is EM
    assert "bare" not in METHODS
