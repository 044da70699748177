"""Means and covariances independent a priori: density against scipy, coordinates and slopes against differences, ECM's ascent."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from examples import long, mixtures_of, problem_of
from scipy import stats
from test_information import assert_curvatures, em_step, jacobian
from test_prior import natural

import workbench
from workbench.data import Dataset
from workbench.experiment.resolved import resolved_yaml
from workbench.inference import EM, Gradient
from workbench.inference.exact import Exact
from workbench.inference.method import Context
from workbench.inference.target import CompiledTarget
from workbench.models import Prior, PriorError
from workbench.models.information import observed_information
from workbench.problem import Problem

STRUCTURES = ("full", "tied", "diagonal", "spherical")
KIND = {"kind": "independent"}
CASES: list[tuple[str, dict[str, Any]]] = [
    *(("gaussian", {"covariance": structure, "prior": KIND}) for structure in STRUCTURES),
    ("product", {"blocks": {"gaussian": ["a", "b"], "categorical": ["c"], "poisson": ["d"]}, "prior": {"gaussian": KIND}}),
]
every_case = pytest.mark.parametrize(("name", "options"), CASES, ids=[options.get("covariance", name) for name, options in CASES])
every_structure = pytest.mark.parametrize("covariance", STRUCTURES)


def quick(problem: Problem) -> Context:
    """Without estimates of the evidence."""
    return dataclasses.replace(Context.default(problem), estimates=False)


def prior_of(covariance: Any, n_components: int, n_features: int) -> Prior:
    """With means of which some vary together, where the structure can say so."""
    x = np.random.default_rng(1).normal(size=(30, n_features)) * np.array([1.0, 10.0, 100.0])[:n_features]
    x[:, -1] += 0.5 * x[:, 0]
    problem = Problem(x, "gaussian", n_components, KIND, covariance=covariance)
    assert problem.prior is not None
    return problem.prior


@every_structure
def test_density_is_scipys(covariance: str) -> None:
    prior = prior_of(covariance, 2, 3)
    numbers, mixture = prior.numbers(), prior.sample(np.random.default_rng(3))
    parameters = mixture.parameters()
    wanted = stats.dirichlet([1.0, 1.0]).logpdf(mixture.weights)
    spread = np.array(numbers["mean_covariance"])
    spread = spread if spread.ndim == 2 else np.diag(np.broadcast_to(spread, 3))
    wanted += stats.multivariate_normal(numbers["mean"], spread).logpdf(parameters["means"]).sum()
    if covariance in ("full", "tied"):
        law = stats.invwishart(numbers["dof"], np.array(numbers["scale"]))
        wanted += sum(law.logpdf(matrix) for matrix in parameters["covariances"].reshape(-1, 3, 3))
    else:
        wanted += stats.invgamma(numbers["dof"] / 2, scale=np.array(numbers["scale"]) / 2).logpdf(parameters["variances"]).sum()
    assert prior.log_density(mixture) == pytest.approx(wanted, rel=1e-11)


@every_structure
def test_draws_have_the_moments_that_the_numbers_say(covariance: str) -> None:
    """Means vary as they should and have nothing to do with what spreads the rows."""
    problem = Problem(np.random.default_rng(0).normal(size=(9, 2)), "gaussian", 2, {**KIND, "dof": 12.0}, covariance=covariance)
    assert problem.prior is not None
    numbers, draws = problem.prior.numbers(), problem.prior.sample(np.random.default_rng(1), (20_000,)).parameters()
    centred = draws["means"][:, 0] - numbers["mean"]
    wanted = np.array(numbers["mean_covariance"])
    wanted = wanted if wanted.ndim == 2 else np.diag(np.broadcast_to(wanted, 2))
    sd = np.sqrt(np.diagonal(wanted))
    np.testing.assert_allclose(np.cov(centred.T) / np.outer(sd, sd), wanted / np.outer(sd, sd), atol=0.05)
    spreads = draws.get("covariances", draws.get("variances"))
    assert spreads is not None
    own = spreads if covariance == "tied" else spreads[:, 0]
    freedom = 12.0 - (3.0 if covariance in ("full", "tied") else 2.0)
    np.testing.assert_allclose(own.mean(axis=0), np.array(numbers["scale"]) / freedom, rtol=0.05, atol=0.02)
    logs = np.log(own.reshape(20_000, -1)[:, 0])
    assert abs(stats.spearmanr(np.abs(centred[:, 0]), logs).statistic) < 0.04


@every_structure
@pytest.mark.parametrize("n_features", [1, 3])
@pytest.mark.parametrize("n_components", [1, 2])
def test_coordinates_go_there_and_back_with_their_jacobian(covariance: str, n_features: int, n_components: int) -> None:
    prior = prior_of(covariance, n_components, n_features)
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


@every_case
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_slopes_are_differences_and_the_compiled_target_agrees(name: str, options: dict[str, Any], missing: float) -> None:
    problem = problem_of(name, options, missing)
    plain, (u, _) = problem.target(), mixtures_of(problem)
    direction = np.random.default_rng(0).normal(size=u.shape)
    slopes = plain.gradient(u)
    wanted = (plain.log_density(u + 1e-5 * direction) - plain.log_density(u - 1e-5 * direction)) / 2e-5
    np.testing.assert_allclose((slopes * direction).sum(axis=-1), wanted, rtol=1e-6, atol=1e-5)
    values, compiled = CompiledTarget.of(problem).value_and_gradient(u)
    np.testing.assert_allclose(values, plain.log_density(u), rtol=1e-12)
    np.testing.assert_allclose(compiled, slopes, rtol=0.0, atol=1e-9 * np.abs(slopes).max())


@every_case
@pytest.mark.parametrize("engine", ["fast", "book"])
def test_log_posterior_never_falls_and_ends_at_a_maximum(name: str, options: dict[str, Any], engine: Any) -> None:
    problem = problem_of(name, options, 0.2, n_rows=30)
    fit = EM(restarts=4, objective="posterior", engine=engine).fit(problem, quick(problem))
    assert fit.trace is not None
    same = np.diff(fit.trace.restart) == 0
    rises = np.diff(fit.trace.objective)[same] / np.abs(fit.trace.objective[1:][same])
    assert rises.size > 50
    assert rises.min() >= -1e-12
    assert fit.mixture is not None
    info = observed_information(fit.mixture, problem.data, problem.prior)
    assert info.is_maximum
    assert np.abs(info.gradient).max() < 1e-5


@every_case
def test_curvature_is_minus_the_hessian(name: str, options: dict[str, Any]) -> None:
    """Of the log posterior, and of EM's Q, at a mixture that is no stationary point."""
    problem = problem_of(name, options, 0.25, n_components=2)
    info = observed_information(mixtures_of(problem, 1)[1].take(0), problem.data, problem.prior)
    assert_curvatures(info, problem.data, problem.prior, atol=1e-6)


