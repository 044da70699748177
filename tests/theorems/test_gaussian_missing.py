"""Gaussian mixtures with missing cells: what was not seen is integrated out, and EM climbs what is left."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from workbench.data import Dataset
from workbench.data.builtin import load_built_in
from workbench.inference.em.steps import e_step, expect, m_step
from workbench.models import Gaussian, Mixture, Prior, PriorError
from workbench.models.families.gaussian import moments
from workbench.problem import Problem, ProblemError

STRUCTURES = ["full", "tied", "diagonal", "spherical"]
MURRAY = np.array([[1.0, 1], [1, -1], [-1, 1], [-1, -1], *[[s, np.nan] for s in (2, 2, -2, -2)], *[[np.nan, s] for s in (2, 2, -2, -2)]])


def rows_with_gaps(seed: int = 0, n_rows: int = 80, n_features: int = 3, share: float = 0.25) -> np.ndarray:
    """Correlated rows of three groups, one of them without any observed cell."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(n_features, n_features)) + 2.0 * np.eye(n_features)
    x = 4.0 * rng.normal(size=(3, n_features))[rng.integers(0, 3, n_rows)] + rng.normal(size=(n_rows, n_features)) @ mixing
    x[rng.random(x.shape) < share] = np.nan
    x[5] = np.nan
    return x


def batch(problem: Problem, size: int = 4, seed: int = 0) -> Mixture:
    """Starts that differ in everything: one M step from random responsibilities."""
    rng = np.random.default_rng(seed)
    q = rng.dirichlet(np.full(problem.n_components, 0.4), size=(size, problem.data.n_rows))
    statistics = problem.family.statistics(problem.data, q)
    blank = Mixture(statistics.counts, problem.family.maximise(statistics))
    return m_step(statistics, None, blank)


def climbed(problem: Problem, mixture: Mixture, prior: Prior | None = None, tol: float = 1e-11, most: int = 20_000) -> Mixture:
    """Plain EM until a step gains less than ``tol``."""
    before = -np.inf
    for _ in range(most):
        expectation = expect(mixture, problem.data)
        objective = float(expectation.log_likelihood.max() + (0.0 if prior is None else prior.log_density(mixture).max()))
        if objective - before < tol:
            return mixture
        before = objective
        mixture = m_step(expectation.statistics, prior, mixture)
    raise AssertionError(f"EM has not settled in {most} steps")


def covariances_of(mixture: Mixture) -> np.ndarray:
    """Covariances (K, D, D) of an unbatched mixture of any structure."""
    parameters = mixture.parameters()
    means = parameters["means"]
    shape = (*means.shape, means.shape[-1])
    if "covariances" in parameters:
        return np.broadcast_to(parameters["covariances"], shape)
    variances = parameters["variances"]
    return (variances if variances.ndim == 2 else np.repeat(variances[:, None], means.shape[1], axis=1))[..., None] * np.eye(shape[-1])


def row_by_row(mixture: Mixture, x: np.ndarray) -> np.ndarray:
    """Row log densities by scipy, each from the observed cells alone."""
    covariances, found = covariances_of(mixture), np.zeros(len(x))
    for n, row in enumerate(x):
        o = np.flatnonzero(~np.isnan(row))
        if o.size:
            each = [
                np.log(w) + stats.multivariate_normal(m[o], c[np.ix_(o, o)]).logpdf(row[o])
                for w, m, c in zip(mixture.weights, mixture.parameters()["means"], covariances, strict=True)
            ]
            found[n] = np.logaddexp.reduce(each)
    return found


@pytest.mark.parametrize("covariance", STRUCTURES)
@pytest.mark.parametrize("n_features", [1, 2, 5])
def test_log_density_is_scipys_of_the_observed_cells(covariance: str, n_features: int) -> None:
    x = rows_with_gaps(n_features=n_features)
    problem = Problem(x, "gaussian", 3, covariance=covariance)
    mixtures = batch(problem)
    for i in range(4):
        np.testing.assert_allclose(mixtures.log_density(x)[i], row_by_row(mixtures.take(i), x), rtol=1e-11, atol=1e-11)
    assert np.abs(mixtures.log_density(x)[:, 5]).max() < 1e-13
    np.testing.assert_allclose(mixtures.responsibilities(x)[:, 5], mixtures.weights, rtol=1e-13)


