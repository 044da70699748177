"""Each prior's hyperparameters as PyMC's variables take them, float64, by name."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any

import numpy as np

from workbench.data import Dataset
from workbench.models.families.bernoulli import Beta
from workbench.models.families.categorical import Dirichlets
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

HALF = np.array(0.5)  # float64: a bare 0.5 would be narrowed, and pm.ChiSquared holds a float32 inside
ONE = np.array(1.0)


def _matrices(prior: Any, data: Dataset) -> dict[str, np.ndarray]:
    return {"root": np.sqrt(prior.mean_strength), **_pivots(prior, data)}


def _pivots(prior: Any, data: Dataset) -> dict[str, np.ndarray]:
    """Bartlett's squared pivots are chi-square with dof, dof - 1, ... degrees of freedom."""
    return {"half_dof": (prior.dof - np.arange(data.n_features)) / 2.0, "half": HALF}


def _axes(prior: Any, data: Dataset) -> dict[str, np.ndarray]:
    return {"root": np.sqrt(prior.mean_strength), "half_dof": prior.dof / 2.0, "half": HALF}


def _free_matrices(prior: Any, data: Dataset) -> dict[str, np.ndarray]:
    """``turn`` is L0^-1 R, of the factors of the scale and of the means' covariance."""
    return {"root": ONE, **_pivots(prior, data), "turn": prior.root @ prior.mean_factor}


def _free_axes(prior: Any, data: Dataset) -> dict[str, np.ndarray]:
    """``turn`` is the means' standard deviation in units of the root of the scale."""
    turn = np.broadcast_to(np.sqrt(prior.mean_covariance / prior.scale), (data.n_features,))
    return {"root": ONE, "half_dof": prior.dof / 2.0, "half": HALF, "turn": turn}


def _binary(prior: Any, data: Dataset) -> dict[str, np.ndarray]:
    return {"a": prior.a, "b": prior.b}


def _counts(prior: Any, data: Dataset) -> dict[str, np.ndarray]:
    return {"shape": prior.shape, "rate": prior.rate}


def _levels(prior: Any, data: Dataset) -> dict[str, np.ndarray]:
    each = enumerate(runs(prior.n_levels))
    return {f"alpha_{i}": prior.alpha[first : first + count, None, :size] for i, (first, count, size) in each}


def runs(n_levels: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """(first feature, number of features, levels of each) of neighbours with equally many levels."""
    found, first = [], 0
    for size, features in groupby(n_levels):
        count = len(list(features))
        found.append((first, count, size))
        first += count
    return found


NUMBERS: dict[type[ComponentsPrior], Callable[[Any, Dataset], dict[str, np.ndarray]]] = {
    NormalInverseWishart: _matrices,
    TiedNormalInverseWishart: _matrices,
    NormalInverseGamma: _axes,
    SphericalNormalInverseGamma: _axes,
    NormalAndInverseWishart: _free_matrices,
    TiedNormalAndInverseWishart: _free_matrices,
    NormalAndInverseGamma: _free_axes,
    SphericalNormalAndInverseGamma: _free_axes,
    Beta: _binary,
    Gamma: _counts,
    Dirichlets: _levels,
}
"""(components' prior, data) -> hyperparameters, by the class of the components' prior."""
