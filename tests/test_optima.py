"""Grouping of restarts into optima: what is one, whatever the labels."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from workbench.compare.curvature import curvature
from workbench.compare.diagnostics import unseen_optimum
from workbench.compare.labels import assigned
from workbench.compare.optima import Optimum, optima
from workbench.data.builtin import load_built_in
from workbench.fit import Status
from workbench.inference import EM, Context
from workbench.models.information import observed_information
from workbench.problem import Problem

FIGURES = Path(__file__).parent / "reference" / "figures.json"


def test_assigned_is_the_assignment() -> None:
    overlaps = np.random.default_rng(0).random((200, 4, 4))
    for own, found in zip(overlaps, assigned(overlaps), strict=True):
        rows, wanted = linear_sum_assignment(own, maximize=True)
        assert own[rows, found].sum() == pytest.approx(own[rows, wanted].sum())
        assert sorted(found) == [0, 1, 2, 3]


def test_relabelled_ends_are_one_optimum() -> None:
    """Every restart's components in another order: the same groups."""
    problem = Problem(load_built_in("old_faithful"), "gaussian", 3)
    fit = EM(restarts=60, engine="book").fit(problem)
    assert fit.restarts is not None
    assert fit.restarts.polished is not None
    rng = np.random.default_rng(0)
    orders = np.stack([rng.permutation(3) for _ in range(60)])
    turned = dataclasses.replace(fit.restarts, polished=fit.restarts.polished.relabelled(orders))
    before, after = optima(problem, fit), optima(problem, dataclasses.replace(fit, restarts=turned))
    assert [optimum.restarts for optimum in before] == [optimum.restarts for optimum in after]


def test_equal_objectives_at_other_places_are_other_optima() -> None:
    """Two groups of mirrored data: the mirror image of an optimum has its objective and other parameters."""
    x = np.array([0.0, 0.1, -0.1, 3.0, 3.2, -3.0, -3.2, 3.1, -3.1])
    problem = Problem(x, "gaussian", 2)
    fit = EM(restarts=60, engine="book", objective="posterior").fit(problem)
    found = optima(problem, fit)
    assert fit.restarts is not None
    assert fit.restarts.polished is not None
    means = [np.sort(fit.restarts.polished.take(optimum.restarts[0]).components.means.ravel()) for optimum in found]  # type: ignore[attr-defined]
    for i, optimum in enumerate(found):
        for j, other in enumerate(found[:i]):
            assert abs(optimum.objective - other.objective) > 1e-6 or np.abs(means[i] - means[j]).max() > 1e-3
    pairs = [(i, j) for i in range(len(found)) for j in range(i) if np.abs(means[i] + means[j][::-1]).max() < 1e-3]
    assert pairs, "no optimum was found beside its mirror image"


@pytest.mark.parametrize(
    ("name", "family", "n_components", "figure"),
    [
        ("iris", "gaussian", 3, "iris-gaussian-full-k3"),
        ("zoo", "bernoulli", 4, "zoo-bernoulli-k4"),
        ("zoo", "bernoulli", 7, "zoo-bernoulli-k7"),
    ],
)
def test_maxima_and_saddles_are_those_of_the_reference(name: str, family: str, n_components: int, figure: str) -> None:
    """The reference perturbed every end and ran EM again; here it is the curvature, and the slope from the boundary.

    One of the reference's maxima is none: zoo, K = 4, -514.0884, has a probability of 0 from which the log likelihood rises by
    574 nats a unit (EM from 1e-4 beside it ends at -509.8220); a perturbation in proportion does not move a 0.
    """
    figures = {entry["id"]: entry for entry in json.loads(FIGURES.read_text())}
    known = {round(o["log_likelihood"], 3): o["local_maximum"] for o in figures[figure]["optima"]}
    known.pop(-514.088, None)
    problem = Problem(load_built_in(name), family, n_components)
    fit = EM(restarts=150, engine="book").fit(problem)
    found = optima(problem, fit)
    curved = curvature(problem, fit, found)
    matched = 0
    for number, optimum in enumerate(found):
        wanted = known.get(round(optimum.objective, 3))
        if wanted is not None and number in curved.optima:
            matched += 1
            assert curved.is_maximum(number) is wanted, (optimum.objective, wanted)
    assert matched >= 4


