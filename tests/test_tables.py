"""The tables of a fit agree with each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from workbench.compare import tables
from workbench.compare.curvature import curvature
from workbench.compare.evaluation import row_view
from workbench.compare.optima import optima
from workbench.data import Dataset
from workbench.data.builtin import load_built_in
from workbench.inference import EM
from workbench.problem import Problem


@pytest.mark.parametrize(
    ("name", "family", "n_components"), [("iris", "gaussian", 3), ("zoo", "bernoulli", 4), ("galaxies", "gaussian", 1)]
)
def test_restarts_and_optima_tell_one_story(name: str, family: str, n_components: int) -> None:
    problem = Problem(load_built_in(name), family, n_components)
    fit = EM(restarts=60).fit(problem)
    found = optima(problem, fit)
    restarts = list(tables.restart_rows("em", fit, found))
    ends = list(tables.optimum_rows("em", problem, fit, found, curvature(problem, fit, found)))
    ran = Counter(row["optimum"] for row in restarts)
    assert [row["optimum"] for row in ends] == list(range(len(ends)))
    assert {row["optimum"]: row["restarts"] for row in ends} == dict(ran)
    assert sum(row["share"] for row in ends) == pytest.approx(1.0)
    regular = [row for row in ends if not (row["singular"] or row["spurious"])]
    assert ends[: len(regular)] == regular
    assert regular[0]["gap"] == 0.0
    assert regular[0]["log_likelihood"] == pytest.approx(fit.log_likelihood.item(), rel=1e-12)
    assert all(row["log_likelihood"] == pytest.approx(row["objective"], rel=1e-9) for row in regular)


def test_the_polished_end_of_a_restart_is_its_optimums() -> None:
    """With split-and-merge moves after it, far from where the restart stopped."""
    problem = Problem(load_built_in("old_faithful"), "gaussian", 3)
    fit = EM(restarts=20, split_merge=3).fit(problem)
    found = optima(problem, fit)
    rows = list(tables.restart_rows("em", fit, found))
    for row in rows:
        assert row["polished_objective"] == pytest.approx(found[row["optimum"]].objective, abs=1e-6 * problem.data.n_rows)
    assert max(row["polished_objective"] - row["objective"] for row in rows) > 1.0


def rows_of(blocks: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    """Blocks of rows as rows."""
    found = []
    for block in blocks:
        arrays = {name: value for name, value in block.items() if isinstance(value, np.ndarray)}
        for values in zip(*(array.tolist() for array in arrays.values()), strict=True):
            found.append({**block, **dict(zip(arrays, values, strict=True))})
    return found


def test_last_trace_row_is_the_restarts_objective() -> None:
    problem = Problem(load_built_in("old_faithful"), "gaussian", 2)
    fit = EM(restarts=10, objective="posterior").fit(problem)
    last = {row["restart"]: row["objective"] for row in rows_of(tables.trace_rows("em", fit)) if row["objective_name"] == "log_posterior"}
    for row in tables.restart_rows("em", fit, optima(problem, fit)):
        assert last[row["restart"]] == row["objective"]
    assert {row["objective_name"] for row in rows_of(tables.trace_rows("em", fit))} == {"log_posterior", "log_likelihood"}


def test_path_ends_where_the_reported_restart_stopped() -> None:
    problem = Problem(load_built_in("old_faithful"), "gaussian", 2)
    fit = EM(restarts=30).fit(problem)
    assert fit.restarts is not None
    rows = rows_of(tables.path_rows("em", problem, fit.path))
    assert len({row["restart"] for row in rows}) == 21
    last = max(row["iteration"] for row in rows if row["restart"] == fit.reported)
    assert last == fit.restarts.iterations[fit.reported]
    ended = {
        (row["parameter"], row["component"], row["feature"], row["feature_2"]): row["value"]
        for row in rows
        if row["restart"] == fit.reported and row["iteration"] == last
    }
    stopped = fit.restarts.mixture
    assert stopped is not None
    for row in tables.entries(problem, stopped.take(fit.reported)):
        assert ended[row["parameter"], row["component"], row["feature"], row["feature_2"]] == row["value"]


def test_rows_keep_the_users_names() -> None:
    data = load_built_in("old_faithful")
    named = Dataset.of(data.x, data.features, ids=[f"eruption {i}" for i in range(data.n_rows)]).take([5, 2, 7, 100, 200, 201, 202, 203])
    problem = Problem(named, "gaussian", 2)
    fit = EM(restarts=10, objective="posterior").fit(problem)
    view = row_view(problem, fit)
    assert view is not None
    rows = rows_of(tables.assignment_rows("em", problem, view))
    assert [row["id"] for row in rows[:3]] == ["eruption 5", "eruption 2", "eruption 7"]
    assert [row["row"] for row in rows[:3]] == [5, 2, 7]
    parts = list(tables.component_rows("em", problem, fit.mixture.weights, view))
    assert sum(part["rows_assigned"] for part in parts) == 8
    assert sum(part["count"] for part in parts) == pytest.approx(8.0)
    shares = rows_of(tables.responsibility_rows("em", problem, view))
    assert sum(row["mean"] for row in shares) == pytest.approx(8.0)
    assert all(row["sd"] is None for row in shares)
