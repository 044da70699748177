"""Grouping of restarts into optima: what is one, whatever the labels, and what it costs."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from workbench.compare.optima import assigned, optima
from workbench.data.builtin import load_built_in
from workbench.inference import EM
from workbench.problem import Problem


def test_assigned_is_the_assignment() -> None:
    overlaps = np.random.default_rng(0).random((200, 4, 4))
    for own, found in zip(overlaps, assigned(overlaps), strict=True):
        rows, wanted = linear_sum_assignment(own, maximize=True)
        assert own[rows, found].sum() == pytest.approx(own[rows, wanted].sum())
        assert sorted(found) == [0, 1, 2, 3]


def test_relabelled_ends_are_one_optimum() -> None:
    """Every restart's components in another order: the same groups."""
    import dataclasses

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


@pytest.mark.slow
def test_a_thousand_restarts_are_grouped_in_a_fifth_of_a_second() -> None:
    problem = Problem(load_built_in("old_faithful"), "gaussian", 3)
    fit = EM(restarts=1000, engine="book").fit(problem)
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        found = optima(problem, fit)
        seconds.append(time.perf_counter() - began)
    print(f"optima_seconds={min(seconds):.4f} optima={len(found)}")
    assert min(seconds) < 0.2
