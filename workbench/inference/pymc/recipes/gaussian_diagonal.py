"""Gaussian, diagonal covariance: variance = scale / c with c ~ chi-square(dof), mean = m0 + sqrt(variance / mean_strength) eps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from workbench.inference.pymc.recipes.rows import LOG_2PI, log_mixture
from workbench.problem import Problem


def arrays(problem: Problem) -> dict[str, np.ndarray]:
    prior: Any = problem.prior
    numbers = prior.components
    return {
        "z": (problem.data.x - numbers.mean) / np.sqrt(numbers.scale),
        "log_volume": np.array(np.log(numbers.scale).sum() / 2.0),
        "root": np.sqrt(numbers.mean_strength),
        "half_dof": numbers.dof / 2.0,
        "half": np.array(0.5),
    }


def variables(n_components: int, n_features: int, given: Mapping[str, Any]) -> tuple[Any, ...]:
    shape = (n_components, n_features)
    return pm.Gamma("c", given["half_dof"], given["half"], shape=shape), pm.Normal("eps", 0, 1, shape=shape)


def observe(weights: Any, variables: tuple[Any, ...], given: Mapping[str, Any]) -> None:
    """(sqrt(c) z - e)^2 expanded, so that no array (N, K, D) is formed."""
    c, eps = variables

    def log_joint(z: Any, log_volume: Any, c: Any, e: Any) -> Any:
        c, e = c.reshape(c.shape[-2:]), e.reshape(e.shape[-2:])
        squares = pt.dot(z**2, c.T) - 2.0 * pt.dot(z, (pt.sqrt(c) * e).T) + (e**2).sum(-1)
        return 0.5 * pt.log(c).sum(-1) - 0.5 * c.shape[-1] * LOG_2PI - log_volume.reshape((1, 1)) - 0.5 * squares

    log_mixture(log_joint, given["z"], weights, given["counts"], (given["log_volume"], c, eps / given["root"]), "(),(k,d),(k,d)")
