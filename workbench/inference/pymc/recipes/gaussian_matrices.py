"""Gaussian, full or tied: the normal-inverse-Wishart through Bartlett's decomposition of the precision, whitened.

With scale = L0 L0' and A lower triangular, A_ii^2 = c_i ~ chi-square(dof - i), A_ij = t ~ N(0, 1) below, eps ~ N(0, 1):
Sigma = L0 A^-T A^-1 L0', mean = m0 + L0 A^-T eps / sqrt(mean_strength). Of complete rows the standardised deviation in component
k is A' z - eps / sqrt(mean_strength) with z = L0^-1 (x - m0): no solve and no factorisation is left in the graph. Where cells are
missing, each pattern's covariance has the identity's rows and columns in place of what was not observed, and its factor is
the observed part's: one graph for any number of patterns. Tied: one A for all components.
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
from workbench.models.families.gaussian.missing import grouped


def variables(name: str, n_components: int, data: Dataset, given: Mapping[str, Any], shared: bool = False) -> Coordinates:
    c, t = triangle_variables(name, 1 if shared else n_components, data, given)
    return Coordinates(c=c, t=t, eps=pm.Normal(f"{name}eps", 0, 1, shape=(n_components, data.n_features)))


def triangle_variables(name: str, matrices: int, data: Dataset, given: Mapping[str, Any]) -> tuple[Any, Any]:
    """Squared pivots c of Bartlett's factors, and what stands below them."""
    size = data.n_features
    c = pm.Gamma(f"{name}c", given["half_dof"], given["half"], shape=(matrices, size))
    below = (matrices, size * (size - 1) // 2)
    return c, pm.Normal(f"{name}t", 0, 1, shape=below) if size > 1 else pt.zeros(below, dtype="float64")


def rows(prior: Any, data: Dataset) -> dict[str, np.ndarray]:
    own = units.of_matrix(prior)
    standardised, log_volumes = units.standardised(prior, data, own), units.log_volumes(data, own)
    if data.complete:
        whitened = np.linalg.solve(units.factor(prior), standardised.T).T
        volume = np.log(np.diagonal(units.factor(prior))).sum() + log_volumes
        return {"z": whitened, "log_volumes": volume}
    masks, groups = grouped(data.x)
    pattern = np.empty(data.n_rows, np.int64)
    for number, group in enumerate(groups):
        pattern[group] = number
    return {
        "y": np.nan_to_num(standardised),
        "log_volumes": log_volumes,
        "pattern": pattern,
        "masks": masks.astype(np.float64),
        "factor": units.factor(prior),
    }


def term(at: Coordinates, given: Mapping[str, Any]) -> Term:
    n_components = at.eps.type.shape[0]
    triangle = bartlett(at.c, at.t) * pt.ones((n_components, 1, 1), dtype="float64")  # a size of 1 would lose its broadcasting
    return (_complete if "z" in given else _by_pattern)(triangle, at.eps / given["root"], given)


def bartlett(c: Any, t: Any) -> Any:
    matrices, size = c.type.shape
    index = np.arange(size)
    below = np.tril_indices(size, -1)
    triangle = pt.zeros((matrices, size, size), dtype="float64")[:, index, index].set(pt.sqrt(c))
    return triangle[:, below[0], below[1]].set(t) if size > 1 else triangle


def _complete(triangle: Any, e: Any, given: Mapping[str, Any]) -> Term:
    def log_joint(z: Any, log_volumes: Any, triangle: Any, e: Any) -> Any:
        triangle, e = core(triangle, 3), core(e, 2)
        size, n_components = e.shape[-1], e.shape[-2]
        stacked = triangle.transpose(1, 0, 2).reshape((size, -1))
        deviation = pt.dot(z, stacked).reshape((-1, n_components, size)) - e
        pivots = pt.log(pt.diagonal(triangle, axis1=-2, axis2=-1)).sum(-1)
        return pivots - 0.5 * size * LOG_2PI - log_volumes[:, None] - 0.5 * (deviation**2).sum(-1)

    return Term(log_joint, (given["z"], given["log_volumes"], triangle, e), ("(d)", "()", "(k,d,d)", "(k,d)"))


def _by_pattern(triangle: Any, e: Any, given: Mapping[str, Any]) -> Term:
    n_components, size = e.type.shape

    def identities(*batch: Any) -> Any:
        return pt.broadcast_to(pt.eye(size, dtype="float64"), (*batch, size, size))

    def log_joint(y: Any, log_volumes: Any, pattern: Any, masks: Any, factor: Any, triangle: Any, e: Any) -> Any:
        masks, factor, triangle, e = core(masks, 2), core(factor, 2), core(triangle, 3), core(e, 2)
        which = pattern.astype("int64")
        solved: Any = pt.linalg.solve_triangular(triangle, identities(n_components), lower=True, b_ndim=2)
        root: Any = pt.matmul(solved, factor.T)
        covariance, means = pt.matmul(root.transpose(0, 2, 1), root), pt.matmul(e[:, None, :], root)[:, 0]
        both, none = masks[:, :, None] * masks[:, None, :], pt.eye(size, dtype="float64") * (1.0 - masks)[:, :, None]
        lower = pt.linalg.cholesky(covariance[:, None] * both[None] + none[None])  # (K, P, D, D)
        inverse = pt.linalg.solve_triangular(lower, identities(n_components, masks.shape[0]), lower=True, b_ndim=2)
        deviation = (y[None] - means[:, None]) * masks[which][None]
        squares = ((inverse[:, which] * deviation[:, :, None, :]).sum(-1) ** 2).sum(-1)
        pivots = pt.log(pt.diagonal(lower, axis1=-2, axis2=-1)).sum(-1)[:, which]
        return (-pivots - 0.5 * squares).T - (log_volumes + 0.5 * LOG_2PI * masks.sum(-1)[which])[:, None]

    arrays = tuple(given[name] for name in ("y", "log_volumes", "pattern", "masks", "factor"))
    return Term(log_joint, (*arrays, triangle, e), ("(d)", "()", "()", "(p,d)", "(d,d)", "(k,d,d)", "(k,d)"))