@pytest.mark.parametrize("covariance", STRUCTURES)
def test_complete_rows_among_others_are_as_they_are_alone(covariance: str) -> None:
    x = rows_with_gaps()
    problem = Problem(x, "gaussian", 3, covariance=covariance)
    whole = ~np.isnan(x).any(axis=1)
    mixture = batch(problem)
    np.testing.assert_allclose(mixture.log_density(x)[:, whole], mixture.log_density(x[whole]), rtol=1e-13)


@pytest.mark.parametrize("covariance", STRUCTURES)
@pytest.mark.parametrize("objective", ["likelihood", "posterior"])
def test_the_objective_never_falls(covariance: str, objective: str) -> None:
    for seed in range(4):
        problem = Problem(rows_with_gaps(seed), "gaussian", 3, covariance=covariance)
        prior = problem.prior if objective == "posterior" else None
        mixture = batch(problem, 8, seed)
        before = np.full(8, -np.inf)
        for _ in range(60):
            expectation = expect(mixture, problem.data)
            value = expectation.log_likelihood + (0.0 if prior is None else prior.log_density(mixture))
            sound = np.isfinite(value)
            assert (value - before >= -1e-11 * np.abs(value))[sound].all()
            before, mixture = value, m_step(expectation.statistics, prior, mixture)
        assert sound.sum() >= 6


@pytest.mark.parametrize("covariance", STRUCTURES)
def test_statistics_with_gaps_merge_like_a_monoid(covariance: str) -> None:
    problem = Problem(rows_with_gaps(), "gaussian", 3, covariance=covariance)
    terms, x = batch(problem).terms(), problem.data.x
    counts = np.random.default_rng(1).uniform(0.5, 2.0, len(x))
    parts = [e_step(terms, x[rows], counts[rows]) for rows in (slice(0, 7), slice(7, 31), slice(31, None))]
    whole = e_step(terms, x, counts)
    for merged in (parts[0].merge(parts[1]).merge(parts[2]), parts[2].merge(parts[0].merge(parts[1]))):
        for name, value in vars(whole.statistics).items():
            np.testing.assert_allclose(getattr(merged.statistics, name), value, rtol=1e-10, atol=1e-10)
    seen = whole.statistics.seen if covariance in ("diagonal", "spherical") else whole.statistics.seen[..., None]
    assert (seen < whole.statistics.counts[..., None]).all()  # a row of which nothing was seen counts for the weights alone
    np.testing.assert_allclose(whole.statistics.counts.sum(axis=-1), counts.sum())


