"""Gamma, Dirichlet and product priors against scipy; coordinates against finite differences; evidence by summing all labellings."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import gammaln

from workbench.data import Dataset
from workbench.data.builtin import load_built_in
from workbench.models import Mixture, Poisson, Prior, PriorError
from workbench.models.terms import log_sum_exp
from workbench.problem import Problem

FIGURES = {figure["id"]: figure for figure in json.loads((Path(__file__).parents[1] / "reference" / "figures.json").read_text())}
BLOCKS = {"poisson": ["e"], "gaussian": {"columns": ["a", "b"], "covariance": "diagonal"}, "categorical": ["c", "d"], "bernoulli": ["g"]}


def frame(n_rows: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    columns: dict[str, Any] = {name: rng.normal(size=n_rows) * scale for name, scale in (("a", 1.0), ("b", 100.0))}
    columns |= {"c": rng.choice(["x", "y", "z", "w"], n_rows), "d": rng.integers(0, 2, n_rows).astype(float)}
    return pd.DataFrame(
        {**columns, "e": rng.poisson(3.0, n_rows).astype(float), "f": rng.poisson(30.0, n_rows), "g": rng.integers(0, 2, n_rows)}
    )


def problem_of(family: str, n_components: int = 2, prior: Any = "default") -> Problem:
    if family == "product":
        return Problem(frame()[["a", "b", "c", "d", "e", "g"]], family, n_components, prior, blocks=BLOCKS)
    return Problem(frame()[{"poisson": ["e", "f"], "categorical": ["c", "d"]}[family]], family, n_components, prior)


def prior_of(family: str, n_components: int = 2, prior: Any = "default") -> Prior:
    found = problem_of(family, n_components, prior).prior
    assert found is not None
    return found


def natural(mixture: Mixture, sizes: dict[str, list[int]]) -> np.ndarray:
    """The free natural parameters of an unbatched mixture: of probabilities that sum to 1 all but the last."""
    parts = [mixture.weights[:-1]]
    for name, array in mixture.components.parameters().items():
        if name in ("probs", "probs_categorical") and array.ndim == 3:
            parts += [array[:, d, : n - 1].ravel() for d, n in enumerate(sizes[name])]
        else:
            parts.append(array.ravel())
    return np.concatenate(parts)


@pytest.mark.parametrize("family", ["poisson", "categorical", "product"])
@pytest.mark.parametrize("n_components", [1, 2, 3])
def test_coordinates_go_there_and_back_with_their_jacobian(family: str, n_components: int) -> None:
    prior = prior_of(family, n_components)
    mixtures = prior.sample(np.random.default_rng(2), (4,))
    u, log_jacobian = prior.flatten(mixtures)
    again, same = prior.unflatten(u)
    assert u.shape == (4, prior.dim)
    np.testing.assert_allclose(same, log_jacobian, rtol=1e-8, atol=1e-8)
    for name, value in mixtures.parameters().items():
        np.testing.assert_allclose(again.parameters()[name], value, rtol=1e-6, atol=1e-300)
    sizes = {"probs": [4, 2], "probs_categorical": [4, 2]}
    steps = 1e-6 * np.eye(prior.dim)
    rows = [(natural(prior.unflatten(u[0] + step)[0], sizes) - natural(prior.unflatten(u[0] - step)[0], sizes)) / 2e-6 for step in steps]
    jacobian = np.stack(rows, axis=-1)
    assert jacobian.shape == (prior.dim, prior.dim)
    scale = np.abs(jacobian).max(axis=1)  # rows of very different size, from 1e-3 to 1e4
    found = np.linalg.slogdet(jacobian / scale[:, None])[1] + np.log(scale).sum()
    assert found == pytest.approx(log_jacobian[0], abs=1e-5)


@pytest.mark.parametrize("family", ["poisson", "categorical", "product"])
def test_free_parameters_are_the_coordinates(family: str) -> None:
    for n_components in (1, 2, 3):
        problem = problem_of(family, n_components)
        assert problem.prior is not None
        assert problem.n_parameters == problem.prior.dim


def test_gamma_is_scipys() -> None:
    numbers = {"concentration": 2.0, "shape": [1.5, 2.0], "rate": [0.5, 0.1]}
    prior = prior_of("poisson", 2, numbers)
    mixture = prior.sample(np.random.default_rng(3))
    rates = mixture.components.parameters()["rates"]
    wanted = stats.dirichlet([2.0, 2.0]).logpdf(mixture.weights)
    wanted += stats.gamma(np.array([1.5, 2.0]), scale=1.0 / np.array([0.5, 0.1])).logpdf(rates).sum()
    assert prior.log_density(mixture) == pytest.approx(wanted, rel=1e-12)
    assert prior.numbers() == numbers


def test_dirichlets_are_scipys() -> None:
    numbers = {"concentration": 1.0, "alpha": [[0.5, 1.0, 2.0, 3.0], [2.0, 4.0]]}
    prior = prior_of("categorical", 2, numbers)
    mixture = prior.sample(np.random.default_rng(3))
    probs = mixture.components.parameters()["probs"]
    assert (probs[:, 1, 2:] == 0).all()
    wanted = stats.dirichlet([1.0, 1.0]).logpdf(mixture.weights)
    for k in range(2):
        wanted += stats.dirichlet([0.5, 1.0, 2.0, 3.0]).logpdf(probs[k, 0]) + stats.dirichlet([2.0, 4.0]).logpdf(probs[k, 1, :2])
    assert prior.log_density(mixture) == pytest.approx(wanted, rel=1e-12)
    assert prior.numbers() == numbers
    assert prior_of("categorical", 2, prior.numbers()).numbers() == numbers


def test_product_prior_is_the_sum_of_its_blocks() -> None:
    problem = problem_of("product")
    assert problem.prior is not None
    mixture = problem.prior.sample(np.random.default_rng(4), (3,))
    wanted = stats.dirichlet([1.0, 1.0]).logpdf(mixture.weights.T)
    for block, own in zip(problem.family.blocks, problem.family.parts(problem.data), strict=True):  # type: ignore[attr-defined]
        alone = Problem(own, block.family, 2).prior
        assert alone is not None
        at = [b.family.name for b in problem.family.blocks].index(block.family.name)  # type: ignore[attr-defined]
        wanted = wanted + alone.components.log_density(mixture.components.blocks[at])  # type: ignore[attr-defined]
    np.testing.assert_allclose(problem.prior.log_density(mixture), wanted, rtol=1e-12)


@pytest.mark.parametrize(
    ("family", "name", "mean", "sd"),
    [("poisson", "rates", 3.0, np.sqrt(1.5) / 0.5), ("categorical", "probs", 0.25, np.sqrt(0.25 * 0.75 / 5.0))],
)
def test_samples_have_the_priors_moments(family: str, name: str, mean: float, sd: float) -> None:
    prior = prior_of(family, 2, {"shape": 1.5, "rate": 0.5} if family == "poisson" else {"alpha": 1.0})
    draws = prior.sample(np.random.default_rng(5), (20_000,)).components.parameters()[name]
    entry = draws[:, 0, 0] if family == "poisson" else draws[:, 0, 0, 0]
    assert entry.mean() == pytest.approx(mean, abs=5 * sd / np.sqrt(20_000))
    assert entry.std() == pytest.approx(sd, rel=0.05)


@pytest.mark.parametrize("family", ["poisson", "categorical", "product"])
def test_mode_of_the_updated_prior_is_a_maximum(family: str) -> None:
    rng = np.random.default_rng(6)
    problem = problem_of(family, 2, {"concentration": 2.0})
    assert problem.prior is not None
    posterior = problem.prior.posterior(problem.family.statistics(problem.data, rng.dirichlet(np.ones(2), size=40)))
    mode = posterior.mode()
    top = posterior.log_density(mode)
    u, _ = problem.prior.flatten(mode)
    for _ in range(50):
        assert posterior.log_density(problem.prior.unflatten(u + 1e-3 * rng.normal(size=u.shape))[0]) < top


@pytest.mark.parametrize("family", ["poisson", "categorical", "product"])
def test_the_posterior_is_prior_times_likelihood(family: str) -> None:
    """log posterior(theta) - log prior(theta) - log p(x | theta) is one number for every theta: minus the log evidence."""
    problem = problem_of(family, 1)
    assert problem.prior is not None
    posterior = problem.prior.posterior(problem.family.statistics(problem.data, np.ones((40, 1))))
    draws = problem.prior.sample(np.random.default_rng(7), (30,))
    left = posterior.log_density(draws) - problem.prior.log_density(draws) - problem.log_likelihood(draws)
    np.testing.assert_allclose(left, left[0], rtol=1e-9)
    counts = {"poisson": problem.data.x, "categorical": np.zeros(1), "product": problem.data.x[:, 0]}[family]
    constant = -gammaln(counts + 1.0).sum() - (40 * np.log(2.0 * np.pi) if family == "product" else 0.0)
    evidence = posterior.log_normaliser() - problem.prior.log_normaliser() + constant
    assert evidence == pytest.approx(-left[0], rel=1e-9)


def evidence(problem: Problem) -> float:
    """Log evidence over labelled mixtures, by summing all K^N labellings, but for a constant of the data."""
    assert problem.prior is not None
    logs = []
    for labels in itertools.product(range(problem.n_components), repeat=problem.data.n_rows):
        statistics = problem.family.statistics(problem.data, np.eye(problem.n_components)[list(labels)])
        logs.append(float(problem.prior.posterior(statistics).log_normaliser()))
    return float(log_sum_exp(np.array([logs]))[0]) - float(problem.prior.log_normaliser())


def test_evidence_of_twelve_death_notices() -> None:
    figure = FIGURES["tiny-hasselblad12-poisson-k2"]
    x = load_built_in("hasselblad").x[figure["rows_used"]]
    np.testing.assert_array_equal(x.ravel(), np.ravel(figure["rows"]))
    problem = Problem(x, "poisson", 2, prior={"shape": 2.0, "rate": 1.0})
    found = evidence(problem) - gammaln(x + 1.0).sum()
    assert found == pytest.approx(figure["value"], abs=figure["tolerance"])


def test_evidence_of_ten_animals() -> None:
    figure = FIGURES["tiny-zoo10-bernoulli-k2"]
    problem = Problem(np.array(figure["rows"], dtype=float), "bernoulli", 2)
    assert evidence(problem) == pytest.approx(figure["value"], abs=figure["tolerance"])


def test_evidence_of_categories_is_the_polya_urns() -> None:
    """K = 1: the product of the urn's predictive probabilities, (n_level + alpha) / (n + sum alpha)."""
    data = Dataset.of(np.array(["a", "b", "b", "c", "a", "b"])[:, None], ["u"], levels=True)
    problem = Problem(data, "categorical", 1, prior={"alpha": 0.7})
    seen, wanted = np.zeros(3), 0.0
    for code in data.x[:, 0].astype(int):
        wanted += np.log((seen[code] + 0.7) / (seen.sum() + 2.1))
        seen[code] += 1
    assert evidence(problem) == pytest.approx(wanted, rel=1e-12)


