"""An updated prior is a chart of the same parameters: in its own coordinates its components are standard variates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from examples import every_prior, mixtures_of, problem_of

STEP = 1e-6


def differences(function: Callable[[np.ndarray], np.ndarray], v: np.ndarray) -> np.ndarray:
    """Central differences (point, *values, dim)."""
    pairs = ((function(v + STEP * e), function(v - STEP * e)) for e in np.eye(v.shape[-1]))
    return np.stack([(up - down) / (2.0 * STEP) for up, down in pairs], axis=-1)


@pytest.mark.parametrize("missing", [0.0, 0.3])
@every_prior
def test_updated_prior_is_a_chart(name: str, options: dict[str, Any], missing: float) -> None:
    problem = problem_of(name, options, missing)
    assert problem.prior is not None
    u, mixtures = mixtures_of(problem, 5)
    statistics = [mixtures.take(i).statistics(problem.data.x, problem.data.counts) for i in (0, 1)]
    updated = problem.prior.posterior(statistics[0])

    v, log_jacobian = updated.flatten(mixtures)
    again, same = updated.unflatten(v)
    np.testing.assert_allclose(same, log_jacobian, rtol=1e-12)
    for mine, theirs in zip(again.parameters().values(), mixtures.parameters().values(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12)

    # From one chart to the other the volume changes by the ratio of their Jacobians.
    turned = differences(lambda at: updated.flatten(problem.prior.unflatten(at)[0])[0], u)
    volume = np.linalg.slogdet(turned)[1]
    np.testing.assert_allclose(problem.prior.unflatten(u)[1] - log_jacobian, volume, rtol=0.0, atol=1e-5)

    slopes = (
        (lambda at: updated.log_density(updated.unflatten(at)[0]), updated.log_density_slope(v)),
        (lambda at: updated.unflatten(at)[1], updated.log_jacobian_slope(v)),
        (lambda at: updated.unflatten(at)[0].terms().expected(statistics[1]), updated.slope(v, statistics[1])),
    )
    for function, slope in slopes:
        np.testing.assert_allclose(slope, differences(function, v), rtol=1e-5, atol=1e-5 * (1.0 + np.abs(slope).max()))
