"""Bridge sampling and importance sampling from draws: values that are known exactly, errors that are honest, refusals."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

from workbench.data.builtin import load_built_in
from workbench.fit import Evidence
from workbench.inference.advice import Advice
from workbench.inference.evidence.bridge import bridged, estimates
from workbench.inference.exact import Exact
from workbench.inference.exact.enumeration import Enumeration
from workbench.inference.gibbs import Gibbs
from workbench.inference.method import Context
from workbench.inference.target import CompiledTarget
from workbench.models import Mixture
from workbench.problem import Problem

FIGURES = {figure["id"]: figure for figure in json.loads((Path(__file__).parents[1] / "reference" / "figures.json").read_text())}
EIGHT = np.array([-5.1, -4.9, -5.3, -4.7, 4.8, 5.2, 5.05, 4.95])


def tiny(name: str) -> Problem:
    """A problem of so few rows that all labellings can be summed."""
    if name.startswith("eight"):
        return Problem(EIGHT, "gaussian", int(name[-1]))
    figure = FIGURES[name]
    x = np.array(figure["rows"], dtype=float)
    numbers = {key: figure["prior"]["components"][theirs] for key, theirs in NUMBERS.items()} if figure["family"] == "gaussian" else {}
    return Problem(x, figure["family"], 2, {"shape": 2.0, "rate": 1.0} if figure["family"] == "poisson" else numbers or "default")


NUMBERS = {"mean": "m0", "mean_strength": "kappa0", "dof": "nu0", "scale": "Psi0"}
TINY = ["tiny-zoo10-bernoulli-k2", "tiny-hasselblad12-poisson-k2", "tiny-waiting10-gaussian-k2", "tiny-faithful8-gaussian-k2"]


class Posterior:
    """The exact posterior of a tiny problem, to be drawn from independently."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.target = problem, CompiledTarget.of(problem)
        self.enumeration = Enumeration.of(problem)
        self.log_weights = self.enumeration.log_weights(lambda _: None)
        self.log_evidence = Exact(chains=1, draws=1).fit(problem).evidence[0].log_evidence

    def drawn(self, seed: int, count: int) -> Mixture:
        return self.enumeration.sample(np.random.default_rng([3, seed]), count, self.log_weights)

    def estimated(self, draws: Mixture, seed: int) -> tuple[Evidence, Evidence]:
        return estimated(self.target, draws, seed)

    def scores(self, found: tuple[Evidence, ...]) -> list[float]:
        return [(each.log_evidence - self.log_evidence) / each.mcse for each in found]


def estimated(target: CompiledTarget, draws: Mixture, seed: int = 0) -> tuple[Evidence, Evidence]:
    u, _ = target.prior.flatten(draws)
    log_density = target.log_density(u.reshape(-1, u.shape[-1])).reshape(u.shape[:2])
    return estimates(target, u, log_density, np.random.default_rng([4, seed]), Advice("nuts", ["draws"], None))


def test_the_bridge_between_two_normals_is_known_and_so_is_its_error() -> None:
    scores = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        p, q = rng.normal(size=(4, 250)), 0.5 + 1.5 * rng.normal(size=1000)
        ratio = [-(u**2) / 2.0 + ((u - 0.5) / 1.5) ** 2 / 2.0 + math.log(1.5) + 7.0 for u in (p, q)]
        found = bridged(ratio[0], ratio[1])
        scores.append((found.value - 7.0) / math.sqrt(found.variance))
    assert 0.8 < np.std(scores) < 1.3
    assert abs(np.mean(scores)) < 0.4


def test_a_proposal_that_is_the_posterior_has_no_error_and_one_that_is_elsewhere_no_value() -> None:
    same = bridged(np.full((2, 50), -3.0), np.full(100, -3.0))
    assert (same.value, same.variance, same.overlap) == pytest.approx((-3.0, 0.0, 1.0))
    apart = bridged(np.full((2, 50), 900.0), np.full(100, -np.inf))
    assert math.isnan(apart.value)
    assert apart.overlap == 0.0


@pytest.mark.parametrize("figure", ["faithful-k1-niw-data-prior", "faithful-k1-niw-identity-prior"])
def test_one_component_is_a_closed_form(figure: str) -> None:
    numbers = {key: FIGURES[figure]["prior"][theirs] for key, theirs in NUMBERS.items()}
    problem = Problem(load_built_in("old_faithful"), "gaussian", 1, numbers)
    draws = Exact().fit(problem).draws
    assert draws is not None
    for found in estimated(CompiledTarget.of(problem), draws):
        assert found.trusted, found.note
        assert found.mcse < 0.01
        assert abs(found.log_evidence - FIGURES[figure]["value"]) < 4.0 * found.mcse


@pytest.mark.parametrize("name", [*TINY, "eight3", "eight5"])
def test_small_posteriors_have_their_enumerated_evidence(name: str) -> None:
    posterior = Posterior(tiny(name))
    if name in FIGURES:
        assert posterior.log_evidence == pytest.approx(FIGURES[name]["value"], abs=FIGURES[name]["tolerance"])
    found = posterior.estimated(posterior.drawn(0, 1000).reshaped(4, 250), 0)
    assert found[0].trusted, found[0].note
    assert found[0].mcse < 0.1
    assert np.abs(posterior.scores(found)).max() < 4.0


