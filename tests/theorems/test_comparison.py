"""The ledger, the grouping of optima and the label-invariant scores."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from examples import quick

from workbench.compare.evaluation import row_view
from workbench.compare.labels import adjusted_rand, alignment, coclustering_difference
from workbench.compare.optima import optima
from workbench.compare.scores import entropies, held_out_lpd, information_criteria
from workbench.data.builtin import load_built_in
from workbench.inference import EM
from workbench.models.mixture import stacked
from workbench.problem import Problem
from workbench.study import decomposition


@pytest.mark.parametrize(
    ("name", "family", "n_components", "objective"),
    [
        ("old_faithful", "gaussian", 3, "likelihood"),
        ("old_faithful", "gaussian", 3, "posterior"),
        ("galaxies", "gaussian", 2, "posterior"),
        ("house_votes", "bernoulli", 3, "likelihood"),
    ],
)
def test_ledger(name: str, family: str, n_components: int, objective: str) -> None:
    problem = Problem(load_built_in(name), family, n_components)
    fit = EM(restarts=5, objective=objective).fit(problem, quick(problem))  # type: ignore[arg-type]
    steps = list(decomposition(fit))
    assert [step.half_step for step in steps] == ["E", "M"] * (len(steps) // 2) + ["E"]
    climbed = [step.bound + (step.log_prior if objective == "posterior" else 0.0) for step in steps]
    size = max(map(abs, climbed))
    for step in steps:
        assert step.bound + step.kl == pytest.approx(step.log_likelihood, rel=1e-11)
        assert step.kl >= -1e-9
        assert step.half_step == "M" or abs(step.kl) < 1e-9
    assert (np.diff(climbed) >= -1e-12 * size).all()
    assert fit.trace is not None
    traced = fit.trace.log_likelihood[fit.trace.restart == fit.reported]  # type: ignore[index]
    np.testing.assert_allclose([s.log_likelihood for s in steps if s.half_step == "E"], traced, rtol=1e-11)


def test_optima_of_old_faithful_with_three_components() -> None:
    problem = Problem(load_built_in("old_faithful"), "gaussian", 3)
    fit = EM(restarts=100).fit(problem)
    found = optima(problem, fit)
    assert found[0].objective == pytest.approx(-1114.4398729, abs=1e-5)
    assert sum(len(optimum.restarts) for optimum in found) == 100
    assert fit.reported in found[0].restarts
    objectives = [optimum.objective for optimum in found if optimum.regular]
    assert objectives == sorted(objectives, reverse=True)


def test_alignment_undoes_a_permutation() -> None:
    reference = np.random.default_rng(0).dirichlet(np.full(4, 0.3), size=50)
    order = np.array([3, 1, 0, 2])
    scrambled = reference[:, order]
    np.testing.assert_array_equal(scrambled[:, alignment(scrambled, reference, np.ones(len(reference)))], reference)


def test_adjusted_rand_by_hand() -> None:
    assert adjusted_rand(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0])) == 1.0
    assert adjusted_rand(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])) == pytest.approx(-0.5)


def test_coclustering_difference_by_enumeration() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.dirichlet(np.ones(2), size=9), rng.dirichlet(np.ones(3), size=9)
    pairs = [(i, j) for i in range(9) for j in range(9) if i != j]
    wanted = np.mean([abs(first[i] @ first[j] - second[i] @ second[j]) for i, j in pairs])
    assert coclustering_difference(first, second) == pytest.approx(wanted)
    assert coclustering_difference(first, first[:, ::-1]) == pytest.approx(0.0, abs=1e-15)


def test_bic_and_aic_are_those_of_the_reference() -> None:
    problem = Problem(load_built_in("old_faithful"), "gaussian", 2)
    fit = EM(restarts=20).fit(problem)
    view = row_view(problem, fit)
    assert view is not None
    criteria = information_criteria(problem, fit, view.mean)
    assert criteria["bic"] == pytest.approx(2322.192, abs=1e-3)
    assert criteria["aic"] == pytest.approx(2 * 11 + 2 * 1130.26396, abs=1e-4)
    likeliest = np.log(view.mean.max(axis=1)).sum()
    assert criteria["icl"] == pytest.approx(criteria["bic"] - 2 * likeliest)
    assert view.sd is None


def test_draws_under_scrambled_labels_give_the_responsibilities_of_their_point() -> None:
    problem = Problem(load_built_in("galaxies"), "gaussian", 3)
    fit = EM(restarts=20).fit(problem)
    rng = np.random.default_rng(0)
    scrambled = stacked([fit.mixture.relabelled(rng.permutation(3)) for _ in range(40)]).reshaped(2, 20)
    log_likelihood = np.full((2, 20), fit.log_likelihood.item())
    sample = dataclasses.replace(fit, estimate="sample", draws=scrambled, log_likelihood=log_likelihood)
    reference = fit.mixture.responsibilities(problem.data.x)
    view = row_view(problem, sample, reference)
    assert view is not None
    assert view.sd is not None
    np.testing.assert_allclose(view.mean, reference, atol=1e-12)
    assert view.sd.max() < 1e-7
    assert 0.5 < view.relabelled_share <= 1.0
    assert held_out_lpd(sample, problem.data) == pytest.approx(fit.log_likelihood.item(), rel=1e-12)
    assert entropies(problem, reference)["entropy"] > 0
