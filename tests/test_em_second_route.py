"""EM against another route: direct maximisation of the observed-data likelihood, without EM."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from workbench.data.builtin import load_built_in
from workbench.data.selection import complete
from workbench.fit import Status
from workbench.inference import EM
from workbench.problem import Problem


def test_bernoulli_on_the_complete_rows_of_house_votes_by_l_bfgs() -> None:
    """The likelihood written out anew, climbed in logits with its own gradient, from random starts of its own."""
    data = complete(load_built_in("house_votes"))
    x = data.x
    n_rows, n_features = x.shape
    assert n_rows == 232

    def negative(u: np.ndarray) -> tuple[float, np.ndarray]:
        share, logits = 1.0 / (1.0 + np.exp(-u[0])), u[1:].reshape(2, n_features)
        logs = -np.logaddexp(0.0, -logits), -np.logaddexp(0.0, logits)
        joint = np.log([share, 1.0 - share]) + x @ logs[0].T + (1.0 - x) @ logs[1].T
        density = np.logaddexp(joint[:, 0], joint[:, 1])
        shares = np.exp(joint - density[:, None])
        by_logits = shares.T @ x - shares.sum(axis=0)[:, None] / (1.0 + np.exp(-logits))
        by_share = shares[:, 0].sum() - n_rows * share
        return -float(density.sum()), -np.concatenate([[by_share], by_logits.ravel()])

    rng = np.random.default_rng(0)
    ends = [
        minimize(
            negative,
            rng.normal(size=1 + 2 * n_features),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 5000, "ftol": 1e-15, "gtol": 1e-8},
        )
        for _ in range(20)
    ]
    best = max(-end.fun for end in ends)
    fit = EM(restarts=50).fit(Problem(data, "bernoulli", 2))
    assert fit.log_likelihood.item() == pytest.approx(best, abs=1e-5)


def test_both_stopping_rules_find_the_same_optimum() -> None:
    problem = Problem(load_built_in("old_faithful"), "gaussian", 2)
    by_objective, by_parameters = (EM(restarts=10, stop=stop, tol=1e-7).fit(problem) for stop in ("objective", "parameters"))
    assert by_parameters.log_likelihood.item() == pytest.approx(by_objective.log_likelihood.item(), abs=1e-8)
    assert by_objective.restarts is not None
    assert by_parameters.restarts is not None
    assert by_parameters.restarts.iterations.mean() > by_objective.restarts.iterations.mean()


def test_a_restart_that_hits_the_cap_is_not_converged() -> None:
    fit = EM(restarts=4, max_iter=3).fit(Problem(load_built_in("old_faithful"), "gaussian", 3))
    assert fit.restarts is not None
    assert set(fit.restarts.status) == {Status.FOLLOWED}
    assert fit.restarts.iterations.tolist() == [3] * 4
    assert fit.status is Status.FOLLOWED  # what is reported was followed from there to its optimum, and the fit says so
    assert "max_iter" in fit.status.value


def test_aitken_estimates_what_was_left() -> None:
    problem = Problem(load_built_in("old_faithful"), "gaussian", 2)
    fit = EM(restarts=20, tol=1e-3).fit(problem)
    restarts = fit.restarts
    assert restarts is not None
    assert restarts.polished_objective is not None
    left = restarts.polished_objective - restarts.objective
    told = np.isfinite(restarts.gain_left) & (left < 0.1)  # on the last, linear stretch
    assert told.sum() > 10
    np.testing.assert_allclose(restarts.gain_left[told], left[told], rtol=0.5, atol=1e-4)
