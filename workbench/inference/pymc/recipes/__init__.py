"""How PyMC writes each family under each of its priors: one file for families of a kind, one row here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from workbench.data import Dataset
from workbench.inference.pymc.recipes import (
    bernoulli,
    categorical,
    gaussian_independent,
    gaussian_matrices,
    gaussian_semiconjugate,
    poisson,
)
from workbench.inference.pymc.recipes.coordinates import Coordinates
from workbench.inference.pymc.recipes.rows import Term
from workbench.models.families.bernoulli import Beta
from workbench.models.families.categorical.prior import Dirichlets
from workbench.models.families.gaussian.diagonal import NormalInverseGamma
from workbench.models.families.gaussian.full import NormalInverseWishart
from workbench.models.families.gaussian.semiconjugate import (
    NormalAndInverseGamma,
    NormalAndInverseWishart,
    SphericalNormalAndInverseGamma,
    TiedNormalAndInverseWishart,
)
from workbench.models.families.gaussian.spherical import SphericalNormalInverseGamma
from workbench.models.families.gaussian.tied import TiedNormalInverseWishart
from workbench.models.families.poisson import Gamma
from workbench.models.prior import ComponentsPrior


@dataclass(frozen=True)
class Recipe:
    """A family and its prior in PyMC's terms.

    Attributes
    ----------
    variables : (prefix of names, K, data, numbers) -> the components' free variables, with PyMC's priors and transforms, in the
        order of ``Prior.flatten``
    rows : (components' prior, data) -> arrays of the graph by name
    term : (variables, rows and numbers) -> the log density as PyMC's own graph
    """

    variables: Callable[[str, int, Dataset, Mapping[str, Any]], Coordinates]
    rows: Callable[[Any, Dataset], dict[str, np.ndarray]]
    term: Callable[[Coordinates, Mapping[str, Any]], Term]


def _of(module: ModuleType, **options: Any) -> Recipe:
    return Recipe(partial(module.variables, **options), module.rows, module.term)


def _matrices(**options: Any) -> Recipe:
    own = gaussian_semiconjugate
    return Recipe(partial(own.matrix_variables, **options), gaussian_matrices.rows, gaussian_matrices.term)


def _axes(**options: Any) -> Recipe:
    own = gaussian_semiconjugate
    return Recipe(partial(own.axis_variables, **options), gaussian_independent.rows, gaussian_independent.term)


RECIPES: dict[type[ComponentsPrior], Recipe] = {
    NormalInverseWishart: _of(gaussian_matrices),
    TiedNormalInverseWishart: _of(gaussian_matrices, shared=True),
    NormalInverseGamma: _of(gaussian_independent),
    SphericalNormalInverseGamma: _of(gaussian_independent, shared=True),
    NormalAndInverseWishart: _matrices(),
    TiedNormalAndInverseWishart: _matrices(shared=True),
    NormalAndInverseGamma: _axes(),
    SphericalNormalAndInverseGamma: _axes(shared=True),
    Beta: _of(bernoulli),
    Gamma: _of(poisson),
    Dirichlets: _of(categorical),
}
"""By the class of the components' prior, which says the family; a product is made of these."""
