"""Wald intervals of a point, each parameter on the scale where a normal fits it best, and back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from workbench.models.information.kernel import Scale

COVERAGE = 0.95
QUANTILE = 1.959963984540054
"""Of the standard normal, for that coverage."""

Ends = tuple[np.ndarray, np.ndarray]


def wald(scale: Scale, value: np.ndarray, sd: np.ndarray) -> Ends:
    """Lower and upper ends of 95 % intervals by the delta method.

    Symmetric on ``scale``, which is the parameter's as its family's coordinates have it (``Chart.scales``), so that no end leaves
    the parameter space. nan where ``sd`` is.

    Parameters
    ----------
    value, sd : ndarray of one shape; under ``log_diagonal`` (..., D, D)
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return ENDS[scale](value, QUANTILE * sd)


def _own(value: np.ndarray, half: np.ndarray) -> Ends:
    return value - half, value + half


def _log(value: np.ndarray, half: np.ndarray) -> Ends:
    factor = np.exp(half / value)
    return value / factor, value * factor


def _logit(value: np.ndarray, half: np.ndarray) -> Ends:
    logit, reach = np.log(value) - np.log1p(-value), half / (value * (1.0 - value))
    return _expit(logit - reach), _expit(logit + reach)


def _log_diagonal(value: np.ndarray, half: np.ndarray) -> Ends:
    diagonal = np.eye(value.shape[-1], dtype=bool)
    lower, upper = (np.where(diagonal, logged, own) for logged, own in zip(_log(value, half), _own(value, half), strict=True))
    return lower, upper


def _expit(logit: np.ndarray) -> np.ndarray:
    return np.asarray(np.exp(-np.logaddexp(0.0, -logit)))


ENDS: dict[Scale, Callable[[np.ndarray, np.ndarray], Ends]] = {
    "own": _own,
    "log": _log,
    "logit": _logit,
    "log_diagonal": _log_diagonal,
}
