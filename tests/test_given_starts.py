"""Given starts: what is outside the parameter space is named, with its component and feature, and how places are counted."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.inference import EM
from workbench.problem import Problem

REAL = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 2)), columns=["a", "b"])
BINARY = (REAL > 0).astype(float)
WORDS = pd.DataFrame({"sex": ["f", "m"] * 10, "class": ["1st", "2nd", "3rd", "crew"] * 5})
MEANS = [[0.0, 0.0], [1.0, 1.0]]
EYE = [[1.0, 0.0], [0.0, 1.0]]
INDEFINITE = [[1.0, 2.0], [2.0, 1.0]]
SEX, CLASS = [0.5, 0.5, 0.0, 0.0], [0.25] * 4
BLOCKS = {"gaussian": ["a"], "poisson": ["n"]}
HALVES = {"weights": [0.5, 0.5]}


@pytest.mark.parametrize(
    ("data", "family", "options", "start", "words"),
    [
        (
            REAL,
            "gaussian",
            {},
            {"means": MEANS, "covariances": [EYE, INDEFINITE]},
            "covariances[1] (component 1; counted from 0) is not positive definite: its smallest eigenvalue is -1; give covariance matrices",
        ),
        (
            REAL,
            "gaussian",
            {"covariance": "tied"},
            {"means": MEANS, "covariances": INDEFINITE},
            "covariances is not positive definite: its smallest eigenvalue is -1",
        ),
        (
            REAL,
            "gaussian",
            {"covariance": "diagonal"},
            {"means": MEANS, "variances": [[1, 1], [1, -2]]},
            "variances[1, 1] (component 1, feature 'b'; counted from 0) is -2; give variances above 0",
        ),
        (
            REAL,
            "gaussian",
            {"covariance": "spherical"},
            {"means": MEANS, "variances": [0, 1]},
            "variances[0] (component 0; counted from 0) is 0; give variances above 0",
        ),
        (
            BINARY,
            "bernoulli",
            {},
            {"probs": [[0.5, 0.5], [0.5, 1.5]]},
            "probs[1, 1] (component 1, feature 'b'; counted from 0) is 1.5; give probabilities from 0 to 1",
        ),
        (
            WORDS,
            "categorical",
            {},
            {"probs": [[SEX, CLASS], [[1.5, -0.5, 0.0, 0.0], CLASS]]},
            "probs[1, 0, 0] (component 1, feature 'sex', level 'f'; counted from 0) is 1.5",
        ),
        (BINARY, "poisson", {}, {"rates": [[1, -1], [2, 2]]}, "rates[0, 1] (component 0, feature 'b'; counted from 0) is -1; give rates"),
        (BINARY, "poisson", {}, {"weights": [1.5, -0.5], "rates": [[1, 1], [2, 2]]}, "weights[1] (component 1; counted from 0) is -0.5"),
        (
            REAL[["a"]].assign(n=1.0),
            "product",
            {"blocks": BLOCKS},
            {"means": [[0.0], [1.0]], "covariances": [[[1.0]], [[-1.0]]], "rates": [[1.0], [2.0]]},
            "covariances[1] (component 1; counted from 0) is not positive definite",
        ),
        (
            REAL[["a"]].assign(n=1.0),
            "product",
            {"blocks": BLOCKS},
            {"means": [[0.0], [1.0]], "covariances": [[[1.0]], [[1.0]]], "rates": [[1.0], [-2.0]]},
            "rates[1, 0] (component 1, feature 'n'; counted from 0) is -2",
        ),
    ],
)
def test_what_is_outside_is_named(data: Any, family: str, options: dict[str, Any], start: dict[str, Any], words: str) -> None:
    problem = Problem(data, family, 2, **options)
    with pytest.raises(ValueError, match="^in the start that init gives, " + re.escape(words)):
        EM(restarts=1, init=HALVES | start).fit(problem)


def test_boundaries_are_inside() -> None:
    """A probability, a rate, a weight of 0 is a start, as long as every row has a density."""
    problem = Problem(BINARY, "bernoulli", 2)
    assert EM(restarts=1, init={"weights": [1.0, 0.0], "probs": [[0.5, 0.5], [0.0, 1.0]]}).refuses(problem) is None
    no_density = EM(restarts=1, init={"weights": [1.0, 0.0], "probs": [[0.0, 0.5], [0.0, 1.0]]}).refuses(problem)
    assert no_density is not None
    assert "gives some row no density" in no_density
