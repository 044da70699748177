"""Coverage: 95 % where standard errors are right, less where they are too small, whatever components are called."""

from __future__ import annotations

import math

import numpy as np
import pytest

from workbench.compare import intervals
from workbench.compare.calibration import calibrate, coverages
from workbench.compare.calibration.coverage import covered
from workbench.compare.calibration.replicate import replicate
from workbench.inference import EM
from workbench.problem import Problem


def one_component() -> Problem:
    return Problem(np.random.default_rng(0).normal(3.0, 2.0, size=(100, 1)), "gaussian", 1, covariance="diagonal")


def two_components(n_rows: int, concentration: float) -> Problem:
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(0.0, 1.0, n_rows), rng.normal(8.0, 1.0, n_rows)])
    return Problem(x, "gaussian", 2, prior={"concentration": concentration})


def test_one_component_covers_as_it_should() -> None:
    found = {each.quantity: each for each in coverages(calibrate(one_component(), EM(restarts=1), replicates=120, seed=2))}
    assert set(found) == {"means[0, x0]", "variances[0, x0]"}
    for each in found.values():
        assert each.intervals == 120
        assert each.good is True
        assert each.error == pytest.approx(math.sqrt(each.share * (1 - each.share) / 120), rel=0.25)


def test_intervals_that_are_too_narrow_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """One standard error to either side: 68 %."""
    monkeypatch.setattr(intervals, "QUANTILE", 1.0)
    for each in coverages(calibrate(one_component(), EM(restarts=1), replicates=120, seed=2)):
        assert each.good is False
        assert abs(each.share - 0.683) < 4 * each.error
        assert each.direction == "too narrow"


def test_names_of_components_do_not_matter() -> None:
    problem = two_components(40, 20.0)
    truth, made = replicate(problem, np.random.default_rng(4))
    fit = EM(restarts=4).fit(made)
    first = covered(made, truth, fit)
    assert first == covered(made, truth.relabelled(np.array([1, 0])), fit)
    assert set(first) == {"weights[0]", *(f"means[{k}, x0]" for k in (0, 1)), *(f"covariances[{k}, x0, x0]" for k in (0, 1))}
    assert sum(map(bool, first.values())) >= 3


def test_a_point_without_errors_has_no_intervals() -> None:
    """Two components of one value: every end is singular."""
    problem = Problem(np.array([1.0, 1.0, 2.0, 2.0]), "gaussian", 2)
    assert problem.prior is not None
    fit = EM(restarts=3).fit(problem)
    assert set(covered(problem, problem.prior.sample(np.random.default_rng(0)), fit).values()) == {None}


@pytest.mark.slow(seconds=20)
def test_two_components_with_many_rows_cover_as_they_should() -> None:
    """Standard errors are those of many rows: with 100 a component the intervals of means hold the truth in some 90 % only."""
    found = coverages(calibrate(two_components(1000, 50.0), EM(restarts=4, init="kmeans"), replicates=100, seed=2))
    assert all(each.intervals > 95 and each.good for each in found)
