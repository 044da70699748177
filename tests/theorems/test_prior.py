"""The prior against scipy, its coordinates against finite differences, its evidence against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from workbench.data import Dataset
from workbench.data.builtin import load_built_in
from workbench.models import Bernoulli, Family, Gaussian, Mixture, Prior

FAMILIES: list[Family] = [Gaussian(), Gaussian("tied"), Gaussian("diagonal"), Gaussian("spherical"), Bernoulli()]


def prior_of(family: Family, n_components: int, n_features: int) -> Prior:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(30, n_features)) * np.array([1.0, 10.0, 100.0])[:n_features]
    data = Dataset.of((x > 0).astype(float) if family.name == "bernoulli" else x)
    return family.prior(family.default_numbers(data, n_components), n_components, data)


def natural(prior: Prior, u: np.ndarray) -> np.ndarray:
    mixture = prior.unflatten(u)[0]
    parts = [mixture.weights[:-1]]
    for name, array in mixture.components.parameters().items():
        parts.append((array[(..., *np.tril_indices(array.shape[-1]))] if name == "covariances" else array).ravel())
    return np.concatenate(parts)


@pytest.mark.parametrize("family", FAMILIES, ids=str)
@pytest.mark.parametrize("n_features", [1, 2, 3])
@pytest.mark.parametrize("n_components", [1, 2, 3])
def test_coordinates_go_there_and_back_with_their_jacobian(family: Family, n_features: int, n_components: int) -> None:
    prior = prior_of(family, n_components, n_features)
    mixtures = prior.sample(np.random.default_rng(2), (4,))
    u, log_jacobian = prior.flatten(mixtures)
    again, same = prior.unflatten(u)
    assert u.shape == (4, prior.dim)
    np.testing.assert_allclose(same, log_jacobian, rtol=1e-8, atol=1e-8)
    for name, value in mixtures.parameters().items():
        np.testing.assert_allclose(again.parameters()[name], value, rtol=1e-6)
    steps = 1e-6 * np.eye(prior.dim)
    jacobian = np.stack([(natural(prior, u[0] + step) - natural(prior, u[0] - step)) / 2e-6 for step in steps], axis=-1)
    assert np.linalg.slogdet(jacobian)[1] == pytest.approx(log_jacobian[0], abs=1e-5)


def test_normal_inverse_wishart_is_scipys() -> None:
    prior = prior_of(Gaussian(), 2, 3)
    numbers = prior.numbers()
    mixture = prior.sample(np.random.default_rng(3))
    parameters = mixture.parameters()
    wanted = stats.dirichlet([1.0, 1.0]).logpdf(mixture.weights)
    for mean, covariance in zip(parameters["means"], parameters["covariances"], strict=True):
        wanted += stats.invwishart(numbers["dof"], np.array(numbers["scale"])).logpdf(covariance)
        wanted += stats.multivariate_normal(numbers["mean"], covariance / numbers["mean_strength"]).logpdf(mean)
    assert prior.log_density(mixture) == pytest.approx(wanted, rel=1e-10)


def test_diagonal_prior_is_scipys() -> None:
    prior = prior_of(Gaussian("diagonal"), 2, 3)
    numbers = prior.numbers()
    mixture = prior.sample(np.random.default_rng(3))
    parameters = mixture.parameters()
    scale = np.array(numbers["scale"])
    wanted = stats.dirichlet([1.0, 1.0]).logpdf(mixture.weights)
    wanted += stats.invgamma(numbers["dof"] / 2, scale=scale / 2).logpdf(parameters["variances"]).sum()
    wanted += stats.norm(numbers["mean"], np.sqrt(parameters["variances"] / numbers["mean_strength"])).logpdf(parameters["means"]).sum()
    assert prior.log_density(mixture) == pytest.approx(wanted, rel=1e-10)


@pytest.mark.parametrize(("scale", "wanted"), [("data", -1303.8975177948596)])
def test_evidence_of_one_component_is_a_difference_of_normalisers(scale: str, wanted: float) -> None:
    data = load_built_in("old_faithful")
    numbers = {"concentration": 1.0, "mean": data.x.mean(axis=0), "mean_strength": 1.0, "dof": 2.0, "scale": np.cov(data.x.T)}
    prior = Gaussian().prior(numbers, 1, data)
    posterior = prior.posterior(Gaussian().statistics(data, np.ones((data.n_rows, 1))))
    found = posterior.log_normaliser() - prior.log_normaliser() - data.n_rows * np.log(2 * np.pi)
    assert found == pytest.approx(wanted, abs=1e-8)


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_mode_of_the_updated_prior_is_a_maximum(family: Family) -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(40, 2)) if family.name == "gaussian" else rng.integers(0, 2, (40, 2)).astype(float)
    data = Dataset.of(x)
    prior = family.prior({**family.default_numbers(data, 2), "concentration": 2.0}, 2, data)
    posterior = prior.posterior(family.statistics(data, rng.dirichlet(np.ones(2), size=40)))
    mode = posterior.mode()
    top = posterior.log_density(mode)
    u, _ = prior.flatten(mode)
    for _ in range(50):
        near = prior.unflatten(u + 1e-3 * rng.normal(size=u.shape))[0]
        assert isinstance(near, Mixture)
        assert posterior.log_density(near) < top
