"""Calibration of approximations, whose failures have names, and of samplers where they have something hard to draw."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from workbench.compare.calibration import Ranked, calibrate, ranked
from workbench.data.builtin import load_built_in
from workbench.inference import NUTS, VBEM, Gibbs, Pathfinder
from workbench.inference.method import Method
from workbench.problem import Problem

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def eruptions(prior: Any) -> Problem:
    """Twenty eruptions of Old Faithful, both columns. The default prior's means are ten standard deviations of its components wide:
    replicates are of groups far apart. With ``mean_strength`` 1 they overlap."""
    return Problem(load_built_in("old_faithful").take(np.arange(0, 272, 14)), "gaussian", 2, prior)


def with_missing_cells(family: str, levels: int) -> Problem:
    """Sixteen rows of four columns, a fifth of the cells missing."""
    rng = np.random.default_rng(5)
    x = rng.integers(0, levels, (16, 4)).astype(float)
    x[rng.random(x.shape) < 0.2] = np.nan
    return Problem(x, family, 2)


def ranked_by(problem: Problem, method: Method, replicates: int) -> dict[str, Ranked]:
    trials = calibrate(problem, method, replicates, seed=3)
    assert len(trials.fitted) == replicates
    return {each.quantity: each for each in ranked(trials)}


def failed(found: dict[str, Ranked]) -> list[str]:
    return [quantity for quantity, each in found.items() if not each.good]


def test_vbem_passes_where_labels_are_certain() -> None:
    """Given the labels its q is the posterior."""
    assert failed(ranked_by(eruptions("default"), VBEM(restarts=4, draws=200), 100)) == []


@pytest.mark.parametrize("family", ["gaussian", "bernoulli"])
def test_vbem_is_too_narrow_where_labels_are_not(family: str) -> None:
    """q of theta knows nothing of what other labels would say: weights and co-clustering fail, and the words say how."""
    problem = eruptions({"mean_strength": 1.0}) if family == "gaussian" else with_missing_cells(family, 2)
    found = ranked_by(problem, VBEM(restarts=4, draws=200), 100)
    assert {"largest_weights", "coclustering"} <= set(failed(found))
    for quantity in ("largest_weights", "coclustering"):
        assert found[quantity].direction.startswith("too narrow (U shape)")
        assert found[quantity].p < 1e-6


def test_pathfinder_is_no_posterior_of_few_rows() -> None:
    """Normals about modes: components of some ten rows have skewed posteriors, and places with an empty component have no mode."""
    found = ranked_by(eruptions({"mean_strength": 1.0}), Pathfinder(restarts=3, draws=200), 100)
    assert {"largest_weights", "log_determinant", "coclustering"} <= set(failed(found))
    assert "too narrow (U shape)" in found["coclustering"].direction
    assert "too low (slope)" in found["log_determinant"].direction


def test_gibbs_passes_with_means_that_covariances_do_not_scale() -> None:
    assert failed(ranked_by(eruptions({"kind": "independent"}), Gibbs(chains=2, tune=200, draws=300), 50)) == []


@pytest.mark.parametrize(("family", "levels"), [("bernoulli", 2), ("categorical", 3)])
def test_gibbs_passes_with_missing_cells(family: str, levels: int) -> None:
    assert failed(ranked_by(with_missing_cells(family, levels), Gibbs(chains=2, tune=100, draws=400), 60)) == []


@pytest.mark.slow(seconds=30)
def test_nuts_passes_with_means_that_covariances_do_not_scale() -> None:
    assert failed(ranked_by(eruptions({"kind": "independent"}), NUTS(chains=2, tune=300, draws=250), 30)) == []