@pytest.mark.parametrize("covariance", STRUCTURES)
def test_permuting_components_permutes_everything(covariance: str) -> None:
    problem = Problem(rows_with_gaps(), "gaussian", 3, covariance=covariance)
    mixture, order = batch(problem), np.array([2, 0, 1])
    turned = mixture.relabelled(order)
    np.testing.assert_allclose(turned.responsibilities(problem.data.x), mixture.responsibilities(problem.data.x)[..., order], rtol=1e-12)
    after = m_step(expect(mixture, problem.data).statistics, None, mixture)
    after_turned = m_step(expect(turned, problem.data).statistics, None, turned)
    for name, value in after.relabelled(order).parameters().items():
        np.testing.assert_allclose(after_turned.parameters()[name], value, rtol=1e-10, atol=1e-10)
    imputed, turned_imputed = mixture.imputations(problem.data.x), turned.imputations(problem.data.x)
    np.testing.assert_allclose(turned_imputed, imputed, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("covariance", ["full", "tied"])
def test_affine_maps_of_rows_map_the_fit(covariance: str) -> None:
    """A map that mixes no seen feature with an unseen one: here a scale and a shift of each."""
    x, scale, shift = rows_with_gaps(), np.array([1e-3, 50.0, 7e4]), np.array([3.0, -1e3, 0.0])
    problem, mapped = (Problem(rows, "gaussian", 2, covariance=covariance) for rows in (x, x * scale + shift))
    mixture = batch(problem, 1)
    parts = mixture.parameters()
    means, covariances = parts["means"] * scale + shift, parts["covariances"] * np.outer(scale, scale)
    turned = problem.family.mixture({"weights": parts["weights"], "means": means, "covariances": covariances})
    for prior, mapped_prior in ((None, None), (problem.prior, mapped.prior)):
        one, other = mixture, turned
        for _ in range(30):
            one = m_step(expect(one, problem.data).statistics, prior, one)
            other = m_step(expect(other, mapped.data).statistics, mapped_prior, other)
        np.testing.assert_allclose(other.parameters()["means"], one.parameters()["means"] * scale + shift, rtol=1e-6)
        np.testing.assert_allclose(other.weights, one.weights, rtol=1e-6)
        jacobian = (~np.isnan(x) * np.log(scale)).sum()
        assert mapped.log_likelihood(other) + jacobian == pytest.approx(problem.log_likelihood(one), abs=1e-6)


@pytest.mark.parametrize("covariance", STRUCTURES)
def test_counts_are_rows_written_out(covariance: str) -> None:
    x = rows_with_gaps(n_rows=30)
    counts = np.random.default_rng(3).integers(1, 4, 30)
    problem = Problem(np.repeat(x, counts, axis=0), "gaussian", 3, covariance=covariance)
    terms = batch(problem).terms()
    short, long = e_step(terms, x, counts.astype(float)), e_step(terms, problem.data.x, problem.data.counts)
    np.testing.assert_allclose(short.log_likelihood, long.log_likelihood, rtol=1e-12)
    for name, value in vars(long.statistics).items():
        np.testing.assert_allclose(getattr(short.statistics, name), value, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("covariance", STRUCTURES)
def test_the_gradient_is_that_of_the_statistics(covariance: str) -> None:
    """Fisher's identity: with the statistics held fixed, Q has the gradient of the observed log likelihood."""
    problem = Problem(rows_with_gaps(n_rows=40), "gaussian", 2, covariance=covariance)
    assert problem.prior is not None
    mixture = batch(problem, 1).take(0)
    expectation = e_step(mixture.terms(), problem.data.x, problem.data.counts)
    start, _ = problem.prior.flatten(mixture)
    posterior = problem.prior.posterior(expectation.statistics)

    def complete(u: np.ndarray) -> float:
        """Q up to a constant: conjugacy makes it a difference of two priors' densities."""
        theta = problem.prior.unflatten(u)[0]  # type: ignore[union-attr]
        return float(posterior.log_density(theta) - problem.prior.log_density(theta))  # type: ignore[union-attr]

    def observed(u: np.ndarray) -> float:
        return float(problem.log_likelihood(problem.prior.unflatten(u)[0]))  # type: ignore[union-attr]

    for step in 1e-5 * np.eye(start.size):
        slopes = [(f(start + step) - f(start - step)) / 2e-5 for f in (complete, observed)]
        assert slopes[0] == pytest.approx(slopes[1], rel=1e-5, abs=1e-4)


def test_the_fixed_point_is_where_direct_maximisation_ends() -> None:
    problem = Problem(load_built_in("old_faithful_missing"), "gaussian", 2)
    mixture = climbed(problem, batch(problem, 1, seed=1))
    found = float(problem.log_likelihood(mixture)[0])
    assert found == pytest.approx(-974.2647974904708, abs=1e-7)
    chart = problem.coordinates
    u = chart.flatten(mixture)[0][0]

    def loss(v: np.ndarray) -> float:
        return -float(problem.log_likelihood(chart.unflatten(v)[0]))

    away = u + 0.05 * np.random.default_rng(0).normal(size=u.size)
    direct = optimize.minimize(loss, away, method="BFGS", options={"gtol": 1e-4})
    assert -direct.fun == pytest.approx(found, abs=1e-6)
    assert -direct.fun <= found + 1e-8
    np.testing.assert_allclose(direct.x, u, atol=2e-4)
    assert row_by_row(mixture.take(0), problem.data.x).sum() == pytest.approx(found, abs=1e-9)


@pytest.mark.slow
def test_iris_with_gaps_has_the_published_optimum() -> None:
    """Of the starts, some reach the reference's best regular optimum, and none of the regular ends lies above it."""
    problem = Problem(load_built_in("iris_missing"), "gaussian", 3)
    rng, best = np.random.default_rng(2), []
    x = problem.data.x
    centres = np.stack([x[rng.choice(len(x), 3, replace=False)] for _ in range(60)])
    mixture = Mixture(np.full((60, 3), 1 / 3), problem.family.around(centres, problem.data))
    for _ in range(600):
        with np.errstate(all="ignore"):
            mixture = m_step(expect(mixture, problem.data).statistics, None, mixture)
    with np.errstate(all="ignore"):
        values = problem.log_likelihood(mixture)
        regularity = mixture.components.regularity(mixture.weights, problem.data)
    best = values[np.isfinite(values) & ~regularity.singular & ~regularity.spurious]
    assert best.max() == pytest.approx(-168.53214655694168, abs=1e-5)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_murrays_twelve_rows_have_two_maxima_and_a_saddle(sign: float) -> None:
    """Murray 1977: rho = 1/2 and -1/2 are maxima, rho = 0 a saddle on which EM stays; by symmetry the mean stays at 0."""
    problem = Problem(MURRAY, "gaussian", 1)
    ends = {}
    for rho in (0.3 * sign, 0.0):
        start = problem.family.mixture({"weights": [[1.0]], "means": [[[0.0, 0.0]]], "covariances": [[[[2.0, 2 * rho], [2 * rho, 2.0]]]]})
        ends[rho] = climbed(problem, start, tol=1e-14)
    top, saddle = ends[0.3 * sign], ends[0.0]
    assert problem.log_likelihood(top)[0] == pytest.approx(-29.974286410464998, abs=1e-10)
    np.testing.assert_allclose(top.parameters()["covariances"][0, 0], [[8 / 3, sign * 4 / 3], [sign * 4 / 3, 8 / 3]], atol=1e-5)
    np.testing.assert_allclose(top.parameters()["means"], 0.0, atol=1e-12)
    assert problem.log_likelihood(saddle)[0] == pytest.approx(-30.033342386267996, abs=1e-10)


def test_default_prior_is_that_of_the_likeliest_single_gaussian() -> None:
    data = Dataset.of(rows_with_gaps(2))
    numbers = Gaussian().default_numbers(data, 2)
    problem = Problem(data, "gaussian", 1)
    one = climbed(problem, batch(problem, 1), tol=1e-13)
    n = (~np.isnan(data.x).all(axis=1)).sum()
    assert n < 80
    np.testing.assert_allclose(numbers["mean"], one.parameters()["means"][0, 0], rtol=1e-5)
    wanted = one.parameters()["covariances"][0, 0] * n / (n - 1) * 2 ** (-2 / 3)
    np.testing.assert_allclose(numbers["scale"], wanted, rtol=1e-5)


def test_the_single_gaussian_is_at_a_stationary_point_to_working_precision() -> None:
    data = load_built_in("iris_missing")
    mean, covariance = moments.mean(data), moments.covariance(data) * (data.n_rows - 1) / data.n_rows
    family = Gaussian()
    theta = family.mixture({"weights": [[1.0]], "means": mean[None, None], "covariances": covariance[None, None]})
    after = m_step(expect(theta, data).statistics, None, theta)
    np.testing.assert_allclose(after.parameters()["means"], theta.parameters()["means"], rtol=1e-12)
    np.testing.assert_allclose(after.parameters()["covariances"], theta.parameters()["covariances"], rtol=1e-11)


@pytest.mark.parametrize("covariance", STRUCTURES)
def test_imputations_are_the_regression_and_the_labels_spread(covariance: str) -> None:
    x = rows_with_gaps(n_features=4)
    problem = Problem(x, "gaussian", 3, covariance=covariance)
    mixture = batch(problem, 2)
    mean, sd = mixture.imputations(x)
    assert mean.shape == sd.shape == (2, 80, 4)
    one, shares = mixture.take(1), mixture.responsibilities(x)[1]
    means, covariances = one.parameters()["means"], covariances_of(one)
    for n in (0, 1, 5, 17, 40):
        o, m = np.flatnonzero(~np.isnan(x[n])), np.flatnonzero(np.isnan(x[n]))
        first, second = np.zeros(m.size), np.zeros(m.size)
        for share, centre, c in zip(shares[n], means, covariances, strict=True):
            slopes = c[np.ix_(m, o)] @ np.linalg.inv(c[np.ix_(o, o)])
            own = centre[m] + slopes @ (x[n, o] - centre[o])
            left = c[np.ix_(m, m)] - slopes @ c[np.ix_(o, m)]
            first += share * own
            second += share * (np.diagonal(left) + own**2)
        np.testing.assert_allclose(mean[1, n, m], first, rtol=1e-9)
        np.testing.assert_allclose(sd[1, n, m], np.sqrt(second - first**2), rtol=1e-7)
        np.testing.assert_array_equal(mean[1, n, o], x[n, o])
        np.testing.assert_array_equal(sd[1, n, o], 0.0)


@pytest.mark.parametrize("covariance", ["tied", "spherical"])
def test_imputed_moments_are_those_of_simulated_rows(covariance: str) -> None:
    """Drawn rows whose first cell is near a value are a sample of the conditional: mean and spread within 5 standard errors."""
    spread = {"covariances": [[1.0, 0.8], [0.8, 1.5]]} if covariance == "tied" else {"variances": [0.5, 2.0]}
    mixture = Gaussian(covariance).mixture({"weights": [0.4, 0.6], "means": [[0.0, -3.0], [1.0, 2.0]], **spread})  # type: ignore[arg-type]
    drawn, _ = mixture.sample(np.random.default_rng(4), 400_000)
    near = drawn[np.abs(drawn[:, 0] - 0.4) < 0.02, 1]
    mean, sd = mixture.imputations(np.array([[0.4, np.nan]]))
    assert near.size > 4000
    assert mean[0, 1] == pytest.approx(near.mean(), abs=5 * sd[0, 1] / np.sqrt(near.size) + 0.02)
    assert sd[0, 1] == pytest.approx(near.std(), rel=0.05)


@pytest.mark.parametrize("covariance", STRUCTURES)
def test_columns_never_observed_are_named(covariance: str) -> None:
    x = np.column_stack([rows_with_gaps(), np.full(80, np.nan)])
    with pytest.raises(ProblemError, match="column x3 has no observed cell"):
        Problem(x, "gaussian", 2, covariance=covariance)
    with pytest.raises(PriorError, match="column x3 has no observed cell"):
        Gaussian(covariance).default_numbers(Dataset.of(x), 2)  # type: ignore[arg-type]


def test_collinear_columns_with_gaps_have_no_prior() -> None:
    x = rows_with_gaps(n_features=2)
    sums = x.sum(axis=1) * 100.0
    problem = Problem(np.column_stack([x, sums]), "gaussian", 2)
    assert "collinear" in problem.no_prior
    assert Problem(np.column_stack([x, sums]), "gaussian", 2, covariance="diagonal").prior is not None


@pytest.mark.parametrize("covariance", STRUCTURES)
def test_many_patterns_are_worked_through_in_parts(covariance: str) -> None:
    """Of 30 features nearly every row has a pattern of its own."""
    rng = np.random.default_rng(6)
    x = rng.normal(size=(200, 30))
    x[rng.random(x.shape) < 0.1] = np.nan
    problem = Problem(x, "gaussian", 2, covariance=covariance)
    mixtures = Mixture(np.full((6, 2), 0.5), problem.family.around(rng.normal(size=(6, 2, 30)), problem.data))
    rows = row_by_row(mixtures.take(3), x)
    np.testing.assert_allclose(mixtures.log_density(x)[3], rows, rtol=1e-10)
    assert np.isfinite(m_step(expect(mixtures, problem.data).statistics, problem.prior, mixtures).parameters()["means"]).all()


@pytest.mark.parametrize("covariance", STRUCTURES)
@pytest.mark.parametrize("scale", [1e-100, 1e100])
def test_units_do_not_matter(covariance: str, scale: float) -> None:
    x = rows_with_gaps()
    one, other = (Problem(rows, "gaussian", 2, covariance=covariance) for rows in (x, x * scale))
    left, right = batch(one), batch(other)
    shift = np.log(scale) * (~np.isnan(x)).sum()
    np.testing.assert_allclose(other.log_likelihood(right) + shift, one.log_likelihood(left), rtol=1e-8)
    after = [m_step(expect(theta, problem.data).statistics, None, theta) for theta, problem in ((left, one), (right, other))]
    np.testing.assert_allclose(after[1].parameters()["means"] / scale, after[0].parameters()["means"], rtol=1e-8, atol=1e-8)
