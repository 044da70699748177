"""Leave-one-out of points by refits: the brute force that it stands for, in every family."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from workbench.compare.predictive import leave_one_out
from workbench.data import Dataset
from workbench.data.builtin import load_built_in
from workbench.inference import EM, Gibbs
from workbench.inference.em.steps import expect, m_step
from workbench.inference.leave_one_out import FOLDS, refits
from workbench.models import Mixture, Prior
from workbench.models.mixture import stacked
from workbench.problem import Problem


def brute(data: Dataset, mixture: Mixture, prior: Prior | None) -> np.ndarray:
    """Each row's unit taken away and plain EM from the full fit to the last digit, one refit after the other."""
    found = []
    for n in range(data.n_rows):
        counts = data.counts.copy()
        counts[n] -= 1.0
        keep = counts > 0
        rest = dataclasses.replace(data.take(np.flatnonzero(keep)), counts=counts[keep])
        now = stacked([mixture])
        for _ in range(3000):
            after = m_step(expect(now, rest).statistics, prior, now)
            change = max(float(np.abs(a - b).max()) for a, b in zip(after.parameters().values(), now.parameters().values(), strict=True))
            now = after
            if change < 1e-13:
                break
        found.append(float(now.log_density(data.x[n : n + 1])[0, 0]))
    return np.array(found)


CASES = [
    ("old_faithful", "gaussian", 2, {"covariance": "full"}, 60),
    ("old_faithful", "gaussian", 2, {"covariance": "diagonal"}, 60),
    ("galaxies", "gaussian", 2, {"covariance": "full"}, 82),
    ("house_votes", "bernoulli", 2, {}, 60),
]


@pytest.mark.parametrize("objective", ["likelihood", "posterior"])
@pytest.mark.parametrize(("name", "family", "n_components", "options", "rows"), CASES, ids=str)
def test_refits_are_the_brute_ones(name: str, family: str, n_components: int, options: dict[str, str], rows: int, objective: str) -> None:
    data = load_built_in(name).take(np.arange(rows))
    problem = Problem(data, family, n_components, **options)
    fit = EM(restarts=20, objective=objective, engine="book").fit(problem)  # type: ignore[arg-type]
    prior = problem.prior if objective == "posterior" else None
    found = refits(data, fit.mixture, prior)
    assert (found.singular, found.lost, found.unfinished, found.folds) == (0, 0, 0, 0)
    wanted = brute(data, fit.mixture, prior)
    np.testing.assert_array_equal(np.isfinite(found.elpd), np.isfinite(wanted))
    np.testing.assert_allclose(found.elpd[np.isfinite(wanted)], wanted[np.isfinite(wanted)], atol=1e-7)
    without = np.flatnonzero(np.isneginf(wanted))
    assert found.impossible == (data.take(without).distinct()[0].n_rows if without.size else 0)


def test_counts_are_repeated_rows() -> None:
    data = load_built_in("galaxies")
    counts = np.random.default_rng(0).integers(1, 4, size=data.n_rows).astype(float)
    short = dataclasses.replace(data, counts=counts)
    long = data.take(np.repeat(np.arange(data.n_rows), counts.astype(int)))
    mixture = EM(restarts=20, engine="book").fit(Problem(short, "gaussian", 2)).mixture
    one, other = refits(short, mixture), refits(long, mixture)
    assert one.refits == other.refits == np.unique(data.x).size
    np.testing.assert_allclose(np.repeat(one.elpd, counts.astype(int)), other.elpd, atol=1e-9)
    np.testing.assert_allclose(one.elpd, brute(short, mixture, None), atol=1e-7)


def test_distinct_rows_know_missing_cells() -> None:
    x = np.array([[1.0, np.nan], [1.0, 0.0], [1.0, -0.0], [1.0, np.nan], [np.nan, np.nan]])
    distinct, group = Dataset.of(x).distinct()
    np.testing.assert_array_equal(distinct.x[group], x)
    np.testing.assert_array_equal(distinct.counts[group], [2, 2, 2, 2, 1])


def test_a_row_that_nothing_else_explains_has_no_density_without_it() -> None:
    """A binary column with a single one: without that row its probability is 0."""
    x = np.random.default_rng(0).integers(2, size=(30, 3)).astype(float)
    x[:, 2] = 0.0
    x[7, 2] = 1.0
    problem = Problem(x, "bernoulli", 1)
    mixture = EM(restarts=1, engine="book").fit(problem).mixture
    found = refits(problem.data, mixture)
    assert found.impossible == 1
    assert np.isneginf(found.elpd[7])
    assert np.isfinite(np.delete(found.elpd, 7)).all()


def test_a_component_on_two_rows_has_no_refit_without_one_of_them() -> None:
    x = np.concatenate([np.random.default_rng(0).normal(size=30), [50.0, 50.1]])
    problem = Problem(x, "gaussian", 2)
    start = {"weights": [30 / 32, 2 / 32], "means": [[0.0], [50.05]], "covariances": [[[1.0]], [[0.01]]]}
    mixture = problem.family.mixture({name: np.array(value) for name, value in start.items()})
    for _ in range(50):
        mixture = m_step(expect(stacked([mixture]), problem.data).statistics, None, stacked([mixture])).take(0)
    found = refits(problem.data, mixture)
    assert found.singular == 2
    assert np.isnan(found.elpd[-2:]).all()
    assert np.isfinite(found.elpd[:-2]).all()


def test_folds_for_many_rows() -> None:
    """Ten folds: all units are left out once; close to the density of the rows under the truth."""
    rng = np.random.default_rng(0)
    truth = Problem(np.array([0.0, 1.0]), "gaussian", 2).family.mixture(
        {"weights": np.array([0.4, 0.6]), "means": np.array([[0.0], [5.0]]), "covariances": np.array([[[1.0]], [[2.0]]])}
    )
    x, _ = truth.sample(rng, 3000)
    problem = Problem(x, "gaussian", 2)
    mixture = EM(restarts=4, engine="book").fit(problem).mixture
    found = refits(problem.data, mixture)
    assert (found.folds, found.refits, found.unfinished) == (FOLDS, FOLDS, 0)
    optimism = float((mixture.log_density(x) - found.elpd).sum())
    assert 0.0 < optimism < 30.0  # about p = 5 parameters


def test_the_sum_is_the_likelihood_less_about_the_parameters() -> None:
    """Stone 1977: log likelihood - elpd_loo is about p where the model is right."""
    problem = Problem(load_built_in("old_faithful"), "gaussian", 2)
    fit = EM(restarts=20, engine="book").fit(problem)
    found = refits(problem.data, fit.mixture)
    assert fit.log_likelihood.item() - found.elpd.sum() == pytest.approx(problem.n_parameters, abs=2.0)


def test_a_row_without_a_cell_adds_nothing_to_draws_either() -> None:
    x = np.array([[1.0, 2.0], [np.nan, np.nan], [1.5, 2.5], [7.0, 7.5], [6.5, 8.0], [1.2, np.nan]])
    problem = Problem(Dataset.of(x), "gaussian", 2)
    fit = Gibbs(chains=2, draws=50, tune=20).fit(problem)
    without = Problem(Dataset.of(x[[0, 2, 3, 4, 5]]), "gaussian", 2, problem.prior)
    one, two = leave_one_out(problem, fit), leave_one_out(without, fit)
    assert one is not None
    assert two is not None
    assert (one.elpd, one.se, one.pareto_k_max) == pytest.approx((two.elpd, two.se, two.pareto_k_max))
