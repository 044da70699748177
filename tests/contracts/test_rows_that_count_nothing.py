"""A row that counts 0 times is not there, even where it is impossible: of the book's E step and of the compiled one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.data import Dataset
from workbench.inference import EM
from workbench.inference.em.engine import BOOK, Engine, Fast
from workbench.inference.em.steps import Assign, Power, hard, soft
from workbench.models import Bernoulli, Expectation, Gaussian, Mixture, Statistics
from workbench.models.families.product import Block
from workbench.problem import Problem

ROWS, ODD = 40, 7
"""Rows, and the one whose first discrete value no component has."""


def binary(rng: np.random.Generator) -> np.ndarray:
    x = rng.integers(2, size=(ROWS, 3)).astype(float)
    x[:, 0] = np.arange(ROWS) == ODD
    return x


def blocks(covariance: str) -> tuple[Block, ...]:
    return Block(Gaussian(covariance), ("a",)), Block(Bernoulli(), ("b", "c"))  # type: ignore[arg-type]


PROBS = {"probs": np.array([[0.0, 0.3, 0.5], [0.0, 0.6, 0.2]])}
TWO = {"probs": PROBS["probs"][:, :2]}
SPREADS = {"full": np.ones((2, 1, 1)), "tied": np.ones((1, 1)), "diagonal": np.ones((2, 1)), "spherical": np.ones(2)}
CASES: dict[str, tuple[str, dict[str, Any], dict[str, np.ndarray]]] = {
    "bernoulli": ("bernoulli", {}, PROBS),
    "poisson": ("poisson", {}, {"rates": np.array([[0.0, 3.0, 1.0], [0.0, 4.0, 2.0]])}),
    **{
        f"product {name}": (
            "product",
            {"blocks": blocks(name)},
            {"means": np.array([[0.0], [1.0]]), "covariances" if spread.ndim > 2 or name == "tied" else "variances": spread, **TWO},
        )
        for name, spread in SPREADS.items()
    },
}


def problem_and_mixture(case: str) -> tuple[Problem, Mixture]:
    """A mixture, as a batch of one, under which the odd row has no density."""
    family, options, parameters = CASES[case]
    rng = np.random.default_rng(0)
    x: Any = binary(rng)
    if family == "product":
        x = pd.DataFrame({"a": rng.normal(size=ROWS), "b": x[:, 0], "c": x[:, 1]})
    problem = Problem(x, family, 2, **options)
    mixture = problem.family.mixture({"weights": np.array([0.4, 0.6]), **parameters})
    return problem, mixture.reshaped(1)


def numbers(expectation: Expectation) -> list[np.ndarray]:
    totals = [np.asarray(getattr(expectation, name)) for name in ("log_likelihood", "expected_complete", "entropy")]
    return [*totals, *flat(expectation.statistics)]


def flat(statistics: Statistics) -> list[np.ndarray]:
    return [array for part in statistics.arrays() for array in (flat(part) if isinstance(part, Statistics) else [part])]


@pytest.mark.parametrize("counts", [1.0, 2.0])
@pytest.mark.parametrize("assign", [soft, hard, Power(0.5)], ids=["soft", "hard", "power"])
@pytest.mark.parametrize("engine", [BOOK, Fast()], ids=["book", "fast"])
@pytest.mark.parametrize("case", CASES)
def test_it_adds_nothing(case: str, engine: Engine, assign: Assign, counts: float) -> None:
    problem, mixture = problem_and_mixture(case)
    assert np.isneginf(mixture.log_density(problem.data.x)[0, ODD])
    weigh = np.where(np.arange(ROWS) == ODD, 0.0, counts)
    rest = problem.data.take(np.flatnonzero(weigh))
    with np.errstate(all="ignore"):
        with_it = engine.expect(mixture, problem.data, weigh, assign)
        without = engine.expect(mixture, rest, weigh[weigh > 0], assign)
    for found, wanted in zip(numbers(with_it), numbers(without), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)


def test_one_fit_of_a_product_with_one_discrete_block() -> None:
    """Its table of logs has the axes of one fit swapped, which is Fortran's order too."""
    problem, mixture = problem_and_mixture("product full")
    found, wanted = (engine.expect(mixture, Dataset.of(problem.data.x[:5])) for engine in (Fast(), BOOK))
    for mine, his in zip(numbers(found), numbers(wanted), strict=True):
        np.testing.assert_allclose(mine, his, rtol=1e-12, atol=1e-12)
    assert np.isfinite(EM(restarts=1).fit(problem).log_likelihood.item())
