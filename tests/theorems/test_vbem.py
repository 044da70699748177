"""Variational Bayes: the ELBO is what it says, never falls, and is that of the same q whatever it is computed by."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np
import pytest
from examples import INDEPENDENT, every_prior, few, long, mixtures_of, problem_of, quick, rows_of

from workbench.data.builtin import load_built_in
from workbench.fit import Status
from workbench.inference.em.climb import Stop
from workbench.inference.em.engine import BOOK, Fast
from workbench.inference.method import Context
from workbench.inference.vbem import VBEM
from workbench.inference.vbem.ends import climbed
from workbench.inference.vbem.steps import Ascent, VariationalSteps, flat, shaped, units
from workbench.models import Mixture, Prior, Statistics
from workbench.problem import Problem

N_DRAWS = 20_000
Acceleration = Literal["none", "anderson"]


def steps_of(problem: Problem, fast: bool = False) -> VariationalSteps:
    return VariationalSteps(problem, problem.prior, Fast() if fast else BOOK)


def some_statistics(problem: Problem, count: int = 3) -> Statistics:
    """Of the labels' posterior under mixtures that are no stationary points."""
    return BOOK.expect(mixtures_of(problem, count)[1], problem.data).statistics


@long
@every_prior
@pytest.mark.parametrize(("engine", "acceleration"), [("fast", "none"), ("fast", "anderson"), ("book", "none")])
def test_elbo_never_falls(name: str, options: dict[str, Any], engine: Literal["fast", "book"], acceleration: Acceleration) -> None:
    problem = problem_of(name, options, 0.2, n_rows=40)
    fit = VBEM(restarts=4, max_iter=200, acceleration=acceleration, engine=engine, draws=2).fit(problem, quick(problem))
    assert fit.trace is not None
    same = np.diff(fit.trace.restart) == 0
    rises = np.diff(fit.trace.objective)[same] / np.abs(fit.trace.objective[1:][same])
    assert rises.size > 20
    assert rises.min() >= -1e-12


@every_prior
def test_elbo_is_its_own_monte_carlo_estimate(name: str, options: dict[str, Any]) -> None:
    """E[log p(x, z, theta) - log q(z) - log q(theta)] by draws of theta, the labels by their q; missing cells where features are
    independent."""
    missing = 0.3 if (name, options) in INDEPENDENT else 0.0
    problem = problem_of(name, options, missing, n_rows=15)
    assert problem.prior is not None
    steps, x, counts = steps_of(problem), problem.data.x, problem.data.counts
    statistics = some_statistics(problem).take(0)
    q = steps.posterior(statistics)
    shares = responsibilities(q, x)
    draws = q.sample(np.random.default_rng(4), (N_DRAWS,))
    complete = np.einsum("snk,nk,n->s", draws.log_joint(x), shares, counts) - np.einsum("nk,n->", shares * np.log(shares), counts)
    values = complete + problem.prior.log_density(draws) - q.log_density(draws)
    (found,) = steps.believe(some_statistics(problem).take(slice(0, 1))).objective
    assert found == pytest.approx(values.mean(), abs=4.5 * values.std() / np.sqrt(N_DRAWS))


def responsibilities(q: Prior, x: np.ndarray) -> np.ndarray:
    log_joint = q.expected_terms().log_joint(x)
    shares = np.exp(log_joint - log_joint.max(axis=-1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=-1, keepdims=True))


