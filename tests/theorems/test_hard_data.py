"""Data and starts that break careless statistics: what went wrong is named, and no table claims what is not there."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from workbench.compare.cell import Cell
from workbench.compare.differences import agreement_rows
from workbench.compare.optima import optima
from workbench.compare.settled import settle
from workbench.data import Dataset
from workbench.fit import Status
from workbench.inference import EM
from workbench.inference.em import _best
from workbench.problem import Problem

RNG = np.random.default_rng(0)
PAIR = np.vstack([RNG.normal(size=(20, 2)), RNG.normal(size=(20, 2)) + 4.0])


def test_a_restart_that_went_wrong_is_neither_best_nor_an_optimum() -> None:
    problem = Problem(PAIR, "gaussian", 2)
    fit = EM(restarts=4, objective="posterior").fit(problem)
    assert fit.restarts is not None
    assert fit.restarts.polished_objective is not None
    higher = fit.restarts.polished_objective + np.array([0.0, 50.0, 40.0, 0.0])
    status = (Status.CONVERGED, Status.FELL, Status.NOT_FINITE, Status.CONVERGED)
    restarts = dataclasses.replace(fit.restarts, status=status, polished_objective=higher)
    assert sorted(i for optimum in optima(problem, dataclasses.replace(fit, restarts=restarts)) for i in optimum.restarts) == [0, 3]
    assert _best(restarts) in (0, 3)


def test_a_mode_of_the_posterior_is_not_thrown_in_with_others_for_its_status() -> None:
    problem = Problem(PAIR, "gaussian", 2)
    fit = EM(restarts=4, objective="posterior").fit(problem)
    assert fit.restarts is not None
    apart = np.array([1.0, 2.0, 3.0, 4.0])
    restarts = dataclasses.replace(fit.restarts, status=(Status.SINGULAR,) * 4, polished_objective=apart)
    assert [optimum.restarts for optimum in optima(problem, dataclasses.replace(fit, restarts=restarts))] == [(3,), (2,), (1,), (0,)]


@pytest.mark.parametrize(
    ("family", "init", "what"),
    [
        ("gaussian", {"weights": [0.6, 0.6], "means": [[0.0, 0.0], [4.0, 4.0]], "covariances": [np.eye(2), np.eye(2)]}, "sum to 1.2"),
        ("gaussian", {"weights": [0.5, 0.5], "means": [[0.0, 0.0], [4.0, 4.0]], "covariances": [np.eye(2), -np.eye(2)]}, "no density"),
        ("bernoulli", {"weights": [0.5, 0.5], "probs": [[0.0, 0.0], [0.0, 0.0]]}, "no density"),
        ("bernoulli", {"weights": [0.5, 0.5], "probs": [[1.5, 0.5], [0.5, 0.5]]}, "no density"),
    ],
)
def test_impossible_starts_are_refused(family: str, init: dict[str, Any], what: str) -> None:
    x = PAIR if family == "gaussian" else (PAIR > 2.0).astype(float)
    reason = EM(restarts=2, init=init).refuses(Problem(x, family, 2))
    assert reason is not None
    assert what in reason


def test_classes_of_which_none_is_known_agree_with_nothing() -> None:
    problem = Problem(Dataset.of(PAIR, classes=[""] * 40), "gaussian", 2)
    cell = Cell({}, problem, fits={"em": EM(restarts=3).fit(problem)})
    assert list(agreement_rows(cell, settle(cell))) == []
