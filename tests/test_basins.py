"""Basins of draws: what belongs to an optimum is what EM takes there, and chains that stay apart are told from those that mix."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from workbench.compare.basins import Basins, agreement_checks, basin_rows, basins, more_starts, weighing
from workbench.compare.cell import Cell
from workbench.compare.optima import Optimum, optima
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
    verdicts = {(row["method"], row["quantity"]): row["verdict"] for row in agreement_checks(held, cell.fits)}
    assert verdicts["a", "basins_disagreement"] == "ok"
    assert verdicts["b", "basins_disagreement"] == "warning"
    rows = list(basin_rows(held))
    assert len(rows) == 2 * 2 * (len(found) + 1)
    for sample in ("a", "b"):
        for chain in (0, 1):
            assert sum(row["share"] for row in rows if (row["method"], row["chain"]) == (sample, chain)) == pytest.approx(1.0)


def missing(old_faithful: tuple[Problem, Fit], listed: slice, near: int) -> tuple[Cell, dict[str, dict[str, Basins]], list[Optimum]]:
    """Draws near one optimum of EM whose restarts are said to have found others only."""
    problem, point = old_faithful
    every = optima(problem, point)
    centre = every[near].restarts[0]
    cell = Cell({}, problem, fits={"em": point, "a": sample_of(point, [drawn(point, [centre], problem, seed) for seed in (1, 2)], problem)})
    return cell, basins(cell, {"em": every[listed], "a": []}), every


def verdicts_of(cell: Cell, held: dict[str, dict[str, Basins]]) -> dict[str, dict[str, Any]]:
    return {row["quantity"]: row for row in agreement_checks(held, cell.fits)}


def test_an_optimum_that_restarts_missed_is_a_place_of_its_own(old_faithful: tuple[Problem, Fit]) -> None:
    cell, held, every = missing(old_faithful, slice(0, 1), near=1)
    each = held["em"]["a"]
    np.testing.assert_allclose(each.shares, [0.0, 1.0, 0.0])
    np.testing.assert_allclose(each.objectives, [every[0].objective, every[1].objective])
    assert each.disagreement == 0.0
    last = list(basin_rows(held))[1]
    assert (last["optimum"], last["missed"], last["objective"]) == (None, 0, pytest.approx(every[1].objective))
    rows = verdicts_of(cell, held)
    assert (rows["basins_elsewhere"]["verdict"], rows["basins_elsewhere"]["value"]) == ("warning", "1")
    assert rows["basins_elsewhere"]["advice"] == "raise restarts of em, or give it init: prior or split_merge: 5"
    assert rows["basins_above_best"]["verdict"] == "ok"


def test_an_optimum_above_the_best_that_restarts_found_is_a_warning(old_faithful: tuple[Problem, Fit]) -> None:
    cell, held, every = missing(old_faithful, slice(1, 2), near=0)
    gap = every[0].objective - every[1].objective
    assert held["em"]["a"].above_best == pytest.approx(gap)
    above = verdicts_of(cell, held)["basins_above_best"]
    assert (above["verdict"], float(above["value"])) == ("warning", pytest.approx(gap, rel=1e-4))


def test_draws_of_found_basins_are_no_warning(old_faithful: tuple[Problem, Fit]) -> None:
    cell, held, _ = missing(old_faithful, slice(None), near=0)
    rows = verdicts_of(cell, held)
    assert {rows[quantity]["verdict"] for quantity in ("basins_elsewhere", "basins_above_best", "basins_disagreement")} == {"ok"}


def test_chains_in_different_missed_optima_disagree(old_faithful: tuple[Problem, Fit]) -> None:
    problem, point = old_faithful
    every = optima(problem, point)
    chains = [drawn(point, [every[i].restarts[0]], problem) for i in (1, 2)]
    cell = Cell({}, problem, fits={"em": point, "a": sample_of(point, chains, problem)})
    held = basins(cell, {"em": every[:1], "a": []})
    assert verdicts_of(cell, held)["basins_disagreement"]["verdict"] == "warning"


@pytest.mark.parametrize(
    ("options", "ways"),
    [
        ({"init": "mixed", "split_merge": 0}, "raise restarts of em, or give it init: prior or split_merge: 5"),
        ({"init": "prior", "split_merge": 5}, "raise restarts of em, or give it split_merge: 10"),
        ({"init": "mixed"}, "raise restarts of em, or give it init: prior"),
        ({"init": {"weights": [0.2, 0.3, 0.5]}, "split_merge": 0}, "give em init: prior or split_merge: 5"),
    ],
)
def test_advice_names_options_that_the_method_has(old_faithful: tuple[Problem, Fit], options: dict[str, Any], ways: str) -> None:
    _, point = old_faithful
    assert more_starts("em", dataclasses.replace(point, options=options)) == ways


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


def test_who_disagrees_or_is_doubted_weighs_nothing(old_faithful: tuple[Problem, Fit]) -> None:
    problem, point = old_faithful
    plain = sample_of(point, [drawn(point, [0], problem)], problem)
    believed = dataclasses.replace(plain, kind="smc", evidence=(Evidence("smc", -1.0, 0.01),))
    cell = Cell({}, problem, fits={"nuts": plain, "gibbs": plain, "smc": believed})
    stuck, mixed, other = np.eye(3)[:2], np.tile([0.5, 0.5, 0.0], (2, 1)), np.tile([0.9, 0.1, 0.0], (2, 1))

    def told(doubted: tuple[str, ...] = (), **chains: np.ndarray) -> str:
        each = weighing(cell, {label: Basins(label, by_chain, 100) for label, by_chain in chains.items()}, doubted)
        return "" if each is None else each.sample

    assert told(nuts=stuck, gibbs=mixed) == "gibbs"
    assert told(nuts=stuck) == ""
    assert told(("nuts",), nuts=mixed, gibbs=mixed) == "gibbs"
    assert told(("nuts", "gibbs"), nuts=mixed, gibbs=mixed) == ""
    assert told(nuts=mixed, gibbs=other) == ""  # who is right cannot be known
    assert told(nuts=mixed, smc=stuck) == ""  # nor do chains know better than islands that are apart
    assert told(("smc",), nuts=mixed, smc=other) == "smc"  # islands are judged by their evidence


@pytest.mark.parametrize("draws", [20, 100])
def test_chains_of_one_distribution_seldom_disagree(draws: int) -> None:
    """At most 1 % of such sets of chains: 10 of 1,000 expected, 25 are five standard deviations."""
    rng = np.random.default_rng(draws)
    shares = np.array([0.6, 0.25, 0.1, 0.05])
    sets = rng.multinomial(draws, shares, size=(1000, 4)) / draws
    flags = [one.disagreement > one.resolution for one in (Basins("", by_chain, draws) for by_chain in sets)]
    assert sum(flags) <= 25
