"""Stephens' (2000) relabelling: what it minimises, that it ends at a minimum, and what it makes of planted permutations."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from examples import quick

from workbench.compare import relabelling
from workbench.compare.cell import Cell
from workbench.compare.evaluation import entropy_of, row_view
from workbench.compare.relabelling import Shares, stephens
from workbench.compare.settled import settle
from workbench.data.builtin import load_built_in
from workbench.experiment.config import load
from workbench.experiment.mistakes import ConfigError
from workbench.fit import Fit
from workbench.inference import EM, Context, Gibbs
from workbench.models.mixture import stacked
from workbench.problem import Problem
from workbench.runs import Run, run


@pytest.fixture(scope="module")
def overlapping() -> tuple[Problem, Fit]:
    """Galaxies, K = 6, whose components overlap and whose labels Gibbs' draws permute."""
    problem = Problem(load_built_in("galaxies"), "gaussian", 6)
    return problem, Gibbs(chains=2, draws=150, tune=150).fit(problem, Context.default(problem, 3))


def losses(shares: list[np.ndarray], orders: Any, counts: np.ndarray) -> float:
    """sum_s sum_n c_n KL(r_sn || q_n) by the formula itself."""
    turned = np.stack([share[:, order] for share, order in zip(shares, orders, strict=True)])
    q = turned.mean(axis=0)
    with np.errstate(all="ignore"):
        terms = np.where(turned > 0, turned * np.log(turned / q), 0.0)
    return float((terms.sum(axis=(0, 2)) * counts).sum())


def test_no_draw_alone_can_be_relabelled_any_better(overlapping: tuple[Problem, Fit]) -> None:
    problem, fit = overlapping
    assert fit.draws is not None
    draws, counts = fit.draws.reshaped(300).take(slice(None, None, 25)), problem.data.counts
    shares = Shares.of(draws, problem.data.x, again=True)
    own = np.concatenate([each for _, each in shares.blocks()])
    orders = stephens(shares, own[0], counts)
    q = np.mean([share[:, order] for share, order in zip(own, orders, strict=True)], axis=0)
    for share, order in zip(own, orders, strict=True):
        costs = {each: -(counts[:, None] * share[:, each] * np.log(q)).sum() for each in itertools.permutations(range(6))}
        assert costs[tuple(order)] <= min(costs.values()) + 1e-9


def test_the_loss_is_stephens_and_lower_than_after_assignment(overlapping: tuple[Problem, Fit]) -> None:
    problem, fit = overlapping
    views = {rule: row_view(problem, fit, relabelling=rule) for rule in ("assignment", "stephens")}  # type: ignore[arg-type]
    assert fit.draws is not None
    shares = [fit.draws.reshaped(300).take(s).responsibilities(problem.data.x) for s in range(300)]
    found = {}
    for rule, view in views.items():
        assert view is not None
        found[rule] = losses(shares, view.permutations, problem.data.counts) / 300
        assert view.loss == pytest.approx(found[rule], rel=1e-9)
        assert (np.sort(view.permutations, axis=1) == np.arange(6)).all()
    assert found["stephens"] < found["assignment"] - 0.1


def test_few_draws_are_relabelled_as_enumeration_says() -> None:
    """Five draws, two components: of all 16 relabellings, up to one of the whole, the best."""
    rng = np.random.default_rng(2)
    problem = Problem(rng.normal(size=(12, 1)), "gaussian", 2)
    assert problem.prior is not None
    draws = problem.prior.posterior(
        EM(restarts=3, objective="posterior").fit(problem, quick(problem)).mixture.statistics(problem.data.x)
    ).sample(rng, (5,))
    counts = rng.integers(1, 4, size=12).astype(float)
    shares = Shares.of(draws, problem.data.x, again=False)
    own = np.concatenate([each for _, each in shares.blocks()])
    best = min(losses(own, orders, counts) for orders in itertools.product(itertools.permutations(range(2)), repeat=5))
    starts = [own[s][:, order] for s in range(5) for order in ([0, 1], [1, 0])]
    assert min(losses(own, stephens(shares, start, counts), counts) for start in starts) == pytest.approx(best, rel=1e-12)


