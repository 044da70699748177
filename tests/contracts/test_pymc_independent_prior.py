"""Under the independent prior too the PyMC model is the problem: its density at any point, by graph and Op; NUTS finds the posterior."""

import dataclasses

import numpy as np
import pytest
from test_pymc_model import function_of, interpreted, points

from workbench.data import Dataset
from workbench.data.builtin import load_built_in
from workbench.inference import NUTS, Gibbs
from workbench.inference.method import Context
from workbench.models import Gaussian, Product
from workbench.problem import Problem

KIND = {"kind": "independent"}
SIZES = [(1, 1), (2, 1), (3, 3)]
STRUCTURES = ("full", "tied", "diagonal", "spherical")
MIXED = {
    covariance: Product({"categorical": ["c"], "gaussian": {"columns": ["a", "b"], "covariance": covariance}, "poisson": ["p"]})
    for covariance in ("tied", "spherical")
}
GALAXIES = {**KIND, "mean": 20.0, "mean_covariance": 100.0, "dof": 6.0, "scale": 40.0}


def problem_of(covariance, n_components, n_features, state):
    rng = np.random.default_rng(10 * n_components + n_features)
    x = rng.normal(size=(30, n_features)) * np.resize([1.0, 10.0, 100.0], n_features) + 5.0
    return with_state(
        x, rng, state, lambda data: Problem(data, "gaussian", n_components, {**KIND, "concentration": 1.5}, covariance=covariance)
    )


def mixed_problem(covariance, state):
    rng = np.random.default_rng(0)
    x = np.c_[rng.integers(0, 3, 30), rng.normal(size=(30, 2)), rng.poisson(4.0, 30)].astype(float)
    family = MIXED[covariance]
    return with_state(
        x, rng, state, lambda data: Problem(data, family, 2, {"gaussian": {**KIND, "dof": 5.0}}), family.columns, family.levels
    )


def with_state(x, rng, state, made, names=None, levels=False):
    if "missing" in state:
        x[rng.random(x.shape) < 0.2] = np.nan
        x[0] = np.nan
    counts = rng.integers(1, 5, x.shape[0]) if "counts" in state else None
    return made(Dataset.of(x, names or tuple(f"x{d}" for d in range(x.shape[1])), counts=counts, levels=levels))


def cases():
    for covariance in STRUCTURES:
        yield pytest.param(covariance, 2, 2, "missing counts", marks=pytest.mark.slow)
        yield from (pytest.param(covariance, *size, state, marks=pytest.mark.slow) for size in SIZES for state in ("complete", "missing"))


def assert_model_is(problem):
    from workbench.inference.pymc.posterior import posterior

    op, graph = (function_of(problem, likelihood) for likelihood in ("op", "graph"))
    compiled = posterior(problem)
    for u in points(problem):
        ours, theirs = op(u), graph(u)
        sampled = compiled(u)
        assert sampled[0] == pytest.approx(theirs[0], rel=1e-12, abs=1e-10)
        np.testing.assert_allclose(sampled[1], theirs[1], rtol=1e-8, atol=1e-9 * np.abs(theirs[1]).max())
        wanted = problem.target().log_density(u)
        assert ours[0] == pytest.approx(wanted, rel=1e-11, abs=1e-9)
        assert theirs[0] == pytest.approx(wanted, rel=1e-11, abs=1e-9)
        np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-8, atol=1e-9 * np.abs(theirs[1]).max())
        slope = problem.target().gradient(u)
        np.testing.assert_allclose(ours[1], slope, rtol=1e-8, atol=1e-9 * np.abs(slope).max())


@pytest.mark.parametrize(("covariance", "n_components", "n_features", "state"), list(cases()))
def test_density_and_gradient_are_ours(covariance, n_components, n_features, state):
    assert_model_is(problem_of(covariance, n_components, n_features, state))


@pytest.mark.slow
@pytest.mark.parametrize("covariance", MIXED)
def test_density_and_gradient_in_a_product_are_ours(covariance):
    assert_model_is(mixed_problem(covariance, "missing counts"))


@pytest.mark.parametrize("covariance", STRUCTURES)
def test_value_variables_are_in_the_order_of_flatten(covariance):
    from workbench.inference.pymc.model import build, shape_of

    problem = problem_of(covariance, 2, 3, "complete")
    own = ["c_log__", *(["t"] if covariance in ("full", "tied") else []), "shift"]
    assert [variable.name for variable in build(problem).value_vars] == ["weights_simplex__", *own]
    other = Problem(problem.data, Gaussian(covariance), 2)
    assert shape_of(problem, "op") != shape_of(other, "op")


@pytest.mark.slow
def test_other_data_and_numbers_of_the_same_shape_take_the_same_model():
    from workbench.inference.pymc.model import arrays, assign, build, shape_of

    first, second = problem_of("full", 2, 2, "complete"), problem_of("full", 2, 2, "missing counts")
    second = Problem(second.data, second.family, 2, {**KIND, "dof": 7.0, "mean_covariance": 3.0})
    assert shape_of(first, "op") == shape_of(second, "op")
    model = build(first, "op")
    function = interpreted(model)
    assign(model, arrays(second, "op"))
    u = np.full(second.prior.dim, 0.3)
    assert function(u)[0] == pytest.approx(second.target().log_density(u), rel=1e-12)


@pytest.mark.slow(seconds=30)
def test_nuts_and_gibbs_agree_on_the_galaxies():
    """In what knows no labels; and both evidences are Neal's, -226.791 as published, -226.789 as recomputed."""
    problem = Problem(load_built_in("galaxies"), "gaussian", 3, GALAXIES)
    fits = [NUTS().fit(problem), Gibbs(draws=2000).fit(problem, dataclasses.replace(Context.default(problem), estimates=False))]
    at_draws = problem.target().log_density(problem.prior.flatten(fits[0].draws)[0])
    np.testing.assert_allclose(at_draws, fits[0].sample_stats["lp"], rtol=1e-10)  # of the compiled density
    means, errors = [], []
    for fit in fits:
        numbers = np.stack([fit.log_likelihood, (fit.draws.weights**2).sum(axis=-1), fit.draws.weights.max(axis=-1)])
        batches = numbers.reshape(3, numbers.shape[1] * 10, -1).mean(axis=-1)
        means.append(batches.mean(axis=1))
        errors.append(batches.std(axis=1, ddof=1) / np.sqrt(batches.shape[1]))
    assert (np.abs(means[0] - means[1]) < 4.5 * np.hypot(*errors)).all()
    bridge = next(each for each in fits[0].evidence if each.estimator == "bridge")
    assert bridge.trusted, bridge
    assert abs(bridge.log_evidence + 226.7888) < 3.0 * bridge.mcse < 0.2
