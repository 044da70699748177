"""The PyMC model is the problem: the same density at any point, for every family, K and D, and the Op is its graph.

The graphs run on PyTensor's Python linker here, so that a grid of models costs no compilation. What NUTS samples, the same density
compiled with the E step, is held to them.
"""

from dataclasses import replace

import numpy as np
import pytest

from workbench.data import Dataset
from workbench.inference import EM
from workbench.inference.method import Context
from workbench.inference.pymc.choices import LIKELIHOODS, likelihoods
from workbench.models import Bernoulli, Categorical, Gaussian, Poisson, Product
from workbench.problem import Problem

SOME = Product({"gaussian": ["a", "b"], "categorical": ["c", "d"]})
EVERY = Product(
    {"poisson": ["p"], "gaussian": {"columns": ["a", "b", "e"], "covariance": "spherical"}, "bernoulli": ["q", "r"], "categorical": ["c"]}
)
PRODUCTS = (
    SOME,
    EVERY,
    Product({"gaussian": {"columns": ["a", "b"], "covariance": "tied"}, "bernoulli": ["c"]}),
    Product({"gaussian": {"columns": ["a", "b"], "covariance": "diagonal"}, "poisson": ["c", "d"]}),
    Product({"bernoulli": ["a"], "poisson": ["b"], "categorical": ["c", "d"]}),
    Product({"gaussian": ["a", "b"]}),
)
FAMILIES = (*LIKELIHOODS, *PRODUCTS)
SIZES = [(1, 1), (1, 3), (2, 1), (2, 2), (3, 3)]
STATES = ("complete", "missing", "counts", "missing counts")
QUICK = [(family, 2, 2, "missing counts") for family in (*LIKELIHOODS, SOME, EVERY)]
"""One case a family where everything comes together. Of each kind of compiled likelihood that other quick tests compile anyway one is
quick; all others are marked slow."""


def cases():
    """Every size with everything that rows may have, some with nothing too, one with each alone; products compile longest."""
    for family in FAMILIES:
        sizes = [(k, 0) for k in (1, 3)] if isinstance(family, Product) else SIZES
        for n_components, n_features in sizes:
            alone = (n_components, n_features) == (2, 2) or (n_components == 3 and family is EVERY)
            for state in STATES if alone else ("complete", "missing counts") if n_components in (n_features, 3) else ("missing counts",):
                if (family, n_components, n_features, state) not in QUICK:
                    yield pytest.param(family, n_components, n_features, state, marks=pytest.mark.slow)
    for case in QUICK:
        yield pytest.param(*case, marks=[] if case[0] in (Gaussian("full"), Bernoulli()) else [pytest.mark.slow(seconds=12)])


def features_of(rng, family, n_rows, n_features):
    if isinstance(family, Gaussian):
        return rng.normal(size=(n_rows, n_features)) * np.resize([1.0, 10.0, 100.0], n_features) + 5.0
    if isinstance(family, Poisson):
        return rng.poisson(rng.choice([0.5, 6.0], n_features), (n_rows, n_features)).astype(float)
    if isinstance(family, Bernoulli):
        return rng.integers(0, 2, (n_rows, n_features)).astype(float)
    return np.stack([rng.integers(0, levels, n_rows) for levels in np.resize([3, 2, 2, 4], n_features)], axis=1).astype(float)


NUMBERS = {
    "bernoulli": {"a": 2.0, "b": 0.7},
    "poisson": {"shape": 1.7, "rate": 0.4},
    "categorical": {"alpha": 1.3},
}


def problem_of(family, n_components, n_features, state="complete", n_rows=30):
    rng = np.random.default_rng(n_components * 10 + n_features)
    blocks = [(block.family, len(block.columns)) for block in family.blocks] if isinstance(family, Product) else [(family, n_features)]
    x = np.concatenate([features_of(rng, own, n_rows, size) for own, size in blocks], axis=1)
    if "missing" in state:
        x[rng.random(x.shape) < 0.2] = np.nan
        x[0] = np.nan  # a row of which nothing is known
    counts = rng.integers(1, 5, n_rows) if "counts" in state else None
    names = family.columns if isinstance(family, Product) else tuple(f"x{d}" for d in range(n_features))
    levels = family.levels if isinstance(family, Product) else (names if isinstance(family, Categorical) else False)
    data = Dataset.of(x, names, counts=counts, levels=levels)
    gaussian = {"mean_strength": 0.3}
    if isinstance(family, Product):
        numbers = {own.name: NUMBERS.get(own.name, gaussian) for own, _ in blocks}
    else:
        numbers = NUMBERS.get(family.name, {**gaussian, "dof": n_features + 1.5})
    return Problem(data, family, n_components, {"concentration": 1.5, **numbers})


