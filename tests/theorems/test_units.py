"""The same rows in other units meet the same starts and end at the same optima, shifted by the Jacobian, restart by restart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from workbench.data import Dataset
from workbench.data.builtin import load_built_in
from workbench.experiment.config import load
from workbench.experiment.plan import plan, start_seed
from workbench.inference import EM, Context
from workbench.problem import Problem

FAITHFUL = load_built_in("old_faithful")
UNITS = pytest.mark.parametrize("units", [np.array([1e-4, 1e-4]), np.array([1.0, 1e6])], ids=["small", "waiting"])


def in_units(units: np.ndarray) -> Dataset:
    return Dataset.of(FAITHFUL.x * units, FAITHFUL.features)


@UNITS
@pytest.mark.parametrize("init", ["mixed", "kmeans++", "em_short"])
def test_every_restart_ends_where_it_did(units: np.ndarray, init: Any) -> None:
    ends = []
    for data in (FAITHFUL, in_units(units)):
        problem = Problem(data, "gaussian", 3)
        context = Context.default(problem)
        found = EM(restarts=6, init=init).fit(problem, Context(context.start_seed, context.noise_seed, estimates=False)).restarts
        assert found is not None
        assert found.polished_objective is not None
        ends.append(found)
    np.testing.assert_array_equal(ends[0].start_seed, ends[1].start_seed)
    np.testing.assert_array_equal(ends[0].singular, ends[1].singular)
    regular = ~np.asarray(ends[0].singular)
    assert regular.any()
    jacobian = FAITHFUL.n_rows * np.log(units).sum()
    np.testing.assert_allclose(ends[1].polished_objective[regular] + jacobian, ends[0].polished_objective[regular], atol=1e-6)


@UNITS
def test_a_run_starts_and_splits_rows_alike_whatever_the_units(units: np.ndarray) -> None:
    runs = [
        load({"data": {"frame": data, "held_out": 0.2}, "model": {"n_components": 2}, "methods": ["em"]})
        for data in (FAITHFUL, in_units(units))
    ]
    rows = [run.cells()[0].problem.data.rows for run in runs]
    np.testing.assert_array_equal(*rows)
    one, other = (plan(run)[0] for run in runs)
    assert [start_seed(one, i) for i in range(3)] == [start_seed(other, i) for i in range(3)]
    assert one.key != other.key


def test_other_data_have_other_starts() -> None:
    """Rows in another order, a cell that is empty, other counts, another name: whatever is not the units."""
    x = np.array([[1.0, 4.0], [2.0, 4.0], [3.0, 5.0]])
    empty = np.where(np.arange(6).reshape(3, 2) == 3, np.nan, x)
    others = [Dataset.of(each) for each in (x, x[::-1], x * [1.0, -1.0], empty, x[:2])]
    others += [Dataset.of(x, counts=[1, 1, 2]), Dataset.of(x, ["a", "b"])]
    assert len({data.order for data in others}) == len(others)
    assert Dataset.of(x * [1e-300, 1e300] + 0.0).order == others[0].order
