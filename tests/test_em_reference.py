"""EM's best objectives equal the figures of other programs (tests/reference/README.md)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from workbench.data import Dataset
from workbench.data.builtin import load_built_in
from workbench.inference import EM, Context
from workbench.problem import Problem

FIGURES = {figure["id"]: figure for figure in json.loads((Path(__file__).parent / "reference" / "figures.json").read_text())}

CASES = [
    ("faithful-gaussian-full-k1", "old_faithful", None, 2),
    ("faithful-gaussian-full-k2", "old_faithful", None, 40),
    ("faithful-gaussian-full-k3", "old_faithful", None, 100),
    ("faithful-gaussian-diag-k2", "old_faithful", None, 20),
    ("faithful-eruptions-gaussian-full-k2", "old_faithful", ["eruptions"], 20),
    ("faithful-waiting-gaussian-full-k2", "old_faithful", ["waiting"], 20),
    ("iris-gaussian-full-k3", "iris", None, 200),
    ("iris-gaussian-diag-k3", "iris", None, 50),
    ("galaxies-gaussian-full-k2", "galaxies", None, 100),
    ("galaxies-gaussian-full-k3", "galaxies", None, 50),
    ("zoo-bernoulli-k4", "zoo", None, 200),
    ("zoo-bernoulli-k5", "zoo", None, 300),
    ("housevotes84-bernoulli-k2", "house_votes", None, 20),
    ("faithful-gaussian-full-k2-map", "old_faithful", None, 20),
    ("faithful-gaussian-full-k3-map", "old_faithful", None, 100),
    ("galaxies-gaussian-full-k3-map", "galaxies", None, 50),
]


def data_of(name: str, columns: list[str] | None) -> Dataset:
    data = load_built_in(name)
    if columns is None:
        return data
    return Dataset.of(data.x[:, [data.features.index(column) for column in columns]], columns)


@pytest.mark.parametrize(("figure", "name", "columns", "restarts"), CASES, ids=[case[0] for case in CASES])
def test_best_objective(figure: str, name: str, columns: list[str] | None, restarts: int) -> None:
    wanted = FIGURES[figure]
    options = {"covariance": {"full": "full", "diag": "diagonal"}[wanted["covariance"]]} if wanted["family"] == "gaussian" else {}
    problem = Problem(data_of(name, columns), wanted["family"], wanted["n_components"], **options)
    posterior = wanted["quantity"] == "best_log_posterior"
    fit = EM(restarts=restarts, objective="posterior" if posterior else "likelihood").fit(problem)
    found = fit.log_posterior if posterior else fit.log_likelihood
    assert found.item() == pytest.approx(wanted["value"], abs=wanted["tolerance"])
    if posterior:
        assert fit.log_likelihood.item() == pytest.approx(wanted["log_likelihood"], abs=wanted["tolerance"])
    if wanted.get("n_parameters"):
        assert problem.n_parameters == wanted["n_parameters"]


def test_iris_singular_and_spurious_are_kept_out_of_best() -> None:
    fit = EM(restarts=1000, init="random_rows").fit(Problem(data_of("iris", None), "gaussian", 3))
    restarts = fit.restarts
    assert restarts is not None
    assert restarts.spurious is not None
    assert restarts.polished_objective is not None
    assert restarts.spurious.any()
    spurious = restarts.polished_objective[restarts.spurious]
    assert spurious.max() == pytest.approx(-179.7077, abs=1e-3)
    assert spurious.max() > fit.log_likelihood.item()
    assert np.asarray(restarts.singular).any()
    assert not restarts.spurious[fit.reported]


def test_a_collapse_is_named_singular_and_not_merely_not_finite() -> None:
    fit = EM(restarts=200).fit(Problem(data_of("iris", None).x, "gaussian", 3))
    assert fit.restarts is not None
    assert {status.name for status in fit.restarts.status} == {"CONVERGED", "SINGULAR"}


def test_the_last_digits_of_a_collapse_are_not_kept() -> None:
    """Restarts that fall by rounding on the way into a singular solution end there, and their trace never falls."""
    fit = EM(restarts=400, init="random_rows").fit(Problem(data_of("iris", None), "gaussian", 3), Context(lambda i: i, lambda i: i))
    assert fit.restarts is not None
    assert fit.trace is not None
    gains = np.diff(fit.trace.objective)[np.diff(fit.trace.restart) == 0]
    assert gains.min() > -1e-9
    assert {status.name for status in fit.restarts.status} == {"CONVERGED", "SINGULAR"}
