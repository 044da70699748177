"""Terms in expectation and divergences of updated priors: against draws, quadrature, and the closed form of one component."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
from examples import CASES, every_prior, problem_of
from scipy.integrate import quad
from scipy.special import gammaln

from workbench.models import Mixture, Prior
from workbench.problem import Problem

N_DRAWS = 20_000


def updated(problem: Problem, shares: np.ndarray) -> Prior:
    """The prior updated by given responsibilities (*batch, N, K)."""
    assert problem.prior is not None
    return problem.prior.posterior(problem.family.statistics(problem.data, shares))


def some_shares(problem: Problem, seed: int, *batch: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(problem.n_components), size=(*batch, problem.data.n_rows))


def assert_mean(values: np.ndarray, wanted: np.ndarray) -> None:
    """Averages of draws (draw, ...) are as wanted within 4.5 standard errors."""
    error = values.std(axis=0, ddof=1) / np.sqrt(values.shape[0])
    assert (np.abs(values.mean(axis=0) - wanted) <= 4.5 * error + 1e-12).all()


@every_prior
def test_expected_terms_are_averages_over_draws(name: str, options: dict[str, Any]) -> None:
    """Of complete rows; where features are independent, of rows with missing cells too."""
    independent = options.get("covariance") not in ("full", "tied") and name != "product"
    problem = problem_of(name, options, 0.3 if independent else 0.0, n_rows=20)
    q = updated(problem, some_shares(problem, 1))
    draws = q.sample(np.random.default_rng(2), (N_DRAWS,))
    assert_mean(draws.log_joint(problem.data.x), q.expected_terms().log_joint(problem.data.x))


@pytest.mark.parametrize("covariance", ["full", "tied"])
def test_missing_cells_are_integrated_out_of_the_expectation(covariance: str) -> None:
    """log integral exp E log p(x_o, x_m, z = k) dx_m; nothing of it is left where nothing was seen but the label's term."""
    problem = problem_of("gaussian", {"covariance": covariance}, 0.3, n_rows=30)
    terms = updated(problem, some_shares(problem, 1)).expected_terms()
    row = np.array([1.5, np.nan, -0.5])
    found = terms.log_joint(np.array([row, [np.nan] * 3]))
    for k in range(problem.n_components):

        def density(value: float, k: int = k) -> float:
            return float(np.exp(terms.log_joint(np.array([[row[0], value, row[2]]]))[0, k]))

        assert quad(density, -60.0, 60.0, epsabs=0.0, epsrel=1e-10, limit=200)[0] == pytest.approx(np.exp(found[0, k]), rel=1e-8)
    np.testing.assert_array_equal(found[1], terms.log_weights)  # type: ignore[attr-defined]


@every_prior
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_divergence_is_the_average_log_ratio(name: str, options: dict[str, Any], missing: float) -> None:
    problem = problem_of(name, options, missing, n_rows=20)
    q = updated(problem, some_shares(problem, 1))
    assert problem.prior is not None
    draws = q.sample(np.random.default_rng(2), (N_DRAWS,))
    log_ratio = q.log_density(draws) - problem.prior.log_density(draws)
    assert_mean(log_ratio[:, None], np.asarray(q.divergence(problem.prior))[None])


@every_prior
def test_divergence_is_zero_from_itself_and_batched(name: str, options: dict[str, Any]) -> None:
    problem = problem_of(name, options, 0.2)
    assert problem.prior is not None
    shares = some_shares(problem, 1, 3)
    q = updated(problem, shares)
    np.testing.assert_allclose(q.divergence(q), 0.0, atol=1e-8)
    each = [updated(problem, own).divergence(problem.prior) for own in shares]
    np.testing.assert_allclose(q.divergence(problem.prior), each, rtol=1e-12)
    assert (q.divergence(problem.prior) > 0.0).all()


@every_prior
@pytest.mark.parametrize("n_components", [1, 2, 4])
def test_density_averaged_over_the_relabellings(name: str, options: dict[str, Any], n_components: int) -> None:
    """As by relabelling the mixture in all K! ways; with concentrations that differ too."""
    problem = problem_of(name, options, 0.2, n_components=n_components)
    q = updated(problem, some_shares(problem, 1))
    draws = q.sample(np.random.default_rng(2), (3, 2))
    orders = list(itertools.permutations(range(n_components)))
    each = np.stack([q.log_density(draws.relabelled(np.array(order))) for order in orders])
    assert n_components == 1 or np.ptp(each, axis=0).min() > 0.1
    wanted = np.logaddexp.reduce(each, axis=0) - np.log(len(orders))
    np.testing.assert_allclose(q.relabelled_log_density(draws), wanted, rtol=1e-11)


