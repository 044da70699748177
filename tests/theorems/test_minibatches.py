"""Parts of the rows that stand for all of them: their log likelihood and its gradient are, in the mean, those of all rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from examples import every_case, mixtures_of, problem_of

from workbench.fit import Status
from workbench.inference.pymc import ADVI
from workbench.inference.pymc.ascent import Ascent
from workbench.inference.pymc.minibatch import _standing_for_all
from workbench.inference.pymc.step import Gaussian
from workbench.inference.target import CompiledTarget
from workbench.problem import Problem


@every_case
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_the_mean_over_parts_is_the_whole(name: str, options: dict[str, Any], missing: float) -> None:
    """With counts; the prior is one and counts once in each."""
    problem = problem_of(name, options, missing)
    u, _ = mixtures_of(problem, 3)
    parts = np.array_split(np.random.default_rng(0).permutation(problem.data.n_rows), 7)
    each = [CompiledTarget.of(_standing_for_all(problem, np.sort(rows), len(parts))).value_and_gradient(u) for rows in parts]
    value, gradient = CompiledTarget.of(problem).value_and_gradient(u)
    np.testing.assert_allclose(np.mean([found[0] for found in each], axis=0), value, rtol=1e-11)
    np.testing.assert_allclose(np.mean([found[1] for found in each], axis=0), gradient, rtol=1e-8, atol=1e-8)


def test_a_batch_of_all_rows_is_refused() -> None:
    problem = Problem(np.arange(8.0), n_components=2)
    assert ADVI(batch_size=8).refuses(problem) == "batch_size: 8 is not below the 8 rows; leave it out, or lower it"
    assert ADVI(batch_size=4).refuses(problem) is None


def test_a_verdict_gives_an_error_only_where_there_is_one() -> None:
    """By minibatches every window is judged with the same noise: a standard error of 0 would be a lie."""
    none, q = np.zeros(0), Gaussian(np.zeros(1), np.eye(1))
    for error, end in ((0.25, "-3.00 (standard error 0.25)"), (np.nan, "-4.00, -3.00")):
        windows = ((0.1, -9.0, error), (0.01, -4.0, error), (0.01, -3.0, error))
        verdict = Ascent(q, Status.CONVERGED, none, none, none, windows).verdict
        assert verdict.startswith("ELBO of the last windows, at the rate 0.01: -4.00")
        assert verdict.endswith(end)
