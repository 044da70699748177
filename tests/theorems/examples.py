"""Problems of every family, with counts and missing cells, and mixtures that are no stationary points of them."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.inference.method import Context
from workbench.models import Categorical, Gaussian, Mixture, Poisson
from workbench.models.families.product import Block
from workbench.models.shapes import Coordinates
from workbench.problem import Problem

BLOCKS = (Block(Gaussian(), ("a", "b")), Block(Categorical(), ("c",)), Block(Poisson(), ("d",)))
CASES: list[tuple[str, dict[str, Any]]] = [
    *(("gaussian", {"covariance": structure}) for structure in ("full", "tied", "diagonal", "spherical")),
    *(("bernoulli", {}), ("poisson", {}), ("categorical", {}), ("product", {"blocks": BLOCKS})),
]
SEMICONJUGATE: list[tuple[str, dict[str, Any]]] = [
    ("gaussian", {"covariance": structure, "prior": {"kind": "independent"}}) for structure in ("full", "tied", "diagonal", "spherical")
]
"""Means and covariances independent a priori."""
SHAPES = os.environ.get("WORKBENCH_SHAPES") == "1"
long = pytest.mark.skipif(SHAPES, reason="iterates to the end: nothing to be learnt about shapes that shorter tests do not show")


def few(number: int) -> int:
    """So many; a few in the pass with shapes, which the first steps show."""
    return min(number, 8) if SHAPES else number


def quick(problem: Problem) -> Context:
    """Without estimates of the evidence and a point's refits without each row: nine tenths of the time of a fit to few rows."""
    return dataclasses.replace(Context.default(problem), estimates=False)


INDEPENDENT = [case for case in CASES if case[1].get("covariance") not in ("full", "tied") and case[0] != "product"]
every_case = pytest.mark.parametrize(("name", "options"), CASES, ids=[options.get("covariance", name) for name, options in CASES])

every_prior = pytest.mark.parametrize(
    ("name", "options"),
    CASES + SEMICONJUGATE,
    ids=[
        *(options.get("covariance", name) for name, options in CASES),
        *(f"{options['covariance']}_apart" for _, options in SEMICONJUGATE),
    ],
)


def rows_of(name: str, rng: np.random.Generator, n_rows: int) -> Any:
    """Rows of two groups, in columns that the family takes."""
    group = rng.integers(2, size=(n_rows, 1))
    real = rng.normal(size=(n_rows, 3)) @ rng.normal(size=(3, 3)) + 3.0 * group
    levels = (rng.random((n_rows, 3)) * [2, 3, 4]).astype(int).astype(float)
    counts = rng.poisson(2.0 + 4.0 * group, size=(n_rows, 3)).astype(float)
    if name == "product":
        return pd.DataFrame({"a": real[:, 0], "b": real[:, 1], "c": levels[:, 2], "d": counts[:, 0]})
    return {"gaussian": real, "bernoulli": (rng.random((n_rows, 3)) < 0.3 + 0.4 * group).astype(float), "categorical": levels}.get(
        name, counts
    )


def problem_of(name: str, options: dict[str, Any], missing: float, seed: int = 3, n_components: int = 3, n_rows: int = 60) -> Problem:
    """Rows that count once to three times, with missing cells, one row without any."""
    rng = np.random.default_rng(seed)
    complete = Problem(rows_of(name, rng, n_rows), name, n_components, **options)
    x = np.where(rng.random(complete.data.x.shape) < missing, np.nan, complete.data.x)
    x[0] = np.nan if missing else x[0]
    counts = rng.integers(1, 4, size=x.shape[0]).astype(float)
    return Problem(dataclasses.replace(complete.data, x=x, counts=counts), complete.family, n_components, complete.prior)


def mixtures_of(problem: Problem, count: int = 4, seed: int = 0) -> tuple[Coordinates, Mixture]:
    """A batch of mixtures that are no stationary points, and their unconstrained coordinates."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(problem.n_components), size=(count, problem.data.n_rows))
    statistics = problem.family.statistics(problem.data, shares)
    weights = rng.dirichlet(np.full(problem.n_components, 3.0), size=count)
    u, _ = problem.coordinates.flatten(Mixture(weights, problem.family.maximise(statistics)))
    u = u + 0.2 * rng.normal(size=u.shape)
    return u, problem.coordinates.unflatten(u)[0]
