"""Gibbs: chains from anywhere end at the exact posterior; joint-distribution tests (Geweke 2004); cells drawn as they should be."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest
from examples import CASES, every_case, problem_of
from scipy import stats

from workbench.data import Dataset
from workbench.data.builtin import load_built_in
from workbench.inference.exact import Exact
from workbench.inference.gibbs import Gibbs
from workbench.inference.gibbs.augmentation import Augmented, drawn_labels, relabelled, sweep
from workbench.inference.method import Context
from workbench.models import Gaussian, Mixture, Prior
from workbench.problem import Problem

LIMIT = 4.5
"""Of a z-score: 7e-6 of those of a right sampler are beyond it."""


def without_estimates(problem: Problem) -> Context:
    return dataclasses.replace(Context.default(problem), estimates=False)


def small(name: str, options: dict[str, Any], concentration: Any) -> Problem:
    """Two groups that overlap, a row between them that counts five times, a row without any cell; and where there is a closed form
    with them, missing cells. Right and slightly wrong samplers differ visibly on it."""
    rng = np.random.default_rng(0)
    side = np.r_[-np.ones(4), np.ones(4), 0.0, 0.0]
    real = np.c_[side, 0.7 * side] + 0.5 * rng.normal(size=(10, 2))
    counts, levels = rng.poisson(3.0 + 2.0 * side[:, None], size=(10, 2)), (rng.random((10, 2)) < 0.5 + 0.3 * side[:, None]) * 1.0
    made: dict[str, Any] = {"gaussian": real, "poisson": counts.astype(float), "bernoulli": levels, "categorical": levels}
    made["product"] = pd.DataFrame({"a": real[:, 0], "b": real[:, 1], "c": levels[:, 0], "d": counts[:, 0]})
    complete = Problem(made[name], name, 2, **options)
    known = prior_of(complete).numbers()
    loose = {"mean_strength": 0.1, "dof": 4.0}
    own = {"gaussian": {**known["gaussian"], **loose}} if name == "product" else loose if name == "gaussian" else {}
    x = np.array(complete.data.x)
    if not (options.get("covariance") in ("full", "tied") or name == "product"):
        x[[1, 5], [0, 1]] = np.nan
    x[-1] = np.nan
    data = dataclasses.replace(complete.data, x=x, counts=np.r_[np.ones(8), 5.0, 2.0])
    return Problem(data, complete.family, 2, {**known, **own, "concentration": concentration})


def prior_of(problem: Problem) -> Prior:
    assert problem.prior is not None
    return problem.prior


def numbers_of(problem: Problem, mixture: Mixture) -> np.ndarray:
    """What distributions are compared by, (*batch, statistics): coordinates, their squares, and what knows no labels."""
    prior = prior_of(problem)
    u = prior.flatten(mixture)[0]
    parts = [problem.log_likelihood(mixture)[..., None], prior.log_density(mixture)[..., None], (mixture.weights**2).sum(-1, keepdims=True)]
    return np.concatenate([u, u**2, *parts], axis=-1)


def run(problem: Problem, start: Mixture, sweeps: int, seed: int, relabel: bool = True) -> Mixture:
    rng, rows, mixture = np.random.default_rng(seed), Augmented.of(problem), start
    for _ in range(sweeps):
        mixture = sweep(mixture, rows, prior_of(problem), rng)
        mixture = relabelled(mixture, prior_of(problem), rng) if relabel else mixture
    return mixture


@every_case
@pytest.mark.parametrize("concentration", [1.0, [0.7, 3.0]])
def test_sweeps_leave_the_exact_posterior_as_it_is(name: str, options: dict[str, Any], concentration: Any) -> None:
    """Four thousand chains start at independent draws of the exact posterior and stay in it."""
    problem = small(name, options, concentration)
    start = Exact(chains=1, draws=4000).fit(problem).draws
    assert start is not None
    start = start.reshaped(4000)
    gaps = numbers_of(problem, run(problem, start, 10, seed=2)) - numbers_of(problem, start)
    gaps = gaps[:, gaps.std(axis=0) > 1e-10]  # the density of a flat prior is the same everywhere
    assert gaps.shape[1] > 8
    assert np.abs(gaps.mean(axis=0) / (gaps.std(axis=0) / np.sqrt(4000))).max() < LIMIT


@every_case
def test_chains_from_random_labels_end_at_the_exact_posterior(name: str, options: dict[str, Any]) -> None:
    problem = small(name, options, 1.0)
    rng = np.random.default_rng(1)
    labels = np.eye(2)[rng.integers(0, 2, (300, 10))]
    start = prior_of(problem).posterior(problem.family.statistics(problem.data, labels)).sample(rng, (300,))
    draws = Exact(chains=1, draws=4000).fit(problem).draws
    assert draws is not None
    wanted, found = numbers_of(problem, draws.reshaped(4000)), numbers_of(problem, run(problem, start, 400, seed=2))
    moving = wanted.var(axis=0) > 1e-20
    z = (wanted.mean(axis=0) - found.mean(axis=0))[moving] / np.sqrt((wanted.var(axis=0) / 4000 + found.var(axis=0) / 300)[moving])
    assert np.abs(z).max() < LIMIT
    assert stats.ks_2samp(wanted[:, -3], found[:, -3]).pvalue > 1e-4


def geweke(name: str, options: dict[str, Any], replicates: int, sweeps: int) -> np.ndarray:
    """z-scores of a joint-distribution test: theta ~ prior, x ~ p(x | theta) with some cells lost, then theta moved by sweeps given
    x is again a draw of the prior. The successive-conditional chain of Geweke (2004), started where it should stay."""
    shape = problem_of(name, options, 0.0, seed=5, n_components=2, n_rows=12)
    firm = {"gaussian": {"mean_strength": 3.0, "dof": 9.0}}
    prior: dict[str, Any] = firm if name == "product" else firm.get(name, {})
    once = dataclasses.replace(shape.data, counts=np.ones(12))  # data that are drawn count once; discrete ones are often equal
    shape = Problem(once, shape.family, 2, {**prior, "concentration": 2.0})
    rng = np.random.default_rng(6)
    lost = rng.random(shape.data.x.shape) < 0.4
    gaps = []
    for i in range(replicates):
        theta = prior_of(shape).sample(rng)
        first, moved = theta, theta.reshaped(1)
        for step in range(3):  # new data at the old theta, theta at the new data
            x = np.where(lost, np.nan, theta.sample(rng, shape.data.n_rows)[0])
            problem = Problem(dataclasses.replace(shape.data, x=x), shape.family, 2, prior_of(shape))
            moved = run(problem, moved, sweeps, seed=1000 * i + step)
            theta = moved.take(0)
        gaps.append(_coordinates(shape, theta) - _coordinates(shape, first))
    found = np.array(gaps)
    return np.asarray(found.mean(axis=0) / (found.std(axis=0) / np.sqrt(replicates)))


def _coordinates(problem: Problem, theta: Mixture) -> np.ndarray:
    u = prior_of(problem).flatten(theta)[0]
    return np.concatenate([u, u**2, [(theta.weights**2).sum()]])


@pytest.mark.parametrize(("name", "options"), [CASES[0], CASES[-1]], ids=["full", "product"])
def test_joint_distribution_with_missing_cells(name: str, options: dict[str, Any]) -> None:
    assert np.abs(geweke(name, options, replicates=120, sweeps=1)).max() < LIMIT


@pytest.mark.slow
@every_case
def test_joint_distribution_of_every_family(name: str, options: dict[str, Any]) -> None:
    """Rows of discrete families are often equal: they are drawn together, as counts are."""
    assert np.abs(geweke(name, options, replicates=1000, sweeps=2)).max() < LIMIT


@pytest.mark.parametrize("covariance", ["full", "tied"])
def test_drawn_cells_have_their_conditional_moments(covariance: Any) -> None:
    """Over many draws the statistics of completed rows are those that EM expects given the labels (Little & Rubin 2019, section 11.3)."""
    problem = problem_of("gaussian", {"covariance": covariance}, 0.4, n_components=2, n_rows=8)
    rng = np.random.default_rng(3)
    mixture = prior_of(problem).sample(rng)
    terms, x = mixture.terms(), problem.data.x
    labels = np.eye(2)[rng.integers(0, 2, 8)]
    many = np.broadcast_to(labels, (20_000, 8, 2))
    batch = Mixture(np.broadcast_to(mixture.weights, (20_000, 2)), mixture.components.map(lambda a: np.broadcast_to(a, (20_000, *a.shape))))
    drawn: Any = problem.family.drawn_statistics(batch.terms(), x, many, rng)
    wanted: Any = terms.statistics(x, labels)
    np.testing.assert_array_equal(drawn.counts[0], wanted.counts)
    np.testing.assert_array_equal(drawn.seen[0], wanted.seen)
    totals = drawn.means * drawn.seen[..., None]
    squares = drawn.scatters + drawn.means[..., :, None] * totals[..., None, :]
    for found, expected in (
        (totals, wanted.means * wanted.seen[:, None]),
        (squares, wanted.scatters + wanted.seen[:, None, None] * wanted.means[:, :, None] * wanted.means[:, None, :]),
    ):
        spread = found.std(axis=0) / np.sqrt(20_000)
        gaps = np.abs(found.mean(axis=0) - expected)
        assert (gaps <= LIMIT * spread + 1e-9 * np.abs(expected)).all()
        assert (spread > 0).any()


@pytest.mark.parametrize("name", ["gaussian", "poisson", "bernoulli"])
def test_one_component_has_the_closed_form_posterior(name: str) -> None:
    rng = np.random.default_rng(4)
    x = np.asarray(
        {"gaussian": rng.normal(3.0, 2.0, 50), "poisson": rng.poisson(4.0, 50), "bernoulli": rng.integers(0, 2, 50)}[name], float
    )
    problem = Problem(x, name, 1)
    numbers = prior_of(problem).numbers()
    draws = Gibbs(chains=2, draws=1500, tune=0).fit(problem, without_estimates(problem)).draws
    assert draws is not None
    law: Any
    if name == "gaussian":
        dof, scale = numbers["dof"] + 50, np.ravel(numbers["scale"])[0] + ((x - x.mean()) ** 2).sum()
        law = stats.t(dof, x.mean(), np.sqrt(scale / dof / (numbers["mean_strength"] + 50)))
    elif name == "poisson":
        law = stats.gamma(1.0 + x.sum(), scale=1.0 / (1.0 / x.mean() + 50))
    else:
        law = stats.beta(1.0 + x.sum(), 51.0 - x.sum())
    parameter = {"gaussian": "means", "poisson": "rates", "bernoulli": "probs"}[name]
    assert stats.kstest(draws.parameters()[parameter].ravel(), law.cdf).pvalue > 0.001


def test_labels_are_drawn_by_their_probability_and_counts_are_shared_out() -> None:
    rng = np.random.default_rng(1)
    shares = np.array([[0.2, 0.5, 0.3], [0.0, 0.9, 0.1], [0.6, 0.3, 0.1]])
    units = np.array([1, 1, 7])
    with np.errstate(divide="ignore"):
        log_joint = np.log(shares) + np.array([[-900.0], [3.0], [700.0]])
    labels = drawn_labels(np.broadcast_to(log_joint, (20_000, 3, 3)), units, rng)
    assert (labels.sum(axis=-1) == units).all()
    assert set(np.unique(labels[:, :2])) == {0.0, 1.0}
    assert (labels[:, 1, 0] == 0.0).all()
    sd = np.sqrt(units[:, None] * shares * (1.0 - shares) / 20_000)
    assert (np.abs(labels.mean(axis=0) - units[:, None] * shares) <= LIMIT * sd).all()
    np.testing.assert_allclose(np.cov(labels[:, 2, 0], labels[:, 2, 1])[0, 1], -7 * 0.6 * 0.3, rtol=0.1)
    with pytest.raises(FloatingPointError, match="no density under any component"):
        drawn_labels(np.full((1, 1, 2), -np.inf), np.array([1]), rng)


def test_names_are_permuted_alike_and_by_the_priors_ratio() -> None:
    rng = np.random.default_rng(2)
    data = Dataset.of(np.arange(6.0))
    for concentration, first in (([1.0, 1.0, 1.0], 1 / 3), ([0.5, 2.0, 4.0], 0.5 / 6.5)):
        prior = Gaussian().prior({**Gaussian().default_numbers(data, 3), "concentration": concentration}, 3, data)
        start = prior.sample(rng, (20_000,))
        moved = relabelled(start, prior, rng)
        assert (moved.weights[:, 0] != start.weights[:, 0]).any()
        np.testing.assert_allclose(np.sort(moved.weights), np.sort(start.weights))
        where = (moved.weights[:, :1] == start.weights).argmax(axis=1)
        np.testing.assert_array_equal(moved.parameters()["means"][:, 0], start.parameters()["means"][np.arange(20_000), where])
        assert moved.weights[:, 0].mean() == pytest.approx(first, abs=LIMIT * moved.weights[:, 0].std() / np.sqrt(20_000))
        if concentration[0] == concentration[1]:
            assert np.abs(np.bincount(where) / 20_000 - 1 / 3).max() < LIMIT * np.sqrt(2 / 9 / 20_000)


def test_rows_that_labels_are_drawn_for() -> None:
    x = np.array([[1.0, 2.0], [np.nan, 3.0], [1.0, 2.0], [np.nan, np.nan], [4.0, 5.0]])
    data = dataclasses.replace(Dataset.of(x), counts=np.array([2.0, 3.0, 1.0, 5.0, 1.0]))
    rows = Augmented.of(Problem(data, "gaussian", 2, covariance="full"))
    np.testing.assert_array_equal(rows.units, [3, 1, 1, 1, 1])
    np.testing.assert_array_equal(rows.x, [[1.0, 2.0], [4.0, 5.0], *[[np.nan, 3.0]] * 3])
    rows = Augmented.of(Problem(data, "gaussian", 2, covariance="diagonal"))
    assert sorted(rows.units) == [1, 3, 3]
    assert rows.x.shape == (3, 2)
    alone = Augmented.of(Problem(Dataset.of(np.array([[1.0, np.nan], [np.nan, 2.0], [2.0, np.nan], [np.nan, 1.0]])), "gaussian", 1))
    assert alone.x.shape == (4, 2)


def test_counts_are_the_rows_one_by_one() -> None:
    """Ten death notices with counts beside 1,096 rows: the same labels to draw."""
    one, two = (Augmented.of(Problem(load_built_in(name), "poisson", 2)) for name in ("death_notices", "hasselblad"))
    np.testing.assert_array_equal(one.x, two.x)
    np.testing.assert_array_equal(one.units, two.units)


def test_a_thinned_chain_is_a_part_of_the_whole_one() -> None:
    problem = Problem(load_built_in("old_faithful_missing"), "gaussian", 2)
    whole = Gibbs(chains=2, draws=20, tune=3).fit(problem, without_estimates(problem))
    part = Gibbs(chains=2, draws=5, tune=3, thin=4).fit(problem, dataclasses.replace(without_estimates(problem), threads=2))
    for fit in (whole, part):
        assert fit.draws is not None
    assert whole.draws is not None
    assert part.draws is not None
    for name, values in part.draws.parameters().items():
        np.testing.assert_array_equal(values, whole.draws.parameters()[name][:, 3::4])
    np.testing.assert_allclose(part.log_posterior, whole.log_posterior[:, 3::4], rtol=1e-10)


def test_without_relabelling_separated_components_keep_their_names() -> None:
    problem = Problem(np.r_[np.arange(10.0), 1000.0 + np.arange(10.0)], "gaussian", 2)
    kept, mixed = (
        Gibbs(chains=2, draws=50, tune=10, init="em", relabel=relabel).fit(problem, without_estimates(problem)).draws
        for relabel in (False, True)
    )
    assert kept is not None
    assert mixed is not None
    low, other = (draws.parameters()["means"][..., 0, 0] < 500.0 for draws in (kept, mixed))
    assert (low.all(axis=1) | ~low.any(axis=1)).all()
    assert other.any(axis=1).all()
    assert not other.all(axis=1).any()


def test_refusals() -> None:
    weak = Problem(np.arange(10.0), "gaussian", 2, {"concentration": 0.5})
    assert Gibbs().refuses(weak) is None
    assert "needs concentration of at least 1" in str(Gibbs(init="em").refuses(weak))
    data = dataclasses.replace(Dataset.of(np.arange(4.0)), counts=np.array([1.0, 1.5, 1.0, 1.0]))
    assert "are not whole numbers; use nuts" in str(Gibbs().refuses(Problem(data, "gaussian", 2)))
    with pytest.raises(ValueError, match="thin is 0"):
        Gibbs(thin=0)
