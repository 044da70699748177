"""Options are held to their annotations in Python as in a config."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest

from workbench.inference import ADVI, EM, METHODS, NUTS
from workbench.problem import Problem, ProblemError


@pytest.mark.parametrize(
    ("method", "options", "words"),
    [
        (EM, {"objective": "map"}, "EM: objective is 'map'"),
        (EM, {"restarts": 0}, "EM: restarts is 0"),
        (EM, {"tol": -1.0}, "EM: tol is -1.0"),
        (EM, {"init": "kmeansx"}, "EM: init is 'kmeansx'"),
        (ADVI, {"rates": ()}, "ADVI: rates is ()"),
        (NUTS, {"sampler": "stan"}, "NUTS: sampler is 'stan'"),
    ],
)
def test_impossible(method: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        method(**options)


@pytest.mark.parametrize("kind", METHODS)
def test_defaults_are_possible_and_frozen(kind: str) -> None:
    method = METHODS[kind](**({"file": "draws.nc"} if kind == "imported" else {}))
    first = dataclasses.fields(method)[0].name  # type: ignore[arg-type]
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(method, first, 1)


@pytest.mark.parametrize(
    ("family", "options", "words"),
    [
        ("bernoulli", {"covariance": "full"}, "bernoulli has no option 'covariance'; gaussian has it"),
        ("gaussian", {"covarience": "full"}, "gaussian has no option 'covarience'; did you mean covariance?"),
        ("gaussian", {"covariance": "ful"}, "did you mean full?"),
        ("poisson", {"blocks": {"poisson": ["a"]}}, "poisson has no option 'blocks'; product has it"),
        ("poisson", {"zeros": True}, "poisson has no option 'zeros'; there are none"),
    ],
)
def test_an_option_of_another_family_names_it(family: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ProblemError, match=re.escape(words)):
        Problem([0.0, 1.0, 1.0], family, 1, **options)


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("em", {"temperature": 2}, "EM has no option 'temperature'; did you mean temperatures? annealed_em has it"),
        ("em", {"restart": 2}, "EM has no option 'restart'; did you mean restarts?"),
        ("kmeans", {"objective": "posterior"}, "KMeans has no option 'objective'; em and gradient have it"),
        ("em", {"n_init": 10}, "EM has no option 'n_init'; here it is called restarts"),
        (
            "nuts",
            {"random_seed": 1},
            "NUTS has no option 'random_seed'; it is given to the fit: fit(problem, Context.default(problem, seed=...))",
        ),
        ("em", {"n_components": 2}, "EM has no option 'n_components'; it is the problem's: Problem(data, ...)"),
        ("exact", {"zeros": True}, "Exact has no option 'zeros'; there "),
    ],
)
def test_an_option_that_a_method_has_not_is_answered_in_one_line(kind: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(TypeError, match="^" + re.escape(words)) as caught:
        METHODS[kind](**options)
    assert "\n" not in str(caught.value)