@every_structure
def test_the_step_of_ecm_is_that_of_the_curvatures(covariance: str) -> None:
    """Spreads given the means, then means given those: a round of Gauss and Seidel on Q (Meng & Rubin 1993, section 3)."""
    problem = problem_of("gaussian", {"covariance": covariance, "prior": KIND}, 0.25, n_components=2)
    fit = EM(restarts=4, tol=1e-13, objective="posterior", engine="book").fit(problem, quick(problem))
    info = observed_information(fit.mixture, problem.data, problem.prior)
    assert info.is_maximum
    size = info.chart.size
    means = (info.chart.directions["means"].reshape(-1, size) != 0).any(axis=0)
    in_turn = np.where(means & ~means[:, None], 0.0, info.complete)
    wanted = np.eye(size) - np.linalg.solve(in_turn, info.observed)
    np.testing.assert_allclose(jacobian(em_step(info, problem.data, problem.prior), size), wanted, atol=1e-6)


@long
@every_structure
def test_gradient_ascent_finds_the_same_optimum(covariance: str) -> None:
    problem = problem_of("gaussian", {"covariance": covariance, "prior": KIND}, 0.1, n_components=2)
    ours, theirs = (method(restarts=8, objective="posterior").fit(problem, quick(problem)) for method in (EM, Gradient))
    assert ours.log_posterior == pytest.approx(theirs.log_posterior, abs=1e-7)
    assert ours.mixture is not None
    assert theirs.mixture is not None
    order = [np.argsort(fit.mixture.weights) for fit in (ours, theirs)]  # type: ignore[union-attr]
    for one, two in zip(
        ours.mixture.relabelled(order[0]).parameters().values(), theirs.mixture.relabelled(order[1]).parameters().values(), strict=True
    ):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-4)


def test_one_step_by_hand() -> None:
    """x = 0, 3, m0 = 1, V0 = 2, nu = 4, Psi = 6, from a mean of 2: variance (6 + 4 + 1) / (4 + 2 + 2) = 11 / 8, then precision
    1/2 + 16/11 and mean (1/2 + 3 * 8/11) / (1/2 + 16/11)."""
    for covariance in STRUCTURES:
        numbers = {**KIND, "mean": 1.0, "mean_covariance": 2.0, "dof": 4.0, "scale": 6.0}
        problem = Problem(np.array([0.0, 3.0]), "gaussian", 1, numbers, covariance=covariance)
        name = "covariances" if covariance in ("full", "tied") else "variances"
        wide = problem.family.dims[name]
        start = {"weights": [1.0], "means": [[2.0]], name: np.full([1] * len(wide), 5.0)}
        fit = EM(restarts=1, init=start, objective="posterior", max_iter=1).fit(problem)
        assert fit.restarts is not None
        assert fit.restarts.mixture is not None
        found = fit.restarts.mixture.take(0).parameters()
        assert found[name].item() == pytest.approx(11.0 / 8.0, rel=1e-12)
        assert found["means"].item() == pytest.approx((0.5 + 24.0 / 11.0) / (0.5 + 16.0 / 11.0), rel=1e-12)


