"""The best q(means) q(spreads): no other of that form is better, and its bound is below the integral over a grid."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from examples import SEMICONJUGATE, problem_of
from scipy.special import gammaln, logsumexp
from test_expected_terms import some_shares
from test_independent_gibbs import EIGHT, NUMBERS, log_labellings

from workbench.inference.vbem import VBEM
from workbench.models import Prior
from workbench.models.families.gaussian.independent import DiagonalStatistics
from workbench.models.families.gaussian.semiconjugate import NormalAndInverseGamma
from workbench.problem import Problem


def bound(q: Prior, problem: Problem, statistics: Any) -> np.ndarray:
    """E_q log p(x | labels, theta) - KL, of given statistics."""
    assert problem.prior is not None
    return np.asarray(q.expected_terms().expected(statistics) - q.divergence(problem.prior))


@pytest.mark.parametrize(("name", "options"), SEMICONJUGATE, ids=[options["covariance"] for _, options in SEMICONJUGATE])
def test_no_q_nearby_is_better(name: str, options: dict[str, Any]) -> None:
    problem = problem_of(name, options, 0.2, n_rows=20)
    assert problem.prior is not None
    statistics = problem.family.statistics(problem.data, some_shares(problem, 1))
    q, rng = problem.prior.posterior(statistics), np.random.default_rng(0)
    components: Any = q.components
    top, falls = bound(q, problem, statistics), []
    for step in (1e-2, 1e-3):
        for _ in range(10):
            away = {"mean": components.mean + step * rng.normal(size=components.mean.shape)}
            for key in ("mean_covariance", "dof", "scale"):
                own = getattr(components, key)
                grown = 1.0 + step * rng.normal(size=own.shape[: own.ndim - (2 if own.shape[-2:] == (3, 3) and key != "dof" else 0)])
                away[key] = np.asarray(own * (grown[..., None, None] if grown.ndim < own.ndim else grown))
            falls.append(float(top - bound(replace(q, components=replace(components, **away)), problem, statistics)) / step**2)
    assert min(falls) > 1e-3
    assert max(falls[10:]) < 1e4  # quadratic: a slope would be a hundred times as much at the smaller step


@pytest.mark.parametrize("gap", [0.0, 2.0, 3.0, 3.4, 4.0, 6.0])
@pytest.mark.parametrize("seen", [0.0, 0.5, 3.0, 8.0])
def test_no_other_on_a_grid_is_better(gap: float, seen: float) -> None:
    """One feature, rows far from where a narrow prior has the means: there may be two optima, one for each of the two."""
    prior = NormalAndInverseGamma(np.zeros(1), np.full(1, 0.1), np.array(2.0), np.full(1, 0.2))
    scatter = 0.1 * seen
    one = np.ones((1, 1))
    q = prior.posterior(DiagonalStatistics(seen * one[0], gap * one, scatter * one, seen * one))
    mean, log_variance = np.meshgrid(np.linspace(-0.5, gap + 0.5, 400), np.linspace(-9.0, -1.0, 400))

    def height(m: np.ndarray, v: np.ndarray) -> np.ndarray:
        """The bound, q of the variance at its optimum given that of the mean, but for a constant."""
        dof, scale = 2.0 + seen, 0.2 + scatter + seen * ((gap - m) ** 2 + v)
        divergence = (v / 0.1 + m**2 / 0.1 - 1.0 - np.log(v / 0.1)) / 2.0
        return np.asarray(gammaln(dof / 2.0) - dof / 2.0 * np.log(scale / 2.0) - divergence)

    found = height(q.mean, q.mean_covariance)
    assert found >= height(mean, np.exp(log_variance)).max() - 1e-12


@pytest.mark.parametrize(("covariance", "shared"), [("full", ""), ("tied", "components"), ("spherical", "")])
@pytest.mark.parametrize("n_components", [1, 2])
def test_bounds_are_below_the_evidence_and_importance_sampling_meets_it(covariance: str, shared: str, n_components: int) -> None:
    problem = Problem(EIGHT, "gaussian", n_components, NUMBERS, covariance=covariance)
    exact = logsumexp(log_labellings([EIGHT], n_components, shared)[1])
    fit = VBEM(restarts=10, draws=2000).fit(problem)
    found = {each.estimator: each for each in fit.evidence}
    labels, symmetrised, importance = (found[name] for name in ("elbo_labels", "elbo_symmetrised", "importance"))
    assert labels.log_evidence < exact
    assert labels.log_evidence < symmetrised.log_evidence + 4.0 * symmetrised.mcse + 1e-9
    assert symmetrised.log_evidence < exact + 4.0 * symmetrised.mcse
    assert abs(importance.log_evidence - exact) < 4.0 * importance.mcse