def interpreted(model):
    """u -> (value, gradient) by PyTensor's Python linker: nothing is compiled."""
    from pytensor.compile.mode import Mode

    function = model.logp_dlogp_function(ravel_inputs=True, mode=Mode(linker="py", optimizer="fast_compile"))
    function.set_extra_values({})
    return function


FUNCTIONS = {}
"""Of models by their shape: as fits do, problems of one shape share theirs and bring their own rows and numbers."""


def function_of(problem, likelihood):
    """u -> (value, gradient) of the problem, until another of its shape takes the function over."""
    from workbench.inference.pymc.model import arrays, assign, build, shape_of

    shape = shape_of(problem, likelihood)
    if shape not in FUNCTIONS:
        model = build(problem, likelihood)
        FUNCTIONS[shape] = model, interpreted(model)
    model, function = FUNCTIONS[shape]
    assign(model, arrays(problem, likelihood))
    return function


def points(problem, n=2):
    rng = np.random.default_rng(5)
    prior = problem.prior.flatten(problem.prior.sample(rng, (n,)))[0]
    return np.concatenate([np.clip(prior, -12.0, 12.0), rng.normal(size=(n, problem.prior.dim))])


@pytest.mark.parametrize(("family", "n_components", "n_features", "state"), list(cases()), ids=str)
def test_density_of_the_model_is_ours_and_the_op_is_the_graph(family, n_components, n_features, state):
    """Log likelihood, log prior density and log Jacobian, whatever the likelihood is made of; op, graph and what NUTS samples have one
    gradient."""
    from workbench.inference.pymc.posterior import posterior

    problem = problem_of(family, n_components, n_features, state)
    found = {each: function_of(problem, each) for each in {*likelihoods(family), "op", "graph"}}
    for likelihood in likelihoods(family):
        for u in points(problem):
            mixture, log_jacobian = problem.prior.unflatten(u)
            ours = problem.log_likelihood(mixture) + problem.prior.log_density(mixture) + log_jacobian
            assert found[likelihood](u)[0] == pytest.approx(ours, rel=1e-11, abs=1e-9)
    op, graph = found["op"], found["graph"]
    compiled = posterior(problem)
    for u in points(problem):
        theirs = graph(u)
        for ours in (op(u), compiled(u)):
            assert ours[0] == pytest.approx(theirs[0], rel=1e-12, abs=1e-10)
            np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-9, atol=1e-9 * np.abs(theirs[1]).max())


@pytest.mark.parametrize("family", [Bernoulli(), Poisson()], ids=str)
def test_many_components_or_cells_go_by_lookup(family):
    """Few go by rows side by side, which the other tests have."""
    from workbench.inference.pymc import posterior

    problem = problem_of(family, posterior.FEW_COMPONENTS + 1, 3, "missing counts")
    graph, compiled = function_of(problem, "graph"), posterior.posterior(problem)
    for u in points(problem):
        np.testing.assert_allclose(compiled(u)[0], graph(u)[0], rtol=1e-12)
        np.testing.assert_allclose(compiled(u)[1], graph(u)[1], rtol=1e-9, atol=1e-9 * np.abs(graph(u)[1]).max())


@pytest.mark.parametrize("many", [2, 20])
def test_more_rows_than_a_block_of_them(many):
    """Few cells, and more of them than rows side by side are quicker for."""
    from workbench.inference.pymc.posterior import posterior

    problem = problem_of(Bernoulli(), 2, 2 * many, "missing counts", n_rows=300)
    u = points(problem, 1)[1]
    value, gradient = posterior(problem)(u)
    slope = problem.target().gradient(u)
    assert value == pytest.approx(problem.target().log_density(u), rel=1e-12)
    np.testing.assert_allclose(gradient, slope, rtol=1e-9, atol=1e-9 * np.abs(slope).max())


