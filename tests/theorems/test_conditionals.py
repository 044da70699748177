"""Proposals of p(theta | x, z) averaged over labels: the posterior itself where all labels are there, and what chains have missed."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from examples import every_case, problem_of

from workbench.data.builtin import load_built_in
from workbench.fit import Evidence
from workbench.inference.evidence.conditionals import Conditionals, Labeller
from workbench.inference.evidence.places import emptied, fewer
from workbench.inference.exact import Exact
from workbench.inference.gibbs import Gibbs
from workbench.inference.method import Context
from workbench.inference.target import CompiledTarget
from workbench.models import Prior
from workbench.problem import Problem

EIGHT = np.array([-5.1, -4.9, -5.3, -4.7, 4.8, 5.2, 5.05, 4.95])


def prior_of(problem: Problem) -> Prior:
    assert problem.prior is not None
    return problem.prior


def exact(problem: Problem) -> float:
    return Exact(chains=1, draws=1).fit(problem).evidence[0].log_evidence


def labels_of(problem: Problem) -> np.ndarray:
    """All labellings, as shares (labelling, row, component)."""
    numbers = itertools.product(range(problem.n_components), repeat=problem.data.n_rows)
    return np.eye(problem.n_components)[np.array(list(numbers))]


@pytest.mark.parametrize("rows", [EIGHT[2:7], np.array([[0.0, 1.0], [1.0, 2.0], [5.0, 4.0], [4.0, 4.5]])], ids=["one", "two"])
def test_over_all_labellings_it_is_the_posterior(rows: np.ndarray) -> None:
    """Every weight is then the evidence, at any theta."""
    problem = Problem(rows, "gaussian", 2)
    target, prior = CompiledTarget.of(problem), prior_of(problem)
    statistics = problem.family.statistics(problem.data, labels_of(problem))
    logs = prior.posterior(statistics).log_normaliser()
    shares = np.exp(logs - np.logaddexp.reduce(logs))
    q = Conditionals(prior, statistics, shares, exchangeable=True)
    u = np.random.default_rng(0).normal(size=(20, target.dim))
    np.testing.assert_allclose(target.log_density(u) - q.log_density(u), exact(problem), rtol=1e-10)
    drawn = q.sample(np.random.default_rng(1), 50)
    np.testing.assert_allclose(target.log_density(drawn) - q.log_density(drawn), exact(problem), rtol=1e-10)


@every_case
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_its_density_is_averaged_over_the_labellings(name: str, options: dict[str, Any], missing: float) -> None:
    problem = problem_of(name, options, missing)
    target, prior, rng = CompiledTarget.of(problem), prior_of(problem), np.random.default_rng(0)
    labeller = Labeller.of(target, exchangeable=True)
    assert labeller is not None
    u = prior.flatten(prior.posterior(problem.family.statistics(problem.data, np.ones((60, 3)) / 3.0)).sample(rng, (4,)))[0]
    q = labeller.from_draws(u, rng)
    assert q.shares.sum() == pytest.approx(1.0)
    points = q.sample(rng, 10)
    mixture, log_jacobian = prior.unflatten(points)
    orders = [np.array(order) for order in itertools.permutations(range(3))]
    parts = [prior.posterior(q.statistics.take(i)) for i in range(q.shares.size)]
    logs = [
        math.log(share) + np.logaddexp.reduce([part.log_density(mixture.relabelled(order)) for order in orders])
        for share, part in zip(q.shares, parts, strict=True)
    ]
    np.testing.assert_allclose(q.log_density(points), np.logaddexp.reduce(logs) - math.log(6.0) + log_jacobian, rtol=1e-9)


@every_case
def test_statistics_count_as_often_as_each_component_says(name: str, options: dict[str, Any]) -> None:
    problem, factors = problem_of(name, options, 0.0), np.array([0.3, 1.0, 2.5])
    shares = np.random.default_rng(0).dirichlet(np.ones(3), size=(2, 60))
    prior = prior_of(problem)
    one = prior.posterior(problem.family.statistics(problem.data, shares).scaled(np.broadcast_to(factors, (2, 3))))
    other = prior.posterior(problem.family.statistics(problem.data, shares * factors))
    np.testing.assert_allclose(one.log_normaliser(), other.log_normaliser(), rtol=1e-9)


@pytest.mark.parametrize("n_components", [2, 3])
def test_mass_where_components_are_empty(n_components: int) -> None:
    """Labellings that leave component K without a row, summed one by one; the identity makes it p_{K-1}(x) times a ratio of gammas."""
    problem = Problem(EIGHT[1:7], "gaussian", n_components)
    prior = prior_of(problem)
    labels = labels_of(problem)
    statistics = problem.family.statistics(problem.data, labels)
    logs = prior.posterior(statistics).log_normaliser() - prior.log_normaliser() + problem.family.log_base(problem.data)
    assert np.logaddexp.reduce(logs) == pytest.approx(exact(problem), rel=1e-10)
    without = np.logaddexp.reduce(logs[labels[..., -1].sum(axis=1) == 0.0]) + math.log(n_components)
    smaller = CompiledTarget.of(fewer(problem, n_components - 1))
    places = emptied(
        prior, smaller, prior_of(smaller.problem).flatten(prior_of(smaller.problem).sample(np.random.default_rng(0), (20,)))[0]
    )
    laplace = np.logaddexp.reduce([place.mode.log_mass for place in places])
    share = np.logaddexp.reduce([place.log_mass for place in places]) - laplace
    assert share + exact(smaller.problem) == pytest.approx(without, rel=1e-9)
    drawn = places[0].labelled(5, np.random.default_rng(1))
    assert drawn.counts.shape == (5, n_components)
    np.testing.assert_array_equal(drawn.counts[:, -1], 0.0)


def test_there_is_none_for_a_prior_without_a_closed_form_five_components_or_broken_counts() -> None:
    full, five = (Problem(EIGHT, "gaussian", count) for count in (2, 5))
    apart = Problem(EIGHT, "gaussian", 2, {"kind": "independent"})
    assert Labeller.of(CompiledTarget.of(full), exchangeable=True) is not None
    assert Labeller.of(CompiledTarget.of(five), exchangeable=False) is not None
    assert Labeller.of(CompiledTarget.of(five), exchangeable=True) is None
    assert Labeller.of(CompiledTarget.of(apart), exchangeable=True) is None


def scored(found: Evidence, value: float, error: float) -> float:
    return (found.log_evidence - value) / math.hypot(found.mcse, error)


def test_what_chains_have_missed_is_proposed() -> None:
    """Galaxies, two components, chains of 200 draws: a sixth of the posterior is about a mode where none has been (-235.627 +- 0.001,
    long runs)."""
    problem = Problem(load_built_in("galaxies"), "gaussian", 2)
    bridge, importance = Gibbs(draws=200, tune=200, init="random_rows").fit(problem, Context.default(problem, 0)).evidence
    assert not bridge.trusted
    assert bridge.log_evidence < -235.627 - 0.1
    assert "no chain has been where about 1" in bridge.note
    assert importance.trusted, importance.note
    assert abs(scored(importance, -235.627, 0.001)) < 3.0
