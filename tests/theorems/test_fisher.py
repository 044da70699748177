"""Fisher's identity: the expected statistics of one E step are the gradient, in every family; and Q from statistics alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from examples import CASES, INDEPENDENT, every_case, mixtures_of, problem_of

from workbench.data import Dataset
from workbench.inference.em.steps import expect, m_step
from workbench.models import FAMILIES, Mixture
from workbench.models.shapes import Coordinates
from workbench.problem import Problem


def differences(value: Callable[[Coordinates], Any], u: Coordinates, step: float = 1e-3) -> Coordinates:
    """Central differences of ``value`` at a batch of points, extrapolated once (Richardson)."""

    def once(h: float) -> np.ndarray:
        moves = h * np.eye(u.shape[-1])
        up, down = (np.asarray(value(u[..., None, :] + sign * moves)) for sign in (1.0, -1.0))
        return np.asarray((up - down) / (2.0 * h))

    return (4.0 * once(step) - once(2.0 * step)) / 3.0


def assert_gradient(found: Coordinates, wanted: Coordinates) -> None:
    np.testing.assert_allclose(found, wanted, rtol=0.0, atol=1e-7 * np.abs(wanted).max())


@pytest.mark.parametrize("missing", [0.0, 0.3])
@every_case
def test_statistics_are_the_gradient_of_the_log_likelihood(name: str, options: dict[str, Any], missing: float) -> None:
    problem = problem_of(name, options, missing)
    chart = problem.coordinates
    u, mixture = mixtures_of(problem)
    found = chart.slope(u, expect(mixture, problem.data).statistics)
    assert_gradient(found, differences(lambda v: problem.log_likelihood(chart.unflatten(v)[0]), u))


@every_case
def test_slopes_of_the_prior(name: str, options: dict[str, Any]) -> None:
    problem = problem_of(name, options, 0.3)
    prior = problem.prior
    assert prior is not None
    prior = dataclasses.replace(prior, concentration=np.array([2.0, 0.5, 3.0]))
    u, _ = mixtures_of(problem)
    assert_gradient(prior.log_density_slope(u), differences(lambda v: prior.log_density(prior.unflatten(v)[0]), u))
    jacobian = differences(lambda v: prior.unflatten(v)[1], u)
    np.testing.assert_allclose(prior.log_jacobian_slope(u), jacobian, rtol=0.0, atol=1e-8)


@pytest.mark.parametrize("missing", [0.0, 0.3])
@every_case
def test_gradient_of_the_target(name: str, options: dict[str, Any], missing: float) -> None:
    target = problem_of(name, options, missing).target()
    u, _ = mixtures_of(target.problem, 6)
    found = target.gradient(u.reshape(2, 3, -1))
    assert found.shape == (2, 3, target.dim)
    assert_gradient(found.reshape(u.shape), differences(target.log_density, u))


@pytest.mark.parametrize("missing", [0.0, 0.3])
@every_case
def test_expected_and_slope_are_one_function(name: str, options: dict[str, Any], missing: float) -> None:
    """With the statistics of one theta held fixed, at another theta."""
    problem = problem_of(name, options, missing)
    chart = problem.coordinates
    _, before = mixtures_of(problem, seed=1)
    u, _ = mixtures_of(problem, seed=2)
    statistics = expect(before, problem.data).statistics
    spread = type(statistics).joined([statistics.take(slice(i, i + 1)) for i in range(u.shape[0]) for _ in range(u.shape[1])])
    wanted = differences(lambda v: chart.unflatten(v.reshape(-1, u.shape[1]))[0].terms().expected(spread).reshape(u.shape), u)
    assert_gradient(chart.slope(u, statistics), wanted)


def row_by_row(problem: Problem, q: np.ndarray, mixture: Mixture) -> np.ndarray:
    return np.asarray((problem.data.counts[:, None] * q * mixture.log_joint(problem.data.x)).sum(axis=(-1, -2)))


@pytest.mark.parametrize(
    ("name", "options", "missing"), [*((*case, 0.0) for case in CASES), *((*case, 0.3) for case in INDEPENDENT)], ids=str
)
def test_expected_is_q_row_by_row_but_for_a_constant(name: str, options: dict[str, Any], missing: float) -> None:
    problem = problem_of(name, options, missing)
    _, mixture = mixtures_of(problem, 5)
    q = np.random.default_rng(1).dirichlet(np.ones(3), size=problem.data.n_rows)
    terms = mixture.terms()
    statistics = terms.statistics(problem.data.x, np.broadcast_to(q * problem.data.counts[:, None], (5, *q.shape)))
    constant = terms.expected(statistics) - row_by_row(problem, q, mixture)
    np.testing.assert_allclose(constant, constant[0], rtol=0.0, atol=1e-9 * np.abs(row_by_row(problem, q, mixture)).max())


@pytest.mark.parametrize("missing", [0.0, 0.3])
@every_case
def test_the_m_step_maximises_it(name: str, options: dict[str, Any], missing: float) -> None:
    """No nearby theta has more of E_q log p(x, z | theta), and there its slope is 0."""
    problem = problem_of(name, options, missing)
    chart = problem.coordinates
    _, before = mixtures_of(problem)
    statistics = expect(before, problem.data).statistics
    after = m_step(statistics, None, before)
    top, u = after.terms().expected(statistics), chart.flatten(after)[0]
    np.testing.assert_allclose(chart.slope(u, statistics), 0.0, atol=1e-8 * problem.data.counts.sum())
    rng = np.random.default_rng(5)
    for _ in range(20):
        near = chart.unflatten(u + 0.05 * rng.normal(size=u.shape))[0]
        assert (near.terms().expected(statistics) < top).all()
    assert (before.terms().expected(statistics) < top).all()


@pytest.mark.parametrize("missing", [0.0, 0.3])
@every_case
def test_a_mode_of_the_posterior_has_no_slope(name: str, options: dict[str, Any], missing: float) -> None:
    """The M step of MAP is stationary for Q plus the log prior density of the natural parameters."""
    problem = problem_of(name, options, missing)
    prior = problem.prior
    assert prior is not None
    prior = dataclasses.replace(prior, concentration=np.array([2.0, 1.5, 3.0]))
    _, before = mixtures_of(problem)
    statistics = expect(before, problem.data).statistics
    u = prior.flatten(m_step(statistics, prior, before))[0]
    slope = prior.slope(u, statistics) + prior.log_density_slope(u)
    np.testing.assert_allclose(slope, 0.0, atol=1e-8 * problem.data.counts.sum())


def test_seen_where_probability_is_zero_is_impossible() -> None:
    """E_q log p(x, z) is -inf, or as good as, where q puts a row on a component that cannot give it."""
    for name, impossible in (
        ("bernoulli", [[[0.0], [0.5]]]),
        ("categorical", [[[[0.0, 1.0]], [[0.5, 0.5]]]]),
        ("poisson", [[[0.0], [1.0]]]),
    ):
        problem = Problem(
            Dataset.of(np.array([[1.0], [0.0], [1.0], [1.0]])) if name != "categorical" else np.array([[1.0], [0.0]] * 2), name, 2
        )
        array = "rates" if name == "poisson" else "probs"
        mixture = problem.family.mixture({"weights": [[0.5, 0.5]], array: impossible})
        q = np.full((1, 4, 2), 0.5)
        assert mixture.terms().expected(problem.family.statistics(problem.data, q))[0] < -1e29


def test_every_family_is_here() -> None:
    assert {name for name, _ in CASES} == set(FAMILIES)
