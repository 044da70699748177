"""What depends on data alone leaves the graph of NUTS, and the density stays: for other data too."""

import numpy as np
import pytest

from workbench.data import Dataset
from workbench.models import Bernoulli, Categorical, Gaussian, Poisson, Product
from workbench.problem import Problem

FAMILIES = [Bernoulli(), Poisson(), Categorical(), Gaussian("full"), Gaussian("spherical"), Product({"gaussian": ["a"], "poisson": ["b"]})]


def problem_of(family, n_components, seed, prior=None):
    """Some rows of whole numbers with cells missing; prior numbers depend on them."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 2, (12 + seed, 2)).astype(float)
    x[:2], x[2, 0] = [[0.0, 1.0], [1.0, 0.0]], np.nan
    if isinstance(family, Gaussian):
        x += rng.normal(size=x.shape)
    data = Dataset.of(x, ("a", "b"), levels=isinstance(family, Categorical), counts=rng.integers(1, 4, x.shape[0]))
    return Problem(data, family, n_components, {"concentration": 1.0 + 0.3 * seed, **(prior or {})})


@pytest.mark.parametrize(
    ("family", "prior"),
    [
        *((family, None) for family in FAMILIES),
        (Gaussian("full"), {"kind": "independent"}),
        (Gaussian("diagonal"), {"kind": "independent"}),
    ],
    ids=str,
)
@pytest.mark.parametrize("n_components", [2, pytest.param(1, marks=pytest.mark.slow)])
def test_the_density_is_the_same_for_the_data_it_was_made_of_and_for_others(family, prior, n_components):
    import pytensor
    from pytensor.compile.mode import Mode

    from workbench.inference.pymc.hoisting import hoisted
    from workbench.inference.pymc.model import arrays, build

    model = build(problem_of(family, n_components, 0, prior))
    value, known = hoisted(model.logp(), model.value_vars)
    function = pytensor.function(model.value_vars, value, mode=Mode(linker="py", optimizer=None), on_unused_input="ignore")
    for seed in (0, 3):
        problem = problem_of(family, n_components, seed, prior)
        given = arrays(problem)
        for variable in function.get_shared():
            variable.set_value({**given, **known(given)}[variable.name])
        u = np.linspace(-0.4, 0.5, problem.prior.dim)
        sizes = [int(np.prod(each.type.shape)) for each in model.value_vars]
        parts = np.split(u, np.cumsum(sizes)[:-1])
        own = [part.reshape(each.type.shape) for part, each in zip(parts, model.value_vars, strict=True)]
        assert float(function(*own)) == pytest.approx(float(problem.target().log_density(u)), rel=1e-12)
        assert any(np.asarray(each).size for each in known(given).values())
