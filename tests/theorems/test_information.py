"""Observed information: Louis' formula is minus the Hessian of the log likelihood or posterior; the complete one is that of EM's Q."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from examples import long
from scipy.linalg import eigh

from workbench.compare.curvature import Curvature
from workbench.compare.points import of_curvature
from workbench.data import Dataset
from workbench.data.builtin import load_built_in
from workbench.inference import EM
from workbench.models import Mixture, Prior
from workbench.models.information import Information, observed_information
from workbench.models.maximum import m_step
from workbench.problem import Problem


def hessian(value: Callable[[np.ndarray], np.ndarray], size: int, step: float = 2e-3) -> np.ndarray:
    """Central differences, extrapolated once (Richardson): error of the order of step^4."""

    def once(h: float) -> np.ndarray:
        unit = np.eye(size) * h
        corners = [a * unit[i] + b * unit[j] for i in range(size) for j in range(size) for a, b in ((1, 1), (1, -1), (-1, 1), (-1, -1))]
        each = value(np.array(corners)).reshape(size, size, 4)
        return (each[..., 0] - each[..., 1] - each[..., 2] + each[..., 3]) / (4.0 * h * h)

    return (4.0 * once(step) - once(2.0 * step)) / 3.0


def gradient(value: Callable[[np.ndarray], np.ndarray], size: int, step: float = 1e-4) -> np.ndarray:
    unit = np.eye(size) * step
    return (value(unit) - value(-unit)) / (2.0 * step)


def objective(info: Information, data: Dataset, prior: Prior | None) -> Callable[[np.ndarray], np.ndarray]:
    def value(e: np.ndarray) -> np.ndarray:
        mixture = info.chart.moved(e)
        return mixture.log_likelihood(data.x, data.counts) + (0.0 if prior is None else prior.log_density(mixture))

    return value


def bound(info: Information, data: Dataset, prior: Prior | None) -> Callable[[np.ndarray], np.ndarray]:
    """EM's Q(theta | theta_0), but for a constant: responsibilities and moments of missing cells stay those of the point itself."""
    point = info.chart.mixture
    statistics = point.terms().statistics(data.x, point.responsibilities(data.x) * data.counts[:, None])

    def value(e: np.ndarray) -> np.ndarray:
        mixture = info.chart.moved(e)
        return mixture.terms().expected(statistics) + (0.0 if prior is None else prior.log_density(mixture))

    return value


def em_step(info: Information, data: Dataset, prior: Prior | None) -> Callable[[np.ndarray], np.ndarray]:
    """EM's own step, plain, in the chart's coordinates (*batch, size)."""

    def step(e: np.ndarray) -> np.ndarray:
        mixture = info.chart.moved(e)
        shares = mixture.responsibilities(data.x) * data.counts[:, None]
        return info.chart.coordinates(m_step(mixture.terms().statistics(data.x, shares), prior, mixture))

    return step


def jacobian(step: Callable[[np.ndarray], np.ndarray], size: int, width: float = 1e-5) -> np.ndarray:
    """Central differences; column i is the derivative by coordinate i."""
    unit = np.eye(size) * width
    return np.asarray((step(unit) - step(-unit)).T / (2.0 * width))


def assert_curvatures(info: Information, data: Dataset, prior: Prior | None, atol: float = 1e-7) -> None:
    """Both informations are minus Hessians, in units in which the complete one has a diagonal of 1."""
    scale = np.sqrt(np.abs(np.diagonal(info.complete)))
    for found, value in ((info.observed, objective), (info.complete, bound)):
        wanted = -hessian(value(info, data, prior), info.chart.size)
        np.testing.assert_allclose(found / np.outer(scale, scale), wanted / np.outer(scale, scale), atol=atol)


