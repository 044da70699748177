"""How PyMC writes each family: one file for families of a kind, one row here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from workbench.data import Dataset
from workbench.inference.pymc.recipes import bernoulli, categorical, gaussian_independent, gaussian_matrices, poisson
from workbench.inference.pymc.recipes.coordinates import Coordinates
from workbench.inference.pymc.recipes.rows import Term
from workbench.models import Bernoulli, Categorical, Family, Gaussian, Poisson


@dataclass(frozen=True)
class Recipe:
    """A family in PyMC's terms.

    Attributes
    ----------
    numbers : (components' prior, data) -> hyperparameters by name
    variables : (prefix of names, K, data, numbers) -> the components' free variables, with PyMC's priors and transforms, in the
        order of ``Prior.flatten``
    rows : (components' prior, data) -> arrays of the graph by name
    term : (variables, rows and numbers) -> the log density as PyMC's own graph
    """

    numbers: Callable[[Any, Dataset], dict[str, np.ndarray]]
    variables: Callable[[str, int, Dataset, Mapping[str, Any]], Coordinates]
    rows: Callable[[Any, Dataset], dict[str, np.ndarray]]
    term: Callable[[Coordinates, Mapping[str, Any]], Term]


def _of(module: ModuleType, **options: Any) -> Recipe:
    return Recipe(module.numbers, partial(module.variables, **options), module.rows, module.term)


RECIPES: dict[Family, Recipe] = {
    Gaussian("full"): _of(gaussian_matrices),
    Gaussian("tied"): _of(gaussian_matrices, shared=True),
    Gaussian("diagonal"): _of(gaussian_independent),
    Gaussian("spherical"): _of(gaussian_independent, shared=True),
    Bernoulli(): _of(bernoulli),
    Poisson(): _of(poisson),
    Categorical(): _of(categorical),
}
"""A product is made of these."""
