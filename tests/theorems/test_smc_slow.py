"""SMC on real data, against other estimators' long runs; its errors over many seeds."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from workbench.data.builtin import load_built_in
from workbench.inference.exact import Exact
from workbench.inference.method import Context
from workbench.inference.smc import SMC
from workbench.problem import Problem

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

EIGHT = np.array([-5.1, -4.9, -5.3, -4.7, 4.8, 5.2, 5.05, 4.95])
OLD_FAITHFUL = load_built_in("old_faithful").x
ELSEWHERE = {"mean": OLD_FAITHFUL.mean(axis=0), "mean_strength": 1.0, "dof": 2.0, "scale": np.cov(OLD_FAITHFUL.T)}
CHIB = {"kind": "independent", "concentration": 1.0, "mean": 20.0, "mean_covariance": 100.0, "dof": 6.0, "scale": 40.0}
FIGURES: list[tuple[str, int, Any, float, float]] = [
    ("old_faithful", 2, ELSEWHERE, -1177.743, 0.005),
    ("old_faithful", 3, "default", -1167.621, 0.002),
    ("galaxies", 2, "default", -235.627, 0.001),
    ("galaxies", 3, "default", -224.742, 0.003),
    ("galaxies", 4, "default", -222.786, 0.003),
    ("galaxies", 3, CHIB, -226.789, 0.001),
]
"""The first by bridge sampling on draws of PyMC's NUTS; the others by long bridges and importance sampling with other programs' parts; the
last Neal's (1999), recomputed."""


IRIS = pytest.param("iris", 3, "default", -317.240, 0.0015, marks=pytest.mark.slow(seconds=57))


@pytest.mark.parametrize(("data", "n_components", "prior", "wanted", "error"), [*FIGURES, IRIS])
def test_smc_and_the_bridge_agree_on_real_data(data: str, n_components: int, prior: Any, wanted: float, error: float) -> None:
    """Both are trusted, right, and of one mind: islands by their weights, the bridge by where their particles have come to."""
    method = SMC(chains=64) if data == "iris" else SMC()  # its islands differ by 0.8 of their mean
    found = {each.estimator: each for each in method.fit(Problem(load_built_in(data), "gaussian", n_components, prior)).evidence}
    smc, bridge = found["smc"], found["bridge"]
    for each in (smc, bridge):
        assert each.trusted, each.note
        assert each.mcse < 0.2
        assert abs(each.log_evidence - wanted) < 3.5 * math.hypot(each.mcse, error)
    assert abs(smc.log_evidence - bridge.log_evidence) < 3.0 * math.hypot(smc.mcse, bridge.mcse)


@pytest.mark.parametrize("n_components", [2, 4])
def test_errors_are_honest(n_components: int) -> None:
    """z-scores over 200 seeds."""
    problem = Problem(EIGHT, "gaussian", n_components)
    wanted = Exact(chains=1, draws=1).fit(problem).evidence[0].log_evidence
    contexts = [dataclasses.replace(Context.default(problem, seed), estimates=False) for seed in range(200)]
    found = [SMC(chains=12, draws=64).fit(problem, context).evidence[0] for context in contexts]
    scores = np.array([(each.log_evidence - wanted) / each.mcse for each in found])
    assert 0.8 < scores.std() < 1.3
    ratios = np.exp([each.log_evidence - wanted for each in found])  # without bias, but for steps that look at the weights
    assert abs(ratios.mean() - 1.0) < 4.0 * ratios.std() / math.sqrt(200)
