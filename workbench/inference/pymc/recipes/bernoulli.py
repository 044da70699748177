"""Bernoulli: probs ~ Beta(a, b); a cell that is not observed is masked, and nothing is imputed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from workbench.inference.pymc.recipes.rows import log_mixture
from workbench.problem import Problem


def arrays(problem: Problem) -> dict[str, np.ndarray]:
    prior: Any = problem.prior
    seen = ~np.isnan(problem.data.x)
    return {
        "ones": np.where(seen, problem.data.x, 0.0),
        "seen": seen.astype(np.float64),
        "a": prior.components.a,
        "b": prior.components.b,
    }


def variables(n_components: int, n_features: int, given: Mapping[str, Any]) -> tuple[Any, ...]:
    return (pm.Beta("probs", given["a"], given["b"], shape=(n_components, n_features)),)


def observe(weights: Any, variables: tuple[Any, ...], given: Mapping[str, Any]) -> None:
    def log_joint(ones: Any, seen: Any, probs: Any) -> Any:
        probs = probs.reshape(probs.shape[-2:])
        return pt.dot(ones, pt.log(probs).T) + pt.dot(seen - ones, pt.log1p(-probs).T)

    log_mixture(log_joint, given["ones"], weights, given["counts"], (given["seen"], *variables), "(d),(k,d)")
