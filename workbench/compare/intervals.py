"""Wald intervals of a point, each parameter on the scale where a normal fits it best, and back."""

from __future__ import annotations

import numpy as np

COVERAGE = 0.95
QUANTILE = 1.959963984540054
"""Of the standard normal, for that coverage."""


def wald(name: str, value: np.ndarray, sd: np.ndarray, dims: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends of 95 % intervals by the delta method.

    Weights and probabilities on the logit scale, variances (of a covariance matrix its diagonal) and rates on the log scale, so
    that no end leaves the parameter space; means and covariances proper on their own. nan where ``sd`` is.

    Parameters
    ----------
    name, dims : the parameter's, as the families spell them
    value, sd : ndarray of one shape
    """
    half = QUANTILE * sd
    kind = name.split("_", maxsplit=1)[0]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if kind in ("weights", "probs"):
            logit, reach = np.log(value) - np.log1p(-value), half / (value * (1.0 - value))
            return _expit(logit - reach), _expit(logit + reach)
        logged = np.ones(value.shape, bool) if kind in ("variances", "rates") else _on_diagonal(value, dims)
        factor = np.exp(half / np.where(logged, value, 1.0))
        return np.where(logged, value / factor, value - half), np.where(logged, value * factor, value + half)


def _on_diagonal(value: np.ndarray, dims: tuple[str, ...]) -> np.ndarray:
    """Variances in covariance matrices, whose last two axes are features; nowhere else."""
    if len(dims) < 2 or not dims[-1].endswith("feature_2"):
        return np.zeros(value.shape, bool)
    return np.broadcast_to(np.eye(value.shape[-1], dtype=bool), value.shape)


def _expit(logit: np.ndarray) -> np.ndarray:
    return np.asarray(np.exp(-np.logaddexp(0.0, -logit)))
