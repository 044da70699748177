"""A replicate of a problem shares its compiled code: replicates of a calibration cost no compile."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from workbench.compare.calibration.replicate import replicate
from workbench.data import Dataset
from workbench.inference.pymc.choices import Likelihood
from workbench.problem import Problem

X = np.random.default_rng(0).normal(size=(12, 3))
HOLES = np.where(np.random.default_rng(1).random(X.shape) < 0.2, np.nan, X)
BITS = (X > 0).astype(float)
WORDS = [["a", "x"], ["b", "y"], ["c", "x"], ["a", "y"], ["b", "x"], ["a", "x"]]

PROBLEMS: dict[str, Callable[[], Problem]] = {
    **{f"gaussian {c}": lambda c=c: Problem(X, "gaussian", 2, covariance=c) for c in ("full", "tied", "diagonal", "spherical")},  # type: ignore[misc]
    "gaussian with holes": lambda: Problem(HOLES, "gaussian", 2),
    "bernoulli with counts": lambda: Problem(Dataset.of(BITS, counts=np.arange(1, 13)), "bernoulli", 2),
    "categorical": lambda: Problem(WORDS, "categorical", 2),
    "poisson": lambda: Problem(np.round(np.abs(4 * X)), "poisson", 3),
}


@pytest.mark.parametrize("likelihood", [None, "graph"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_a_replicate_has_the_shape_that_code_is_compiled_for(name: str, likelihood: Likelihood | None) -> None:
    from workbench.inference.pymc.model import arrays, shape_of

    problem = PROBLEMS[name]()
    for seed in range(3):
        made = replicate(problem, np.random.default_rng(seed))[1]
        assert shape_of(made, likelihood) == shape_of(problem, likelihood)
        assert {name: array.ndim for name, array in arrays(made, likelihood).items()} == {
            name: array.ndim for name, array in arrays(problem, likelihood).items()
        }
        assert made.data.counts.sum() == problem.data.counts.sum()