def test_a_column_of_zeros_has_no_default_rate_and_is_named() -> None:
    data = Dataset.of(np.array([[0.0, 1.0], [0.0, 2.0], [np.nan, 0.0]]), ["zero", "some"])
    with pytest.raises(PriorError, match="no cell of zero is above 0"):
        Poisson().default_numbers(data, 2)
    assert Problem(data, "poisson", 2).prior is None
    with pytest.raises(PriorError, match=r"no cell of zero is above 0.*still missing: rate"):
        Problem(data, "poisson", 2, prior={"shape": 1.0})
    assert Problem(data, "poisson", 2, prior={"concentration": 1.0, "shape": 1.0, "rate": 1.0}).prior is not None


def test_the_default_rate_is_one_over_the_mean_of_the_observed_cells() -> None:
    data = Dataset.of(np.array([[1.0, 4.0], [np.nan, 2.0], [2.0, 0.0]]), counts=[1, 5, 2])
    numbers = Poisson().default_numbers(data, 3)
    assert numbers["shape"] == 1.0
    np.testing.assert_allclose(numbers["rate"], [3.0 / 5.0, 8.0 / 14.0])


@pytest.mark.parametrize(
    ("family", "given", "wanted"),
    [
        ("poisson", {"shape": 0.5, "rate": 1.0}, "shape"),
        ("categorical", {"alpha": [[1.0, 1.0, 1.0, 0.9], 1.0]}, "alpha"),
        ("product", {"categorical": {"alpha": 0.5}}, "categorical.alpha"),
        ("product", {"poisson": {"rate": 0.5}}, None),
        ("product", {"concentration": 0.5}, "concentration"),
    ],
)
def test_shapes_below_1_have_no_interior_mode(family: str, given: dict[str, Any], wanted: str | None) -> None:
    problem = problem_of(family, 2, given)
    assert problem.prior is not None
    assert problem.family.no_interior_mode(problem.prior.numbers()) == wanted
