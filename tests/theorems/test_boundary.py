"""The sign of the slope at a boundary, read off one step of EM from beside it, is that of the derivative; and the way inside."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from examples import problem_of

from workbench.inference.boundary import INSIDE, LIFT, lifted, released, rising, sides
from workbench.inference.em.engine import BOOK, Engine, Fast
from workbench.models import Bernoulli, Categorical, Gaussian, Mixture, Poisson, Prior
from workbench.models.families.product import Block
from workbench.models.information import observed_information
from workbench.problem import Problem

BLOCKS = (Block(Gaussian("tied"), ("a", "b")), Block(Categorical(), ("c",)), Block(Poisson(), ("d",)))
CASES: list[tuple[str, dict[str, Any]]] = [("bernoulli", {}), ("categorical", {}), ("poisson", {}), ("product", {"blocks": BLOCKS})]


def at_boundaries(problem: Problem, seed: int) -> Mixture:
    """Parameters of random responsibilities, about a third of the discrete ones on a boundary and maybe a weight of 0."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(3, 0.3), size=problem.data.n_rows)
    weights = np.array([0.0, 0.3, 0.7]) if seed % 2 else rng.dirichlet(np.full(3, 5.0))
    components = problem.family.maximise(problem.family.statistics(problem.data, shares))
    found = components.parameters()
    for name in found:
        gone = rng.random(found[name].shape) < 0.35
        if name.endswith("rates"):
            found[name] = np.where(gone, 0.0, found[name])
        elif name.endswith("probs") and found[name].ndim == 2:
            found[name] = np.where(gone, rng.integers(2, size=gone.shape), found[name])
        elif name.endswith("probs"):
            gone &= ~gone.all(axis=-1, keepdims=True) & (found[name] < found[name].max(axis=-1, keepdims=True))
            found[name] = np.where(gone, 0.0, found[name])
            found[name] = found[name] / found[name].sum(axis=-1, keepdims=True)
    return problem.family.mixture({"weights": weights, **found})


def step_of(engine: Engine, problem: Problem, prior: Prior | None) -> Any:
    return lambda mixture: engine.m_step(engine.expect(mixture, problem.data).statistics, prior, mixture)


def in_the_kernels_order(mixture: Mixture, flags: dict[str, np.ndarray], at: dict[str, np.ndarray]) -> np.ndarray:
    """``flags`` of the boundaries ``at``: of the components, block by block, level by level, then weights."""
    parts = []
    for name in mixture.components.parameters():
        if name not in at:
            continue
        side, flag = at[name], flags[name] != 0
        if name.endswith("probs") and side.ndim == 2:  # level 0 has 1 - p
            parts.append(np.stack([flag, flag], axis=-1)[np.stack([side == 1, side == -1], axis=-1)])
        else:
            parts.append(flag[side == -1])
    return np.concatenate([*parts, (flags["weights"] != 0)[at["weights"] == -1]])


