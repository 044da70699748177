"""The PyMC model is the problem: the same density at any point, for every family, K and D, and the Op is its graph.

The graphs run on PyTensor's Python linker here, so that a grid of models costs no compilation; the compiled code is held to
the same densities in ``test_pymc_fits``.
"""

import functools

import numpy as np
import pytest

from workbench.inference import EM
from workbench.inference.pymc.choices import LIKELIHOODS
from workbench.models import Bernoulli, Gaussian
from workbench.problem import Problem

SIZES = [(1, 1), (1, 3), (2, 1), (2, 2), (3, 2), (3, 3)]
CASES = [(family, *size) for family in LIKELIHOODS for size in SIZES]


def problem_of(family, n_components, n_features, n_rows=30):
    rng = np.random.default_rng(n_components * 10 + n_features)
    if isinstance(family, Bernoulli):
        x = rng.integers(0, 2, (n_rows, n_features)).astype(float)
        x[rng.random(x.shape) < 0.1] = np.nan
        x[0] = np.nan  # a row of which nothing is known
        return Problem(x, family, n_components, {"concentration": 1.5, "a": 2.0, "b": 0.7})
    x = rng.normal(size=(n_rows, n_features)) * [1.0, 10.0, 100.0][:n_features] + 5.0
    return Problem(x, family, n_components, {"concentration": 1.5, "mean_strength": 0.3, "dof": n_features + 1.5})


def interpreted(model):
    """u -> (value, gradient) by PyTensor's Python linker: nothing is compiled."""
    from pytensor.compile.mode import Mode

    function = model.logp_dlogp_function(ravel_inputs=True, mode=Mode(linker="py", optimizer="fast_compile"))
    function.set_extra_values({})
    return function


@functools.cache
def value_and_gradient(family, n_components, n_features, likelihood):
    from workbench.inference.pymc.model import build

    problem = problem_of(family, n_components, n_features)
    return problem, interpreted(build(problem, likelihood))


def points(problem, n=4):
    rng = np.random.default_rng(5)
    prior = problem.prior.flatten(problem.prior.sample(rng, (n,)))[0]
    return np.concatenate([prior, rng.normal(size=(n, problem.prior.dim))])


@pytest.mark.parametrize(("family", "n_components", "n_features"), CASES, ids=str)
def test_density_of_the_model_is_log_likelihood_plus_log_prior_plus_log_jacobian(family, n_components, n_features):
    for likelihood in LIKELIHOODS[family]:
        problem, function = value_and_gradient(family, n_components, n_features, likelihood)
        for u in points(problem):
            mixture, log_jacobian = problem.prior.unflatten(u)
            ours = problem.log_likelihood(mixture) + problem.prior.log_density(mixture) + log_jacobian
            assert function(u)[0] == pytest.approx(ours, rel=1e-11, abs=1e-9)


@pytest.mark.parametrize(("family", "n_components", "n_features"), CASES, ids=str)
def test_value_variables_are_in_the_order_of_flatten(family, n_components, n_features):
    from workbench.inference.pymc.model import build

    weights = ["weights_simplex__"] if n_components > 1 else []
    rest = {
        Gaussian("full"): ["c_log__", *(["t"] if n_features > 1 else []), "eps"],
        Gaussian("diagonal"): ["c_log__", "eps"],
        Bernoulli(): ["probs_logodds__"],
    }[family]
    model = build(problem_of(family, n_components, n_features))
    assert [variable.name for variable in model.value_vars] == weights + rest


@pytest.mark.parametrize(("n_components", "n_features"), SIZES)
def test_the_op_is_the_graph_in_value_and_gradient(n_components, n_features):
    problem, op = value_and_gradient(Gaussian("full"), n_components, n_features, "op")
    _, graph = value_and_gradient(Gaussian("full"), n_components, n_features, "graph")
    for u in points(problem):
        ours, theirs = op(u), graph(u)
        assert ours[0] == pytest.approx(theirs[0], rel=1e-12, abs=1e-10)
        np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-9, atol=1e-9 * np.abs(theirs[1]).max())


@pytest.mark.parametrize("likelihood", ["op", "graph"])
def test_counts_are_repeated_rows(likelihood):
    from dataclasses import replace

    from workbench.data import Dataset
    from workbench.inference.pymc.model import build

    x = np.random.default_rng(3).normal(size=(12, 2))
    times = np.arange(12) % 3 + 1
    numbers = Problem(x, Gaussian("full"), 2).prior.numbers()
    short = Problem(replace(Dataset.of(x), counts=times.astype(float)), Gaussian("full"), 2, numbers)
    long = Problem(np.repeat(x, times, axis=0), Gaussian("full"), 2, numbers)
    values = [interpreted(build(problem, likelihood))(np.full(problem.prior.dim, 0.2)) for problem in (short, long)]
    assert values[0][0] == pytest.approx(values[1][0], rel=1e-12)
    np.testing.assert_allclose(values[0][1], values[1][1], rtol=1e-10)


def test_the_op_has_no_second_derivative():
    """Differentiating the gradient with the statistics held fixed would give the complete-data information."""
    import pytensor.tensor as pt

    from workbench.inference.pymc.model import build

    model = build(problem_of(Gaussian("full"), 2, 2), "op")
    slope = pt.grad(model.logp(), model.value_vars[-1])
    with pytest.raises(NotImplementedError, match="no second derivative"):
        pt.grad(slope.sum(), model.value_vars[-1])


def test_another_problem_of_the_same_sizes_takes_the_same_model():
    from workbench.inference.pymc.model import arrays, assign, build

    first, second = problem_of(Gaussian("full"), 2, 2), problem_of(Gaussian("full"), 2, 2, n_rows=17)
    model = build(first)
    function = interpreted(model)
    assign(model, arrays(second))
    u = np.full(second.prior.dim, 0.3)
    assert function(u)[0] == pytest.approx(second.target().log_density(u), rel=1e-12)


def test_a_likelihood_that_is_not_there_is_refused():
    from workbench.inference.pymc import ADVI, NUTS
    from workbench.inference.pymc.model import build

    problem = problem_of(Gaussian("diagonal"), 2, 2)
    for method in (NUTS(likelihood="op"), ADVI(likelihood="op")):
        assert "use graph" in method.refuses(problem)
    with pytest.raises(ValueError, match="likelihood: op"):
        build(problem, "op")


@pytest.mark.parametrize("family", list(LIKELIHOODS), ids=str)
def test_the_map_of_em_is_a_stationary_point_of_the_model(family):
    """In (weights, parameters) coordinates: the gradient of log density minus log Jacobian, pulled back to u, vanishes."""
    problem, function = value_and_gradient(family, 2, 2, LIKELIHOODS[family][-1])
    if isinstance(family, Bernoulli):
        from workbench.inference.pymc.model import build

        problem = Problem(problem.data, family, 2, {"concentration": 1.5, "a": 2.0, "b": 2.0})  # b = 0.7 has no interior mode
        function = interpreted(build(problem))
    mode = EM(restarts=8, objective="posterior", tol=1e-13).fit(problem).mixture
    u, _ = problem.prior.flatten(mode)
    step = 1e-5 * np.eye(u.size)
    jacobian_slope = (problem.prior.unflatten(u + step)[1] - problem.prior.unflatten(u - step)[1]) / 2e-5
    slope = function(u)[1] - jacobian_slope
    assert np.abs(function(u + 0.5)[1]).max() > 0.1
    assert np.abs(slope).max() < 1e-5  # nats; EM ends where its gains drown in rounding
