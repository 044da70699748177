"""Which derivatives a class of components has: one row a class. A test demands a row for every class there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.models.components import Components
from workbench.models.families.bernoulli import BernoulliComponents
from workbench.models.families.categorical.components import CategoricalComponents
from workbench.models.families.gaussian.diagonal import DiagonalComponents
from workbench.models.families.gaussian.full import FullComponents
from workbench.models.families.gaussian.spherical import SphericalComponents
from workbench.models.families.gaussian.tied import TiedComponents
from workbench.models.families.poisson import PoissonComponents
from workbench.models.families.product.components import ProductComponents
from workbench.models.information.discrete import (
    bernoulli,
    categorical,
    sides_bernoulli,
    sides_categorical,
    snapped_bernoulli,
    snapped_categorical,
)
from workbench.models.information.gaussian_diagonal import diagonal, spherical
from workbench.models.information.gaussian_full import full, tied
from workbench.models.information.kernel import Kernel
from workbench.models.information.poisson import poisson, sides_poisson, snapped_poisson
from workbench.models.information.product import product, sides_product, snapped_product


@dataclass(frozen=True)
class Derivatives:
    """What the observed information needs of a class of components.

    Attributes
    ----------
    kernel : (components, alive (K,)) -> scores and curvature of the components of weight above 0
    snapped : (components, after one M step) -> components on the boundaries that they are about to reach
    sides : components (*batch) -> parameter -> where its entries are: -1 at the lower boundary, 1 at the upper, 0 inside;
        parameters without a boundary that a maximum could be on are not there
    """

    kernel: Callable[[Any, np.ndarray], Kernel]
    snapped: Callable[[Any, Any], Any]
    sides: Callable[[Any], dict[str, np.ndarray]]


def kernel_of(components: Components, alive: np.ndarray) -> Kernel:
    """Derivatives of the components of weight above 0; ``alive`` (K,)."""
    return _row(components).kernel(components, alive)


def snapped_components[C: Components](components: C, after: C) -> C:
    """Components on the boundaries that they are about to reach; ``after`` is one M step later."""
    found: C = _row(components).snapped(components, after)
    return found


def sides_of(components: Components) -> dict[str, np.ndarray]:
    """Where the components' probabilities and rates are: -1 at their lower boundary, 1 at the upper, 0 inside."""
    return _row(components).sides(components)


def _no_boundary(components: Any, after: Any) -> Any:
    """Means and variances have none that a maximum could be on: what runs to it is singular."""
    return components


def _no_sides(components: Any) -> dict[str, np.ndarray]:
    return {}


TABLE: dict[type[Components], Derivatives] = {
    FullComponents: Derivatives(full, _no_boundary, _no_sides),
    TiedComponents: Derivatives(tied, _no_boundary, _no_sides),
    DiagonalComponents: Derivatives(diagonal, _no_boundary, _no_sides),
    SphericalComponents: Derivatives(spherical, _no_boundary, _no_sides),
    BernoulliComponents: Derivatives(bernoulli, snapped_bernoulli, sides_bernoulli),
    CategoricalComponents: Derivatives(categorical, snapped_categorical, sides_categorical),
    PoissonComponents: Derivatives(poisson, snapped_poisson, sides_poisson),
    ProductComponents: Derivatives(
        lambda components, alive: product(components, alive, kernel_of),
        lambda components, after: snapped_product(components, after, snapped_components),
        lambda components: sides_product(components, sides_of),
    ),
}


def _row(components: Components) -> Derivatives:
    if type(components) not in TABLE:
        raise TypeError(f"there are no second derivatives of {type(components).__name__}; give them a row in {__name__}.TABLE")
    return TABLE[type(components)]
