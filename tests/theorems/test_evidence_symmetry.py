"""Relabelling in unconstrained coordinates, the region that holds one labelling of each point, and proposals folded into it."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from examples import every_case, mixtures_of, problem_of

from workbench.inference.evidence.symmetry import Fold, Region, Symmetry
from workbench.models import Prior
from workbench.problem import Problem


def prior_of(problem: Problem) -> Prior:
    assert problem.prior is not None
    return problem.prior


@pytest.mark.parametrize("n_components", [1, 2, 3])
@every_case
def test_relabelling_coordinates_is_relabelling_mixtures(name: str, options: dict[str, Any], n_components: int) -> None:
    problem = problem_of(name, options, 0.0, n_components=n_components)
    prior = prior_of(problem)
    symmetry = Symmetry.of(prior)
    u, mixtures = mixtures_of(problem, 5)
    density = problem.target().log_density(u)
    for order in itertools.permutations(range(n_components)):
        turned = symmetry.relabelled(u, np.array(order))
        wanted, _ = prior.flatten(mixtures.relabelled(np.array(order)))
        np.testing.assert_allclose(turned, wanted, rtol=0.0, atol=1e-9)
        np.testing.assert_allclose(problem.target().log_density(turned), density, rtol=1e-10)
        np.testing.assert_allclose(symmetry.ordered(turned), symmetry.ordered(u), rtol=0.0, atol=1e-12)
    each = np.stack([np.random.default_rng(i).permutation(n_components) for i in range(5)])
    np.testing.assert_array_equal(symmetry.relabelled(u, each)[3], symmetry.relabelled(u[3], each[3]))


def test_components_with_priors_of_their_own_keep_their_labels() -> None:
    x = np.random.default_rng(0).normal(size=(20, 1))
    symmetry = Symmetry.of(prior_of(Problem(x, "gaussian", 2, {"concentration": [1.0, 2.0]})))
    assert not symmetry.exchangeable
    assert symmetry.log_copies == 0.0
    u = np.random.default_rng(1).normal(size=(30, 5))
    region = Region.aligning(symmetry, u, 0)
    np.testing.assert_array_equal(region.aligned(u), u)
    fold = Fold.of(region, u)
    assert len(fold.orders) == 1
    assert not fold.lost(u).any()


def toy(count: int) -> tuple[Symmetry, np.ndarray, np.ndarray]:
    """Coordinates of weights and two numbers a component; means (K, 3) and sds of a density that is no labelling's own."""
    own = np.stack([[*range(count - 1), 3 * count - 1], count - 1 + 2 * np.arange(count), count + 2 * np.arange(count)], axis=1)
    rng = np.random.default_rng(count)
    return Symmetry(own, 3 * count - 1, exchangeable=True), rng.normal(size=(3 * count - 1)), 0.5 + rng.random(3 * count - 1)


@pytest.mark.parametrize("count", [2, 4])
def test_every_point_has_one_relabelling_in_the_region(count: int) -> None:
    symmetry, mean, sd = toy(count)
    u = mean + sd * np.random.default_rng(0).normal(size=(200, symmetry.dim))
    region = Region.aligning(symmetry, u, 7)
    within = np.zeros(200)
    for order in itertools.permutations(range(count)):
        turned = symmetry.relabelled(u, np.array(order))
        within += (region.orders(turned) == np.arange(count)).all(axis=-1)
    np.testing.assert_array_equal(within, 1.0)
    np.testing.assert_array_equal(region.orders(region.aligned(u)), np.tile(np.arange(count), (200, 1)))


@pytest.mark.parametrize(("count", "blocks"), [(3, None), (5, None), (5, ((0, 3), (1,), (2, 4))), (5, ((0,), (1,), (2,), (3,), (4,)))])
def test_a_folded_proposal_integrates_what_is_alike_under_relabelling(count: int, blocks: Any) -> None:
    """p, a normal averaged over its K! labellings, integrates to 1, whatever the group that the proposal is folded by."""
    symmetry, mean, sd = toy(count)
    orders = [np.array(order) for order in itertools.permutations(range(count))]

    def log_normal(u: np.ndarray, width: float = 1.0) -> np.ndarray:
        z = (u - mean) / (width * sd)
        return np.asarray(-(z**2).sum(axis=-1) / 2.0 - np.log(width * sd).sum() - symmetry.dim / 2.0 * math.log(2.0 * math.pi))

    rng = np.random.default_rng(5)
    u = mean + 1.2 * sd * rng.normal(size=(20_000, symmetry.dim))
    region = Region.around(symmetry, mean + sd * rng.normal(size=(500, symmetry.dim)))
    fold = Fold.of(region, u) if blocks is None else Fold(region, blocks)
    log_p = np.logaddexp.reduce([log_normal(symmetry.relabelled(u, order)) for order in orders]) - math.log(len(orders))
    weights = np.where(fold.lost(u), 0.0, np.exp(log_p - fold.log_density(lambda v: log_normal(v, 1.2), u)))
    assert abs(weights.mean() - 1.0) < 4.0 * weights.std() / math.sqrt(weights.size)
    assert weights.std() / math.sqrt(weights.size) < 0.03
    if blocks is not None:
        assert fold.lost(u).mean() > 0.1
