"""Tied and spherical covariances: densities, priors, evidence and modes against scipy and by Bayes, optima against other programs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from workbench.data import Dataset
from workbench.data.builtin import load_built_in
from workbench.inference.em.steps import expect, m_step
from workbench.models import Gaussian, Mixture, Prior
from workbench.problem import Problem

STRUCTURES = ["full", "tied", "diagonal", "spherical"]
ROWS = np.vstack([np.random.default_rng(0).normal(size=(25, 3)), np.random.default_rng(1).normal(size=(15, 3)) * [1.0, 2.0, 0.5] + 4.0])


def prior_of(covariance: str, n_components: int = 2) -> Prior:
    problem = Problem(ROWS, "gaussian", n_components, covariance=covariance, prior={"mean_strength": 0.3, "concentration": 2.0})
    assert problem.prior is not None
    return problem.prior


def climbed(problem: Problem, restarts: int, seed: int = 0) -> tuple[Mixture, np.ndarray]:
    """Plain EM from distinct rows, until all but one in ten of the restarts gain less than 1e-10: some rest on a saddle for long."""
    rng = np.random.default_rng(seed)
    x, shares = problem.data.x, np.full((restarts, problem.n_components), 1.0 / problem.n_components)
    centres = np.stack([x[rng.choice(len(x), problem.n_components, replace=False)] for _ in range(restarts)])
    mixture = Mixture(shares, problem.family.around(centres, problem.data))
    value = np.full(restarts, -np.inf)
    for _ in range(3000):
        expectation = expect(mixture, problem.data)
        if (np.abs(expectation.log_likelihood - value) < 1e-10).mean() >= 0.9:
            return mixture, expectation.log_likelihood
        value = np.asarray(expectation.log_likelihood)
        mixture = m_step(expectation.statistics, None, mixture)
    raise AssertionError("EM has not settled in 3000 steps")


@pytest.mark.parametrize(
    ("data", "covariance", "n_components", "wanted"),
    [
        ("old_faithful", "tied", 2, -1140.1867594370813),
        ("old_faithful", "spherical", 2, -1709.5292821774187),
        ("iris", "tied", 3, -256.3540431255832),
        ("iris", "spherical", 3, -384.31409506082014),
    ],
)
def test_best_optima_are_those_of_other_programs(data: str, covariance: str, n_components: int, wanted: float) -> None:
    problem = Problem(load_built_in(data), "gaussian", n_components, covariance=covariance)
    mixture, values = climbed(problem, 40)
    regularity = mixture.components.regularity(mixture.weights, problem.data)
    assert values[~regularity.singular].max() == pytest.approx(wanted, abs=1e-6)
    assert not regularity.spurious.any()


@pytest.mark.parametrize(("data", "rows", "bic"), [("old_faithful", 272, 2325.2199354045306)])
def test_tied_parameters_are_counted(data: str, rows: int, bic: float) -> None:
    problem = Problem(load_built_in(data), "gaussian", 2, covariance="tied")
    assert problem.n_parameters == 8
    assert 2 * 1140.1867594370813 + 8 * np.log(rows) == pytest.approx(bic, abs=1e-8)
    assert Problem(ROWS, "gaussian", 2, covariance="spherical").n_parameters == 9


def test_tied_prior_is_scipys() -> None:
    prior = prior_of("tied", 3)
    numbers = prior.numbers()
    mixture = prior.sample(np.random.default_rng(3))
    parameters = mixture.parameters()
    wanted = stats.dirichlet([2.0] * 3).logpdf(mixture.weights)
    wanted += stats.invwishart(numbers["dof"], np.array(numbers["scale"])).logpdf(parameters["covariances"])
    for mean in parameters["means"]:
        wanted += stats.multivariate_normal(numbers["mean"], parameters["covariances"] / numbers["mean_strength"]).logpdf(mean)
    assert prior.log_density(mixture) == pytest.approx(wanted, rel=1e-11)


def test_spherical_prior_is_scipys() -> None:
    prior = prior_of("spherical", 3)
    numbers = prior.numbers()
    mixture = prior.sample(np.random.default_rng(3))
    parameters = mixture.parameters()
    wanted = stats.dirichlet([2.0] * 3).logpdf(mixture.weights)
    for mean, variance in zip(parameters["means"], parameters["variances"], strict=True):
        wanted += stats.invgamma(numbers["dof"] / 2, scale=numbers["scale"] / 2).logpdf(variance)
        wanted += stats.norm(numbers["mean"], np.sqrt(variance / numbers["mean_strength"])).logpdf(mean).sum()
    assert prior.log_density(mixture) == pytest.approx(wanted, rel=1e-11)


def test_default_numbers_are_the_documented_ones() -> None:
    covariance = np.cov(ROWS.T)
    tied, spherical = (Gaussian(name).default_numbers(Dataset.of(ROWS), 4) for name in ("tied", "spherical"))  # type: ignore[arg-type]
    np.testing.assert_allclose(tied["scale"], covariance * 4 ** (-2 / 3), rtol=1e-13)
    assert spherical["scale"] == pytest.approx(np.trace(covariance) / 3 * 4 ** (-2 / 3), rel=1e-13)
    assert tied["dof"] == spherical["dof"] == 5.0


def test_modes_are_the_documented_m_steps() -> None:
    """Statistics, section 1: (Psi + sum S) / (N + nu + K + D + 1), and (psi + tr S) / (D n + nu + D + 2)."""
    q = np.random.default_rng(2).dirichlet([1.0, 1.0], size=40)
    for covariance in ("tied", "spherical"):
        prior = prior_of(covariance)
        numbers, m0, kappa = prior.numbers(), np.array(prior.numbers()["mean"]), 0.3
        found = prior.posterior(Gaussian(covariance).statistics(Dataset.of(ROWS), q)).mode().parameters()  # type: ignore[arg-type]
        n, scatters = q.sum(axis=0), []
        for k in range(2):
            centre = q[:, k] @ ROWS / n[k]
            scatter = (ROWS - centre).T @ np.diag(q[:, k]) @ (ROWS - centre)
            scatters.append(scatter + n[k] * kappa / (n[k] + kappa) * np.outer(centre - m0, centre - m0))
            np.testing.assert_allclose(found["means"][k], (n[k] * centre + kappa * m0) / (n[k] + kappa), rtol=1e-12)
        if covariance == "tied":
            wanted = (np.array(numbers["scale"]) + sum(scatters)) / (40 + numbers["dof"] + 2 + 3 + 1)
            np.testing.assert_allclose(found["covariances"], wanted, rtol=1e-12)
        else:
            wanted = [(numbers["scale"] + np.trace(s)) / (3 * count + numbers["dof"] + 3 + 2) for s, count in zip(scatters, n, strict=True)]
            np.testing.assert_allclose(found["variances"], wanted, rtol=1e-12)


@pytest.mark.parametrize("covariance", STRUCTURES)
def test_evidence_of_labelled_rows_is_the_difference_of_normalisers(covariance: str) -> None:
    """log p(x, z) = log p(x, z | theta) + log p(theta) - log p(theta | x, z) at any theta (Bayes)."""
    prior = prior_of(covariance)
    data, labels = Dataset.of(ROWS[::4]), np.eye(2)[np.arange(10) % 2]
    posterior = prior.posterior(Gaussian(covariance).statistics(data, labels))  # type: ignore[arg-type]
    found = posterior.log_normaliser() - prior.log_normaliser() - data.x.size / 2 * np.log(2 * np.pi)
    for seed in range(3):
        theta = posterior.sample(np.random.default_rng(seed))
        wanted = (theta.log_joint(data.x) * labels).sum() + prior.log_density(theta) - posterior.log_density(theta)
        assert found == pytest.approx(wanted, rel=1e-10)


@pytest.mark.parametrize("covariance", ["tied", "spherical"])
def test_evidence_of_one_feature_is_the_integral(covariance: str) -> None:
    """K = 1, D = 1, two rows: the normalisers' difference is the double integral over mean and variance."""
    x = np.array([0.3, -0.9])
    numbers = {"concentration": 1.0, "mean": 0.1, "mean_strength": 0.7, "dof": 4.0, "scale": 2.0}
    data = Dataset.of(x)
    family = Gaussian(covariance)  # type: ignore[arg-type]
    prior = family.prior(numbers, 1, data)
    posterior = prior.posterior(family.statistics(data, np.ones((2, 1))))
    found = posterior.log_normaliser() - prior.log_normaliser() - np.log(2 * np.pi)

    variance = np.exp(np.linspace(-12.0, 25.0, 400))[:, None]
    mean = 0.1 + np.linspace(-25.0, 25.0, 1001) * np.sqrt(variance)  # in standard deviations, so that the grid fits every variance
    density = stats.norm(mean, np.sqrt(variance)).pdf(x[:, None, None]).prod(axis=0) * stats.norm(0.1, np.sqrt(variance / 0.7)).pdf(mean)
    inner = density.sum(axis=1) * (50.0 / 1000) * np.sqrt(variance[:, 0])
    total = (inner * stats.invgamma(2.0, scale=1.0).pdf(variance[:, 0]) * variance[:, 0]).sum() * (37.0 / 399)
    assert found == pytest.approx(np.log(total), abs=1e-8)