def test_chains_in_different_basins_are_no_bridge_but_the_fitted_proposal_knows_all_basins() -> None:
    """The draws of each chain are those of a quarter of the posterior: what a sampler that never crosses would give."""
    posterior = Posterior(tiny("eight3"))
    draws = posterior.drawn(1, 1000)
    order = np.argsort(draws.weights.max(axis=-1))
    rng = np.random.default_rng(0)
    stuck = np.concatenate([rng.permutation(part) for part in np.split(order, 4)])
    bridge, importance = posterior.estimated(draws.take(stuck).reshaped(4, 250), 1)
    assert not bridge.trusted
    assert "the chains disagree (R-hat" in bridge.note
    assert importance.trusted, importance.note
    assert abs(posterior.scores((importance,))[0]) < 4.0


def test_chains_that_agree_on_wrong_shares_are_found_out_by_importance_sampling() -> None:
    """Nine in ten of the posterior's draws have two components of some size, here one in four."""
    posterior = Posterior(tiny("eight2"))
    draws = posterior.drawn(2, 20_000)
    apart = draws.weights.max(axis=-1) < 0.8
    rng = np.random.default_rng(1)
    wrong = rng.permutation(np.concatenate([np.flatnonzero(apart)[:240], np.flatnonzero(~apart)[:720]]))
    bridge, importance = posterior.estimated(draws.take(wrong).reshaped(4, 240), 2)
    assert not bridge.trusted
    assert "shares of their basins are wrong" in bridge.note
    assert abs(posterior.scores((importance,))[0]) < 4.0


def four_and_four() -> Posterior:
    """The eight rows with means held a hundred times as strongly: 82 % of the posterior labels them four and four."""
    return Posterior(Problem(EIGHT, "gaussian", 2, {"mean_strength": 1.0}))


def cut(posterior: Posterior, seed: int) -> Mixture:
    """Draws from that part alone, which is the labelling of the most weight."""
    logs = posterior.log_weights
    only = np.where(logs == logs.max(), logs, -np.inf)
    return posterior.enumeration.sample(np.random.default_rng([9, seed]), 2000, only).reshaped(4, 500)


def test_draws_that_lack_a_fifth_of_the_posterior_are_found_out_by_importance_sampling() -> None:
    """Even where its own diagnostics deny it, as they do for the first seed."""
    posterior = four_and_four()
    share = math.exp(posterior.log_weights.max() - np.logaddexp.reduce(posterior.log_weights))
    assert share == pytest.approx(0.82, abs=0.01)
    for seed in range(2):
        (bridge, _), (whole, _) = (
            posterior.estimated(draws, seed) for draws in (cut(posterior, seed), posterior.drawn(seed, 2000).reshaped(4, 500))
        )
        assert not bridge.trusted
        assert "importance sampling from the same proposals is" in bridge.note
        assert whole.trusted, whole.note


def test_few_effective_draws_are_not_enough() -> None:
    posterior = Posterior(tiny("eight2"))
    short = posterior.estimated(posterior.drawn(3, 80).reshaped(4, 20), 3)[0]
    assert not short.trusted
    assert "raise draws" in short.note


@pytest.mark.slow(seconds=20)
@pytest.mark.parametrize(("name", "sets"), [("tiny-zoo10-bernoulli-k2", 100), ("tiny-faithful8-gaussian-k2", 60)])
def test_stated_errors_are_honest(name: str, sets: int) -> None:
    """So many sets of 4 x 250 independent draws: z-scores against the enumerated evidence. Errors stated too small by a
    third are found out with probability 0.92 by 60 sets and 0.97 by 100, too large by a half with 0.98 and more."""
    posterior = Posterior(tiny(name))
    found = [posterior.estimated(posterior.drawn(seed, 1000).reshaped(4, 250), seed) for seed in range(sets)]
    scores = np.array([posterior.scores(each) for each in found])
    trusted = np.array([[each.trusted for each in pair] for pair in found])
    assert trusted[:, 0].mean() > 0.9
    for i in range(2):
        own = scores[trusted[:, i], i]
        assert 0.8 < own.std() < 1.3
        assert abs(own.mean()) < 0.5


@pytest.mark.slow(seconds=20)
def test_stated_errors_are_honest_for_draws_that_depend_on_each_other() -> None:
    posterior = Posterior(tiny("tiny-waiting10-gaussian-k2"))
    scores = []
    for seed in range(60):
        context = dataclasses.replace(Context.default(posterior.problem, seed), estimates=False)
        draws = Gibbs(draws=250, tune=200).fit(posterior.problem, context).draws
        assert draws is not None
        scores.append(posterior.scores(posterior.estimated(draws, seed))[0])
    assert 0.8 < np.std(scores) < 1.3