def test_a_factor_turns_the_coordinates():
    """Value at factor v, gradient by v."""
    from workbench.inference.pymc.posterior import posterior

    compiled = posterior(problem_of(Bernoulli(), 2, 2, "missing counts"))
    rng = np.random.default_rng(0)
    factor, v = rng.normal(size=(compiled.dim, compiled.dim)), rng.normal(size=compiled.dim)
    value, gradient = compiled(factor @ v)
    turned = compiled(v, factor)
    assert turned[0] == pytest.approx(value, rel=1e-13)
    np.testing.assert_allclose(turned[1], factor.T @ gradient, rtol=1e-11)


def test_what_is_not_finite_is_refused():
    """The sampler is told by a number that is not 0, and turns round."""
    from workbench.inference.pymc.posterior import posterior

    compiled = posterior(problem_of(Bernoulli(), 2, 2))
    assert not np.isfinite(compiled(np.full(compiled.dim, 800.0))[0])
    assert compiled.status(np.full(compiled.dim, 800.0)) == 3
    assert compiled.status(np.zeros(compiled.dim)) == 0


@pytest.mark.slow
@pytest.mark.parametrize("n_features", [9, 18])
def test_many_features_go_by_other_kernels(n_features):
    """Nine are no longer written out for independent features, 18 not for matrices; no graph: finite differences."""
    from workbench.inference.pymc.model import build

    for family in (Gaussian("full"), Gaussian("diagonal")):
        problem = problem_of(family, 2, n_features, "missing counts", n_rows=120)
        function = interpreted(build(problem, "op"))
        u = points(problem, 1)[1] * 0.3
        value, gradient = function(u)
        assert value == pytest.approx(problem.target().log_density(u), rel=1e-11)
        direction = np.random.default_rng(0).normal(size=u.size)
        slope = (function(u + 1e-6 * direction)[0] - function(u - 1e-6 * direction)[0]) / 2e-6
        assert gradient @ direction == pytest.approx(slope, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("family", [Gaussian("full"), Gaussian("diagonal")], ids=str)
@pytest.mark.parametrize("n_features", [9, 18])
def test_many_features_are_sampled_alike(family, n_features):
    from workbench.inference.pymc.posterior import posterior

    problem = problem_of(family, 2, n_features, "missing counts", n_rows=120)
    u = points(problem, 1)[1] * 0.3
    value, gradient = posterior(problem)(u)
    slope = problem.target().gradient(u)
    assert value == pytest.approx(problem.target().log_density(u), rel=1e-12)
    np.testing.assert_allclose(gradient, slope, rtol=1e-9, atol=1e-9 * np.abs(slope).max())


@pytest.mark.parametrize("family", LIKELIHOODS, ids=str)
@pytest.mark.parametrize(("n_components", "n_features"), [(1, 1), (2, 3)])
def test_value_variables_are_in_the_order_of_flatten(family, n_components, n_features):
    from workbench.inference.pymc.model import build

    weights = ["weights_simplex__"] if n_components > 1 else []
    matrix = ["c_log__", *(["t"] if n_features > 1 else []), "eps"]
    rest = {
        Gaussian("full"): matrix,
        Gaussian("tied"): matrix,
        Gaussian("diagonal"): ["c_log__", "eps"],
        Gaussian("spherical"): ["c_log__", "eps"],
        Bernoulli(): ["probs_logodds__"],
        Poisson(): ["rates_log__"],
        Categorical(): ["probs_simplex__"] if n_features == 1 else ["probs_0_simplex__", "probs_1_simplex__"],
    }[family]
    model = build(problem_of(family, n_components, n_features))
    assert [variable.name for variable in model.value_vars] == weights + rest


@pytest.mark.parametrize(
    "family", [Gaussian("full"), Gaussian("diagonal"), Bernoulli(), pytest.param(SOME, marks=pytest.mark.slow)], ids=str
)
def test_counts_are_repeated_rows(family):
    from workbench.inference.pymc.model import build

    short = problem_of(family, 2, 2, "missing counts")
    times = short.data.counts.astype(int)
    rows = short.data.take(np.repeat(np.arange(times.size), times))
    long = Problem(replace(rows, counts=np.ones(times.sum())), family, 2, short.prior)
    u = points(short, 1)[1]
    values = [interpreted(build(problem, "op"))(u) for problem in (short, long)]
    assert values[0][0] == pytest.approx(values[1][0], rel=1e-12)
    np.testing.assert_allclose(values[0][1], values[1][1], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("family", [Gaussian("full"), Gaussian("spherical"), Categorical(), SOME], ids=str)
def test_the_op_has_no_second_derivative(family):
    """Differentiating the gradient with the statistics held fixed would give the complete-data information."""
    import pytensor.tensor as pt

    from workbench.inference.pymc.model import build

    model = build(problem_of(family, 2, 2), "op")
    slope = pt.grad(model.logp(), model.value_vars[-1])
    with pytest.raises(NotImplementedError, match="no second derivative"):
        pt.grad(slope.sum(), model.value_vars[-1])


@pytest.mark.parametrize("family", [*LIKELIHOODS, pytest.param(SOME, marks=pytest.mark.slow)], ids=str)
def test_other_data_of_the_same_shape_take_the_same_model_whatever_is_missing(family):
    from workbench.inference.pymc.model import arrays, assign, build, shape_of

    first = problem_of(family, 2, 2)
    second = problem_of(family, 2, 2, "missing counts", n_rows=41)
    assert shape_of(first, "op") == shape_of(second, "op")
    model = build(first, "op")
    function = interpreted(model)
    assign(model, arrays(second, "op"))
    u = np.full(second.prior.dim, 0.3)
    assert function(u)[0] == pytest.approx(second.target().log_density(u), rel=1e-12)


def test_a_graph_of_complete_rows_is_not_taken_for_others():
    from workbench.inference.pymc.model import shape_of

    shapes = [shape_of(problem_of(Gaussian("full"), 2, 2, state), "graph") for state in ("complete", "missing")]
    assert shapes[0] != shapes[1]


def test_other_levels_are_another_shape():
    from workbench.inference.pymc.model import shape_of

    x = np.random.default_rng(0).integers(0, 3, (20, 2)).astype(float)
    shapes = [shape_of(Problem(Dataset.of(own, levels=True), Categorical(), 2), "op") for own in (x, np.minimum(x, 1.0))]
    assert shapes[0] != shapes[1]


def test_a_likelihood_that_is_not_there_is_refused(monkeypatch):
    from workbench.inference.pymc import ADVI, NUTS
    from workbench.inference.pymc.model import build

    monkeypatch.setitem(LIKELIHOODS, Gaussian("diagonal"), ("graph",))
    problem = problem_of(Gaussian("diagonal"), 2, 2)
    for method in (NUTS(likelihood="op"), ADVI(likelihood="op")):
        assert "use graph" in method.refuses(problem)
    with pytest.raises(ValueError, match="likelihood: op"):
        build(problem, "op")


@pytest.mark.parametrize("family", [*LIKELIHOODS, SOME], ids=str)
def test_the_map_of_em_is_a_stationary_point_of_the_model(family):
    """In (weights, parameters) coordinates: the gradient of log density minus log Jacobian, pulled back to u, vanishes."""
    from workbench.inference.pymc.model import build

    problem = problem_of(family, 2, 2, "missing counts")
    if isinstance(family, Bernoulli):
        problem = Problem(problem.data, family, 2, {"concentration": 1.5, "a": 2.0, "b": 2.0})  # b = 0.7 has no interior mode
    function = interpreted(build(problem))
    context = replace(Context.default(problem), estimates=False)
    mode = EM(restarts=8, objective="posterior", tol=1e-13).fit(problem, context).mixture
    u, _ = problem.prior.flatten(mode)
    step = 1e-5 * np.eye(u.size)
    jacobian_slope = (problem.prior.unflatten(u + step)[1] - problem.prior.unflatten(u - step)[1]) / 2e-5
    slope = function(u)[1] - jacobian_slope
    assert np.abs(function(u + 0.5)[1]).max() > 0.1
    assert np.abs(slope).max() < 1e-5 * problem.data.counts.sum() / 30.0  # nats; EM ends where its gains drown in rounding
