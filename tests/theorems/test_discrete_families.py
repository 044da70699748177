"""Categorical, Poisson and product components: densities, missing cells, counts, boundaries and EM's theorems."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from examples import long, quick
from scipy import stats

from workbench.data import Dataset
from workbench.inference import EM
from workbench.inference.em.steps import e_step, expect, m_step
from workbench.models import Categorical, Family, Mixture, Poisson, Product
from workbench.models.families.categorical.components import CategoricalComponents
from workbench.models.families.product.components import ProductStatistics
from workbench.models.mixture import gathered, stacked
from workbench.models.terms import Statistics
from workbench.problem import Problem

BLOCKS = {"gaussian": ["a", "b"], "bernoulli": ["d"], "categorical": ["f", "c"], "poisson": ["e"]}
CASES: dict[str, tuple[Family, list[str]]] = {
    "poisson": (Poisson(), ["e", "g"]),
    "categorical": (Categorical(), ["c", "d", "f"]),
    "product": (Product(BLOCKS), ["a", "b", "c", "d", "e", "f"]),
    "diagonal product": (
        Product({**BLOCKS, "gaussian": {"columns": ["a", "b"], "covariance": "diagonal"}}),
        ["a", "b", "c", "d", "e", "f"],
    ),
}


def table(seed: int, n_rows: int = 60, missing: float = 0.1) -> pd.DataFrame:
    """Mixed columns from two groups, some cells empty."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 2, n_rows)
    frame = pd.DataFrame(
        {
            "a": rng.normal(group * 3.0, 1.0),
            "b": rng.normal(group * -2.0, 2.0),
            "c": np.array(["x", "y9", "y10"])[(rng.random(n_rows) * (1.5 + 1.5 * group)).astype(int)],
            "d": (rng.random(n_rows) < 0.2 + 0.6 * group).astype(float),
            "e": rng.poisson(1.0 + 5.0 * group).astype(float),
            "f": np.array(["u", "v"])[(rng.random(n_rows) < 0.3 + 0.4 * group).astype(int)],
            "g": rng.poisson(4.0 - 3.0 * group).astype(float),
        }
    )
    return frame.mask(rng.random(frame.shape) < missing)


def problem_of(case: str, seed: int, n_components: int = 2, **options: Any) -> Problem:
    family, columns = CASES[case]
    return Problem(table(seed, **options)[columns], family, n_components)