@pytest.mark.parametrize("covariance", ["full", "tied"])
@pytest.mark.parametrize("kind", ["conjugate", "independent"])
def test_elbo_with_missing_cells_in_q_is_its_monte_carlo_estimate(covariance: str, kind: str) -> None:
    """q is over labels, missing cells given the labels, and theta: draws of all of them; a row without any cell has its label alone."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(14, 2)) + 3.0 * rng.integers(2, size=(14, 1))
    complete = Problem(x, "gaussian", 2, {"kind": kind}, covariance=covariance)
    x[np.arange(6), rng.integers(2, size=6)] = np.nan
    x[0] = np.nan
    problem = Problem(dataclasses.replace(complete.data, x=x), complete.family, 2, complete.prior)
    assert problem.prior is not None
    steps, first = steps_of(problem), some_statistics(problem, 1)
    q = steps.posterior(first.take(0))
    terms, shares = q.expected_terms(), responsibilities(q, x)
    draws = q.sample(rng, (N_DRAWS,))
    mean, variance = terms.conditional(x)  # type: ignore[attr-defined]
    total = problem.prior.log_density(draws) - q.log_density(draws)
    for n in range(14):
        seen = ~np.isnan(x[n])
        for k in range(2):
            entropy, rows = 0.0, np.broadcast_to(x[n], (N_DRAWS, 2)).copy()
            if seen.any() and not seen.all():
                rows[:, ~seen] = mean[n, k, ~seen] + np.sqrt(variance[n, k, ~seen]) * rng.normal(size=(N_DRAWS, 1))
                entropy = float(np.log(2.0 * np.pi * np.e * variance[n, k, ~seen]).sum() / 2.0)
            log_joint = each_its_own(draws, rows)[:, k] if seen.any() else np.log(draws.weights[:, k])
            total += shares[n, k] * (log_joint + entropy - np.log(shares[n, k]))
    (found,) = steps.believe(first).objective
    assert found == pytest.approx(total.mean(), abs=4.5 * total.std() / np.sqrt(N_DRAWS))


def each_its_own(mixture: Mixture, rows: np.ndarray) -> np.ndarray:
    """log p(x_s, z = k) under mixture s of a batch (S, K), of full rows (S, D); Gaussians."""
    covariances = mixture.components.parameters()["covariances"]
    covariances = covariances[:, None] if covariances.ndim == 3 else covariances
    gaps = rows[:, None] - mixture.components.parameters()["means"]
    squares = np.einsum("skd,skde,ske->sk", gaps, np.broadcast_to(np.linalg.inv(covariances), (*gaps.shape, 2)), gaps)
    return np.asarray(np.log(mixture.weights) - (squares + np.linalg.slogdet(2.0 * np.pi * covariances)[1]) / 2.0)


@every_prior
def test_compiled_is_the_book(name: str, options: dict[str, Any]) -> None:
    """The same path, missing cells and counts included."""
    problem = problem_of(name, options, 0.2)
    ours = theirs = some_statistics(problem)
    fast, book = steps_of(problem, fast=True), steps_of(problem)
    for _ in range(few(30)):
        mine, other = fast.believe(ours), book.believe(theirs)
        np.testing.assert_allclose(mine.objective, other.objective, rtol=1e-10)
        ours, theirs = mine.expectation.statistics, other.expectation.statistics
    np.testing.assert_allclose(flat(ours), flat(theirs), rtol=1e-7, atol=1e-8)


@long
@every_prior
def test_permuted_starts_give_permuted_ends(name: str, options: dict[str, Any]) -> None:
    problem = problem_of(name, options, 0.2)
    start = mixtures_of(problem, 1)[1].take(0)
    order = np.array([2, 0, 1])
    one, other = (
        VBEM(restarts=1, init=given.parameters(), draws=2).fit(problem, quick(problem)) for given in (start, start.relabelled(order))
    )
    assert one.restarts is not None
    assert other.restarts is not None
    np.testing.assert_allclose(other.restarts.polished_objective, one.restarts.polished_objective, rtol=1e-12)
    assert one.restarts.polished is not None
    assert other.restarts.polished is not None
    turned = one.restarts.polished.relabelled(order).parameters()
    for parameter, value in other.restarts.polished.parameters().items():
        np.testing.assert_allclose(value, turned[parameter], rtol=1e-6, atol=1e-8)


@long
@pytest.mark.parametrize("covariance", ["full", "tied"])
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_affine_maps_move_the_elbo_by_their_jacobian(covariance: str, missing: float) -> None:
    """Under the default prior, which maps along; missing cells are missing in both, so that columns are only scaled and moved there."""
    rng = np.random.default_rng(3)
    x = rows_of("gaussian", rng, 60)
    a = np.diag([1e-3, 2.0, 1e4]) if missing else rng.normal(size=(3, 3)) + 2.0 * np.eye(3)
    x[rng.random(x.shape) < missing] = np.nan
    y = x * np.diagonal(a) + 5.0 if missing else x @ a + 5.0
    both = [Problem(rows, n_components=2, covariance=covariance) for rows in (x, y)]
    fits = [VBEM(restarts=3, draws=2).fit(each, quick(each)) for each in both]
    one, other = (fit.evidence[0].log_evidence for fit in fits)
    jacobian = (~np.isnan(x)).sum(axis=0) @ np.log(np.abs(np.diagonal(a))) if missing else 60 * np.linalg.slogdet(a)[1]
    assert other == pytest.approx(one - jacobian, abs=1e-6)


@long
@every_prior
def test_counts_are_rows_one_by_one(name: str, options: dict[str, Any]) -> None:
    problem = problem_of(name, options, 0.2, n_rows=30)
    assert problem.prior is not None
    times = problem.data.counts.astype(int)
    expanded = dataclasses.replace(
        problem.data, x=np.repeat(problem.data.x, times, axis=0), counts=np.ones(times.sum()), rows=np.arange(times.sum())
    )
    start = mixtures_of(problem, 1)[1].take(0).parameters()
    both = [Problem(data, problem.family, 3, problem.prior) for data in (problem.data, expanded)]
    fits = [VBEM(restarts=1, init=start, draws=2).fit(each, quick(each)) for each in both]
    one, other = (fit.evidence[0].log_evidence for fit in fits)
    assert other == pytest.approx(one, rel=1e-11)


@long
@every_prior
def test_polished_ends_are_fixed_points(name: str, options: dict[str, Any]) -> None:
    """Of coordinate ascent, to eight digits of every expected statistic."""
    problem = problem_of(name, options, 0.2)
    ends = climbed(steps_of(problem), "mixed", 4, Stop(), False, Context.default(problem))
    again = steps_of(problem).believe(ends.settled).expectation.statistics
    gaps = np.abs(flat(again) - flat(ends.settled)) / units(problem)
    assert gaps.max() < 1e-6


@pytest.mark.parametrize(("options", "wanted"), [({}, Status.CONVERGED), ({"max_iter": 5}, Status.FOLLOWED), ({"tol": 1e3}, Status.SHORT)])
def test_the_status_tells_how_restarts_stopped(options: dict[str, Any], wanted: Status) -> None:
    problem = Problem(load_built_in("old_faithful"), n_components=2)
    fit = VBEM(restarts=3, draws=2, **options).fit(problem, quick(problem))
    assert fit.restarts is not None
    assert {fit.status, *fit.restarts.status} == {wanted}


@long
def test_anderson_finds_the_same_optima_in_fewer_steps() -> None:
    """Slow ones, of components that overlap."""
    problem = Problem(load_built_in("old_faithful"), n_components=3)
    plain, mended = (VBEM(restarts=20, acceleration=name, draws=2).fit(problem, quick(problem)).restarts for name in ("none", "anderson"))  # type: ignore[arg-type]
    assert plain is not None
    assert mended is not None
    assert np.max(mended.polished_objective) == pytest.approx(np.max(plain.polished_objective), abs=1e-8)  # type: ignore[arg-type]
    assert mended.iterations.sum() < plain.iterations.sum() / 2.5


@every_prior
def test_statistics_as_numbers_and_back(name: str, options: dict[str, Any]) -> None:
    problem = problem_of(name, options, 0.2)
    statistics = some_statistics(problem)
    again = shaped(flat(statistics), statistics)
    np.testing.assert_array_equal(flat(again), flat(statistics))
    assert units(problem).shape == (flat(statistics).shape[1],)
    assert (units(problem) > 0).all()


def test_restarts_that_stop_keep_the_statistics_of_where_they_stopped() -> None:
    problem = problem_of("gaussian", {"covariance": "full"}, 0.2)
    steps, first = steps_of(problem), some_statistics(problem)
    ascent = Ascent(steps, first, False)
    scheme = ascent.scheme()
    seen = [next(scheme)]
    seen.append(scheme.send(np.array([True, False, True])))
    seen.append(scheme.send(np.array([False, True])))
    objective = steps.believe(ascent.ends()).objective
    wanted = [seen[1].objective[0], seen[0].objective[1], seen[2].objective[0]]
    np.testing.assert_allclose(objective, wanted, rtol=1e-14)
