"""Poisson: rates ~ Gamma(shape, rate); a cell that is not observed is masked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from scipy.special import gammaln

from workbench.data import Dataset
from workbench.inference.pymc.recipes.coordinates import Coordinates
from workbench.inference.pymc.recipes.rows import Term, core


def variables(name: str, n_components: int, data: Dataset, given: Mapping[str, Any]) -> Coordinates:
    return Coordinates(rates=pm.Gamma(f"{name}rates", given["shape"], given["rate"], shape=(n_components, data.n_features)))


def rows(prior: Any, data: Dataset) -> dict[str, np.ndarray]:
    values = np.nan_to_num(data.x)
    return {"values": values, "seen": ~np.isnan(data.x), "log_factorials": gammaln(values + 1.0).sum(axis=1)}


def term(at: Coordinates, given: Mapping[str, Any]) -> Term:
    def log_joint(values: Any, seen: Any, log_factorials: Any, rates: Any) -> Any:
        rates = core(rates, 2)
        return pt.dot(values, pt.log(rates).T) - pt.dot(seen, rates.T) - log_factorials[:, None]

    arrays = (given["values"], given["seen"], given["log_factorials"], at.rates)
    return Term(log_joint, arrays, ("(d)", "(d)", "()", "(k,d)"))