def mixture_of(problem: Problem, seed: int = 0) -> Mixture:
    """A mixture of one M step on random responsibilities, batch ()."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(problem.n_components), size=problem.data.n_rows)
    statistics = problem.family.statistics(problem.data, shares)
    return m_step(statistics, problem.prior, Mixture(statistics.counts, problem.family.maximise(statistics)))


def arrays(statistics: Statistics) -> list[np.ndarray]:
    parts = [arrays(part) if isinstance(part, Statistics) else [np.asarray(part)] for part in statistics.arrays()]
    return [array for part in parts for array in part]


def test_poisson_log_density_is_scipys() -> None:
    problem = problem_of("poisson", 1, missing=0.0)
    mixture = mixture_of(problem)
    rates = mixture.components.parameters()["rates"]
    wanted = np.log(mixture.weights) + stats.poisson.logpmf(problem.data.x[:, None, :], rates).sum(axis=-1)
    np.testing.assert_allclose(mixture.log_joint(problem.data.x), wanted, rtol=1e-12)


def test_categorical_log_density_by_hand() -> None:
    problem = problem_of("categorical", 2)
    mixture = mixture_of(problem)
    probs = mixture.components.parameters()["probs"]
    joint = mixture.log_joint(problem.data.x)
    for n, row in enumerate(problem.data.x):
        for k in range(2):
            wanted = np.log(mixture.weights[k])
            for d, code in enumerate(row):
                wanted += 0.0 if np.isnan(code) else np.log(probs[k, d, int(code)])
            assert joint[n, k] == pytest.approx(wanted, rel=1e-13)


def test_two_levels_are_bernoulli() -> None:
    x = table(3)[["d"]]
    two, binary = (Problem(x, family, 2).data.x for family in ("categorical", "bernoulli"))
    probs = np.array([[0.2], [0.7]])
    weights = np.array([0.4, 0.6])
    categorical = Mixture(weights, CategoricalComponents(np.stack([1.0 - probs, probs], axis=-1)))
    bernoulli = Problem(x, "bernoulli", 2).family.mixture({"weights": weights, "probs": probs})
    np.testing.assert_allclose(categorical.log_density(two), bernoulli.log_density(binary), rtol=1e-13)


def test_product_is_the_sum_of_its_blocks() -> None:
    problem = problem_of("product", 4)
    mixture = mixture_of(problem)
    total = np.log(mixture.weights) + np.zeros((problem.data.n_rows, 1))
    family = problem.family
    assert isinstance(family, Product)
    assert problem.data.features == ("a", "b", "d", "f", "c", "e")
    for block, own in zip(mixture.components.blocks, family.parts(problem.data), strict=True):  # type: ignore[attr-defined]
        total = total + Mixture(np.ones(2), block).log_joint(own.x)
    np.testing.assert_allclose(mixture.log_joint(problem.data.x), total, rtol=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_a_missing_cell_is_summed_out(case: str) -> None:
    """The density without a feature is the sum (for Gaussians: the known marginal) over what it may be."""
    problem = problem_of(case, 5)
    mixture = mixture_of(problem)
    feature = problem.data.features.index("e" if case != "categorical" else "c")
    x = np.repeat(problem.data.x[:5], 400, axis=0).reshape(5, 400, -1)
    values = np.arange(400.0) if case != "categorical" else np.concatenate([np.arange(3.0), np.full(397, np.nan)])
    x[:, :, feature] = values
    densities = np.exp(mixture.log_density(x.reshape(-1, x.shape[-1]))).reshape(5, 400)
    empty = np.array(problem.data.x[:5])
    empty[:, feature] = np.nan
    kept = densities if case != "categorical" else densities[:, :3]
    np.testing.assert_allclose(kept.sum(axis=1), np.exp(mixture.log_density(empty)), rtol=1e-10)


@pytest.mark.parametrize("case", CASES)
def test_a_row_without_a_cell_has_density_1_and_counts_for_weights_alone(case: str) -> None:
    problem = problem_of(case, 6)
    mixture = mixture_of(problem)
    nothing = np.full((1, problem.data.n_features), np.nan)
    np.testing.assert_allclose(mixture.log_density(nothing), 0.0, atol=1e-13)
    with_it = e_step(mixture.terms(), np.concatenate([problem.data.x, nothing]), np.ones(problem.data.n_rows + 1))
    without = e_step(mixture.terms(), problem.data.x, problem.data.counts)
    np.testing.assert_allclose(with_it.statistics.counts, without.statistics.counts + mixture.weights, rtol=1e-12)
    after, before = (m_step(e.statistics, None, mixture).components.parameters() for e in (with_it, without))
    for name, value in before.items():
        np.testing.assert_allclose(after[name], value, rtol=1e-9, atol=1e-12)


def test_a_rate_of_0_and_a_probability_of_0_are_boundaries() -> None:
    poisson = Poisson().mixture({"weights": [1.0], "rates": [[0.0, 2.0]]})
    with np.errstate(all="raise"):
        found = poisson.log_density(np.array([[0.0, 1.0], [1.0, 1.0], [np.nan, 1.0]]))
    np.testing.assert_allclose(found, [np.log(2) - 2, -np.inf, np.log(2) - 2])
    categorical = Categorical().mixture({"weights": [1.0], "probs": [[[0.0, 1.0, 0.0], [0.3, 0.3, 0.4]]]})
    with np.errstate(all="raise"):
        found = categorical.log_density(np.array([[1.0, 2.0], [0.0, 2.0], [np.nan, 2.0]]))
    np.testing.assert_allclose(found, [np.log(0.4), -np.inf, np.log(0.4)])


@long
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("objective", ["likelihood", "posterior"])
def test_objective_never_falls(case: str, objective: str) -> None:
    for seed in range(3):
        problem = problem_of(case, seed)
        fit = EM(restarts=6, objective=objective, max_iter=200).fit(problem, quick(problem))
        assert fit.trace is not None
        gains = np.diff(fit.trace.objective)[np.diff(fit.trace.restart) == 0]
        assert gains.size > 20
        assert (gains >= -1e-12 * np.abs(fit.trace.objective).max()).all()


@pytest.mark.parametrize("case", CASES)
def test_statistics_merge_like_a_monoid(case: str) -> None:
    problem = problem_of(case, 7)
    terms, data = mixture_of(problem).terms(), problem.data
    parts = [e_step(terms, data.x[rows], data.counts[rows]) for rows in (slice(0, 7), slice(7, 31), slice(31, None))]
    whole = arrays(e_step(terms, data.x, data.counts).statistics)
    for merged in (parts[0].merge(parts[1]).merge(parts[2]), parts[2].merge(parts[1].merge(parts[0]))):
        for mine, wanted in zip(arrays(merged.statistics), whole, strict=True):
            np.testing.assert_allclose(mine, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_counts_are_duplicates(case: str) -> None:
    family, columns = CASES[case]
    frame = table(8)[columns]
    counts = np.random.default_rng(8).integers(1, 5, len(frame))
    names = family.columns or tuple(columns)
    grouped = Problem(Dataset.of(frame[list(names)], counts=counts, levels=family.levels), family, 2)
    expanded = Problem(frame.loc[np.repeat(frame.index, counts)], family, 2)
    assert grouped.data.n_rows == len(frame)
    assert expanded.data.n_rows == counts.sum()
    assert grouped.prior is not None
    assert expanded.prior is not None
    mixture = mixture_of(grouped)
    for one, two in zip(_leaves(grouped.prior.numbers()), _leaves(expanded.prior.numbers()), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-9)
    one, two = (e_step(mixture.terms(), p.data.x, p.data.counts) for p in (grouped, expanded))
    assert one.log_likelihood == pytest.approx(two.log_likelihood, rel=1e-12)
    assert one.entropy == pytest.approx(two.entropy, rel=1e-11)
    for mine, wanted in zip(arrays(one.statistics), arrays(two.statistics), strict=True):
        np.testing.assert_allclose(mine, wanted, rtol=1e-10, atol=1e-10)
    around = [p.family.around(grouped.data.x[:2], p.data).parameters() for p in (grouped, expanded)]
    for name, value in around[0].items():
        np.testing.assert_allclose(value, around[1][name], rtol=1e-10, atol=1e-12)


def _leaves(value: Any) -> list[np.ndarray]:
    return [leaf for part in value.values() for leaf in _leaves(part)] if isinstance(value, dict) else [np.asarray(value)]


@pytest.mark.parametrize("case", CASES)
def test_permuting_components_permutes_everything(case: str) -> None:
    problem = problem_of(case, 9, n_components=3)
    mixture = stacked([mixture_of(problem, seed) for seed in range(2)])
    order = np.array([[2, 0, 1], [1, 0, 2]])
    turned = mixture.relabelled(order)
    shares = mixture.responsibilities(problem.data.x)
    np.testing.assert_allclose(turned.responsibilities(problem.data.x), np.take_along_axis(shares, order[:, None, :], -1), rtol=1e-10)
    after, after_turned = (m_step(expect(m, problem.data).statistics, problem.prior, m) for m in (mixture, turned))
    for name, value in after.relabelled(order).parameters().items():
        np.testing.assert_allclose(after_turned.parameters()[name], value, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_one_component_is_the_closed_form(case: str) -> None:
    problem = problem_of(case, 10, n_components=1, missing=0.0)
    fit = EM(restarts=2).fit(problem)
    assert fit.restarts is not None
    assert fit.restarts.iterations.max() <= 2
    x, parameters = problem.data.x, fit.mixture.components.parameters()
    if "rates" in parameters:
        own = x if case == "poisson" else x[:, [problem.data.features.index("e")]]
        np.testing.assert_allclose(parameters["rates"][0], own.mean(axis=0), rtol=1e-12)
    name = next((name for name in ("probs", "probs_categorical") if name in parameters and case != "poisson"), None)
    if name is not None:
        feature = problem.data.features.index("c")
        at = feature if case == "categorical" else 1
        np.testing.assert_allclose(parameters[name][0, at], np.bincount(x[:, feature].astype(int)) / len(x), rtol=1e-12)
    if "means" in parameters:
        np.testing.assert_allclose(parameters["means"][0], x[:, :2].mean(axis=0), rtol=1e-12)


@pytest.mark.parametrize("name", ["gaussian", "bernoulli", "categorical", "poisson"])
def test_a_product_of_one_block_is_its_family(name: str) -> None:
    columns = {"gaussian": ["a", "b"], "bernoulli": ["d"], "categorical": ["c", "f"], "poisson": ["e", "g"]}[name]
    frame = table(11)[columns]
    alone, product = Problem(frame, name, 2), Problem(frame, "product", 2, blocks={name: columns})
    start = mixture_of(alone, 3)
    init = {key: value.tolist() for key, value in start.parameters().items()}
    one, two = (EM(restarts=1, init=init, objective="posterior", engine="book").fit(p, quick(p)) for p in (alone, product))
    assert two.log_posterior.item() == pytest.approx(one.log_posterior.item(), rel=1e-12)
    assert product.n_parameters == alone.n_parameters
    assert alone.prior is not None
    assert product.prior is not None
    assert product.prior.numbers() == {"concentration": 1.0, name: {k: v for k, v in alone.prior.numbers().items() if k != "concentration"}}


def test_product_statistics_are_indexed_and_joined_block_by_block() -> None:
    problem = problem_of("product", 12)
    mixture = stacked([mixture_of(problem, seed) for seed in range(3)])
    statistics = expect(mixture, problem.data).statistics
    assert isinstance(statistics, ProductStatistics)
    again = ProductStatistics.joined([statistics.take(slice(0, 1)), statistics.take(np.array([1, 2]))])
    for mine, wanted in zip(arrays(again), arrays(statistics), strict=True):
        np.testing.assert_array_equal(mine, wanted)
    rejoined = gathered([mixture.take([0]), mixture.take([1, 2])])
    for name, value in mixture.parameters().items():
        np.testing.assert_array_equal(rejoined.parameters()[name], value)


@pytest.mark.parametrize("case", CASES)
def test_samples_have_the_distribution_of_the_density(case: str) -> None:
    problem = problem_of(case, 13)
    mixture = mixture_of(problem)
    rng = np.random.default_rng(13)
    x, labels = mixture.sample(rng, 40_000)
    assert problem.family.refuses(Dataset(x, problem.data.features, np.ones(len(x)), np.arange(len(x)), levels=problem.data.levels)) is None
    shares = np.bincount(labels, minlength=2) / len(x)
    np.testing.assert_allclose(shares, mixture.weights, atol=0.015)
    fitted = m_step(e_step(mixture.terms(), x, np.ones(len(x))).statistics, None, mixture)
    for name, value in mixture.parameters().items():
        np.testing.assert_allclose(fitted.parameters()[name], value, rtol=0.08, atol=0.08)


@pytest.mark.parametrize("case", ["poisson", "product"])
def test_conditional_moments_are_those_of_samples(case: str) -> None:
    problem = problem_of(case, 14, missing=0.3)
    mixture = mixture_of(problem)
    mean, variance = mixture.components.conditional(problem.data.x)
    rates = mixture.components.parameters()["rates"]
    d = problem.data.features.index("e")
    empty = np.isnan(problem.data.x[:, d])
    assert empty.sum() > 5
    np.testing.assert_allclose(mean[empty, :, d], np.broadcast_to(rates[:, 0], (empty.sum(), 2)))
    np.testing.assert_allclose(variance[empty, :, d], np.broadcast_to(rates[:, 0], (empty.sum(), 2)))
    np.testing.assert_array_equal(mean[~empty, 0, d], problem.data.x[~empty, d])
    assert (variance[~empty, :, d] == 0).all()


def test_level_probabilities_are_one_hot_where_observed_and_the_components_own_elsewhere() -> None:
    problem = problem_of("categorical", 15, missing=0.3)
    mixture = mixture_of(problem)
    assert isinstance(mixture.components, CategoricalComponents)
    found = mixture.components.level_probabilities(problem.data.x)
    np.testing.assert_allclose(found.sum(axis=-1), 1.0, rtol=1e-12)
    empty = np.isnan(problem.data.x)
    n, d = np.argwhere(~empty)[0]
    assert found[n, 0, d, int(problem.data.x[n, d])] == 1.0
    n, d = np.argwhere(empty)[0]
    np.testing.assert_array_equal(found[n, :, d], mixture.components.probs[:, d])
    mean, variance = mixture.components.conditional(problem.data.x)
    assert np.isnan(mean[n, :, d]).all()
    assert np.isnan(variance[n, :, d]).all()


@pytest.mark.parametrize("case", CASES)
def test_starts_from_rows_are_interior(case: str) -> None:
    """A row alone would be absorbing: it is averaged with the column means."""
    problem = problem_of(case, 16)
    components = problem.family.around(problem.data.x[[3, 8]], problem.data)
    padding = {"probs": 2 * 2 if case == "categorical" else 0, "probs_categorical": 2}  # levels that a feature has not, twice
    for name in {"rates", "probs", "probs_bernoulli", "probs_categorical"} & components.parameters().keys():
        assert (components.parameters()[name] == 0).sum() == padding.get(name, 0)
    assert np.isfinite(Mixture(np.full(2, 0.5), components).log_density(problem.data.x)).all()


def test_addresses_name_every_number_once() -> None:
    problem = problem_of("product", 17)
    places = problem.family.addresses(problem.data, 2)
    mixture = mixture_of(problem)
    shapes = {name: array.shape for name, array in mixture.parameters().items()}
    levels = {"f": ("u", "v"), "c": ("x", "y9", "y10")}
    assert len({(place.parameter, place.index) for place in places}) == len(places)
    assert all(index < size for place in places for index, size in zip(place.index, shapes[place.parameter], strict=True))
    for place in places:
        if place.parameter == "probs_categorical":
            assert place.level == levels[str(place.feature)][place.index[2]]
    padding = 2 * 1  # feature f has two levels of three
    assert len(places) == sum(int(np.prod(shape)) for shape in shapes.values()) - padding
