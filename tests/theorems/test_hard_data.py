"""Data and starts that break careless statistics: what went wrong is named, and no table claims what is not there."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

import numpy as np
import pytest
from examples import quick

from workbench.compare import predictive
from workbench.compare.assembly import assemble
from workbench.compare.cell import Cell
from workbench.compare.differences import agreement_rows
from workbench.compare.optima import optima
from workbench.compare.scores import entropies, information_criteria
from workbench.compare.settled import settle
from workbench.data import Dataset
from workbench.fit import Fit, Status
from workbench.inference import EM, Context, Gradient, HardEM, KMeans
from workbench.inference.em.ends import best_regular
from workbench.inference.em.ledger import ledger
from workbench.inference.em.scheme import Steps
from workbench.inference.em.starts import interior, starts
from workbench.inference.kmeans import lloyd
from workbench.models import Bernoulli, Mixture
from workbench.problem import Problem

RNG = np.random.default_rng(0)
PAIR = np.vstack([RNG.normal(size=(20, 2)), RNG.normal(size=(20, 2)) + 4.0])


def test_a_restart_that_went_wrong_is_neither_best_nor_an_optimum() -> None:
    problem = Problem(PAIR, "gaussian", 2)
    fit = EM(restarts=4, objective="posterior").fit(problem, quick(problem))
    assert fit.restarts is not None
    assert fit.restarts.polished_objective is not None
    higher = fit.restarts.polished_objective + np.array([0.0, 50.0, 40.0, 0.0])
    status = (Status.CONVERGED, Status.FELL, Status.NOT_FINITE, Status.CONVERGED)
    restarts = dataclasses.replace(fit.restarts, status=status, polished_objective=higher)
    assert sorted(i for optimum in optima(problem, dataclasses.replace(fit, restarts=restarts)) for i in optimum.restarts) == [0, 3]
    assert best_regular(restarts) in (0, 3)


def test_a_mode_of_the_posterior_is_not_thrown_in_with_others_for_its_status() -> None:
    problem = Problem(PAIR, "gaussian", 2)
    fit = EM(restarts=4, objective="posterior").fit(problem, quick(problem))
    assert fit.restarts is not None
    apart = np.array([1.0, 2.0, 3.0, 4.0])
    restarts = dataclasses.replace(fit.restarts, status=(Status.SINGULAR,) * 4, polished_objective=apart)
    assert [optimum.restarts for optimum in optima(problem, dataclasses.replace(fit, restarts=restarts))] == [(3,), (2,), (1,), (0,)]


@pytest.mark.parametrize(
    ("family", "init", "what"),
    [
        ("gaussian", {"weights": [0.6, 0.6], "means": [[0.0, 0.0], [4.0, 4.0]], "covariances": [np.eye(2), np.eye(2)]}, "sum to 1.2"),
        ("gaussian", {"weights": [0.5, 0.5], "means": [[0.0, 0.0], [4.0, 4.0]], "covariances": [np.eye(2), -np.eye(2)]}, "not positive"),
        ("bernoulli", {"weights": [0.5, 0.5], "probs": [[0.0, 0.0], [0.0, 0.0]]}, "no density"),
        ("bernoulli", {"weights": [0.5, 0.5], "probs": [[1.5, 0.5], [0.5, 0.5]]}, "is 1.5"),
    ],
)
def test_impossible_starts_are_refused(family: str, init: dict[str, Any], what: str) -> None:
    x = PAIR if family == "gaussian" else (PAIR > 2.0).astype(float)
    reason = EM(restarts=2, init=init).refuses(Problem(x, family, 2))
    assert reason is not None
    assert what in reason


def test_classes_of_which_none_is_known_agree_with_nothing() -> None:
    problem = Problem(Dataset.of(PAIR, classes=[""] * 40), "gaussian", 2)
    cell = Cell({}, problem, fits={"em": EM(restarts=3).fit(problem)})
    assert list(agreement_rows(cell, settle(cell))) == []


def test_rows_without_an_observed_cell_leave_every_score_of_a_point_alone() -> None:
    x = (np.random.default_rng(1).random((30, 3)) < np.array([0.3, 0.5, 0.8])).astype(float)
    more = np.vstack([x, np.full((60, 3), np.nan)])
    mixture = Bernoulli().mixture({"weights": [0.5, 0.5], "probs": [[0.2, 0.4, 0.9], [0.4, 0.6, 0.7]]})
    found = []
    for rows in (x, more):
        problem = Problem(rows, "bernoulli", 2)
        shares = mixture.responsibilities(rows)
        fit = dataclasses.replace(EM(restarts=1).fit(problem), log_likelihood=np.full((1, 1), float(problem.log_likelihood(mixture))))
        found.append({**information_criteria(problem, fit, shares), **entropies(problem, shares)})
    assert found[1] == pytest.approx(found[0], rel=1e-12)
    assert 0.0 <= found[1]["relative_entropy"] <= 1.0


def test_relative_efficiency_is_that_of_correlated_chains(monkeypatch: pytest.MonkeyPatch) -> None:
    """An autoregression of 0.9 has 1 / 19 effective draws a draw; the exponentials of a sum over rows would hide it."""
    noise = np.random.default_rng(2).normal(size=(4, 1000))
    for t in range(1, 1000):
        noise[:, t] = 0.9 * noise[:, t - 1] + np.sqrt(0.19) * noise[:, t]
    problem = Problem(PAIR, "gaussian", 1)
    mean, covariance = PAIR.mean(axis=0), np.cov(PAIR.T)
    means = mean + noise[..., None, None] * np.array([1.0, 0.0])
    covariances = np.broadcast_to(covariance, (4, 1000, 1, 2, 2))
    draws = problem.family.mixture({"weights": np.ones((4, 1000, 1)), "means": means, "covariances": covariances})
    fit = Fit.sample(
        draws,
        kind="nuts",
        family=problem.family,
        log_likelihood=problem.log_likelihood(draws),
        log_posterior=np.zeros((4, 1000)),
        objective_name="log_posterior",
        status=Status.SAMPLED,
        seconds={},
        options={},
    )
    found = []
    real = predictive._relative_efficiency
    monkeypatch.setattr(predictive, "_relative_efficiency", lambda values: found.append(real(values)) or found[-1])
    predictive.leave_one_out(problem, fit)
    assert 0.02 < found[0] < 0.3


@pytest.mark.parametrize("init", ["random_rows", "random_responsibilities", "kmeans++"])
def test_starts_in_coordinates_are_finite_where_binary_columns_never_vary(init: str) -> None:
    x = np.column_stack([np.ones(12), np.zeros(12), np.arange(12) % 2])
    problem = Problem(x, "bernoulli", 2)
    mixture, _ = starts(problem, problem.prior, init, [1, 2, 3])
    u = interior(problem.coordinates, mixture)
    assert np.isfinite(u).all()
    inside = np.isfinite(problem.coordinates.flatten(mixture)[0])
    np.testing.assert_array_equal(u[inside], problem.coordinates.flatten(mixture)[0][inside])


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (2, 6), (1, 40)])
def test_a_few_draws_give_tables_without_what_they_cannot_tell(shape: tuple[int, int]) -> None:
    problem = Problem(PAIR, "gaussian", 2)
    draws = problem.prior.posterior(problem.family.statistics(problem.data, np.repeat(np.eye(2), 20, axis=0))).sample(RNG, shape)  # type: ignore[union-attr]
    log_likelihood = problem.log_likelihood(draws)
    log_posterior = log_likelihood + problem.log_prior(draws)
    told: dict[str, Any] = {
        "kind": "x",
        "family": problem.family,
        "objective_name": "x",
        "seconds": {"compile": 0.0, "run": 0.0},
        "options": {},
    }
    told |= {"log_likelihood": log_likelihood, "log_posterior": log_posterior, "status": Status.SAMPLED}
    fits = {
        "nuts": Fit.sample(draws, sample_stats={"energy": -log_posterior}, **told),
        "advi": Fit.approximation_of(draws, log_likelihood, **told),
    }
    tables = assemble([Cell({}, problem, fits=fits)] if shape != (1, 1) else [Cell({}, problem, fits={"nuts": fits["nuts"]})])
    assert not tables["diagnostics"]["value"].isin(["nan", "inf", "-inf"]).any()
    assert tables["likelihoods"]["elpd_loo"].notna().tolist()[0] == (np.prod(shape) >= 25)


@pytest.mark.parametrize("covariance", ["full", "tied", "diagonal"])
@pytest.mark.parametrize("value", [3.3, 3.3e9, 0.0])
def test_a_constant_column_has_no_prior_and_no_regular_optimum(covariance: str, value: float) -> None:
    problem = Problem(np.column_stack([PAIR[:, 0], np.full(40, value)]), "gaussian", 2, covariance=covariance)
    assert "column x1 is constant" in problem.no_prior
    fit = EM(restarts=6).fit(problem)
    assert fit.status is Status.SINGULAR_DATA
    assert any("column x1 is constant" in message for message in fit.messages)
    assert not any(optimum.regular for optimum in optima(problem, fit))


def test_hard_em_keeps_no_number_below_a_collapse() -> None:
    x = np.vstack([PAIR, [[1e6, 1e6]]])
    fit = HardEM(restarts=10).fit(Problem(x, "gaussian", 2))
    assert fit.status is Status.NO_REGULAR_OPTIMUM
    assert fit.restarts is not None
    assert fit.trace is not None
    for restart in range(10):
        own = fit.trace.objective[fit.trace.restart == restart]
        assert own.size
        assert (np.diff(own) >= -1e-9 * np.abs(own[1:])).all()
        assert fit.restarts.objective[restart] == own[-1]


@pytest.mark.parametrize("seed", [1, 7])
def test_collinear_columns_have_no_regular_optimum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(60, 2)) * [1.0, 50.0] + [100.0, -3.0]
    x[30:] += 4.0
    problem = Problem(np.column_stack([x, x.sum(axis=1)]), "gaussian", 2)
    assert "collinear" in problem.no_prior
    fit = EM(restarts=10).fit(problem)
    assert not any(optimum.regular for optimum in optima(problem, fit))


@pytest.mark.parametrize("correlated", [False, True])
def test_no_restart_falls_where_the_covariance_is_badly_conditioned(correlated: bool) -> None:
    x = np.column_stack([PAIR[:, 0], PAIR[:, 0] + 1e-5 * PAIR[:, 1]]) if correlated else np.vstack([PAIR, [[1e6, 1e6]]])
    problem = Problem(x, "gaussian", 3)
    fit = EM(restarts=20, objective="posterior").fit(problem, quick(problem))
    assert fit.restarts is not None
    assert set(fit.restarts.status) == {Status.CONVERGED}


def test_stop_by_parameters_sees_components_far_narrower_than_the_data() -> None:
    """Two components that mirror each other keep their weights while their means still move."""
    rng = np.random.default_rng(0)
    half = rng.normal(size=150) - 1.3
    problem = Problem(np.concatenate([half, -half, rng.normal(size=30) + 3e6]), "gaussian", 3)
    init = {"weights": [5 / 11, 5 / 11, 1 / 11], "means": [[-0.5], [0.5], [3e6]], "covariances": [[[1.0]], [[1.0]], [[1.0]]]}
    fit = EM(restarts=1, init=init, tol=1e-6, stop="parameters").fit(problem)
    means = fit.path.mixture.parameters()["means"][-2:, :2, 0]  # type: ignore[union-attr]
    assert np.abs(np.diff(means, axis=0)).max() < 1e-4


@pytest.mark.parametrize(
    ("family", "options"), [*(("gaussian", {"covariance": name}) for name in ("full", "tied", "diagonal", "spherical")), ("bernoulli", {})]
)
def test_evidence_of_labelled_rows_is_a_difference_of_normalisers(family: str, options: dict[str, Any]) -> None:
    """log p(x, z) = log p(x, z | theta) + log p(theta) - log p(theta | x, z) at any theta (Bayes), whatever K."""
    x = PAIR[::4] if family == "gaussian" else (PAIR[::4] > 2.0).astype(float)
    problem = Problem(x, family, 3, prior={"a": 2.0, "b": 3.0} if family == "bernoulli" else "default", **options)
    assert problem.prior is not None
    labels = np.eye(3)[np.arange(10) % 3]
    posterior = problem.prior.posterior(problem.family.statistics(problem.data, labels))
    theta = problem.prior.sample(np.random.default_rng(3))
    complete = (theta.log_joint(x) * labels).sum()
    wanted = complete + problem.prior.log_density(theta) - posterior.log_density(theta)
    constant = -0.5 * x.size * np.log(2.0 * np.pi) if family == "gaussian" else 0.0
    assert posterior.log_normaliser() - problem.prior.log_normaliser() + constant == pytest.approx(wanted, rel=1e-9)


def test_copies_of_one_start_say_nothing_of_unseen_optima() -> None:
    problem = Problem(PAIR, "gaussian", 1)
    init = {"weights": [1.0], "means": [[0.0, 0.0]], "covariances": [np.eye(2).tolist()]}
    for method, wanted in ((EM(restarts=3), True), (EM(restarts=3, init=init), False)):
        quantities = assemble([Cell({}, problem, fits={"em": method.fit(problem)})])["diagnostics"]["quantity"]
        assert (quantities == "unseen_optimum").any() == wanted


def test_stop_by_parameters_is_silent_on_the_way_into_a_collapse() -> None:
    rng = np.random.default_rng(8)
    pair = np.vstack([rng.normal(size=(20, 2)), rng.normal(size=(20, 2)) + 4.0])
    x = np.repeat(np.round(pair[::5]), 6, axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = EM(restarts=30, stop="parameters").fit(Problem(x, "gaussian", 3))
    assert fit.restarts is not None
    assert Status.SINGULAR in fit.restarts.status


def outlying() -> Problem:
    """Two groups, and a row a million standard deviations away."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0.0, 1.0, (60, 2)), rng.normal(5.0, 1.0, (60, 2))])
    x[7] = 1e6
    return Problem(x, "gaussian", 2)


