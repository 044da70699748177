"""Every mistake of a config is named at its place, all of them at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.experiment.config import load
from workbench.experiment.mistakes import ConfigError
from workbench.inference import EM

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
