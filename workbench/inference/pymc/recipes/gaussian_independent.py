"""Gaussian, diagonal or spherical: variance = scale / c with c ~ chi-square(dof), mean = m0 + sqrt(variance / mean_strength) eps.

Spherical: the features of a component share c.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from workbench.data import Dataset
from workbench.inference.pymc import units
from workbench.inference.pymc.recipes.coordinates import Coordinates
from workbench.inference.pymc.recipes.rows import LOG_2PI, Term, core


def variables(name: str, n_components: int, data: Dataset, given: Mapping[str, Any], shared: bool = False) -> Coordinates:
    shape = (n_components, data.n_features)
    c = pm.Gamma(f"{name}c", given["half_dof"], given["half"], shape=shape[:1] if shared else shape)
    return Coordinates(c=c[:, None] if shared else c, eps=pm.Normal(f"{name}eps", 0, 1, shape=shape))


def rows(prior: Any, data: Dataset) -> dict[str, np.ndarray]:
    own = units.of_axes(prior)
    z = np.nan_to_num(units.standardised(prior, data, own))
    return {"z": z, "seen": ~np.isnan(data.x), "log_volumes": units.log_volumes(data, own)}


def term(at: Coordinates, given: Mapping[str, Any]) -> Term:
    """(sqrt(c) z - e)^2 expanded, so that no array (N, K, D) is formed."""
    e = at.eps / given["root"]

    def log_joint(z: Any, seen: Any, log_volumes: Any, c: Any, e: Any) -> Any:
        c, e = core(c, 2), core(e, 2)
        squares = pt.dot(z**2, c.T) - 2.0 * pt.dot(z, (pt.sqrt(c) * e).T) + pt.dot(seen, (e**2).T)
        return pt.dot(seen, 0.5 * (pt.log(c) - LOG_2PI).T) - log_volumes[:, None] - 0.5 * squares

    arrays = (given["z"], given["seen"], given["log_volumes"], at.c * pt.ones(e.type.shape, dtype="float64"), e)
    return Term(log_joint, arrays, ("(d)", "(d)", "()", "(k,d)", "(k,d)"))
