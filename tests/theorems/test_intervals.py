"""Wald intervals: every parameter of every family has a scale; on it no end leaves the parameter space, and small errors give value +- 1.96 sd."""

from __future__ import annotations

from typing import Any

import numpy as np
from examples import every_case, mixtures_of, problem_of

from workbench.compare.intervals import ENDS, QUANTILE, wald
from workbench.models.information import Chart


@every_case
def test_intervals_stay_in_the_parameter_space(name: str, options: dict[str, Any]) -> None:
    """Errors as large as the value: the other limit of each parameter is its bound, whatever it is called in a product."""
    problem = problem_of(name, options, 0.0)
    mixture = mixtures_of(problem, 1)[1].take(0)
    scales = Chart.about(mixture).scales
    assert set(scales) == set(mixture.parameters())
    for parameter, value in mixture.parameters().items():
        lower, upper = wald(scales[parameter], value, np.abs(value))
        levels = value > 0  # what is padding has no interval
        if parameter == "weights" or parameter.startswith("probs"):
            assert ((lower > 0) & (lower < value) & (value < upper) & (upper < 1))[levels].all()
        elif parameter.startswith(("rates", "variances")):
            assert ((lower > 0) & (lower < value) & (value < upper)).all()
        elif parameter.startswith("covariances"):
            own, diagonal = (np.diagonal(array, axis1=-2, axis2=-1) for array in (lower, value))
            assert ((own > 0) & (own < diagonal)).all()
            off = ~np.eye(value.shape[-1], dtype=bool)
            np.testing.assert_allclose((upper - lower)[..., off], 2.0 * QUANTILE * np.abs(value)[..., off])
        else:
            assert parameter.startswith("means")
            np.testing.assert_allclose((upper - lower) / 2.0, QUANTILE * np.abs(value))


def test_small_errors_give_the_symmetric_interval() -> None:
    """The delta method: all scales agree to first order; the next term is at most (1.96 sd)^2 / (2 * 0.2) here, 9.6 sd^2."""
    value = np.array([[0.4, 0.3], [0.2, 0.7]])
    for sd in (1e-3, 1e-4):
        for scale in ENDS:
            lower, upper = wald(scale, value, np.full_like(value, sd))
            np.testing.assert_allclose(lower, value - QUANTILE * sd, rtol=0.0, atol=10.0 * sd**2)
            np.testing.assert_allclose(upper, value + QUANTILE * sd, rtol=0.0, atol=10.0 * sd**2)


def test_no_error_no_interval() -> None:
    for scale in ENDS:
        assert np.isnan(wald(scale, np.full((2, 2), 0.5), np.full((2, 2), np.nan))).all()
