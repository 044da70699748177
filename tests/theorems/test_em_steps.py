"""What EM must satisfy whatever the data: the bound, monotonicity, merging, permutation, batching."""

from __future__ import annotations

import numpy as np
import pytest
from examples import few, long, quick
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.data import Dataset
from workbench.inference import EM
from workbench.inference.em.starts import starts
from workbench.inference.em.steps import e_step, expect, m_step
from workbench.models import Mixture
from workbench.models.terms import log_sum_exp
from workbench.problem import Problem

MODELS = [*(("gaussian", {"covariance": structure}) for structure in ("full", "tied", "diagonal", "spherical")), ("bernoulli", {})]


def problem_of(family: str, options: dict[str, str], seed: int, n_components: int = 3, n_rows: int = 60) -> Problem:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(3, 2)) * 3
    x = centres[rng.integers(0, 3, n_rows)] + rng.normal(size=(n_rows, 2))
    if family == "bernoulli":
        x = (rng.random((n_rows, 8)) < rng.random((3, 8))[rng.integers(0, 3, n_rows)]).astype(float)
        x[rng.random(x.shape) < 0.1] = np.nan
    return Problem(x, family, n_components, **options)


def start_of(problem: Problem, seed: int = 0) -> Mixture:
    return starts(problem, None, "random_responsibilities", [seed])[0]


@long
@pytest.mark.parametrize(("family", "options"), MODELS)
@pytest.mark.parametrize("objective", ["likelihood", "posterior"])
def test_objective_never_falls(family: str, options: dict[str, str], objective: str) -> None:
    for seed in range(5):
        problem = problem_of(family, options, seed)
        fit = EM(restarts=10, objective=objective).fit(problem, quick(problem))  # type: ignore[arg-type]
        trace = fit.trace
        assert trace is not None
        gains = np.diff(trace.objective)[np.diff(trace.restart) == 0]
        assert (gains >= -1e-12 * np.abs(trace.objective).max()).all()
        assert np.isfinite(trace.objective).all()


@pytest.mark.parametrize(("family", "options"), MODELS)
def test_bound_plus_kl_is_the_log_likelihood_for_any_q(family: str, options: dict[str, str]) -> None:
    problem = problem_of(family, options, 1)
    mixture = start_of(problem).take(0)
    q = np.random.default_rng(2).dirichlet(np.ones(3), size=problem.data.n_rows)
    log_joint = mixture.log_joint(problem.data.x)
    bound = (q * (log_joint - np.log(q))).sum()
    kl = (q * (np.log(q) - np.log(mixture.responsibilities(problem.data.x)))).sum()
    assert kl > 0
    assert bound + kl == pytest.approx(float(problem.log_likelihood(mixture)), rel=1e-12)


@pytest.mark.parametrize(("family", "options"), MODELS)
def test_statistics_merge_like_a_monoid(family: str, options: dict[str, str]) -> None:
    data = problem_of(family, options, 3).data
    mixture = start_of(problem_of(family, options, 3))
    parts = [e_step(mixture.terms(), data.x[rows], data.counts[rows]) for rows in (slice(0, 7), slice(7, 31), slice(31, None))]
    whole = e_step(mixture.terms(), data.x, data.counts)
    for merged in (
        parts[0].merge(parts[1]).merge(parts[2]),
        parts[0].merge(parts[1].merge(parts[2])),
        parts[2].merge(parts[0]).merge(parts[1]),
    ):
        assert merged.log_likelihood == pytest.approx(whole.log_likelihood, rel=1e-12)
        for name, value in vars(whole.statistics).items():
            np.testing.assert_allclose(getattr(merged.statistics, name), value, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("family", "options"), MODELS)
def test_permuting_components_permutes_everything(family: str, options: dict[str, str]) -> None:
    problem = problem_of(family, options, 4)
    mixture = start_of(problem)
    order = np.array([2, 0, 1])
    turned = mixture.relabelled(order)
    np.testing.assert_allclose(turned.responsibilities(problem.data.x), mixture.responsibilities(problem.data.x)[..., order], rtol=1e-13)
    after = m_step(expect(mixture, problem.data).statistics, None, mixture)
    after_turned = m_step(expect(turned, problem.data).statistics, None, turned)
    np.testing.assert_allclose(after.weights[..., order], after_turned.weights, rtol=1e-12)


