"""A task's key is what decides its numbers, and nothing else."""

from __future__ import annotations

from typing import Any

from workbench.experiment.config import load
from workbench.experiment.plan import plan

CONFIG: dict[str, Any] = {"data": "old_faithful", "model": {"n_components": 2}, "methods": {"em": {"restarts": 3}}, "seed": 1}


def keys(**changes: Any) -> dict[str, str]:
    return {task.label: task.key for task in plan(load({**CONFIG, **changes}))}


def test_the_label_is_not_in_the_key() -> None:
    renamed = keys(methods={"again": {"kind": "em", "restarts": 3}})
    assert renamed["again"] == keys()["em"]


def test_options_seed_model_and_data_are_in_the_key() -> None:
    changes: list[dict[str, Any]] = [
        {"methods": {"em": {"restarts": 4}}},
        {"seed": 2},
        {"model": {"n_components": 3}},
        {"model": {"n_components": 2, "prior": {"mean_strength": 0.1}}},
        {"data": "iris"},
    ]
    found = [keys()["em"], *(keys(**change)["em"] for change in changes)]
    assert len(set(found)) == len(found)


def test_changing_one_method_changes_its_key_alone() -> None:
    before = keys(methods={"em": {"restarts": 3}, "em_map": {"kind": "em", "objective": "posterior"}})
    after = keys(methods={"em": {"restarts": 5}, "em_map": {"kind": "em", "objective": "posterior"}})
    assert before["em_map"] == after["em_map"]
    assert before["em"] != after["em"]


def test_artefacts_are_named_by_label_and_swept_value() -> None:
    tasks = plan(load({**CONFIG, "sweep": {"model.n_components": [1, 2]}}))
    assert [task.artefact for task in tasks] == ["fits/em,model.n_components=1.nc", "fits/em,model.n_components=2.nc"]
    assert plan(load(CONFIG))[0].artefact == "fits/em.nc"
