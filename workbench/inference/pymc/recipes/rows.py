"""A mixture's rows as PyMC's graph: one row is one event, its label summed out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

LOG_2PI = np.float64(math.log(2.0 * math.pi))


@dataclass(frozen=True, eq=False)
class Term:
    """The log density of some features as a graph.

    Attributes
    ----------
    log_joint : (*arrays) -> (N, K), the components' log densities
    arrays : rows (N, ...) first, which must come with an axis of features, then parameters. PyMC pads parameters with a leading
        axis for the rows, which ``log_joint`` drops (``core``); one with an axis of rows of its own has it already
    signature : the arrays' core shapes, one an array
    """

    log_joint: Callable[..., Any]
    arrays: tuple[Any, ...]
    signature: tuple[str, ...]


def core(variable: Any, rank: int) -> Any:
    """A parameter without the axis for the rows."""
    return variable.reshape(variable.shape[-rank:])


def log_mixture(terms: list[Term], weights: Any, counts: Any) -> None:
    """Add ``x`` to the model: each row weighs ``counts`` times log sum_k weights_k exp(sum over terms of log_joint_k).

    Parameters
    ----------
    weights : (K,), or None for K = 1
    """
    mixed = () if weights is None else (weights,)
    cuts = np.cumsum([0, *(len(term.arrays) for term in terms)])

    def logp(value: Any, counts: Any, *given: Any) -> Any:
        arrays = (value, *given[len(mixed) :])
        joint: Any = sum(term.log_joint(*arrays[start : start + len(term.arrays)]) for term, start in zip(terms, cuts, strict=False))
        if not mixed:
            return counts * joint[:, 0]
        return counts * pt.logsumexp(pt.log(core(given[0], 1)) + joint, axis=-1)

    shapes = [shape.replace("d", f"d{i}") for i, term in enumerate(terms) for shape in term.signature]
    inputs = ",".join(["()", *("(k)" for _ in mixed), *shapes[1:]])
    (rows, *rest) = [array for term in terms for array in term.arrays]
    pm.CustomDist("x", counts, *mixed, *rest, logp=logp, signature=f"{inputs}->{shapes[0]}", observed=rows)
