"""Gaussian, full covariance: the normal-inverse-Wishart through Bartlett's decomposition of the precision, whitened.

With scale = L0 L0' and A lower triangular, A_ii^2 = c_i ~ chi-square(dof - i), A_ij = t ~ N(0, 1) below, eps ~ N(0, 1):
Sigma = L0 A^-T A^-1 L0', mean = m0 + L0 A^-T eps / sqrt(mean_strength), and a row's standardised deviation in component k is
A' z - eps / sqrt(mean_strength) with z = L0^-1 (x - m0). No solve and no factorisation is left in the graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from workbench.inference.pymc.likelihood import GaussianFullLogLikelihood
from workbench.inference.pymc.recipes.rows import LOG_2PI, log_mixture
from workbench.problem import Problem


def arrays(problem: Problem) -> dict[str, np.ndarray]:
    prior: Any = problem.prior
    numbers = prior.components
    factor = np.linalg.cholesky(numbers.scale)
    whitened = np.linalg.solve(factor, (problem.data.x - numbers.mean).T).T
    return {
        "z": whitened,
        "log_volume": np.array(np.log(np.diag(factor)).sum()),
        "root": np.sqrt(numbers.mean_strength),
        "half_dof": (numbers.dof - np.arange(problem.data.n_features)) / 2.0,
        "half": np.array(0.5),  # float64: a bare 0.5 would be narrowed, and pm.ChiSquared holds a float32 inside
    }


def variables(n_components: int, n_features: int, given: Mapping[str, Any]) -> tuple[Any, ...]:
    c = pm.Gamma("c", given["half_dof"], given["half"], shape=(n_components, n_features))
    below = (n_components, n_features * (n_features - 1) // 2)
    t = pm.Normal("t", 0, 1, shape=below) if n_features > 1 else pt.zeros(below, dtype="float64")
    return c, t, pm.Normal("eps", 0, 1, shape=(n_components, n_features))


def observe(weights: Any, variables: tuple[Any, ...], given: Mapping[str, Any]) -> None:
    c, t, eps = variables
    triangle = _bartlett(c, t)

    def log_joint(z: Any, log_volume: Any, triangle: Any, e: Any) -> Any:
        size, n_components = e.shape[-1], e.shape[-2]
        triangle, e = triangle.reshape(triangle.shape[-3:]), e.reshape(e.shape[-2:])
        stacked = triangle.transpose(1, 0, 2).reshape((size, -1))
        deviation = pt.dot(z, stacked).reshape((-1, n_components, size)) - e
        pivots = pt.log(pt.diagonal(triangle, axis1=-2, axis2=-1)).sum(-1)
        return pivots - 0.5 * size * LOG_2PI - log_volume.reshape((1, 1)) - 0.5 * (deviation**2).sum(-1)

    parameters = (given["log_volume"], triangle, eps / given["root"])
    log_mixture(log_joint, given["z"], weights, given["counts"], parameters, "(),(k,d,d),(k,d)")


def _bartlett(c: Any, t: Any) -> Any:
    n_components, size = c.type.shape
    index = np.arange(size)
    below = np.tril_indices(size, -1)
    triangle = pt.zeros((n_components, size, size), dtype="float64")[:, index, index].set(pt.sqrt(c))
    return triangle[:, below[0], below[1]].set(t) if size > 1 else triangle


def compiled(weights: Any, variables: tuple[Any, ...], given: Mapping[str, Any]) -> None:
    """Add the likelihood as one Op around the compiled E step."""
    c, t, eps = variables
    log_weights = pt.zeros((1,), dtype="float64") if weights is None else pt.log(weights)
    outputs: Any = GaussianFullLogLikelihood()(log_weights, c, t, eps, given["root"], given["z"], given["counts"])
    pm.Potential("log_likelihood", outputs[0] - given["log_volume"] * given["n_rows"])
