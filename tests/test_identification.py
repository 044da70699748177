"""Models of levels with more parameters than different rows are said not to be identified."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.compare.assembly import assemble
from workbench.compare.cell import Cell
from workbench.compare.identification import of_identification
from workbench.data.builtin import load_built_in
from workbench.inference import EM
from workbench.problem import Problem

SMALL = pd.DataFrame(
    list(itertools.product(["1st", "2nd", "crew"], ["male", "female"], ["no", "yes"])) * 4, columns=["class", "sex", "survived"]
)
"""A table of 3 x 2 x 2: eleven free probabilities."""
BINARY = pd.DataFrame(list(itertools.product([0.0, 1.0], repeat=2)) * 5, columns=["a", "b"])


def warned(data: Any, family: str, n_components: int, **options: Any) -> list[dict[str, Any]]:
    return list(of_identification(Problem(data, family, n_components, **options)))


@pytest.mark.parametrize(
    ("data", "family", "options", "most"),
    [
        (SMALL, "categorical", {}, 2),  # K (1 + 2 + 1 + 1) - 1 <= 11
        (BINARY, "bernoulli", {}, 1),
        (SMALL.assign(a=0.0, b=1.0), "product", {"blocks": {"categorical": ["class", "sex", "survived"], "bernoulli": ["a", "b"]}}, 6),
    ],
)
def test_up_to_as_many_parameters_as_probabilities(data: Any, family: str, options: dict[str, Any], most: int) -> None:
    assert not warned(data, family, most, **options)
    (row,) = warned(data, family, most + 1, **options)
    assert row["verdict"] == "warning"
    assert float(row["value"]) > row["threshold"]
    assert f"at most {most} component" in row["advice"]


def test_the_bound_counts_the_columns_that_were_observed() -> None:
    x = np.column_stack([BINARY.to_numpy(), np.full(20, np.nan)])
    (row,) = warned(x, "bernoulli", 2)
    assert (row["value"], row["threshold"]) == ("7", 3)


@pytest.mark.parametrize("family", ["gaussian", "poisson"])
def test_numbers_have_no_such_bound(family: str) -> None:
    assert not warned(np.arange(20.0), family, 12)


def test_nor_has_a_product_with_numbers() -> None:
    data = SMALL.assign(n=np.arange(len(SMALL), dtype=float) % 5)
    assert not warned(data, "product", 9, blocks={"categorical": ["class", "sex", "survived"], "poisson": ["n"]})


def test_many_columns_are_no_overflow() -> None:
    assert not warned(load_built_in("digits_binary"), "bernoulli", 10)


def test_it_stands_in_the_table_of_diagnostics() -> None:
    """And two fits of equal likelihood show what it means."""
    problem = Problem(BINARY, "bernoulli", 2)
    fit = EM(restarts=4).fit(problem)
    checks = assemble([Cell({}, problem, fits={"em": fit})])["diagnostics"].set_index("quantity")
    assert checks.loc["free_parameters", "verdict"] == "warning"
    one = EM(restarts=1).fit(Problem(BINARY, "bernoulli", 1))
    assert fit.log_likelihood.item() == pytest.approx(one.log_likelihood.item(), abs=1e-9)


def test_titanic_with_five_classes() -> None:
    """4 x 2 x 2 x 2 cells: four classes are the most."""
    names = ["class", "sex", "age", "survived"]
    titanic = load_built_in("titanic", levels=True)
    assert titanic.features == tuple(names)
    assert not warned(titanic, "categorical", 4)
    (row,) = warned(titanic, "categorical", 5)
    assert (row["value"], row["threshold"]) == ("34", 31)
