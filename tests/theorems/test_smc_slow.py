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
CHIB = {"kind": "independent", "concentration": 1.0, "mean": 20.0, "mean_covariance": 100.0, "dof": 6.0, "scale": 40.0}
FIGURES: list[tuple[str, int, Any, float, float]] = [
    ("old_faithful", 3, "default", -1167.621, 0.002),
    ("galaxies", 2, "default", -235.627, 0.001),
    ("galaxies", 3, "default", -224.742, 0.003),
    ("galaxies", 4, "default", -222.786, 0.003),
    ("iris", 3, "default", -317.240, 0.0015),
    ("galaxies", 3, CHIB, -226.789, 0.001),
]
"""By long bridges and importance sampling with other programs' parts; the last Neal's (1999), recomputed."""


@pytest.mark.parametrize(("data", "n_components", "prior", "wanted", "error"), FIGURES)
def test_evidence_of_real_data(data: str, n_components: int, prior: Any, wanted: float, error: float) -> None:
    found, *_ = SMC(draws=512).fit(Problem(load_built_in(data), "gaussian", n_components, prior)).evidence
    assert found.trusted
    assert found.mcse < 0.2
    assert abs(found.log_evidence - wanted) < 3.5 * math.hypot(found.mcse, error)


def test_evidence_of_old_faithful_under_another_prior() -> None:
    """-1177.743 +- 0.005, by bridge sampling on draws of NUTS."""
    x = load_built_in("old_faithful").x
    prior = {"mean": x.mean(axis=0), "mean_strength": 1.0, "dof": 2.0, "scale": np.cov(x.T)}
    found, *_ = SMC().fit(Problem(x, "gaussian", 2, prior)).evidence
    assert found.trusted
    assert abs(found.log_evidence + 1177.743) < 3.5 * math.hypot(found.mcse, 0.005)


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
