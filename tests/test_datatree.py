"""A fit goes to disk and comes back with every number, and ArviZ opens what is there."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import arviz as az
import numpy as np
import pandas as pd
import pytest

from workbench.data import Dataset
from workbench.data.builtin import load_built_in
from workbench.datatree import from_tree, to_tree
from workbench.inference import EM
from workbench.problem import Problem


@pytest.mark.parametrize(
    ("name", "family", "options"),
    [("old_faithful", "gaussian", {"covariance": "diagonal"}), ("zoo", "bernoulli", {}), ("iris", "gaussian", {})],
)
def test_round_trip(name: str, family: str, options: dict[str, str], tmp_path: Path) -> None:
    problem = Problem(load_built_in(name), family, 2, **options)
    fit = EM(restarts=25).fit(problem)
    to_tree(problem, fit, "em").to_netcdf(tmp_path / "em.nc", engine="h5netcdf")
    tree = az.from_netcdf(tmp_path / "em.nc")
    again = from_tree(tree.load())
    tree.close()
    assert again.family == fit.family
    assert again.status is fit.status
    assert again.options == fit.options
    assert again.draws is not None
    for key, value in fit.mixture.parameters().items():
        np.testing.assert_array_equal(again.mixture.parameters()[key], value)
    np.testing.assert_array_equal(again.log_posterior, fit.log_posterior)
    assert again.restarts is not None
    assert fit.restarts is not None
    assert again.restarts.status == fit.restarts.status
    assert again.restarts.init == fit.restarts.init
    for field in dataclasses.fields(fit.restarts):
        value = getattr(fit.restarts, field.name)
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(getattr(again.restarts, field.name), value)
    assert again.trace is not None
    assert fit.trace is not None
    np.testing.assert_array_equal(again.trace.objective, fit.trace.objective)
    assert again.path is not None
    assert fit.path is not None
    np.testing.assert_array_equal(again.path.mixture.weights, fit.path.mixture.weights)
    assert float(tree["log_likelihood"]["x"].sum()) == pytest.approx(fit.log_likelihood.item(), rel=1e-12)


def test_levels_counts_and_blocks_stand_in_the_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=30), "c": rng.choice(["x", "y", "z"], 30), "e": rng.poisson(2.0, 30)})
    blocks = {"categorical": ["c"], "gaussian": ["a"], "poisson": ["e"]}
    levels = {"c": None}
    data = Dataset.of(frame, counts=rng.integers(1, 4, 30), levels=levels)
    problem = Problem(data, "product", 2, blocks=blocks)
    fit = EM(restarts=3, objective="posterior").fit(problem)
    to_tree(problem, fit, "em").to_netcdf(tmp_path / "em.nc", engine="h5netcdf")
    tree = az.from_netcdf(tmp_path / "em.nc").load()
    assert tree["observed_data"]["counts"].values.tolist() == data.counts.tolist()
    assert tree["observed_data"]["feature"].values.tolist() == ["c", "a", "e"]
    assert tree["posterior"]["probs"].dims[2:] == ("component", "categorical_feature", "categorical_level")
    assert tree["posterior"]["categorical_feature"].values.tolist() == ["c"]
    assert json.loads(tree.attrs["levels"]) == [["x", "y", "z"], None, None]
    again = from_tree(tree)
    assert again.family == problem.family
    for key, value in fit.mixture.parameters().items():
        np.testing.assert_array_equal(again.mixture.parameters()[key], value)
    np.testing.assert_array_equal(again.mixture.log_density(problem.data.x), fit.mixture.log_density(problem.data.x))