@pytest.mark.parametrize("rule", ["assignment", "stephens"])
def test_planted_permutations_are_undone_where_components_lie_apart(rule: Any) -> None:
    """Both rules give each draw's permutation back, and each draw counts for as much as it did."""
    rng = np.random.default_rng(0)
    problem = Problem(load_built_in("old_faithful_missing"), "gaussian", 2)
    fit = EM(restarts=20, objective="posterior").fit(problem, quick(problem))
    orders = np.stack([rng.permutation(2) for _ in range(40)])
    planted = stacked([fit.mixture.relabelled(order) for order in orders]).reshaped(1, 40)
    sample = dataclasses.replace(fit, estimate="sample", draws=planted, log_likelihood=np.full((1, 40), fit.log_likelihood.item()))
    reference = fit.mixture.responsibilities(problem.data.x)
    view = row_view(problem, sample, reference, rule)
    assert view is not None
    np.testing.assert_array_equal(np.take_along_axis(orders, view.permutations, axis=1), np.tile([0, 1], (40, 1)))
    assert view.loss < 1e-9
    np.testing.assert_allclose(view.mean, reference, atol=1e-12)


def test_what_is_not_held_is_worked_out_again(overlapping: tuple[Problem, Fit], monkeypatch: pytest.MonkeyPatch) -> None:
    problem, fit = overlapping
    held = row_view(problem, fit, relabelling="stephens")
    monkeypatch.setattr(relabelling, "HELD", 0)
    assert fit.draws is not None
    assert Shares.of(fit.draws.reshaped(300), problem.data.x, again=True).held is None
    again = row_view(problem, fit, relabelling="stephens")
    assert held is not None
    assert again is not None
    np.testing.assert_array_equal(held.permutations, again.permutations)
    np.testing.assert_array_equal(held.mean, again.mean)


def test_one_component_and_a_point_have_nothing_to_relabel() -> None:
    for count in (1, 3):
        problem = Problem(load_built_in("galaxies"), "gaussian", count)
        fit = EM(restarts=5, objective="posterior").fit(problem, quick(problem))
        settled = {rule: settle(Cell({}, problem, fits={"em": fit}, relabelling=rule))["em"].rows for rule in ("assignment", "stephens")}  # type: ignore[arg-type]
        np.testing.assert_array_equal(settled["assignment"].permutations, settled["stephens"].permutations)
        assert settled["stephens"].loss == pytest.approx(0.0, abs=1e-9)


def test_entropy_of_certain_and_even_rows() -> None:
    assert entropy_of(np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([5.0, 2.0])) == pytest.approx(2.0 * np.log(2.0))


def test_a_run_is_relabelled_anew_without_a_fit(tmp_path: Path) -> None:
    """The rule is of the tables, not of the fits; labels of the rows to be predicted follow it."""
    config = {
        "data": "galaxies",
        "model": {"n_components": 6},
        "methods": {"gibbs": {"chains": 2, "draws": 100, "tune": 100}},
        "report": False,
    }
    first = run(config, tmp_path).tables["diagnostics"].set_index("quantity")["value"]
    written = (tmp_path / "fits" / "gibbs.nc").stat().st_mtime_ns
    second = run({**config, "relabelling": "stephens"}, tmp_path).tables["diagnostics"].set_index("quantity")["value"]
    assert (tmp_path / "fits" / "gibbs.nc").stat().st_mtime_ns == written
    assert float(second["relabelling_loss"]) < float(first["relabelling_loss"])
    assert first["rhat_parameters_as_drawn"] == second["rhat_parameters_as_drawn"]
    assert "relabelling: stephens" in (tmp_path / "config.yaml").read_text()
    table = Run.open(tmp_path).tables["responsibilities"].pivot_table(index="row", columns="component", values="mean").to_numpy()
    told = Run.open(tmp_path).predict(load_built_in("galaxies").x)[[f"responsibility_{k}" for k in range(6)]].to_numpy()
    np.testing.assert_allclose(told, table, atol=1e-9)


def test_an_unknown_rule_is_answered() -> None:
    good = {"data": "galaxies", "model": {"n_components": 2}, "methods": ["gibbs"]}
    with pytest.raises(ConfigError, match="relabelling: there is no stephen; did you mean stephens"):
        load({**good, "relabelling": "stephen"})
    with pytest.raises(ConfigError, match="label_switching: unknown key; here it is called relabelling"):
        load({**good, "label_switching": "stephens"})
