"""Importance sampling and Laplace: closed forms in every family, enumerations, copies of a mode, k-hat as ArviZ has it."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from examples import every_case, problem_of

from workbench.data.builtin import load_built_in
from workbench.fit import Evidence
from workbench.inference import EM, evidence
from workbench.inference.evidence import ONE_Q, Conjugate, StudentMixture, approximated, at_optima, sampled
from workbench.inference.evidence.importance import weighed
from workbench.inference.evidence.laplace import about, modes
from workbench.inference.evidence.pareto import pareto_k
from workbench.inference.evidence.symmetry import Region, Symmetry
from workbench.inference.exact import Exact
from workbench.inference.method import Context
from workbench.inference.target import CompiledTarget
from workbench.models import Mixture, Prior
from workbench.problem import Problem

FIGURES = {figure["id"]: figure for figure in json.loads((Path(__file__).parents[1] / "reference" / "figures.json").read_text())}


def prior_of(problem: Problem) -> Prior:
    assert problem.prior is not None
    return problem.prior


def context_of(problem: Problem, seed: int = 0) -> Context:
    return Context.default(problem, seed)


def old_faithful(n_components: int) -> Problem:
    """Under the prior of the reference's figures."""
    data = load_built_in("old_faithful")
    numbers = {"mean": data.x.mean(axis=0), "mean_strength": 1.0, "dof": 2.0, "scale": np.cov(data.x.T)}
    return Problem(data, "gaussian", n_components, numbers)


def ends(problem: Problem, restarts: int = 30) -> Mixture:
    found = EM(restarts=restarts, objective="posterior").fit(problem).restarts
    assert found is not None
    assert found.polished is not None
    return found.polished


def within(found: Evidence, value: float, errors: float = 4.0) -> bool:
    return abs(found.log_evidence - value) < errors * found.mcse


@every_case
def test_one_component_is_bayes_identity(name: str, options: dict[str, Any]) -> None:
    """K = 1: log p(x) = log p(x | theta) + log p(theta) - log p(theta | x) at any theta, so that every weight of the exact q is it."""
    problem = problem_of(name, options, 0.0, n_components=1)
    prior = prior_of(problem)
    posterior = prior.posterior(problem.family.statistics(problem.data, np.ones((problem.data.n_rows, 1))))
    draws = posterior.sample(np.random.default_rng(0), (4, 250))
    one = draws.take((0, 0))
    exact = float(problem.log_likelihood(one) + prior.log_density(one) - posterior.log_density(one))
    (importance,) = approximated(problem, Conjugate(prior, posterior), context_of(problem), noise=0, advice="")
    assert importance.trusted
    assert importance.log_evidence == pytest.approx(exact, rel=1e-9)
    assert importance.mcse < 1e-6
    bridge, weights = sampled(problem, draws, context_of(problem), noise=1)
    assert bridge.trusted, bridge.note
    assert bridge.mcse < 0.05
    assert within(bridge, exact)
    assert within(weights, exact)


@every_case
def test_optima_give_the_enumerated_evidence(name: str, options: dict[str, Any]) -> None:
    problem = problem_of(name, options, 0.0, n_components=2, n_rows=7, seed=8)
    exact = Exact(chains=1, draws=1).fit(problem).evidence[0].log_evidence
    found = {each.estimator: each for each in at_optima(problem, ends(problem), context_of(problem), noise=0)}
    assert not found["laplace"].trusted
    assert abs(found["laplace"].log_evidence - exact) < 2.5
    if found["importance"].trusted:
        assert within(found["importance"], exact)


def test_two_components_of_old_faithful() -> None:
    """Bridge sampling elsewhere, and importance sampling from a t about the mode: -1177.743 +- 0.005 (one labelling has 0.69 less)."""
    problem = old_faithful(2)
    laplace, importance = at_optima(problem, ends(problem), context_of(problem), noise=0)
    assert importance.trusted, importance.note
    assert importance.mcse < 0.01
    assert abs(importance.log_evidence + 1177.743) < 4.0 * math.hypot(importance.mcse, 0.005)
    assert laplace.log_evidence == pytest.approx(-1177.743, abs=0.03)
    assert laplace.mcse == 0.0


def test_a_mode_whose_components_are_alike_is_one_and_not_two() -> None:
    x = np.array([4.0, 5.0, 6.0, 5.0, 3.0])
    problem = Problem(x, "poisson", 2, {"concentration": 60.0, "shape": 400.0, "rate": 80.0})
    target, symmetry = CompiledTarget.of(problem), Symmetry.of(prior_of(problem))
    (mode,) = modes(target, symmetry, target.prior.flatten(ends(problem))[0])
    np.testing.assert_allclose(symmetry.relabelled(mode.u, np.array([1, 0])), mode.u, atol=1e-4)
    exact = Exact(chains=1, draws=1).fit(problem).evidence[0].log_evidence
    assert mode.log_mass == pytest.approx(exact, abs=0.05)