@pytest.mark.parametrize("engine", [BOOK, Fast()], ids=["book", "fast"])
@pytest.mark.parametrize("objective", ["likelihood", "posterior"])
@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize(("name", "options"), CASES, ids=[name for name, _ in CASES])
def test_a_step_from_beside_shows_the_sign_of_the_slope(
    name: str, options: dict[str, Any], missing: float, objective: str, engine: Engine
) -> None:
    problem, up, down = problem_of(name, options, missing), 0, 0
    prior = problem.prior if objective == "posterior" else None
    step = step_of(engine, problem, prior)
    for seed in range(16):
        mixture = at_boundaries(problem, seed)
        if not np.isfinite(problem.log_likelihood(mixture)):
            continue
        for _ in range(20 * (seed // 2 % 2)):  # EM stays where it is on the boundaries
            mixture = step(mixture.reshaped(1)).take(0)
        information = observed_information(mixture, problem.data, prior)
        mixture, inward = information.chart.mixture, information.inward  # what is about to reach a boundary is there
        found = {name: side[0] for name, side in rising(mixture.reshaped(1), step).items()}
        flags = in_the_kernels_order(mixture, found, sides(mixture))
        clear = np.abs(inward) > 1e-3
        np.testing.assert_array_equal(flags[clear], inward[clear] > 0)
        up, down = up + int((inward[clear] > 0).sum()), down + int((inward[clear] < 0).sum())
    assert up > 0
    assert down > 0


@pytest.mark.parametrize(("name", "options"), CASES, ids=[name for name, _ in CASES])
def test_inside_is_a_mixture_that_rises(name: str, options: dict[str, Any]) -> None:
    """What is released lies inside by what is asked for; EM's step takes it further, and nothing else has moved."""
    problem, tried = problem_of(name, options, 0.0), 0
    step = step_of(BOOK, problem, None)
    for seed in range(12):
        mixture = at_boundaries(problem, seed).reshaped(1)
        if not np.isfinite(problem.log_likelihood(mixture)[0]):
            continue
        inside, who = released(mixture, step)
        where = rising(mixture, step)
        assert who.tolist() == [0] * any(side.any() for side in where.values())
        for own, side in where.items() if who.size else ():
            tried += 1
            before, now = mixture.parameters()[own], inside.parameters()[own]
            np.testing.assert_allclose(np.abs(now - before)[side != 0], INSIDE, rtol=0.1)
            np.testing.assert_allclose(now[side == 0], before[side == 0], atol=INSIDE * before.shape[-1])
        for array in (mixture.weights, inside.weights):
            np.testing.assert_allclose(array.sum(axis=-1), 1.0, rtol=1e-14)
    assert tried > 0


def test_a_component_of_weight_0_is_released_by_its_weight_alone() -> None:
    problem = Problem(np.repeat([[0.0], [1.0], [9.0]], 20, axis=0), "poisson", 2)
    mixture = problem.family.mixture({"weights": np.array([1.0, 0.0]), "rates": np.array([[10.0 / 3.0], [0.0]])}).reshaped(1)
    step = step_of(BOOK, problem, None)
    assert sides(mixture)["rates"].tolist() == [[[0], [0]]]
    assert {name: side.tolist() for name, side in rising(mixture, step).items()} == {"weights": [[0, -1]], "rates": [[[0], [0]]]}
    assert rising(mixture, step, np.array([True, False]))["weights"].tolist() == [[0, 0]]
    inside, who = released(mixture, step)
    assert who.tolist() == [0]
    np.testing.assert_allclose(inside.weights, [[1.0 - INSIDE, INSIDE]], rtol=1e-3)


def test_nothing_to_see_costs_no_step() -> None:
    problem = Problem(np.random.default_rng(0).normal(size=30), "gaussian", 2)
    mixture = problem.family.mixture({"weights": np.ones(2) / 2, "means": np.zeros((2, 1)), "covariances": np.ones((2, 1, 1))})

    def never(_: Mixture) -> Mixture:
        raise AssertionError

    assert not any(side.any() for side in rising(mixture.reshaped(1), never).values())
    assert released(mixture.reshaped(1), never)[1].size == 0
    assert released(mixture.reshaped(1).take(np.zeros(0, int)), never)[1].size == 0


def test_lifted_keeps_what_is_no_boundary() -> None:
    problem = Problem(np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]]), Bernoulli(), 2)
    mixture = problem.family.mixture({"weights": np.array([0.5, 0.5]), "probs": np.array([[0.0, 1.0], [0.25, 1e-12]])})
    found = lifted(mixture, LIFT, sides(mixture))
    np.testing.assert_array_equal(found.weights, mixture.weights)
    np.testing.assert_array_equal(found.parameters()["probs"], [[LIFT, 1.0 - LIFT], [0.25, LIFT]])
    assert dataclasses.is_dataclass(found)
