"""The compiled target is the problem's own, for every family, with missing cells, wherever the density is a number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from examples import every_case, mixtures_of, problem_of

from workbench.inference.target import CompiledTarget


@pytest.mark.parametrize("missing", [0.0, 0.3])
@every_case
def test_compiled_target_is_the_problems(name: str, options: dict[str, Any], missing: float) -> None:
    problem = problem_of(name, options, missing)
    target, plain = CompiledTarget.of(problem), problem.target()
    u, _ = mixtures_of(problem, 6)
    values, slopes = target.value_and_gradient(u)
    np.testing.assert_allclose(values, plain.log_density(u), rtol=1e-12)
    np.testing.assert_allclose(target.log_density(u), values, rtol=1e-12)
    expected = plain.gradient(u)
    np.testing.assert_allclose(slopes, expected, rtol=0.0, atol=1e-9 * np.abs(expected).max())
    (log_likelihood, log_prior), _ = target.parts_and_gradients(u)
    np.testing.assert_allclose(log_likelihood, problem.log_likelihood(target.mixture(u)), rtol=1e-12)
    np.testing.assert_allclose(log_likelihood + log_prior, values, rtol=1e-12)


@every_case
def test_points_without_a_density_are_impossible(name: str, options: dict[str, Any]) -> None:
    problem = problem_of(name, options, 0.0)
    target = CompiledTarget.of(problem)
    u, _ = mixtures_of(problem, 3)
    u[0] = np.nan
    values, slopes = target.value_and_gradient(u)
    assert values[0] == -np.inf
    assert (slopes[0] == 0.0).all()
    assert np.isfinite(values[1:]).all()
    np.testing.assert_array_equal(target.log_density(u)[1:], target.log_density(u[1:]))
