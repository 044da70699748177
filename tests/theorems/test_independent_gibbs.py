"""Gibbs and evidences under the independent prior: against integrals over grids, and by joint distributions (Geweke 2004)."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
from examples import problem_of, quick
from scipy.special import gammaln, logsumexp
from test_gibbs import LIMIT, run

from workbench.data import Dataset
from workbench.fit import Evidence
from workbench.inference.gibbs import Gibbs
from workbench.models import Mixture
from workbench.problem import Problem

EIGHT = np.array([-5.1, -2.9, -0.3, -1.7, 0.8, 5.2, 2.05, 3.95])
NUMBERS = {"kind": "independent", "mean": 0.5, "mean_covariance": 4.0, "dof": 3.0, "scale": 2.0, "concentration": 1.5}
LOG_V = np.linspace(-8.0, 14.0, 401)
"""By the trapezoid rule, which for a bell is exact to many digits."""


def given_variance(x: np.ndarray) -> np.ndarray:
    """log of the integral over the mean of its prior times the rows' density, at each variance of the grid."""
    v, v0, m0 = np.exp(LOG_V), NUMBERS["mean_covariance"], NUMBERS["mean"]
    assert isinstance(v0, float)
    assert isinstance(m0, float)
    precision = 1.0 / v0 + x.size / v
    pull = m0 / v0 + x.sum() / v
    squares = m0**2 / v0 + (x**2).sum() / v - pull**2 / precision
    return np.asarray(-x.size / 2.0 * np.log(2.0 * np.pi * v) - np.log(v0 * precision) / 2.0 - squares / 2.0)


def log_prior() -> np.ndarray:
    """Of the log variance."""
    a, b = 1.5, 1.0
    return np.asarray(a * np.log(b) - gammaln(a) - a * LOG_V - b * np.exp(-LOG_V) + np.log(LOG_V[1] - LOG_V[0]))


def log_labellings(columns: list[np.ndarray], n_components: int, shared: str = "") -> tuple[np.ndarray, np.ndarray]:
    """All labellings and log p(x, labels); ``shared``: one variance for all ``components`` or for all ``features``."""
    labels = np.array(list(itertools.product(range(n_components), repeat=columns[0].size)))
    alpha = 1.5
    values = []
    for own in labels:
        counts = np.bincount(own, minlength=n_components)
        value = gammaln(n_components * alpha) - gammaln(n_components * alpha + own.size) + (gammaln(alpha + counts) - gammaln(alpha)).sum()
        each = np.array([[given_variance(x[(own == k) & ~np.isnan(x)]) for x in columns] for k in range(n_components)])
        axis = {"": None, "components": 0, "features": 1}[shared]
        together = each.reshape(-1, LOG_V.size) if axis is None else each.sum(axis=axis)
        values.append(value + logsumexp(together + log_prior(), axis=-1).sum())
    return labels, np.array(values)


def assert_estimated(evidence: tuple[Evidence, ...], wanted: float) -> None:
    found = {each.estimator: each for each in evidence}
    assert found["bridge"].trusted
    assert found["bridge"].mcse < 0.1
    for each in found.values():
        if each.trusted:
            assert abs(each.log_evidence - wanted) < 4.0 * each.mcse + 1e-4


@pytest.mark.parametrize(
    ("covariance", "shared", "n_components"),
    [
        ("full", "", 1),
        ("tied", "components", 2),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in [("full", "", 2), ("diagonal", "", 2), ("spherical", "", 2)]),
    ],
)
def test_evidence_is_the_integral_over_grids(covariance: str, shared: str, n_components: int) -> None:
    problem = Problem(EIGHT, "gaussian", n_components, NUMBERS, covariance=covariance)
    wanted = logsumexp(log_labellings([EIGHT], n_components, shared)[1])
    assert_estimated(Gibbs(chains=4, draws=500, tune=100).fit(problem).evidence, wanted)


