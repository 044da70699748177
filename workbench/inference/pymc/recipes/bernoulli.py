"""Bernoulli: probs ~ Beta(a, b); a cell that is not observed is masked, and nothing is imputed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from workbench.data import Dataset
from workbench.inference.pymc.recipes.coordinates import Coordinates
from workbench.inference.pymc.recipes.rows import Term, core


def variables(name: str, n_components: int, data: Dataset, given: Mapping[str, Any]) -> Coordinates:
    return Coordinates(probs=pm.Beta(f"{name}probs", given["a"], given["b"], shape=(n_components, data.n_features)))


def rows(prior: Any, data: Dataset) -> dict[str, np.ndarray]:
    return {"ones": np.nan_to_num(data.x), "seen": ~np.isnan(data.x)}


def term(at: Coordinates, given: Mapping[str, Any]) -> Term:
    def log_joint(ones: Any, seen: Any, probs: Any) -> Any:
        probs = core(probs, 2)
        return pt.dot(ones, pt.log(probs).T) + pt.dot(seen - ones, pt.log1p(-probs).T)

    return Term(log_joint, (given["ones"], given["seen"], at.probs), ("(d)", "(d)", "(k,d)"))
