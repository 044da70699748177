"""Gaussian rows about the prior's mean, in units of its scale, and the log Jacobian of that."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.data import Dataset


def of_matrix(prior: Any) -> np.ndarray:
    """Of each feature the square root of the diagonal of the scale, a matrix."""
    return np.sqrt(np.diagonal(prior.scale))


def of_axes(prior: Any) -> np.ndarray:
    """Of each feature the square root of its scale."""
    return np.asarray(np.sqrt(prior.scale))


def factor(prior: Any) -> np.ndarray:
    """L0 with L0 L0' the scale, in its units."""
    return np.asarray(np.linalg.cholesky(prior.scale / np.outer(of_matrix(prior), of_matrix(prior))))


def standardised(prior: Any, data: Dataset, units: np.ndarray) -> np.ndarray:
    return np.asarray((data.x - prior.mean) / units)


def log_volumes(data: Dataset, units: np.ndarray) -> np.ndarray:
    """Of each row the log Jacobian of what was observed of it: the log density of x is that of the standardised row less this."""
    return np.where(np.isnan(data.x), 0.0, np.log(units)).sum(axis=1)
