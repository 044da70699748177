"""No family is forgotten: every class of components, wherever it is defined, has its row in each table that speaks of all of them."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import typing
from collections.abc import Iterator

import numpy as np
import pytest

from workbench.fast.expectation import MODULES
from workbench.models import FAMILIES, Components, Family, families
from workbench.models.families.gaussian import Gaussian
from workbench.models.families.product import PARTS, ProductPrior
from workbench.models.information.table import TABLE, kernel_of
from workbench.models.prior import ComponentsPrior


def concrete[C](kind: type[C]) -> Iterator[type[C]]:
    """All classes of components, or priors, that can be made, those that no family names yet among them."""
    for below in kind.__subclasses__():
        yield from concrete(below)
        if not inspect.isabstract(below) and below.__module__.startswith("workbench."):
            yield below


def structures() -> list[Family]:
    """Every family with each of its options, but product."""
    covariances = typing.get_args(typing.get_type_hints(Gaussian)["covariance"])
    assert len(covariances) == 4
    return [
        *(Gaussian(covariance) for covariance in covariances),
        *(FAMILIES[name]() for name in FAMILIES if name not in ("gaussian", "product")),
    ]


def test_every_class_of_components_has_its_rows() -> None:
    for module in pkgutil.walk_packages(families.__path__, f"{families.__name__}."):
        importlib.import_module(module.name)
    classes = set(concrete(Components))
    assert classes >= {family.components_type for family in structures()}
    assert set(TABLE) == classes
    assert set(MODULES) == classes


def test_every_prior_has_pymcs_recipe() -> None:
    from workbench.inference.pymc.charts import VARIABLES
    from workbench.inference.pymc.choices import LIKELIHOODS
    from workbench.inference.pymc.numbers import NUMBERS
    from workbench.inference.pymc.recipes import RECIPES

    assert set(LIKELIHOODS) == set(structures())
    assert set(RECIPES) == set(concrete(ComponentsPrior)) - {ProductPrior}
    assert set(RECIPES) == set(NUMBERS) == set(VARIABLES)
    assert len(RECIPES) == len(structures()) + 4


def test_every_block_of_a_product_is_compiled() -> None:
    from workbench.fast.parts import STEPS

    gaussian = {Gaussian(family.covariance).components_type for family in structures() if isinstance(family, Gaussian)}
    assert set(PARTS) == set(FAMILIES) - {"product"}
    assert set(STEPS) == {family.components_type for family in structures()} - gaussian


def test_a_class_without_a_row_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    components = next(family for family in structures() if family.name == "poisson").components_type(np.ones((2, 1)))  # type: ignore[call-arg]
    monkeypatch.delitem(TABLE, type(components))
    with pytest.raises(TypeError, match="no second derivatives of PoissonComponents"):
        kernel_of(components, np.array([True, True]))
