"""In Python, as in a config, an impossible hyperparameter is named."""

from __future__ import annotations

import pickle
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.fit import Status
from workbench.inference import EM
from workbench.models import PriorError
from workbench.problem import Problem, ProblemError

REAL = np.random.default_rng(0).normal(size=(20, 2))
BINARY = (REAL > 0).astype(float)
WORDS = pd.DataFrame({"sex": ["f", "m"] * 10, "class": ["1st", "2nd", "3rd", "crew"] * 5})
MIXED = pd.DataFrame({"a": REAL[:, 0], "b": BINARY[:, 1]})
BLOCKS = {"gaussian": ["a"], "bernoulli": ["b"]}


@pytest.mark.parametrize(
    ("data", "family", "options", "prior", "words"),
    [
        (REAL, "gaussian", {}, {"mean_strength": 0}, "prior.mean_strength is 0.0; every entry must be above 0"),
        (REAL, "gaussian", {}, {"dof": 1.0}, "prior.dof is 1.0; every entry must be above 1"),
        (REAL, "gaussian", {}, {"mean": [1, 2, 3]}, "prior.mean is [1, 2, 3]; give a number, or a list of 2"),
        (
            REAL,
            "gaussian",
            {},
            {"scale": [[1, 2], [2, 1]]},
            "prior.scale is not positive definite: its smallest eigenvalue is -1; give rows",
        ),
        (
            REAL,
            "gaussian",
            {},
            {"scale": [[1, 0], [2, 9]]},
            "prior.scale is not symmetric: row 0, column 1 (counted from 0) is 0, and row 1,",
        ),
        (REAL, "gaussian", {"covariance": "diagonal"}, {"scale": -1}, "prior.scale is -1.0"),
        (REAL, "gaussian", {}, {"concentration": "flat"}, "prior.concentration is 'flat'"),
        (
            REAL,
            "gaussian",
            {},
            {"mean_strenght": 1},
            "prior.mean_strenght is not a hyperparameter of gaussian; did you mean mean_strength?",
        ),
        (BINARY, "bernoulli", {}, {"a": np.nan}, "prior.a is nan; give finite numbers"),
        (BINARY, "poisson", {}, {"rate": 0.0}, "prior.rate is 0.0"),
        (WORDS, "categorical", {}, {"alpha": [1, 2, 3]}, "prior.alpha has 3 entries for 2 features"),
        (WORDS, "categorical", {}, {"alpha": [[1, 2], [1, 0, 1, 1]]}, "prior.alpha for class is [1, 0, 1, 1]; every entry must be above 0"),
        (WORDS, "categorical", {}, {"alpha": [[1, 2], [1, 1]]}, "prior.alpha for class is [1, 1]; give a number, or a list of 4"),
        (MIXED, "product", {"blocks": BLOCKS}, {"gaussian": {"dof": -1}}, "prior.gaussian.dof is -1.0"),
        (MIXED, "product", {"blocks": BLOCKS}, {"gaussian": 3}, "prior.gaussian is 3; give hyperparameters by name"),
        (MIXED, "product", {"blocks": BLOCKS}, {"bernoulli": {"c": 1}}, "prior.bernoulli.c is not a hyperparameter of bernoulli"),
    ],
)
def test_it_is_named(data: Any, family: str, options: dict[str, Any], prior: dict[str, Any], words: str) -> None:
    with pytest.raises(PriorError, match="^" + re.escape(words)) as caught:
        Problem(data, family, 2, prior=prior, **options)
    again = pickle.loads(pickle.dumps(caught.value))  # as it comes back from another process
    assert (str(again), again.key, again.what) == (str(caught.value), caught.value.key, caught.value.what)


def test_one_that_the_data_have_no_default_of_names_none() -> None:
    with pytest.raises(PriorError, match=r"^no default prior: column b is constant") as caught:
        Problem(pd.DataFrame({"a": REAL[:, 0], "b": 1.0}), "gaussian", 2, prior={"dof": 5.0})
    assert caught.value.key is None


@pytest.mark.parametrize("prior", ["defualt", ["dof"], 3])
def test_a_prior_that_is_none_is_told(prior: Any) -> None:
    with pytest.raises(ProblemError, match=re.escape(f"prior is {prior!r}; give 'default', hyperparameters by name")):
        Problem(REAL, "gaussian", 2, prior=prior)


CONSTANT = pd.DataFrame({"a": REAL[:, 0], "b": 1.0})
NOTHING = pd.DataFrame({"a": [0] * 20, "b": [1] * 20})
TWO_BLOCKS = {"blocks": {"gaussian": {"columns": ["a", "b"], "covariance": "diagonal"}, "poisson": ["c"]}}


@pytest.mark.parametrize(
    ("data", "family", "options", "lacking", "enough"),
    [
        (CONSTANT, "gaussian", {}, [{"mean": 0.0, "dof": 5.0}, "scale"], {"scale": [[1.0, 0.0], [0.0, 1.0]]}),
        (
            CONSTANT,
            "gaussian",
            {"covariance": "diagonal"},
            [{"kind": "independent"}, "mean_covariance, scale"],
            {"kind": "independent", "mean_covariance": 9.0, "scale": 1.0},
        ),
        (NOTHING, "poisson", {}, [{"shape": 2.0}, "rate"], {"rate": 1.0}),
        (
            CONSTANT.assign(c=0),
            "product",
            TWO_BLOCKS,
            [{"gaussian": {"scale": 1.0}}, "poisson.rate"],
            {"gaussian": {"scale": 1.0}, "poisson": {"rate": 1.0}},
        ),
    ],
)
def test_what_needs_regular_data_is_asked_for_and_nothing_else(
    data: pd.DataFrame, family: str, options: dict[str, Any], lacking: list[Any], enough: dict[str, Any]
) -> None:
    with pytest.raises(PriorError, match=re.escape(f"give `prior:` by hand; still missing: {lacking[1]}") + "$"):
        Problem(data, family, 2, prior=lacking[0], **options)
    problem = Problem(data, family, 2, prior=enough, **options)
    assert problem.prior is not None
    assert Problem(data, family, 2, prior=problem.prior.numbers(), **options).prior is not None
    assert EM(restarts=2, objective="posterior").fit(problem).status is Status.CONVERGED
