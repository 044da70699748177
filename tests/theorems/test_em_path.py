"""The path is the same whether it was kept on the way or run again."""

from __future__ import annotations

import numpy as np
import pytest
from examples import quick

import workbench.inference.em as em
from workbench.data.builtin import load_built_in
from workbench.problem import Problem


@pytest.mark.parametrize("objective", ["likelihood", "posterior"])
def test_kept_and_run_again_are_the_same_bits(objective: str, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Problem(load_built_in("iris"), "gaussian", 3)
    method = em.EM(restarts=30, objective=objective)  # type: ignore[arg-type]
    kept = method.fit(problem, quick(problem)).path
    monkeypatch.setattr("workbench.inference.em.point.PATH_NUMBERS", 100)
    again = method.fit(problem, quick(problem)).path
    assert kept is not None
    assert again is not None
    assert len(set(kept.restart)) == 21
    np.testing.assert_array_equal(kept.restart, again.restart)
    np.testing.assert_array_equal(kept.iteration, again.iteration)
    for name, value in kept.mixture.parameters().items():
        np.testing.assert_array_equal(value, again.mixture.parameters()[name])