def test_a_restart_that_stops_short_of_a_collapse_does_not_pass_for_converged() -> None:
    """The gradient is flat where EM still climbs, into a singular solution; and no polished end is lower than where it began."""
    fit = Gradient(restarts=10).fit(outlying())
    assert fit.restarts is not None
    assert fit.restarts.polished_objective is not None
    assert set(fit.restarts.status) == {Status.SINGULAR_BEYOND}
    assert fit.status is Status.NO_REGULAR_OPTIMUM
    assert (fit.restarts.polished_objective > fit.restarts.objective).all()
    assert [len(optimum.restarts) for optimum in optima(outlying(), fit)] == [10]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("covariance", ["full", "diagonal", "spherical"])
def test_a_part_of_one_row_is_one_optimum_without_a_density_or_books(covariance: str) -> None:
    problem = Problem(outlying().data, "gaussian", 2, covariance=covariance)
    fit = KMeans(restarts=6).fit(problem)
    assert fit.status is Status.NO_DENSITY
    tables = assemble([Cell({}, problem, fits={"kmeans": fit})])
    assert tables["optima"]["restarts"].tolist() == [6]
    assert fit.ledger is None


def test_iterations_at_which_a_part_is_one_row_have_no_books() -> None:
    problem = Problem(np.array([0.0, 1.0, 2.2, 3.0, 5.0]), "gaussian", 2)
    start = Mixture(np.full((1, 2), 0.5), problem.family.around(np.array([[[0.0], [1.9]]]), problem.data))
    books = ledger(problem, lloyd(start, Steps(problem), True), 4)
    assert books is not None
    assert books.iteration.tolist() == [0, 2, 3, 4]  # after the first partition, 0 by itself
    np.testing.assert_allclose(books.bound + books.kl, books.log_likelihood, rtol=1e-12)


def test_where_every_fit_is_singular_a_partition_without_a_density_says_that() -> None:
    x = np.column_stack([PAIR, np.ones(len(PAIR))])
    fit = KMeans(restarts=3).fit(Problem(x, "gaussian", 2))
    assert fit.status is Status.SINGULAR_DATA
    assert any("is constant" in message for message in fit.messages)


def test_a_restart_that_stops_on_a_plateau_does_not_pass_for_converged() -> None:
    """Under one covariance matrix an outlier leaves the groups on a plateau below where they part."""
    problem = Problem(outlying().data, "gaussian", 2, covariance="tied")
    found = EM(restarts=10, tol=1e-4).fit(problem, Context(lambda i: i, lambda i: i, estimates=False)).restarts
    assert found is not None
    assert found.polished_objective is not None
    short = np.asarray(found.polished_objective - found.objective) > 1.0
    assert short.any()
    assert [status is Status.SHORT for status in found.status] == short.tolist()
