"""Every mistake of a config is named at its place, all of them at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.datatree import from_tree
from workbench.experiment.config import load
from workbench.experiment.mistakes import ConfigError
from workbench.inference import EM
from workbench.runs import Run, run

FAULTY = """\
name: bad
data: old_faithfull
model: {family: gaussian, covariance: fulll, n_components: 2}
methods:
  em: {restart: 100}
  em_map: {kind: em, n_init: 3}
"""
EXPECTED = [
    ":2:7: data.name: there is no built-in data set 'old_faithfull'; did you mean old_faithful?",
    ":3:39: model.covariance: there is no fulll; did you mean full?",
    ":5:8: methods.em.restart: unknown key; did you mean restarts?",
    ":6:22: methods.em_map.n_init: unknown key; here it is called restarts",
]
GOOD = {"data": "old_faithful", "model": {"n_components": 2}, "methods": ["em"]}


def mistakes(text: str, folder: Path) -> list[str]:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path)
    return [line.removeprefix(str(path)) for line in str(caught.value).splitlines()]


def test_all_mistakes_of_a_file_at_once(tmp_path: Path) -> None:
    assert mistakes(FAULTY, tmp_path) == EXPECTED


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("data: zoo\ndata: iris\nmodel: {n_components: 2}\nmethods: [em]\n", ":2:1:", "data"),
        ("data: old_faithful\nmodel:\n\tn_components: 2\nmethods: [em]\n", ":3:1:", "tab"),
        ("data: old_faithful\nmodel: {n_components: two}\nmethods: [em]\n", ":2:23:", "model.n_components"),
        ("data: galaxies\nmodel: {n_components: 83}\nmethods: [em]\n", ":2:23:", "n_components"),
        ("data: {file: nowhere.csv}\nmodel: {n_components: 2}\nmethods: [em]\n", ":1:14:", "nowhere.csv"),
        ("data: old_faithful\nmodel: {n_components: 2}\nmethods: {Em: {}}\n", ":3:11:", "Em"),
        ("data: old_faithful\nmodel: {n_components: 2}\nmethods: [em]\nsweep: {model.n_component: [1]}\n", ":4:9:", "n_component"),
        ("", ":1:1:", "empty"),
    ],
)
def test_a_mistake_is_named_at_its_place(text: str, place: str, words: str, tmp_path: Path) -> None:
    first = mistakes(text, tmp_path)[0]
    assert first.startswith(place)
    assert words in first


def test_a_sweep_makes_the_product_and_a_cell_its_problem() -> None:
    experiment = load({**GOOD, "methods": {"em": {"restarts": 3}}, "sweep": {"model.n_components": [1, 2], "seed": [1, 2]}})
    found = [(cell.problem.n_components, cell.values["seed"]) for cell in experiment.cells()]
    assert found == [(1, 1), (1, 2), (2, 1), (2, 2)]


def test_overrides_are_values_of_yaml() -> None:
    experiment = load(GOOD, overrides=["methods.em.restarts=7", "model.n_components=3"])
    assert experiment.methods["em"] == EM(restarts=7)
    assert experiment.cells()[0].problem.n_components == 3


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder."""
    folder = tmp_path_factory.mktemp("runs") / "ran"
    run(
        {"data": [0.0, 0.1, 0.2, 5.0, 5.1, 5.2], "model": {"n_components": 1}, "methods": {"em": {"restarts": 2}}, "report": False},
        out=folder,
    )
    return folder


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("fits/em.nc", "is a fit, not a config; `workbench.from_tree(xarray.open_datatree(PATH))` reads it"),
        ("tables/likelihoods.csv", "is data, not a config; `workbench new NAME --data "),
        ("manifest.json", "is a run's manifest, not a config; `workbench.Run.open` takes the folder that it is in"),
        ("tables", "is a folder; give a config in it"),
        ("fits/no.nc", "there is no such file"),
    ],
)
def test_what_is_no_config_is_told_apart(path: str, words: str, ran: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(ran / path)
    assert str(caught.value).startswith(f"{ran / path}:1:1: config: {words}")
    with pytest.raises(FileNotFoundError, match="is a file, not a run's folder" if (ran / path).is_file() else "holds no run"):
        Run.open(ran / path)


def test_what_opens_a_run_and_its_fits_is_said(ran: Path) -> None:
    """As the messages say it, it works."""
    import arviz
    import xarray

    with pytest.raises(ConfigError) as caught:
        load(ran)
    assert f"is a run's folder; `workbench.Run.open` gives its fits and tables, and {ran / 'config.yaml'} is its config" in str(
        caught.value
    )
    assert list(Run.open(ran).fits) == ["em"]
    assert load(ran / "config.yaml").name == "experiment"
    with xarray.open_datatree(ran / "fits" / "em.nc") as tree, arviz.from_netcdf(ran / "fits" / "em.nc") as other:
        assert from_tree(tree).kind == "em"
        assert sorted(other.children) == sorted(tree.children)