def example(name: str, options: dict[str, str], missing: float, seed: int) -> tuple[Problem, Mixture]:
    """Data with counts and missing cells, and a mixture that is no stationary point."""
    rng = np.random.default_rng(seed)
    n, d = 60, 3
    x = {
        "gaussian": lambda: rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + rng.integers(2, size=(n, 1)) * 2.0,
        "bernoulli": lambda: rng.integers(2, size=(n, d)).astype(float),
        "poisson": lambda: rng.poisson(3.0, size=(n, d)).astype(float),
        "categorical": lambda: rng.integers([2, 3, 4], size=(n, d)).astype(float),
    }[name]()
    complete = Problem(x, name, 2, **options)
    x = np.where(rng.random(x.shape) < missing, np.nan, x)
    x[0] = np.nan if missing else x[0]
    data = dataclasses.replace(Dataset.of(x), counts=rng.integers(1, 4, size=n).astype(float))
    problem = Problem(data, complete.family, 2, complete.prior)
    shares = rng.dirichlet(np.ones(2), size=n)
    statistics = complete.family.statistics(complete.data, shares)
    return problem, Mixture(np.array([0.3, 0.7]), complete.family.maximise(statistics))


CASES = [("gaussian", {"covariance": structure}) for structure in ("full", "tied", "diagonal", "spherical")]
CASES += [("bernoulli", {}), ("poisson", {}), ("categorical", {})]


@pytest.mark.parametrize("posterior", [False, True], ids=["likelihood", "posterior"])
@pytest.mark.parametrize("missing", [0.0, 0.25])
@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_louis_is_the_hessian(name: str, options: dict[str, str], missing: float, posterior: bool) -> None:
    problem, mixture = example(name, options, missing, 3)
    prior = problem.prior if posterior else None
    info = observed_information(mixture, problem.data, prior)
    assert info.chart.size == problem.n_parameters
    assert_curvatures(info, problem.data, prior)
    value, scale = objective(info, problem.data, prior), np.sqrt(np.diagonal(info.complete))
    np.testing.assert_allclose(
        info.gradient / scale, gradient(value, info.chart.size) / scale, atol=1e-5 * np.abs(info.gradient / scale).max()
    )


@pytest.mark.parametrize("posterior", [False, True], ids=["likelihood", "posterior"])
def test_louis_is_the_hessian_of_a_product(posterior: bool) -> None:
    """Correlated measurements, flags and counts in one row, some of them missing."""
    rng = np.random.default_rng(2)
    n = 60
    x = np.column_stack(
        [rng.normal(size=(n, 2)) @ np.array([[1.0, 0.5], [0.0, 2.0]]), rng.integers(2, size=(n, 2)), rng.poisson(2.0, size=n)]
    )
    x = np.where(rng.random(x.shape) < 0.2, np.nan, x)
    blocks = {"gaussian": ["a", "b"], "bernoulli": ["c", "d"], "poisson": ["e"]}
    problem = Problem(Dataset.of(x, list("abcde")), "product", 2, blocks=blocks)
    shares = rng.dirichlet(np.ones(2), size=n)
    start = problem.family.maximise(problem.family.statistics(problem.data, shares))
    mixture = Mixture(np.array([0.4, 0.6]), start)
    prior = problem.prior if posterior else None
    info = observed_information(mixture, problem.data, prior)
    assert info.chart.size == problem.n_parameters
    assert_curvatures(info, problem.data, prior)


def test_coordinates_undo_moved() -> None:
    problem, mixture = example("gaussian", {"covariance": "full"}, 0.0, 1)
    chart = observed_information(mixture, problem.data).chart
    e = np.random.default_rng(0).normal(size=(4, chart.size)) * 0.01
    np.testing.assert_allclose(chart.coordinates(chart.moved(e)), e, atol=1e-13)


def test_natural_parameters_in_their_own_units() -> None:
    """The chart is linear: standard errors equal those from differences in natural parameters, weights 1..K-1 free."""
    problem = Problem(load_built_in("galaxies"), "gaussian", 2)
    fit = EM(restarts=20, engine="book").fit(problem)
    info = observed_information(fit.mixture, problem.data)
    point = fit.mixture
    natural = np.concatenate([point.weights[:1], point.components.means.ravel(), point.components.covariances.ravel()])  # type: ignore[attr-defined]

    def value(relative: np.ndarray) -> np.ndarray:
        v = natural * (1.0 + relative)
        weights = np.stack([v[:, 0], 1.0 - v[:, 0]], axis=-1)
        mixture = problem.family.mixture({"weights": weights, "means": v[:, 1:3, None], "covariances": v[:, 3:, None, None]})
        return np.asarray(mixture.log_likelihood(problem.data.x))

    wanted = np.sqrt(np.diagonal(np.linalg.inv(-hessian(value, natural.size, 1e-3)))) * np.abs(natural)
    errors = info.standard_errors()
    assert errors is not None
    found = np.concatenate([errors["weights"][:1], errors["means"].ravel(), errors["covariances"].ravel()])
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert errors["weights"][0] == pytest.approx(errors["weights"][1])