@pytest.mark.parametrize(("family", "options"), MODELS)
def test_batching_changes_no_bit(family: str, options: dict[str, str]) -> None:
    problem = problem_of(family, options, 5, n_rows=400)
    context = quick(problem)
    many = EM(restarts=30, max_iter=few(20)).fit(problem, context).restarts
    some = EM(restarts=3, max_iter=few(20)).fit(problem, context).restarts
    assert many is not None
    assert some is not None
    np.testing.assert_array_equal(many.objective[:3], some.objective)


@pytest.mark.parametrize(("family", "options"), MODELS)
@pytest.mark.parametrize("objective", ["likelihood", "posterior"])
def test_one_component_is_the_closed_form_in_one_step(family: str, options: dict[str, str], objective: str) -> None:
    problem = problem_of(family, options, 6, n_components=1)
    fit = EM(restarts=2, objective=objective).fit(problem, quick(problem))  # type: ignore[arg-type]
    prior = problem.prior if objective == "posterior" else None
    statistics = problem.family.statistics(problem.data, np.ones((problem.data.n_rows, 1)))
    closed = m_step(statistics, prior, Mixture(np.ones(1), problem.family.maximise(statistics)))
    for name, value in closed.parameters().items():
        np.testing.assert_allclose(fit.mixture.parameters()[name], value, rtol=1e-10)
    assert fit.restarts is not None
    assert fit.restarts.iterations.max() <= 2


@long
def test_duplicating_rows_leaves_the_mle() -> None:
    problem = problem_of("gaussian", {}, 7)
    twice = Problem(np.concatenate([problem.data.x, problem.data.x]), "gaussian", 3)
    init = {name: value.tolist() for name, value in start_of(problem).take(0).parameters().items()}
    one, two = (EM(restarts=1, init=init).fit(p, quick(p)) for p in (problem, twice))
    np.testing.assert_allclose(two.mixture.components.parameters()["means"], one.mixture.components.parameters()["means"], rtol=1e-5)
    assert two.log_likelihood.item() == pytest.approx(2 * one.log_likelihood.item(), rel=1e-9)


@long
def test_units_shift_the_optima_by_the_jacobian() -> None:
    problem = problem_of("gaussian", {}, 8)
    scale = np.array([1e-4, 1e6])
    scaled = Problem(problem.data.x * scale, "gaussian", 3)
    init = start_of(problem).take(0).parameters()
    turned = {**init, "means": init["means"] * scale, "covariances": init["covariances"] * np.outer(scale, scale)}
    one, other = EM(restarts=1, init=init).fit(problem), EM(restarts=1, init=turned).fit(scaled)
    shift = problem.data.n_rows * np.log(scale).sum()
    assert other.log_likelihood.item() + shift == pytest.approx(one.log_likelihood.item(), abs=1e-6)


@given(st.lists(st.floats(-1e300, 1e300) | st.just(-np.inf), min_size=1, max_size=6))
@settings(max_examples=100, deadline=None)
def test_log_sum_exp_neither_overflows_nor_warns(values: list[float]) -> None:
    row = np.array([values])
    found = log_sum_exp(row)[0]
    top = max(values)
    if np.isneginf(top):
        assert np.isneginf(found)
    else:
        assert top <= found <= top + np.log(len(values)) + abs(top) * 1e-15


def test_a_component_on_a_tie_is_named_singular() -> None:
    x = np.concatenate([np.zeros(5), np.random.default_rng(0).normal(5, 1, 20)])
    init = {"weights": [0.2, 0.8], "means": [[0.0], [5.0]], "covariances": [[[1e-3]], [[1.0]]]}
    fit = EM(restarts=1, init=init).fit(Problem(x, "gaussian", 2))
    assert fit.restarts is not None
    assert fit.restarts.status[0].name == "SINGULAR"
    assert fit.draws is None
    assert fit.status.name == "NO_REGULAR_OPTIMUM"


def test_dataset_fingerprint_sees_cells_and_names_alone() -> None:
    x = np.arange(6.0).reshape(3, 2)
    assert Dataset.of(x).fingerprint == Dataset.of(x, ids=["a", "b", "c"]).fingerprint
    assert Dataset.of(x).fingerprint != Dataset.of(x, ["u", "v"]).fingerprint