def test_modes_are_stationary_different_and_each_its_own_curvature() -> None:
    problem = Problem(load_built_in("old_faithful"), "gaussian", 3)
    target, symmetry = CompiledTarget.of(problem), Symmetry.of(prior_of(problem))
    found = modes(target, symmetry, target.prior.flatten(ends(problem, 60))[0])
    assert len(found) > 2
    u = np.stack([mode.u for mode in found])
    heights, slopes = target.value_and_gradient(u)
    rng = np.random.default_rng(0)
    for mode, height, slope in zip(found, np.asarray(heights), slopes, strict=True):
        assert ((slope @ mode.scale_tril) ** 2).sum() / 2.0 < 1e-9  # nats that a Newton step would gain
        z = 0.02 * rng.normal(size=(20, target.dim))
        near = np.asarray(target.log_density(mode.u + z @ mode.scale_tril.T))
        np.testing.assert_allclose(near - height, -(z**2).sum(axis=1) / 2.0, rtol=0.1)


def test_a_q_that_has_missed_a_mode_is_not_trusted_however_well_its_weights_look() -> None:
    """Galaxies, two components: of two modes the second holds a sixth of the posterior."""
    problem = Problem(load_built_in("galaxies"), "gaussian", 2)
    target, symmetry = CompiledTarget.of(problem), Symmetry.of(prior_of(problem))
    found = modes(target, symmetry, target.prior.flatten(ends(problem))[0])
    region = Region.about(symmetry, found[0].u)
    one, both = (about([mode.within(region) for mode in chosen]) for chosen in (found[:1], found))
    (missing,), (complete,) = (approximated(problem, q, context_of(problem), noise=0, advice="use nuts") for q in (one, both))
    assert missing.log_evidence < -235.627 - 0.1
    assert not missing.trusted
    assert "q has next to no density where, by Laplace, about 1" in missing.note
    assert missing.note.endswith("modes that EM has found: use nuts")
    assert "modes" not in complete.note
    assert within(complete, -235.627)


def test_a_poor_proposal_gives_a_lower_bound_in_expectation_and_is_not_trusted() -> None:
    problem = Problem(np.array(FIGURES["tiny-zoo10-bernoulli-k2"]["rows"], dtype=float), "bernoulli", 2)
    exact = FIGURES["tiny-zoo10-bernoulli-k2"]["value"]
    narrow = StudentMixture.normal(np.zeros(9), 0.3 * np.eye(9))
    found = [approximated(problem, narrow, context_of(problem, seed), noise=0, advice="use nuts")[0] for seed in range(10)]
    assert not any(each.trusted for each in found)
    assert np.mean([each.log_evidence for each in found]) < exact - 0.5
    assert "a lower bound of log p(x) in expectation" in found[0].note
    assert found[0].note.endswith("use nuts")


def test_weights_of_one_kind_have_no_error_and_none_no_value() -> None:
    same = weighed(np.full(1000, -7.0), ONE_Q, "")
    assert (same.log_evidence, same.mcse, same.trusted) == (pytest.approx(-7.0), pytest.approx(0.0, abs=1e-8), True)
    none = weighed(np.full(1000, -np.inf), ONE_Q, "use nuts")
    assert math.isnan(none.log_evidence)
    assert not none.trusted


@pytest.mark.parametrize("size", [30, 226, 5000])
@pytest.mark.parametrize("spread", [0.1, 1.0, 4.0])
def test_k_hat_is_arvizs(size: int, spread: float) -> None:
    from arviz_stats.base import array_stats

    log_weights = spread * np.random.default_rng(size).normal(size=size)
    assert pareto_k(log_weights) == pytest.approx(float(array_stats.psislw(-log_weights)[1]), rel=1e-12)


def test_draws_that_are_no_material_for_a_bridge_say_so() -> None:
    problem = Problem(np.array(FIGURES["tiny-zoo10-bernoulli-k2"]["rows"], dtype=float), "bernoulli", 2)
    draws = prior_of(problem).sample(np.random.default_rng(0), (2, 8))
    (few,) = sampled(problem, draws, context_of(problem), noise=0)
    assert math.isnan(few.log_evidence)
    assert not few.trusted
    assert "too few" in few.note
    edge = Mixture(np.where(np.arange(2) == 0, 1.0, 0.0) * np.ones_like(draws.weights), draws.components)
    with np.errstate(all="ignore"):
        (bad,) = sampled(problem, edge, context_of(problem), noise=0)
    assert "no finite coordinate" in bad.note


def test_where_modes_are_not_looked_for_nothing_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = old_faithful(1)
    draws = Exact(draws=200).fit(problem).draws
    assert draws is not None
    assert all(each.trusted for each in sampled(problem, draws, context_of(problem), noise=0))
    monkeypatch.setattr(evidence, "MOST_DIM", 4)
    found = sampled(problem, draws, context_of(problem), noise=0)
    assert not any(each.trusted for each in found)
    assert all("were not looked for, as 5 coordinates are above 4" in each.note for each in found)


def test_nothing_is_estimated_where_nobody_asks() -> None:
    problem = old_faithful(1)
    context = dataclasses.replace(context_of(problem), estimates=False)
    assert EM(restarts=2, objective="posterior").fit(problem, context).evidence == ()
    assert len(EM(restarts=2, objective="posterior").fit(problem).evidence) == 2
    assert EM(restarts=2).fit(problem).evidence == ()
