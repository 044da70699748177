"""An exact sampler passes; every broken one fails, on a quantity that is named."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import pytest
from samplers import Fault, OneComponent

from workbench.compare.calibration import Ranked, calibrate, ranked
from workbench.compare.calibration.replicate import replicate
from workbench.compare.calibration.trial import Trials
from workbench.data import Dataset
from workbench.inference.exact import Exact
from workbench.problem import Problem


def gaussian(n_components: int = 1) -> Problem:
    return Problem(np.random.default_rng(3).standard_normal((10, 2)) * [1.0, 5.0], "gaussian", n_components)


@functools.cache
def found(fault: Fault) -> dict[str, Ranked]:
    return {each.quantity: each for each in ranked(calibrate(gaussian(), OneComponent(fault), replicates=300, seed=1))}


def test_exact_draws_pass() -> None:
    assert all(each.good for each in found("none").values())
    assert {"log_likelihood", "log_prior", "log_determinant", "means[x0]", "means[x1]"} == set(found("none"))


@pytest.mark.parametrize(
    ("fault", "quantity", "words"),
    [
        ("narrow", "means[x0]", "too narrow (U shape)"),
        ("wide", "means[x0]", "too wide (hump)"),
        ("prior", "log_likelihood", "too low (slope)"),
        ("mode", "log_likelihood", "too high (slope)"),
        ("recomputed", "log_prior", "too"),
    ],
)
def test_a_broken_sampler_fails_on_a_quantity(fault: Fault, quantity: str, words: str) -> None:
    each = found(fault)[quantity]
    assert each.good is False
    assert words in each.direction


def test_only_what_looks_at_the_data_sees_that_the_prior_is_returned() -> None:
    """Modrak et al. 2023: ranks of numbers of theta alone are uniform."""
    assert [name for name, each in found("prior").items() if not each.good] == ["log_likelihood"]


def test_recomputing_the_prior_fails_by_far() -> None:
    """statistics, section 1: p = 5e-69 there, on other data."""
    assert min(each.p for each in found("recomputed").values()) < 1e-20


PROBLEMS: dict[str, Callable[[], Problem]] = {
    "gaussian": lambda: Problem(np.random.default_rng(1).normal(size=7), "gaussian", 2),
    "missing": lambda: Problem([[0.0, 1.0], [np.nan, 3.0], [2.0, np.nan], [5.0, 1.0], [1.0, 1.0]], "gaussian", 2, covariance="diagonal"),
    "counts": lambda: Problem(Dataset.of(np.arange(4.0), counts=[5, 3, 2, 1]), "poisson", 2),
    "three": lambda: Problem([[1, 0], [1, 1], [0, 1], [0, 0], [1, 0], [1, np.nan]], "bernoulli", 3),
    "levels": lambda: Problem([["a", "x"], ["b", "y"], ["c", "x"], ["a", "y"], ["b", "x"], ["a", "x"]], "categorical", 2),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_labelling_summed_passes(name: str) -> None:
    """K >= 2 in every family: missing cells, rows that count several times and levels are drawn as they are fitted."""
    trials = calibrate(PROBLEMS[name](), Exact(chains=1, draws=99), replicates=200, seed=2)
    assert len(trials.fitted) == 200
    tested = ranked(trials)
    assert "coclustering" in {each.quantity for each in tested}
    assert [each.quantity for each in tested if not each.good] == []


def test_one_row_of_a_count_is_not_many_rows() -> None:
    """The fault that replicates of N rows with the old counts would have: rows repeated, not drawn."""
    problem = PROBLEMS["counts"]()
    truth, made = replicate(problem, np.random.default_rng(0))
    assert made.data.counts.sum() == 11
    assert truth.batch_shape == ()
    assert made.prior is problem.prior


def test_replicates_keep_the_missing_cells_and_the_levels_and_are_the_same_for_all_methods() -> None:
    problem = PROBLEMS["missing"]()
    made = replicate(problem, np.random.default_rng(0))[1]
    assert np.isnan(made.data.x).tolist() == np.isnan(problem.data.x).tolist()
    assert made.data.x.tolist() != problem.data.x.tolist()
    assert replicate(PROBLEMS["levels"](), np.random.default_rng(0))[1].data.levels == (("a", "b", "c"), ("x", "y"))
    again = replicate(problem, np.random.default_rng(0))[1]
    assert again.data.fingerprint == made.data.fingerprint


def test_a_fit_that_fails_is_a_failure_and_no_end() -> None:
    class Broken(OneComponent):
        def fit(self, problem: Problem, context: object = None) -> object:  # type: ignore[override]
            if problem.data.x[0, 0] > 0:
                raise RuntimeError("no such luck\nbelow")
            return super().fit(problem)

    trials: Trials = calibrate(gaussian(), Broken(), replicates=20, seed=1)
    assert 0 < len(trials.fitted) < 20
    assert {each.failure for each in trials.done} == {"", "RuntimeError: no such luck"}