def test_units_do_not_matter() -> None:
    data = load_built_in("old_faithful")
    scale = np.array([1e-4, 1e6])
    here = EM(restarts=20, engine="book").fit(Problem(data, "gaussian", 2)).mixture
    there = Problem(data, "gaussian", 2).family.mixture(
        {
            "weights": here.weights,
            "means": here.components.means * scale,  # type: ignore[attr-defined]
            "covariances": here.components.covariances * np.outer(scale, scale),  # type: ignore[attr-defined]
        }
    )
    first, second = (observed_information(m, Dataset.of(x)) for m, x in ((here, data.x), (there, data.x * scale)))
    np.testing.assert_allclose(first.shares, second.shares, rtol=1e-9)
    errors, scaled = first.standard_errors(), second.standard_errors()
    assert errors is not None
    assert scaled is not None
    np.testing.assert_allclose(scaled["means"], errors["means"] * scale, rtol=1e-9)


def test_one_component_has_the_textbook_errors() -> None:
    """sd / sqrt(N) for a mean, variance sqrt(2 / N) for a variance, sqrt(p (1 - p) / N) for a probability."""
    x = np.random.default_rng(0).normal(size=(50, 1))
    problem = Problem(x, "gaussian", 1)
    errors = observed_information(EM(restarts=1, engine="book").fit(problem).mixture, problem.data).standard_errors()
    assert errors is not None
    assert errors["means"].item() == pytest.approx(x.std() / np.sqrt(50))
    assert errors["covariances"].item() == pytest.approx(x.var() * np.sqrt(2 / 50))
    binary = Problem((x > 0.3).astype(float), "bernoulli", 1)
    p = binary.data.x.mean()
    errors = observed_information(EM(restarts=1, engine="book").fit(binary).mixture, binary.data).standard_errors()
    assert errors is not None
    assert errors["probs"].item() == pytest.approx(np.sqrt(p * (1 - p) / 50))


def with_holes(x: np.ndarray, share: float, seed: int = 1) -> np.ndarray:
    """Without ``share`` of the cells of the last column."""
    x = x.copy()
    x[np.random.default_rng(seed).random(x.shape[0]) < share, -1] = np.nan
    return x


def assert_rate(info: Information, data: Dataset, prior: Prior | None = None) -> None:
    """Plain EM's steps shrink by 1 - shares[0], from near the point in the slowest direction."""
    step = em_step(info, data, prior)
    e = 1e-3 * eigh(info.observed, info.complete)[1][:, 0]
    lengths: list[float] = []
    while not lengths or lengths[-1] > 1e-8:
        new = step(e)
        lengths.append(float(np.linalg.norm(new - e)))
        e = new
    assert lengths[-1] / lengths[-2] == pytest.approx(1.0 - info.shares[0], rel=1e-3)


def test_the_smallest_share_is_the_rate_of_em() -> None:
    problem = Problem(load_built_in("old_faithful"), "gaussian", 3)
    info = observed_information(EM(restarts=20, engine="book").fit(problem).mixture, problem.data)
    assert info.is_maximum
    assert_rate(info, problem.data)


SLOW = pytest.mark.slow(seconds=27)


@pytest.mark.parametrize(
    ("covariance", "n_components", "missing"),
    [
        *((covariance, 1, missing) for covariance in ("full", "tied", "diagonal", "spherical") for missing in (0.3, 0.6)),
        *(("full", 2, missing) for missing in (0.3, 0.6)),
        *(pytest.param("tied", 2, missing, marks=SLOW) for missing in (0.3, 0.6)),
        *((covariance, 2, missing) for covariance in ("diagonal", "spherical") for missing in (0.3, 0.6)),
    ],
)
def test_missing_cells_slow_em_where_it_fills_them(covariance: str, n_components: int, missing: float) -> None:
    """Full and tied covariances: of one component too. The others leave such cells out, and one component is there in one step."""
    problem = Problem(with_holes(load_built_in("old_faithful").x, missing), "gaussian", n_components, covariance=covariance)
    info = observed_information(EM(restarts=10, tol=1e-13, engine="book").fit(problem).mixture, problem.data)
    assert info.is_maximum
    if covariance in ("full", "tied"):
        assert 1.0 - info.shares[0] > missing - 0.1
    if covariance in ("full", "tied") or n_components > 1:
        assert_rate(info, problem.data)
    elif covariance == "diagonal":
        np.testing.assert_allclose(info.shares, 1.0, atol=1e-9)