def test_a_probability_of_0_that_should_rise_is_no_end() -> None:
    """EM never leaves a 0, and its curvature says that it is no maximum; its polished end is where EM from beside it ends."""
    problem = Problem(load_built_in("zoo"), "bernoulli", 2)
    best = EM(restarts=30, engine="book").fit(problem).mixture
    for at in np.argwhere((best.components.probs > 0.1) & (best.components.probs < 0.9)):  # type: ignore[attr-defined]
        probs = best.components.probs.copy()  # type: ignore[attr-defined]
        probs[tuple(at)] = 0.0
        if np.isfinite(problem.log_likelihood(problem.family.mixture({"weights": best.weights, "probs": probs}))):
            break  # every row still has a density, by the other component
    start = {"weights": best.weights.tolist(), "probs": probs.tolist()}
    fit = EM(restarts=1, init=start, engine="book").fit(problem)
    assert fit.restarts is not None
    assert fit.restarts.mixture is not None
    stuck = fit.restarts.mixture.take(0)
    assert observed_information(stuck, problem.data).is_maximum is False
    probs = np.clip(stuck.components.probs, 1e-4, 1.0 - 1e-4)  # type: ignore[attr-defined]
    beside = EM(restarts=1, init={"weights": stuck.weights.tolist(), "probs": probs.tolist()}, engine="book").fit(problem)
    assert beside.log_likelihood.item() > fit.restarts.log_likelihood[0] + 1e-3
    assert fit.log_likelihood.item() == pytest.approx(beside.log_likelihood.item(), abs=1e-9)
    assert curvature(problem, fit, optima(problem, fit)).is_maximum(0) is True


@pytest.mark.parametrize("objective", ["likelihood", "posterior"])
@pytest.mark.parametrize("engine", ["fast", "book"])
def test_no_polished_end_should_leave_its_boundary(engine: str, objective: str) -> None:
    """Zoo, K = 4: one start in twenty-five runs to a 0 from which the log likelihood rises, -514.0884 among them.

    EM from beside that one ends at -509.8220.
    """
    problem = Problem(load_built_in("zoo"), "bernoulli", 4)
    context = dataclasses.replace(Context.default(problem), estimates=False)
    fit = EM(restarts=200, engine=engine, objective=objective).fit(problem, context)  # type: ignore[arg-type]
    prior = problem.prior if objective == "posterior" else None
    assert fit.restarts is not None
    polished, objectives = fit.restarts.polished, np.asarray(fit.restarts.polished_objective)
    assert polished is not None
    inward = [observed_information(polished.take(i), problem.data, prior).inward.max(initial=-1.0) for i in range(200)]
    assert max(inward) < 1e-6
    left = objectives - fit.restarts.objective
    assert (left > -1e-9).all()
    assert 2 <= (left > 1e-2).sum() <= 20
    held = np.array([status is Status.HELD for status in fit.restarts.status])
    assert held.sum() >= 2
    assert (left[held] > 1e-3).all()
    assert {fit.restarts.status[i] for i in np.flatnonzero(left > 1.0)} == {Status.HELD, Status.SHORT}  # the others, on a plateau
    if objective == "likelihood":
        known = np.abs(fit.restarts.objective + 514.0884) < 1e-4
        assert known.any()
        assert held[known].all()
        np.testing.assert_allclose(objectives[known], -509.8220, atol=1e-4)


CLASSES = {
    "even": np.full(20, 1 / 20),
    "geometric": 0.5 ** np.arange(1, 31) / (0.5 ** np.arange(1, 31)).sum(),
    "one common, many rare": np.array([0.9, *np.full(50, 0.1 / 50)]),
    "zipf": (1 / np.arange(1, 101)) / (1 / np.arange(1, 101)).sum(),
    "nearly certain": np.array([0.99, 0.01]),
    "two": np.array([0.7, 0.3]),
}


@pytest.mark.slow
@pytest.mark.parametrize("shares", CLASSES.values(), ids=CLASSES)
@pytest.mark.parametrize("n", [50, 200])
def test_the_interval_of_an_unseen_optimum_covers(shares: np.ndarray, n: int) -> None:
    """The probability that one more restart finds something new lies in the interval in at least 94 of 100 simulated fits."""
    rng = np.random.default_rng(0)
    held = 0
    runs = 4000
    for _ in range(runs):
        hits = rng.multinomial(n, shares)
        found = [Optimum(tuple(range(count)), 0.0, False, False) for count in hits if count]
        unseen = float(shares[hits == 0].sum())
        _, lower, upper = unseen_optimum(found, n)
        held += lower <= unseen <= upper
    print(f"coverage={held / runs:.4f}")
    assert held / runs >= 0.94