@pytest.mark.parametrize("covariance", ["tied", "spherical"])
def test_draws_of_the_prior_have_its_moments(covariance: str) -> None:
    prior = prior_of(covariance)
    drawn = prior.sample(np.random.default_rng(5), (40_000,)).parameters()
    numbers = prior.numbers()
    if covariance == "tied":
        values, wanted = np.linalg.inv(drawn["covariances"]), numbers["dof"] * np.linalg.inv(np.array(numbers["scale"]))
    else:
        values, wanted = 1.0 / drawn["variances"], np.full(2, numbers["dof"] / numbers["scale"])
    error = values.std(axis=0) / np.sqrt(len(values))
    assert (np.abs(values.mean(axis=0) - wanted) < 5 * error).all()
    covariances = drawn["covariances"][:, None] if covariance == "tied" else drawn["variances"][..., None, None] * np.eye(3)
    roots = np.linalg.cholesky(np.broadcast_to(covariances, (40_000, 2, 3, 3)))
    white = np.linalg.solve(roots, (drawn["means"] - numbers["mean"])[..., None])[..., 0] * np.sqrt(0.3)
    assert stats.kstest(white.ravel()[:10_000], "norm").pvalue > 1e-4
    assert np.abs(np.corrcoef(white.reshape(40_000, 6).T) - np.eye(6)).max() < 0.03