@pytest.mark.parametrize("posterior", [False, True], ids=["likelihood", "posterior"])
@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_the_step_of_em_loses_the_missing_fraction(name: str, options: dict[str, str], posterior: bool) -> None:
    """At a fixed point its Jacobian is complete^-1 (complete - observed), all of it (Dempster, Laird & Rubin 1977, section 4)."""
    problem, _ = example(name, options, 0.25, 3)
    prior = problem.prior if posterior else None
    fit = EM(restarts=5, tol=1e-13, objective="posterior" if posterior else "likelihood", engine="book").fit(problem)
    info = observed_information(fit.mixture, problem.data, prior)
    assert info.stationary
    wanted = np.eye(info.chart.size) - np.linalg.solve(info.complete, info.observed)
    np.testing.assert_allclose(jacobian(em_step(info, problem.data, prior), info.chart.size), wanted, atol=1e-6)


def test_two_features_never_seen_together_are_flat_and_not_nan() -> None:
    """Nothing tells their covariance: the largest fraction of missing information is 1."""
    x = np.random.default_rng(0).multivariate_normal([0.0, 0.0], [[1.0, 0.6], [0.6, 1.0]], 200)
    x[:101, 1], x[101:, 0] = np.nan, np.nan
    problem = Problem(x, "gaussian", 1)
    info = observed_information(EM(restarts=2, tol=1e-13, engine="book").fit(problem).mixture, problem.data)
    assert info.stationary
    assert info.flat
    assert info.is_maximum is None
    np.testing.assert_allclose(info.shares[0], 0.0, atol=1e-12)
    rows = {row["quantity"]: row for row in of_curvature(problem, Curvature(point=info), "em")}
    assert rows["missing_information"]["value"] == "1"
    for quantity in ("local_maximum", "missing_information", "standard_errors"):
        assert "the data do not determine all parameters" in rows[quantity]["advice"]


@pytest.mark.slow(seconds=11)
def test_two_features_seldom_seen_together() -> None:
    x = np.random.default_rng(0).multivariate_normal([0.0, 0.0], [[1.0, 0.6], [0.6, 1.0]], 200)
    x[2:101, 1], x[101:, 0] = np.nan, np.nan
    problem = Problem(x, "gaussian", 1)
    info = observed_information(EM(restarts=1, tol=1e-13, engine="book").fit(problem).mixture, problem.data)
    assert 1.0 - info.shares[0] > 0.99
    assert_rate(info, problem.data)


@long
def test_death_notices() -> None:
    """Hasselblad 1969: the missing-information eigenvalue of statistics, section 7."""
    deaths = np.arange(10.0)
    counts = np.array([162.0, 267.0, 271.0, 185.0, 111.0, 61.0, 27.0, 8.0, 3.0, 1.0])
    data = dataclasses.replace(Dataset.of(deaths[:, None]), counts=counts)
    problem = Problem(data, "poisson", 2)
    fit = EM(restarts=10, tol=1e-11, engine="book").fit(problem)
    info = observed_information(fit.mixture, data)
    assert 1.0 - info.shares[0] == pytest.approx(0.9956662386126931, abs=1e-6)
    assert info.is_maximum


def test_a_fixed_probability_has_no_error_and_the_others_have() -> None:
    problem = Problem(load_built_in("zoo"), "bernoulli", 3)
    fit = EM(restarts=50, engine="book").fit(problem)
    info = observed_information(fit.mixture, problem.data)
    errors = info.standard_errors()
    assert errors is not None
    probs = info.chart.mixture.components.probs  # type: ignore[attr-defined]
    fixed = (probs == 0) | (probs == 1)
    assert fixed.any()
    assert info.inward.size == fixed.sum()
    assert (info.inward < 0).all()
    np.testing.assert_array_equal(np.isnan(errors["probs"]), fixed)


