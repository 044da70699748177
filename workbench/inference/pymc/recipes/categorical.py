"""Categorical: the levels' probabilities of each feature ~ Dirichlet(alpha); a cell that is not observed is a row of zeros.

Neighbouring features with equally many levels share one Dirichlet (feature, component, level): few variables, in the order of
``Prior.flatten``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from workbench.data import Dataset
from workbench.inference.pymc.numbers import runs
from workbench.inference.pymc.recipes.coordinates import Coordinates
from workbench.inference.pymc.recipes.rows import Term, core


def variables(name: str, n_components: int, data: Dataset, given: Mapping[str, Any]) -> Coordinates:
    parts = []
    several = len(runs(data.n_levels)) > 1
    for i, (_, count, size) in enumerate(runs(data.n_levels)):
        if size == 1:  # nothing to be known
            parts.append(pt.ones((n_components, count), dtype="float64"))
            continue
        own = f"{name}probs_{i}" if several else f"{name}probs"
        probs = pm.Dirichlet(own, given[f"alpha_{i}"], shape=(count, n_components, size))
        parts.append(probs.transpose(1, 0, 2).reshape((n_components, count * size)))
    return Coordinates(levels=pt.concatenate(parts, axis=1) if len(parts) > 1 else parts[0])


def rows(prior: Any, data: Dataset) -> dict[str, np.ndarray]:
    own = [data.x[:, d, None] == np.arange(size) for d, size in enumerate(data.n_levels)]
    return {"one_hot": np.concatenate(own, axis=1)}


def term(at: Coordinates, given: Mapping[str, Any]) -> Term:
    def log_joint(one_hot: Any, levels: Any) -> Any:
        return pt.dot(one_hot, pt.log(core(levels, 2)).T)

    return Term(log_joint, (given["one_hot"], at.levels), ("(d)", "(k,d)"))
