"""A mixture's rows as PyMC's graph: one row is one event, its label summed out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

LOG_2PI = np.float64(math.log(2.0 * math.pi))


def log_mixture(log_joint: Callable[..., Any], rows: Any, weights: Any, counts: Any, parameters: tuple[Any, ...], signature: str) -> None:
    """Add ``x`` to the model: each row weighs ``counts`` times log sum_k weights_k exp(log_joint_k).

    Parameters
    ----------
    log_joint : (rows (N, D), *parameters) -> (N, K), the components' log densities. PyMC pads parameters with a leading axis
        for the rows, which ``log_joint`` drops; one with an axis of rows of its own has it already.
    weights : (K,), or None for K = 1
    signature : the parameters' core shapes
    """
    mixed = () if weights is None else (weights,)

    def logp(value: Any, counts: Any, *given: Any) -> Any:
        joint = log_joint(value, *given[len(mixed) :])
        if not mixed:
            return counts * joint[:, 0]
        return counts * pt.logsumexp(pt.log(given[0].reshape(given[0].shape[-1:])) + joint, axis=-1)

    inputs = ",".join(["()", *("(k)" for _ in mixed), signature])
    pm.CustomDist("x", counts, *mixed, *parameters, logp=logp, signature=f"{inputs}->(d)", observed=rows)