def test_derivative_from_the_boundary() -> None:
    """By differences of the log likelihood, from a point with several probabilities at 0 and 1."""
    rng = np.random.default_rng(5)
    x = rng.integers(2, size=(40, 4)).astype(float)
    x[3, 1] = np.nan
    probs = np.array([[0.0, 0.3, 1.0, 0.5], [0.6, 0.0, 0.2, 0.7], [0.5, 0.5, 0.4, 0.5]])
    problem = Problem(x, "bernoulli", 3)
    mixture = problem.family.mixture({"weights": np.array([0.2, 0.3, 0.5]), "probs": probs})
    info = observed_information(mixture, problem.data)
    wanted = []
    base = float(problem.log_likelihood(mixture))
    for index in ((0, 0), (0, 2), (1, 1)):
        sign, slopes = (1.0 if probs[index] == 0 else -1.0), []
        for h in (1e-5, 2e-5):
            near = probs.copy()
            near[index] += sign * h
            slopes.append((float(problem.log_likelihood(problem.family.mixture({"weights": mixture.weights, "probs": near}))) - base) / h)
        wanted.append(2 * slopes[0] - slopes[1])
    np.testing.assert_allclose(info.inward, wanted, rtol=1e-5, atol=1e-5)


def test_a_component_that_splits_is_a_saddle() -> None:
    """Two equal components at the one-component fit: EM stays there, the curvature says saddle."""
    problem = Problem(load_built_in("galaxies"), "gaussian", 2)
    one = EM(restarts=1, engine="book").fit(Problem(problem.data, "gaussian", 1)).mixture
    twice = problem.family.mixture(
        {"weights": np.array([0.5, 0.5]), **{name: np.repeat(value, 2, axis=0) for name, value in one.components.parameters().items()}}
    )
    info = observed_information(twice, problem.data)
    assert info.stationary
    assert info.is_maximum is False
    assert info.standard_errors() is None


def test_no_verdict_away_from_a_stationary_point() -> None:
    problem, mixture = example("gaussian", {"covariance": "full"}, 0.0, 1)
    info = observed_information(mixture, problem.data)
    assert not info.stationary
    assert info.is_maximum is None


def test_rows_that_count_nothing_do_not_matter() -> None:
    """One of them has no density at all."""
    x = np.array([[0.0], [1.0], [0.0], [0.0]])
    problem = Problem(np.delete(x, 1, axis=0), "bernoulli", 1)
    mixture = problem.family.mixture({"weights": np.ones(1), "probs": np.zeros((1, 1))})
    info = observed_information(mixture, dataclasses.replace(Dataset.of(x), counts=np.array([1.0, 0.0, 1.0, 1.0])))
    np.testing.assert_array_equal(info.inward, [-3.0])
    assert info.is_maximum


def test_no_verdict_where_a_row_has_no_density() -> None:
    x = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    mixture = Problem(x, "bernoulli", 1).family.mixture({"weights": np.ones(1), "probs": np.array([[0.0, 0.4]])})
    with np.errstate(all="ignore"):
        assert observed_information(mixture, Dataset.of(x)).is_maximum is None


@pytest.mark.slow(seconds=16)
def test_errors_agree_with_a_parametric_bootstrap() -> None:
    """Old Faithful, K = 2, full: 200 data sets drawn from the fit and refitted from there."""
    problem = Problem(load_built_in("old_faithful"), "gaussian", 2)
    fit = EM(restarts=20, engine="book").fit(problem)
    errors = observed_information(fit.mixture, problem.data).standard_errors()
    assert errors is not None
    start = {name: value.tolist() for name, value in fit.mixture.parameters().items()}
    rng = np.random.default_rng(0)
    found: dict[str, list[np.ndarray]] = {name: [] for name in start}
    n = 200
    for _ in range(n):
        x, _ = fit.mixture.sample(rng, problem.data.n_rows)
        again = EM(restarts=1, init=start, engine="book").fit(Problem(x, "gaussian", 2)).mixture
        for name, value in again.parameters().items():
            found[name].append(value)
    for name, values in found.items():
        ratio = np.std(values, axis=0) / errors[name]
        # a standard deviation of n has relative error 1 / sqrt(2 n) = 5 %; observed and expected information differ by 1 / sqrt(N) = 6 %
        assert np.abs(np.log(ratio)).max() < 0.25, (name, ratio)
