"""Units do not matter as far as float64 reaches: every number of the tables moves with them, none overflows; beyond, data are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from examples import quick

from workbench.compare.assembly import assemble
from workbench.compare.cell import Cell
from workbench.experiment.config import load
from workbench.experiment.mistakes import ConfigError
from workbench.inference import EM, HardEM, KMeans
from workbench.problem import Problem, ProblemError

RNG = np.random.default_rng(0)
X = np.concatenate([RNG.normal(0.0, 1.0, (30, 2)), RNG.normal(6.0, 1.0, (30, 2))])
HOLES = np.where(RNG.random(X.shape) < 0.15, np.nan, X)
POWERS = {"weights": 0, "means": 1, "covariances": 2, "variances": 2}
FAR = (500, -490)
"""Powers of 2, so that the other units are exactly these: 3e150 and 3e-148."""
structures = pytest.mark.parametrize("covariance", ["full", "tied", "diagonal", "spherical"])


def tables(x: np.ndarray, covariance: str, start: dict[str, np.ndarray], exponent: int, **options: Any) -> dict[str, pd.DataFrame]:
    """Of a fit in units of 2 ** -exponent, from the start in those units."""
    problem = Problem(x * 2.0**exponent, "gaussian", 2, covariance=covariance)
    init = {name: (array * 2.0 ** (exponent * POWERS[name])).tolist() for name, array in start.items()}
    return assemble([Cell({}, problem, fits={"em": EM(restarts=1, init=init, **options).fit(problem)})])


@pytest.mark.slow
@structures
@pytest.mark.parametrize("objective", ["likelihood", "posterior"])
@pytest.mark.parametrize("x", [X, HOLES], ids=["complete", "missing"])
def test_every_number_moves_with_the_units(covariance: str, objective: str, x: np.ndarray) -> None:
    """Parameters and their errors by their own power, log densities by the Jacobian."""
    own = Problem(x, "gaussian", 2, covariance=covariance)
    start = EM(restarts=4, objective=objective).fit(own, quick(own)).mixture.parameters()
    near = tables(x, covariance, start, 0, objective=objective)
    cells = int((~np.isnan(x)).sum())
    for exponent in FAR:
        far = tables(x, covariance, start, exponent, objective=objective)
        units = np.array([2.0 ** (exponent * POWERS[name]) for name in far["parameters"]["parameter"]])
        for column in ("mean", "sd", "lower", "upper"):
            found = far["parameters"][column].to_numpy(float) / units
            np.testing.assert_allclose(found, near["parameters"][column].to_numpy(float), rtol=1e-5, err_msg=column)
        for column in ("log_likelihood", "elpd_loo"):
            jacobian = -cells * exponent * np.log(2.0)
            assert far["likelihoods"][column].item() == pytest.approx(near["likelihoods"][column].item() + jacobian, abs=1e-6)
        if x is X:  # rows with more cells have more of the Jacobian
            assert far["likelihoods"]["elpd_loo_se"].item() == pytest.approx(near["likelihoods"]["elpd_loo_se"].item(), rel=1e-6)
        for column in ("mean", "sd"):
            found = far["imputations"][column].to_numpy(float) * 2.0**-exponent
            np.testing.assert_allclose(found, near["imputations"][column].to_numpy(float), rtol=1e-6)


@pytest.mark.slow
@structures
@pytest.mark.parametrize("engine", ["fast", "book"])
@pytest.mark.parametrize("scale", [1e150, 1e-150])
def test_from_random_starts(covariance: str, engine: str, scale: float) -> None:
    """And no warning is raised on the way."""
    problem = Problem(X * scale, "gaussian", 2, covariance=covariance)
    near = EM(restarts=6, engine=engine).fit(Problem(X, "gaussian", 2, covariance=covariance))
    far = EM(restarts=6, engine=engine).fit(problem)
    assert far.log_likelihood.item() == pytest.approx(near.log_likelihood.item() - X.size * np.log(scale), abs=1e-6)
    assemble([Cell({}, problem, fits={"em": far, "hard": HardEM(restarts=3).fit(problem), "kmeans": KMeans(restarts=3).fit(problem)})])


@structures
@pytest.mark.parametrize(
    ("x", "words"),
    [
        (X * 1e153, r"column x0 holds values up to 7.82201e\+153 in size, and float64 has no room for squares of them; divide it"),
        (X * 1e300, r"column x0 holds values up to 7.82201e\+300 in size"),
        (np.append(X, [[0.0, 1e200]], axis=0), r"column x1 holds values up to 1e\+200 in size"),
        (np.full((6, 2), -1e200), r"column x0 holds values up to 1e\+200 in size"),
        (np.sign(X) * 1.7e308, r"column x0 holds values up to 1.7e\+308 in size"),
        (X * 1e-160, "the values of column x0 lie within 1.0147e-159, and float64 keeps few digits of its square; multiply it"),
        (X * [1.0, 1e-310], "the values of column x1 lie within"),
    ],
)
def test_beyond_float64_data_are_refused(x: np.ndarray, words: str, covariance: str) -> None:
    with pytest.raises(ProblemError, match=words):
        Problem(x, "gaussian", 2, covariance=covariance)


def test_a_config_says_so_too() -> None:
    with pytest.raises(ConfigError, match=r"model\.family: column x0 holds values up to"):
        load({"data": X * 1e200, "model": {"n_components": 2}, "methods": ["em"]})


def test_a_constant_column_is_constant_however_small() -> None:
    """What does not vary has no square to lose."""
    problem = Problem(np.column_stack([X[:, 0], np.full(60, 1e-300)]), "gaussian", 2)
    assert "column x1 is constant" in problem.no_prior


@pytest.mark.parametrize("zeros", [False, True])
def test_large_counts(zeros: bool) -> None:
    """Up to 1e12 a row's log density is right to a hundredth of a nat (Stirling's series at the mean: -log(2 pi c) / 2 - 1 / (12 c))."""
    levels = np.array([1e12, 9e11, 0.0] if zeros else [1e12, 9e11])
    problem = Problem(np.repeat(levels, 10), "poisson", levels.size)
    init = {"weights": np.full(levels.size, 1 / levels.size), "rates": np.maximum(levels, 1e-3)[:, None]}
    fit = EM(restarts=1, init=init).fit(problem)
    assert sorted(fit.mixture.parameters()["rates"].ravel()) == pytest.approx(sorted(levels), abs=1e-9)
    expected = 10 * (-np.log(2 * np.pi * levels[:2]) / 2).sum() - problem.data.n_rows * np.log(levels.size)
    assert fit.log_likelihood.item() == pytest.approx(expected, abs=0.01 * problem.data.n_rows)
    assemble([Cell({}, problem, fits={"em": fit})])


@pytest.mark.parametrize("count", [2e12, 1e18, 1e300])
def test_larger_ones_are_refused(count: float) -> None:
    with pytest.raises(ProblemError, match=r"column 'x0' holds .* \(row 1\), and above 1e\+12 rounding takes a hundredth of a nat"):
        Problem(np.array([1.0, count, 2.0]), "poisson", 2)


@structures
def test_a_row_too_far_for_a_density_has_no_label(covariance: str) -> None:
    """Its log density is minus infinity, what depends on its label nan."""
    problem = Problem(X, "gaussian", 2, covariance=covariance)
    mixture = EM(restarts=3).fit(problem).mixture
    far = np.array([[0.0, 1e200]])
    assert mixture.log_density(far).item() == -np.inf
    assert np.isnan(mixture.responsibilities(far)).all()
    mean, sd = mixture.imputations(np.array([[np.nan, 1e200]]))
    assert np.isnan([mean[0, 0], sd[0, 0]]).all()