@pytest.mark.slow
@pytest.mark.parametrize(("covariance", "shared"), [("diagonal", ""), ("spherical", "features")])
def test_evidence_with_two_features_missing_cells_and_counts(covariance: str, shared: str) -> None:
    """A row that counts twice is two rows."""
    x = np.c_[EIGHT[:6], EIGHT[2:]]
    x[[0, 3], [0, 1]] = np.nan
    twice = np.r_[x, x[-1:]]
    data = dataclasses.replace(Dataset.of(x), counts=np.array([1.0, 1.0, 1.0, 1.0, 1.0, 2.0]))
    problem = Problem(data, "gaussian", 2, NUMBERS, covariance=covariance)
    wanted = logsumexp(log_labellings([twice[:, 0], twice[:, 1]], 2, shared)[1])
    assert_estimated(Gibbs(chains=4, draws=1000, tune=200).fit(problem).evidence, wanted)


def test_draws_have_the_moments_of_the_sum_over_labellings() -> None:
    """Of what knows no labels: squares of weights, and whether the rows' ends share a component."""
    labels, logs = log_labellings([EIGHT], 2)
    shares = np.exp(logs - logsumexp(logs))
    counts = np.stack([(labels == k).sum(axis=1) for k in range(2)], axis=1)
    squares = ((1.5 + counts) * (2.5 + counts)).sum(axis=1) / (11.0 * 12.0)
    problem = Problem(EIGHT, "gaussian", 2, NUMBERS)
    draws = Gibbs(chains=50, draws=100, tune=50).fit(problem, quick(problem)).draws
    assert draws is not None
    found = (draws.weights**2).sum(axis=-1).mean(axis=1)
    assert abs(found.mean() - shares @ squares) < LIMIT * found.std(ddof=1) / np.sqrt(50)
    responsibilities = draws.reshaped(5000).responsibilities(EIGHT[:, None])
    together = (responsibilities[:, 0] * responsibilities[:, 5]).sum(axis=-1).reshape(50, 100).mean(axis=1)
    assert abs(together.mean() - shares @ (labels[:, 0] == labels[:, 5])) < LIMIT * together.std(ddof=1) / np.sqrt(50)


CASES: list[tuple[str, dict[str, Any]]] = [
    *(("gaussian", {"covariance": structure}) for structure in ("full", "tied", "diagonal", "spherical")),
    ("product", {"blocks": {"gaussian": ["a", "b"], "categorical": ["c"], "poisson": ["d"]}}),
]


def geweke(name: str, options: dict[str, Any], replicates: int) -> np.ndarray:
    """z-scores: theta ~ prior, x ~ p(x | theta) with some cells lost, then theta moved by a sweep given x is again a draw of the prior."""
    shape = problem_of(name, options, 0.0, seed=5, n_components=2, n_rows=10)
    firm = {"kind": "independent", "mean_covariance": 2.0, "dof": 9.0}
    prior = {"gaussian": firm} if name == "product" else firm
    data = dataclasses.replace(shape.data, counts=np.ones(10))
    shape = Problem(data, shape.family, 2, {**prior, "concentration": 2.0})
    assert shape.prior is not None
    rng = np.random.default_rng(6)
    lost, gaps = rng.random(data.x.shape) < 0.3, []
    for i in range(replicates):
        theta = shape.prior.sample(rng)
        first, moved = theta, theta.reshaped(1)
        for step in range(3):  # new data at the old theta, theta at the new data
            x = np.where(lost, np.nan, theta.sample(rng, 10)[0])
            moved = run(Problem(dataclasses.replace(data, x=x), shape.family, 2, shape.prior), moved, 1, seed=1000 * i + step)
            theta = moved.take(0)
        gaps.append(coordinates(shape, theta) - coordinates(shape, first))
    found = np.array(gaps)
    return np.asarray(found.mean(axis=0) / (found.std(axis=0) / np.sqrt(replicates)))


def coordinates(problem: Problem, theta: Mixture) -> np.ndarray:
    assert problem.prior is not None
    u = problem.prior.flatten(theta)[0]
    return np.concatenate([u, u**2, [(theta.weights**2).sum()]])


def test_joint_distribution_with_missing_cells() -> None:
    assert np.abs(geweke(*CASES[0], replicates=50)).max() < LIMIT


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options"), CASES, ids=[options.get("covariance", name) for name, options in CASES])
def test_joint_distribution_of_every_structure(name: str, options: dict[str, Any]) -> None:
    assert np.abs(geweke(name, options, replicates=300)).max() < LIMIT
