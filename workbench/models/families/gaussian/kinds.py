"""Kinds of prior that Gaussian components have: their hyperparameters, how numbers become a prior, and the default numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.models.families.gaussian import wishart
from workbench.models.families.gaussian.semiconjugate import (
    NormalAndInverseGamma,
    NormalAndInverseWishart,
    SphericalNormalAndInverseGamma,
    TiedNormalAndInverseWishart,
)
from workbench.models.families.gaussian.structure import Structure
from workbench.models.hyperparameters import numeric, positive
from workbench.models.prior import ComponentsPrior

Numbers = Mapping[str, Any]
INFLATED = 100.0
"""The default covariance of the means, in covariances of the data: as wide as a ``mean_strength`` of 0.01 makes it."""


@dataclass(frozen=True)
class PriorKind:
    """A kind of prior.

    Attributes
    ----------
    keys : its hyperparameters
    prior : (the covariance structure's name and itself, numbers, D) -> the components' prior; PriorError for impossible numbers
    spread : (structure, the data's covariance (D, D)) -> default of the hyperparameter that spreads the means, by its name
    of_covariance : those whose default is made from the data's covariance, and is none where that is singular
    """

    keys: tuple[str, ...]
    prior: Callable[[str, Structure, Numbers, int], ComponentsPrior]
    spread: Callable[[Structure, np.ndarray], dict[str, Any]]
    of_covariance: frozenset[str]


def _conjugate(name: str, structure: Structure, numbers: Numbers, n_features: int) -> ComponentsPrior:
    return structure.prior(numbers, n_features)


def _independent(name: str, structure: Structure, numbers: Numbers, n_features: int) -> ComponentsPrior:
    return INDEPENDENT[name](numbers, n_features)


def _matrices(kind: type[NormalAndInverseWishart]) -> Callable[[Numbers, int], ComponentsPrior]:
    def made(numbers: Numbers, n_features: int) -> ComponentsPrior:
        return kind(
            mean=numeric(numbers["mean"], "mean", (n_features,)),
            mean_covariance=wishart.definite(numbers["mean_covariance"], "mean_covariance", n_features),
            dof=positive(numbers["dof"], "dof", (), above=n_features - 1.0),
            scale=wishart.definite(numbers["scale"], "scale", n_features),
        )

    return made


def _axes(kind: type[NormalAndInverseGamma]) -> Callable[[Numbers, int], ComponentsPrior]:
    def made(numbers: Numbers, n_features: int) -> ComponentsPrior:
        return kind(
            mean=numeric(numbers["mean"], "mean", (n_features,)),
            mean_covariance=positive(numbers["mean_covariance"], "mean_covariance", (n_features,)),
            dof=positive(numbers["dof"], "dof", ()),
            scale=positive(numbers["scale"], "scale", () if kind.shared else (n_features,)),
        )

    return made


INDEPENDENT: dict[str, Callable[[Numbers, int], ComponentsPrior]] = {
    "full": _matrices(NormalAndInverseWishart),
    "tied": _matrices(TiedNormalAndInverseWishart),
    "diagonal": _axes(NormalAndInverseGamma),
    "spherical": _axes(SphericalNormalAndInverseGamma),
}
"""For each covariance structure."""

KINDS: dict[str, PriorKind] = {
    "conjugate": PriorKind(
        ("mean", "mean_strength", "dof", "scale"),
        _conjugate,
        lambda structure, covariance: {"mean_strength": 0.01},
        frozenset(["scale"]),
    ),
    "independent": PriorKind(
        ("mean", "mean_covariance", "dof", "scale"),
        _independent,
        lambda structure, covariance: {"mean_covariance": (INFLATED * structure.scale(covariance)).tolist()},
        frozenset(["mean_covariance", "scale"]),
    ),
}
"""The first is the default."""
