"""Basins of draws: what belongs to an optimum is what EM takes there, and chains that stay apart are told from those that mix."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from workbench.compare.basins import Basins, agreement_checks, basin_rows, basins, weighing
from workbench.compare.cell import Cell
from workbench.compare.optima import optima
from workbench.data.builtin import load_built_in
from workbench.fit import Evidence, Fit
from workbench.inference import EM
from workbench.models import Mixture
from workbench.models.mixture import gathered
from workbench.problem import Problem


def drawn(point: Fit, centres: list[int], problem: Problem, seed: int = 0, spread: float = 0.01) -> Mixture:
    """A chain of draws (100,) near polished restarts of ``point``, in turn, labels shuffled."""
    assert point.restarts is not None
    assert point.restarts.polished is not None
    rng = np.random.default_rng(seed)
    u, _ = problem.coordinates.flatten(point.restarts.polished.take(np.resize(centres, 100)))
    mixture, _ = problem.coordinates.unflatten(u + spread * rng.standard_normal(u.shape))
    orders = np.stack([rng.permutation(problem.n_components) for _ in range(100)])
    return mixture.relabelled(orders)


def sample_of(point: Fit, chains: list[Mixture], problem: Problem) -> Fit:
    draws = gathered(chains).reshaped(len(chains), 100)
    log_likelihood = problem.log_likelihood(draws)
    return dataclasses.replace(
        point, kind="nuts", estimate="sample", draws=draws, log_likelihood=log_likelihood, log_posterior=log_likelihood, restarts=None
    )


@pytest.fixture(scope="module")
def old_faithful() -> tuple[Problem, Fit]:
    problem = Problem(load_built_in("old_faithful"), "gaussian", 3)
    return problem, EM(restarts=40, objective="posterior").fit(problem)


def test_draws_near_an_optimum_are_in_its_basin(old_faithful: tuple[Problem, Fit]) -> None:
    problem, point = old_faithful
    found = optima(problem, point)
    first, second = (optimum.restarts[0] for optimum in found[:2])
    mixed = [drawn(point, [first, first, first, second], problem, seed) for seed in (1, 2)]
    apart = [drawn(point, [first], problem, 3), drawn(point, [second], problem, 4)]
    cell = Cell({}, problem, fits={"em": point, "a": sample_of(point, mixed, problem), "b": sample_of(point, apart, problem)})
    held = basins(cell, {label: optima(problem, fit) for label, fit in cell.fits.items()})
    np.testing.assert_allclose(held["em"]["a"].shares[:2], [0.75, 0.25])
    np.testing.assert_allclose(held["em"]["b"].by_chain[:, :2], np.eye(2))
    verdicts = {(row["method"], row["quantity"]): row["verdict"] for row in agreement_checks(held, ["em"])}
    assert verdicts["a", "basins_disagreement"] == "ok"
    assert verdicts["b", "basins_disagreement"] == "warning"
    rows = list(basin_rows(held))
    assert len(rows) == 2 * 2 * (len(found) + 1)
    for sample in ("a", "b"):
        for chain in (0, 1):
            assert sum(row["share"] for row in rows if (row["method"], row["chain"]) == (sample, chain)) == pytest.approx(1.0)


def test_draws_of_nowhere_are_in_no_listed_basin(old_faithful: tuple[Problem, Fit]) -> None:
    problem, point = old_faithful
    listed = optima(problem, point)[:1]
    others = [optimum.restarts[0] for optimum in optima(problem, point)[1:2]]
    cell = Cell({}, problem, fits={"em": point, "a": sample_of(point, [drawn(point, others, problem)], problem)})
    held = basins(cell, {"em": listed, "a": []})
    np.testing.assert_allclose(held["em"]["a"].shares, [0.0, 1.0])


def test_basins_are_weighed_by_who_can_know(old_faithful: tuple[Problem, Fit]) -> None:
    problem, point = old_faithful
    plain = sample_of(point, [drawn(point, [0], problem)], problem)
    doubtful = dataclasses.replace(plain, kind="smc", evidence=(Evidence("smc", -1.0, 3.0, trusted=False),))
    believed = dataclasses.replace(plain, kind="smc", evidence=(Evidence("smc", -1.0, 0.01),))
    fits = {"nuts": plain, "doubtful": doubtful, "smc": believed, "exact": dataclasses.replace(plain, kind="exact")}
    each = {label: Basins(label, np.ones((1, 1)), 100) for label in fits}
    cell = Cell({}, problem, fits=fits)
    for gone, wanted in (((), "exact"), (("exact",), "smc"), (("exact", "smc"), "nuts"), (("exact", "smc", "nuts"), "doubtful")):
        left = {label: one for label, one in each.items() if label not in gone}
        best = weighing(cell, left)
        assert best is not None
        assert best.sample == wanted
    assert weighing(cell, {}) is None


@pytest.mark.parametrize("draws", [20, 100])
def test_chains_of_one_distribution_seldom_disagree(draws: int) -> None:
    """At most 1 % of such sets of chains: 10 of 1,000 expected, 25 are five standard deviations."""
    rng = np.random.default_rng(draws)
    shares = np.array([0.6, 0.25, 0.1, 0.05])
    sets = rng.multinomial(draws, shares, size=(1000, 4)) / draws
    flags = [one.disagreement > one.resolution for one in (Basins("", by_chain, draws) for by_chain in sets)]
    assert sum(flags) <= 25