@every_prior
def test_density_averaged_over_the_relabellings_of_a_batch_of_priors(name: str, options: dict[str, Any]) -> None:
    """Each of several priors with each of several mixtures is as by itself."""
    problem = problem_of(name, options, 0.2)
    each = [updated(problem, shares) for shares in some_shares(problem, 1, 4)]
    draws = each[0].sample(np.random.default_rng(2), (5,))
    together = updated(problem, some_shares(problem, 1, 4, 1)).relabelled_log_density(draws)
    np.testing.assert_allclose(together, [q.relabelled_log_density(draws) for q in each], rtol=1e-11)


@pytest.mark.parametrize(("name", "parameter"), [("bernoulli", "probs"), ("categorical", "probs"), ("poisson", "rates")])
def test_density_averaged_over_the_relabellings_on_the_boundary(name: str, parameter: str) -> None:
    """A probability or rate of 0 is impossible for components that have seen one, and no matter to others: 0 log 0 is 0."""
    problem = problem_of(name, {}, 0.0, n_components=2)
    some = problem.data.x[:, 0] > 0.0
    shares = np.stack([some, ~some], axis=-1).astype(float)
    q = updated(problem, shares)
    mixture = q.sample(np.random.default_rng(2), (1,))
    values = mixture.components.parameters()[parameter].copy()
    values[(0, slice(None), 0, 0) if name == "categorical" else (0, slice(None), 0)] = [0.2, 0.0]
    mixture = Mixture(mixture.weights, dataclasses.replace(mixture.components, **{parameter: values}))
    each = np.array([q.log_density(mixture.relabelled(np.array(order))) for order in ([0, 1], [1, 0])])[:, 0]
    assert sorted(np.isfinite(each)) == [False, True]
    np.testing.assert_allclose(q.relabelled_log_density(mixture), np.logaddexp(*each) - np.log(2.0), rtol=1e-11)


@every_prior
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_centre_is_what_is_expected(name: str, options: dict[str, Any], missing: float) -> None:
    """Means over draws of weights, means, probabilities, rates and precisions."""
    problem = problem_of(name, options, missing)
    q = updated(problem, some_shares(problem, 1))
    centre, draws = precisions(q.centre()), precisions(q.sample(np.random.default_rng(3), (N_DRAWS,)))
    for parameter, wanted in centre.items():
        assert_mean(draws[parameter], wanted)


def precisions(mixture: Mixture) -> dict[str, np.ndarray]:
    """Parameters with precisions in the place of covariances."""
    turned = {"covariances": np.linalg.inv, "variances": np.reciprocal}
    return {name: turned.get(name, np.asarray)(array) for name, array in mixture.parameters().items()}


@pytest.mark.parametrize(("name", "options"), CASES, ids=[options.get("covariance", name) for name, options in CASES])
def test_one_component_has_the_evidence_of_the_closed_form(name: str, options: dict[str, Any]) -> None:
    """E_q log p(x | theta) - KL(q || p) = log p(x), a difference of normalisers, at the exact posterior; rows count once to three times."""
    problem = problem_of(name, options, 0.0, n_components=1)
    assert problem.prior is not None
    counts, x = problem.data.counts, problem.data.x
    q = updated(problem, np.ones((problem.data.n_rows, 1)))
    bound = (q.expected_terms().log_joint(x)[:, 0] * counts).sum() - q.divergence(problem.prior)
    exact = q.log_normaliser() - problem.prior.log_normaliser()
    if name == "product":
        exact += counts.sum() * -np.log(2.0 * np.pi) - (counts * gammaln(x[:, 3] + 1.0)).sum()
    elif name == "gaussian":
        exact -= counts.sum() * x.shape[1] / 2.0 * np.log(2.0 * np.pi)
    elif name == "poisson":
        exact -= (counts[:, None] * gammaln(x + 1.0)).sum()
    assert bound == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("covariance", ["full", "tied"])
def test_terms_of_a_mixture_say_of_an_empty_row_its_weights(covariance: str) -> None:
    problem = problem_of("gaussian", {"covariance": covariance}, 0.3)
    q = updated(problem, some_shares(problem, 1))
    centre = q.centre()
    np.testing.assert_array_equal(centre.log_joint(np.full((2, 3), np.nan)), np.log([centre.weights] * 2))
    empty = dataclasses.replace(problem.data, x=np.full((2, 3), np.nan), counts=np.ones(2))
    shares = np.array([[0.2, 0.5, 0.3]] * 2)
    statistics = centre.terms().statistics(empty.x, shares)
    assert centre.terms().expected(statistics) == pytest.approx((shares * np.log(centre.weights)).sum(), rel=1e-14)
