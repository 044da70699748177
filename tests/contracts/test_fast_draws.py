"""Labels drawn by the compiled E step: whole numbers of each row's units, by the responsibilities, the same whoever works on which."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from scipy import stats

from workbench.data import Dataset
from workbench.experiment.contract import every_family, small_problem
from workbench.fast import expectation
from workbench.fast.labels import binomial, uniform
from workbench.inference.gibbs.augmentation import drawn_labels
from workbench.models import Family, Gaussian, Mixture
from workbench.problem import Problem

FITS = 2_000


def case_of(family: Family, counts: str) -> tuple[Problem, Mixture]:
    """Forty rows, and a mixture of three components that overlap."""
    problem = small_problem(family)
    own = {"once": np.ones(40), "several": np.r_[np.arange(39.0) % 4, 50.0]}[counts]
    problem = Problem(dataclasses.replace(problem.data, counts=own), problem.family, 3)
    assert problem.prior is not None
    labels = np.random.default_rng(1).dirichlet(np.ones(3), size=(1, 40))
    return problem, problem.prior.posterior(problem.family.statistics(problem.data, labels)).centre()


@pytest.mark.parametrize("counts", ["once", "several"])
@pytest.mark.parametrize("family", every_family(), ids=str)
def test_labels_are_drawn_by_the_responsibilities(family: Family, counts: str) -> None:
    problem, mixture = case_of(family, counts)
    many = mixture.take(np.zeros(FITS, int))
    seeds = np.random.default_rng(2).integers(0, 1 << 64, size=FITS, dtype=np.uint64)
    soft = expectation.expect(mixture, problem.data)
    found = expectation.expect(many, problem.data, rule="draw", seeds=seeds)
    np.testing.assert_allclose(found.log_likelihood, soft.log_likelihood[0], rtol=1e-12)
    np.testing.assert_allclose(found.statistics.counts.sum(axis=1), problem.data.counts.sum(), rtol=1e-12)
    assert (found.statistics.counts % 1.0 == 0.0).all()
    shares = mixture.responsibilities(problem.data.x)[0]
    spread = (problem.data.counts[:, None] * shares * (1.0 - shares)).sum(axis=0)
    z = (found.statistics.counts.mean(axis=0) - soft.statistics.counts[0]) / np.sqrt(spread / FITS)
    assert np.abs(z).max() < 4.5
    assert np.abs(found.statistics.counts.var(axis=0) / spread - 1.0).max() < 0.2
    for chosen in (slice(0, 1), slice(3, 8), slice(7, 12)):  # by itself, and beside others
        alone = expectation.expect(many.take(chosen), problem.data, rule="draw", seeds=seeds[chosen])
        np.testing.assert_array_equal(alone.statistics.counts, found.statistics.counts[chosen])
    by_terms = expectation.expect_terms(many.terms(), problem.data, rule="draw", seeds=seeds, threads=2)
    np.testing.assert_array_equal(by_terms.statistics.counts, found.statistics.counts)


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_statistics_are_those_of_the_labels(covariance: Any) -> None:
    """Row by row, with more rows than a block has, far away enough for the sums to be taken again; and with many features."""
    rng = np.random.default_rng(3)
    for size, n_rows in ((2, 3000), (18, 300)):
        x = rng.normal(size=(n_rows, size)) + 1e6 * (np.arange(n_rows) % 2)[:, None]
        problem = Problem(Dataset.of(x), "gaussian", 2, covariance=covariance)
        assert problem.prior is not None
        labels = np.eye(2)[rng.integers(0, 2, n_rows)][None]
        mixture = problem.prior.posterior(problem.family.statistics(problem.data, labels)).centre()
        seeds = np.array([7], dtype=np.uint64)
        found = expectation.expect(mixture, problem.data, rule="draw", seeds=seeds)
        shares = mixture.responsibilities(x)[0]
        drawn = np.array([uniform(seeds[0], row << 20) for row in range(n_rows)]) >= shares[:, 0]
        wanted = mixture.terms().statistics(x, np.eye(2)[drawn.astype(int)][None])
        np.testing.assert_array_equal(found.statistics.counts, wanted.counts)
        np.testing.assert_allclose(found.statistics.means, wanted.means, rtol=1e-9)  # type: ignore[attr-defined]
        np.testing.assert_allclose(found.statistics.scatters, wanted.scatters, rtol=1e-6)  # type: ignore[attr-defined]


@pytest.mark.parametrize("covariance", ["full", "tied"])
def test_missing_cells_are_drawn_with_the_labels(covariance: Any) -> None:
    """On average over draws the moments are the expected ones; sums of complete rows are the same whoever does them."""
    problem = small_problem(Gaussian(covariance))
    x = np.array(problem.data.x)
    x[::3, 0], x[1::4, 1], x[5] = np.nan, np.nan, np.nan
    data = dataclasses.replace(problem.data, x=x, counts=np.r_[np.ones(38), 3.0, 0.0])
    labels = np.random.default_rng(1).dirichlet(np.ones(2), size=(1, 40))
    assert problem.prior is not None
    mixture = problem.prior.posterior(problem.family.statistics(problem.data, labels)).centre()
    many = mixture.take(np.zeros(FITS, int))
    seeds = np.random.default_rng(2).integers(0, 1 << 64, size=FITS, dtype=np.uint64)
    soft = expectation.expect(mixture, data)
    found = expectation.expect(many, data, rule="draw", seeds=seeds, threads=2)
    np.testing.assert_allclose(found.log_likelihood, soft.log_likelihood[0], rtol=1e-12)
    for name in ("counts", "seen"):
        wanted, own = (getattr(each.statistics, name) for each in (soft, found))
        assert (own % 1.0 == 0.0).all()
        assert np.abs((own.mean(axis=0) - wanted[0]) / (own.std(axis=0) / np.sqrt(FITS))).max() < 4.5
    wanted, own = (moments(each.statistics) for each in (soft, found))
    assert np.abs((own.mean(axis=0) - wanted[0]) / (own.std(axis=0) / np.sqrt(FITS))).max() < 4.5
    rng = np.random.default_rng(3)
    units = drawn_labels(np.repeat(mixture.terms().log_joint(x), FITS, axis=0), data.counts.astype(int), rng)
    rows = np.r_[0:38]  # the others are several units or none
    book = moments(problem.family.drawn_statistics(many.terms(), x[rows], units[:, rows], rng))
    fast = expectation.expect(many, data.take(rows), rule="draw", seeds=seeds).statistics
    assert np.abs(np.log(moments(fast).std(axis=0) / book.std(axis=0))).max() < 0.1


def moments(statistics: Any) -> np.ndarray:
    """Sums of cells and of their products, (fit, K, numbers)."""
    sums = statistics.seen[..., None] * statistics.means
    squares = statistics.scatters + sums[..., :, None] * statistics.means[..., None, :]
    return np.concatenate([sums, squares.reshape(*sums.shape[:2], -1)], axis=-1)


@pytest.mark.parametrize(("n", "p"), [(2.0, 0.3), (7.0, 0.999), (50.0, 0.02), (1000.0, 0.5), (1e6, 0.3)])
def test_binomial_numbers_have_their_distribution(n: float, p: float) -> None:
    rng = np.random.default_rng(4)
    found = np.array([binomial(n, p, u) for u in rng.random(20_000)])
    assert abs(found.mean() - n * p) < 4.5 * np.sqrt(n * p * (1.0 - p) / found.size)
    points = np.unique(np.quantile(found, [0.02, 0.2, 0.5, 0.8, 0.98]))
    for point in points:
        share = stats.binom.cdf(point, n, p)
        assert abs((found <= point).mean() - share) < 4.5 * np.sqrt(share * (1.0 - share) / found.size) + 1e-9


def test_uniform_numbers_are_uniform_and_apart() -> None:
    one, other = (np.array([uniform(np.uint64(seed), i << 20) for i in range(5000)]) for seed in (1, 2))
    assert stats.kstest(one, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.06
    assert abs(np.corrcoef(one[1:], one[:-1])[0, 1]) < 0.06
