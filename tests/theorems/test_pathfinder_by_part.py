"""Pathfinder with ``batch_size``: the part stands for all rows, the coordinates are others of one density, and q is that of all rows."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from examples import every_prior, problem_of

from workbench.data import Dataset
from workbench.data.builtin import load_built_in
from workbench.fit import Status
from workbench.inference.em.begin import begin
from workbench.inference.exact import Exact
from workbench.inference.method import Context
from workbench.inference.pathfinder import Pathfinder
from workbench.inference.pathfinder.part import Rounded, drawn
from workbench.inference.pathfinder.paths import best_on, climbed, fresh_elbo
from workbench.inference.target import CompiledTarget
from workbench.problem import Problem


def without_estimates(problem: Problem) -> Context:
    return dataclasses.replace(Context.default(problem), estimates=False)


def test_the_part_counts_for_all_rows_that_say_something() -> None:
    x = np.array([1.0, 2.0, np.nan, 4.0, 5.0, 6.0, 7.0])
    problem = Problem(dataclasses.replace(Dataset.of(x), counts=np.array([2.0, 1.0, 9.0, 1.0, 4.0, 2.0, 0.0])), n_components=2)
    for seed in range(5):
        part = drawn(problem, 3, seed)
        assert part.data.n_rows == 3
        assert not np.isnan(part.data.x).any()
        assert (part.data.counts > 0.0).all()
        assert part.data.counts.sum() == pytest.approx(10.0)
        assert part.prior is problem.prior
        own = part.data.counts / problem.data.counts[[int(np.flatnonzero(x == value)[0]) for value in part.data.x[:, 0]]]
        np.testing.assert_allclose(own, own[0])
    assert len({tuple(drawn(problem, 3, seed).data.x[:, 0]) for seed in range(5)}) > 1


def test_round_coordinates_are_those_of_the_same_density() -> None:
    target = CompiledTarget.of(Problem(load_built_in("old_faithful"), n_components=2))
    rng = np.random.default_rng(0)
    centre = target.prior.flatten(target.prior.sample(rng, (1,)))[0][0]
    about = Rounded(target, centre, rng.normal(size=(target.dim, target.dim)) / 3.0)
    v = 0.1 * rng.normal(size=(3, target.dim))
    value, slope = about.value_and_gradient(v)
    np.testing.assert_allclose(value, about.log_density(v), rtol=1e-12)
    np.testing.assert_allclose(value - np.linalg.slogdet(about.factor)[1], target.log_density(about.back(v)), rtol=1e-12)
    for step in 1e-5 * np.eye(target.dim)[:4]:
        np.testing.assert_allclose(
            (about.log_density(v + step) - about.log_density(v - step)) / 2e-5, slope @ step / 1e-5, rtol=1e-4, atol=1e-3
        )
    (path,) = climbed(about, v[:1], 10, 1e-6, 50)
    there = best_on(about, path, 10, 4, np.random.default_rng(1))
    back = about.found(there)
    np.testing.assert_allclose(target.value_and_gradient(back.path.u)[0], back.path.value, rtol=1e-12)
    np.testing.assert_allclose(target.value_and_gradient(back.path.u)[1], back.path.slope, rtol=1e-6, atol=1e-6)
    assert there.normal is not None
    assert back.normal is not None
    root = about.factor @ there.normal.root()
    np.testing.assert_allclose(back.normal.root() @ back.normal.root().T, root @ root.T, rtol=1e-8, atol=1e-10)
    elbo = [fresh_elbo(density, q, 4000, np.random.default_rng(2)) for density, q in ((about, there.normal), (target, back.normal))]  # type: ignore[arg-type]
    assert elbo[0] == pytest.approx(elbo[1], abs=1.0)


@every_prior
def test_bounds_are_below_the_exact_evidence(name: str, options: dict[str, Any]) -> None:
    """Every family, both priors, missing cells and rows that count several times, by a part of five rows of seven."""
    problem = problem_of(name, options, 0.2, n_components=2, n_rows=7)
    if Exact(chains=1, draws=2).refuses(problem) is not None:
        problem = problem_of(name, options, 0.0, n_components=2, n_rows=7)
    fit = Pathfinder(restarts=4, draws=1000, batch_size=5).fit(problem, without_estimates(problem))
    assert fit.log_q is not None
    assert fit.restarts is not None
    ratios = (fit.log_posterior - fit.log_q).ravel()
    assert np.isfinite(ratios).all()
    assert fit.restarts.iterations.shape == (4,)
    if Exact(chains=1, draws=2).refuses(problem) is None:
        truth = {each.estimator: each for each in Exact(chains=1, draws=2).fit(problem).evidence}["exact"].log_evidence
        assert ratios.mean() < truth + 3.0 * ratios.std() / math.sqrt(ratios.size)


def test_what_is_found_by_a_part_is_what_all_rows_show() -> None:
    """Three groups that overlap, 3,000 rows: the ELBO is no worse than that of paths on all rows."""
    rng = np.random.default_rng(1)
    means = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]])
    x = means[rng.choice(3, p=[0.5, 0.3, 0.2], size=3000)] + rng.standard_normal((3000, 2)) @ np.array([[1.0, 0.3], [0.0, 0.8]])
    problem = Problem(x, n_components=3)
    found = {}
    for size in (None, 500):
        fit = Pathfinder(restarts=6, batch_size=size).fit(problem, without_estimates(problem))
        assert fit.log_q is not None
        found[size] = float((fit.log_posterior - fit.log_q).mean())
        target = CompiledTarget.of(problem)
        best = np.argmax(fit.restarts.objective)  # type: ignore[union-attr]
        assert np.asarray(target.log_likelihood(fit.restarts.mixture))[best] == pytest.approx(fit.restarts.log_likelihood[best])  # type: ignore[union-attr]
    assert found[500] == pytest.approx(found[None], abs=1.5)
    assert fit.messages[0].startswith("of 6 paths on part of the rows ")
    again = Pathfinder(restarts=6, batch_size=500).fit(problem, without_estimates(problem))
    assert float((again.log_posterior - again.log_q).mean()) == found[500]  # type: ignore[operator]


@pytest.mark.parametrize("size", [None, 40])
def test_a_start_without_a_density_is_one_restart_lost(size: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    problem = Problem(np.concatenate([rng.normal(size=60), rng.normal(size=60) + 6.0]), n_components=2)

    def begun(*arguments: Any) -> tuple[np.ndarray, tuple[str, ...]]:
        u, names = begin(*arguments)
        return (np.where(np.arange(len(u))[:, None] == 1, 1e200, u) if len(u) > 1 else u), names

    monkeypatch.setattr("workbench.inference.pathfinder.begin", begun)
    fit = Pathfinder(restarts=4, draws=100, batch_size=size).fit(problem, without_estimates(problem))
    assert fit.restarts is not None
    assert [np.isfinite(value) for value in fit.restarts.objective] == [True, False, True, True]
    assert fit.restarts.status[1] is Status.NOT_FINITE
    assert fit.status is Status.CONVERGED


def test_parts_that_are_none_are_refused() -> None:
    problem = Problem(np.array([*np.arange(8.0), np.nan]), n_components=3)
    assert Pathfinder(batch_size=8).refuses(problem) == "batch_size: 8 is not below the 8 rows; leave it out, or lower it"
    assert Pathfinder(batch_size=2).refuses(problem) == "batch_size: 2 is below the 3 components; raise it"
    assert Pathfinder(batch_size=4).refuses(problem) is None
