"""Numbers of a mixture that do not depend on what its components are called: what ranks are taken of."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.models import Mixture
from workbench.models.families.family import Address
from workbench.problem import Problem

FEATURES = 2
"""Features of a block of parameters that are looked at; each further quantity makes the others harder to fail."""
SPREADS = ("covariances", "variances")


def quantities(problem: Problem, mixtures: Mixture) -> dict[str, np.ndarray]:
    """Label-invariant quantities of a batch of mixtures (S,), each (S,).

    Two look at the data, without which a method that returns the prior would pass (Modrak et al. 2023): ``log_likelihood``, and
    ``coclustering``, the probability that the first two rows share a component. The others are ``log_prior``, the largest (and of
    three or more the smallest) weight, the smallest and the largest mean, probability or rate over the components, of the first
    ``FEATURES`` features, and ``log_determinant`` of the covariance within components, pooled by the weights.
    """
    densities = {"log_likelihood": problem.log_likelihood(mixtures), "log_prior": problem.log_prior(mixtures)}
    return {name: np.asarray(values) for name, values in densities.items()} | of_parameters(problem, mixtures)


def of_parameters(problem: Problem, mixtures: Mixture) -> dict[str, np.ndarray]:
    """Those of `quantities` that need no pass over the rows."""
    found = {}
    if problem.n_components > 1:
        found["largest_weights"] = mixtures.weights.max(axis=-1)
    if problem.n_components > 2:
        found["smallest_weights"] = mixtures.weights.min(axis=-1)
    found |= _sorted_parameters(problem, mixtures) | log_determinants(mixtures)
    rows = np.flatnonzero(~np.isnan(problem.data.x).all(axis=1))[:2]
    if problem.n_components > 1 and rows.size == 2:
        found["coclustering"] = np.asarray(mixtures.responsibilities(problem.data.x[rows]).prod(axis=-2).sum(axis=-1))
    return found


def looked_at(problem: Problem) -> list[Address]:
    """The parameters of components that are looked at, weights apart: of the first features, each feature's first level."""
    features: dict[str, list[object]] = {}
    levels: dict[tuple[object, ...], object] = {}
    chosen = []
    for place in problem.family.addresses(problem.data, problem.n_components):
        if place.parameter == "weights":
            continue
        own = features.setdefault(place.parameter, [])
        for feature in (place.feature, place.feature_2):
            if feature is not None and feature not in own:
                own.append(feature)
        first = levels.setdefault((place.parameter, place.component, place.feature), place.level)
        if place.level == first and {place.feature, place.feature_2} <= {*own[:FEATURES], None}:
            chosen.append(place)
    return chosen


def _sorted_parameters(problem: Problem, mixtures: Mixture) -> dict[str, np.ndarray]:
    """The smallest and the largest over the components; of one component itself."""
    parameters = mixtures.parameters()
    groups: dict[tuple[str, str], list[np.ndarray]] = {}
    for place in looked_at(problem):
        if not place.parameter.startswith(SPREADS):
            where = ", ".join(part for part in (place.feature, place.level) if part is not None)
            index: Any = (..., *place.index)
            groups.setdefault((place.parameter, where), []).append(parameters[place.parameter][index])
    found = {}
    for (name, where), values in groups.items():
        if len(values) == 1:
            found[f"{name}[{where}]"] = values[0]
        else:
            found[f"smallest_{name}[{where}]"] = np.min(values, axis=0)
            found[f"largest_{name}[{where}]"] = np.max(values, axis=0)
    return found


def log_determinants(mixtures: Mixture) -> dict[str, np.ndarray]:
    """Of the family's one block of Gaussians, if it has one."""
    found = {}
    for name, dims in mixtures.components.dims.items():
        if name.startswith(SPREADS):
            found["log_determinant"] = _log_determinant(mixtures.parameters()[name], dims, mixtures)
    return found


def _log_determinant(values: np.ndarray, dims: tuple[str, ...], mixtures: Mixture) -> np.ndarray:
    """Of the pooled covariance matrix, diagonal or single variance (the log of one feature's then)."""
    if dims[:1] == ("component",):
        weights = mixtures.weights.reshape(mixtures.weights.shape + (1,) * (len(dims) - 1))
        values, dims = (weights * values).sum(axis=len(mixtures.batch_shape)), dims[1:]
    if len(dims) == 2:
        return np.asarray(np.linalg.slogdet(values)[1])
    logs = np.log(values)
    return np.asarray(logs.sum(axis=-1) if dims else logs)