@pytest.mark.parametrize("covariance", STRUCTURES)
def test_batches_of_posteriors_are_their_members(covariance: str) -> None:
    prior, family = prior_of(covariance), Gaussian(covariance)  # type: ignore[arg-type]
    q = np.random.default_rng(6).dirichlet([1.0, 1.0], size=(5, 40))
    together = prior.posterior(family.statistics(Dataset.of(ROWS), q))
    modes = together.mode()
    for i in range(5):
        alone = prior.posterior(family.statistics(Dataset.of(ROWS), q[i]))
        np.testing.assert_allclose(together.log_normaliser()[i], alone.log_normaliser(), rtol=1e-13)
        for name, value in alone.mode().parameters().items():
            np.testing.assert_allclose(modes.parameters()[name][i], value, rtol=1e-12)
        np.testing.assert_allclose(together.log_density(modes)[i], alone.log_density(alone.mode()), rtol=1e-12)


def test_a_small_component_is_singular_only_where_its_likelihood_has_no_bound() -> None:
    """Statistics, section 3: full needs D + 1 rows, diagonal and spherical 2, tied none."""
    data, weights = Dataset.of(ROWS), np.array([1.5 / 40, 38.5 / 40])
    means, full = np.array([[4.0, 4, 4], [0, 0, 0]]), np.broadcast_to(np.eye(3), (2, 3, 3))
    spreads = {"full": full, "tied": np.eye(3), "diagonal": np.ones((2, 3)), "spherical": np.ones(2)}
    found = {}
    for name, spread in spreads.items():
        components = Gaussian(name).components_type(means, spread)  # type: ignore[arg-type, call-arg]
        for count in (1.5, 2.5):
            share = np.array([count / 40, 1.0 - count / 40])
            found[name, count] = bool(components.regularity(share, data).singular)
    assert weights.sum() == 1.0
    assert found == {
        ("full", 1.5): True,
        ("full", 2.5): True,
        ("tied", 1.5): False,
        ("tied", 2.5): False,
        ("diagonal", 1.5): True,
        ("diagonal", 2.5): False,
        ("spherical", 1.5): True,
        ("spherical", 2.5): False,
    }


@pytest.mark.parametrize("covariance", ["tied", "spherical"])
def test_a_spread_without_extent_is_singular_and_has_collapsed(covariance: str) -> None:
    data, means = Dataset.of(ROWS), np.array([[4.0, 4, 4], [0, 0, 0]])
    flat = np.diag([1.0, 1.0, 1e-18]) if covariance == "tied" else np.array([1e-18, 1.0])
    components = Gaussian(covariance).components_type(means, flat)  # type: ignore[arg-type, call-arg]
    assert components.collapsed(ROWS.std(axis=0))
    zero = Gaussian(covariance).components_type(means, np.zeros_like(flat))  # type: ignore[arg-type, call-arg]
    assert zero.regularity(np.array([0.5, 0.5]), data).singular
    assert covariance == "tied" or components.regularity(np.array([0.5, 0.5]), data).singular


def test_spherical_takes_a_constant_column_and_tied_does_not() -> None:
    x = np.column_stack([ROWS[:, 0], np.full(40, 3.3)])
    assert Problem(x, "gaussian", 2, covariance="spherical").prior is not None
    assert "column x1 is constant" in Problem(x, "gaussian", 2, covariance="tied").no_prior
    assert "constant" in Problem(np.full((5, 2), 3.3), "gaussian", 2, covariance="spherical").no_prior


def test_shared_parameters_stay_with_relabelling_stacking_and_taking() -> None:
    prior = prior_of("tied", 3)
    drawn = prior.sample(np.random.default_rng(7), (4,))
    orders = np.stack([np.random.default_rng(i).permutation(3) for i in range(4)])
    turned = drawn.relabelled(orders)
    np.testing.assert_array_equal(turned.parameters()["covariances"], drawn.parameters()["covariances"])
    np.testing.assert_allclose(turned.log_density(ROWS), drawn.log_density(ROWS), rtol=1e-12)
    assert drawn.components.n_components == 3
    assert drawn.reshaped(2, 2).take((1, 0)).parameters()["covariances"].shape == (3, 3)
    np.testing.assert_array_equal(drawn.reshaped(2, 2).take((1, 0)).parameters()["means"], drawn.parameters()["means"][2])