def test_default_numbers() -> None:
    data = Dataset.of(np.random.default_rng(0).normal(size=(50, 2)) * [1.0, 3.0])
    covariance = np.cov(data.x.T)
    wide = {"full": covariance, "tied": covariance, "diagonal": np.diagonal(covariance), "spherical": np.trace(covariance) / 2}
    for structure in STRUCTURES:
        one, two = (Problem(data, "gaussian", k, KIND, covariance=structure).prior for k in (1, 4))
        conjugate = Problem(data, "gaussian", 4, covariance=structure).prior
        assert one is not None
        assert two is not None
        assert conjugate is not None
        np.testing.assert_allclose(one.numbers()["mean_covariance"], 100.0 * wide[structure], rtol=1e-12)
        assert one.numbers()["mean_covariance"] == two.numbers()["mean_covariance"]
        for key in ("mean", "dof", "scale"):
            assert two.numbers()[key] == conjugate.numbers()[key]
        again = Problem(data, "gaussian", 4, two.numbers(), covariance=structure).prior
        assert again is not None
        assert again.numbers() == two.numbers()


@pytest.mark.parametrize(
    ("given", "key", "what"),
    [
        ({"kind": "semi"}, "kind", "is 'semi'; there are conjugate, independent"),
        ({"kind": 2}, "kind", "is 2; there are"),
        ({**KIND, "mean_strength": 1.0}, "mean_strength", "is not a hyperparameter"),
        ({"mean_covariance": 1.0}, "mean_covariance", "is not a hyperparameter"),
        ({**KIND, "mean_covariance": [[1.0, 2.0], [2.0, 1.0]]}, "mean_covariance", "is not positive definite"),
        ({**KIND, "mean_covariance": [[1.0, 2.0], [0.0, 1.0]]}, "mean_covariance", "is not symmetric"),
        ({**KIND, "dof": 1.0}, "dof", "must be above 1"),
    ],
)
def test_impossible_numbers_are_named(given: dict[str, Any], key: str, what: str) -> None:
    x = np.random.default_rng(0).normal(size=(9, 2))
    with pytest.raises(PriorError, match=what) as caught:
        Problem(x, "gaussian", 2, given)
    assert caught.value.key == key
    blocks = {"gaussian": ["a", "b"], "poisson": ["c"]}
    frame = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": 1.0})
    with pytest.raises(PriorError, match=what) as caught:
        Problem(frame, "product", 2, {"gaussian": given}, blocks=blocks)
    assert caught.value.key == f"gaussian.{key}"


def test_exact_refuses() -> None:
    for name, options in CASES:
        assert "exact needs a conjugate prior" in str(Exact().refuses(problem_of(name, options, 0.0, n_components=1, n_rows=6)))


def test_resolved_config_has_the_numbers(tmp_path: Path) -> None:
    config = "data: {name: iris, columns: [petal_length, petal_width]}\nmodel: {n_components: 2, prior: {kind: independent, dof: 7}}\nmethods: [em]\n"
    (tmp_path / "one.yaml").write_text(config)
    first = workbench.load(tmp_path / "one.yaml")
    text = resolved_yaml(first)
    assert "kind: independent" in text
    assert "mean_covariance:" in text
    (tmp_path / "two.yaml").write_text(text)
    one, two = (experiment.cells()[0].problem.prior for experiment in (first, workbench.load(tmp_path / "two.yaml")))
    assert one is not None
    assert two is not None
    assert one.numbers() == two.numbers()
    assert one.numbers()["dof"] == 7.0


def test_a_sweep_over_kinds(tmp_path: Path) -> None:
    """Each cell has the default numbers of its kind."""
    text = "data: old_faithful\nmodel: {n_components: 2}\nmethods: [em]\nsweep: {model.prior.kind: [conjugate, independent]}\n"
    (tmp_path / "sweep.yaml").write_text(text)
    one, two = (cell.problem.prior for cell in workbench.load(tmp_path / "sweep.yaml").cells())
    assert one is not None
    assert two is not None
    assert one.conjugate
    assert not two.conjugate
    assert two.numbers()["kind"] == "independent"
