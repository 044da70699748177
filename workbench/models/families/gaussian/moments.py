"""Moments of the fitted rows, from which the default prior is worked out once (statistics, section 1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workbench.data import Dataset
from workbench.models.families.gaussian.single import SMALLEST_CORRELATION_EIGENVALUE, single
from workbench.models.hyperparameters import PriorError

SMALLEST_SQUARE = 1e8 * np.finfo(float).tiny
"""A range whose square is below leaves too few digits to the variance of a component that is a small part of it."""
LARGEST_SQUARE = 1e-2 * np.finfo(float).max
"""Squares of all rows' deviations above it may overflow where they are added up."""


def mean(data: Dataset) -> np.ndarray:
    """Column means (D,), rows by their counts; with missing cells those of the likeliest single Gaussian."""
    if not data.complete:
        return single(data)[0]
    return np.asarray(np.average(data.x, axis=0, weights=data.counts))


def covariance(data: Dataset) -> np.ndarray:
    """Covariance (D, D) of the rows, divisor N - 1; its diagonal alone where N <= D; nan for a single row.

    With missing cells: that of the likeliest single Gaussian times N / (N - 1), N the rows with an observed cell.
    """
    total = np.float64(data.n_observed_rows)
    with np.errstate(invalid="ignore", divide="ignore"):
        if not data.complete:
            matrix = single(data)[1] * (total / (total - 1.0))
        else:
            deviations = np.where(np.ptp(data.x, axis=0) > 0, data.x - mean(data), 0.0)  # the mean of a constant is not always its value
            matrix = (deviations * data.counts[:, None]).T @ deviations / (total - 1.0)
    return np.diag(np.diagonal(matrix)) if total <= data.n_features else matrix


def out_of_scale(data: Dataset) -> str | None:
    """Why float64 cannot hold the squares of a column's deviations, or only some of their digits: what is wrong; what to do."""
    high, low = np.fmax.reduce(data.x, axis=0), np.fmin.reduce(data.x, axis=0)  # of what is observed
    with np.errstate(over="ignore"):
        width = high - low
        rounding = np.finfo(float).eps * np.maximum(high, -low)  # what a mean may be off by
        too_large = np.maximum(width, rounding) ** 2 * data.counts.sum() > LARGEST_SQUARE
        too_small = (width > 0) & (width**2 < SMALLEST_SQUARE)
    for d, name in enumerate(data.features):
        if too_large[d]:
            size = f"{max(high[d], -low[d]):g}"
            return (
                f"column {name} holds values up to {size} in size, and float64 has no room for squares of them; divide it by a power of ten"
            )
        if too_small[d]:
            return (
                f"the values of column {name} lie within {width[d]:g}, and float64 keeps few digits of its square; multiply it by a power "
                "of ten"
            )
    return None


def filled(rows: np.ndarray, data: Dataset) -> np.ndarray:
    """``rows`` (..., D) with the means of the columns' observed cells where a cell is missing."""
    if data.complete:
        return rows
    return np.where(np.isnan(rows), data.column_moments[0], rows)


def spread(matrix: np.ndarray) -> np.ndarray:
    """Variances (D,) with 1 where a column is constant or there is one row: a scale to measure by, never zero."""
    variances = np.diagonal(matrix)
    return np.where(np.isfinite(variances) & (variances > 0), variances, 1.0)


def singular(matrix: np.ndarray) -> bool:
    """Whether a covariance is not positive definite in working precision, whatever the columns' units."""
    variances = np.diagonal(matrix)
    if not (variances > 0).all():
        return True
    return bool(_correlations(matrix)[0][0] <= SMALLEST_CORRELATION_EIGENVALUE)


def _correlations(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues, smallest first, and eigenvectors of the correlations."""
    sd = np.sqrt(np.diagonal(matrix))
    values, vectors = np.linalg.eigh(matrix / np.outer(sd, sd))
    return values, vectors


def check_spread(matrix: np.ndarray, features: Sequence[str]) -> None:
    """Every column varies.

    Raises
    ------
    PriorError
        Naming the columns that do not.
    """
    variances = np.diagonal(matrix)
    constant = [name for name, value in zip(features, variances, strict=True) if not value > 0]
    if constant:
        raise PriorError(
            f"no default prior: {_columns(constant)} constant, so the data's covariance is singular; "
            "leave out what does not vary, or give `prior:` by hand"
        )


def check_definite(matrix: np.ndarray, features: Sequence[str]) -> None:
    """The covariance is positive definite, whatever the columns' units.

    Raises
    ------
    PriorError
        Naming the columns that are constant or collinear.
    """
    check_spread(matrix, features)
    if not singular(matrix):
        return
    _, vectors = _correlations(matrix)
    involved = [name for name, loading in zip(features, vectors[:, 0], strict=True) if abs(loading) > 0.05]
    raise PriorError(
        f"no default prior: columns {', '.join(involved)} are collinear, so the data's covariance is singular; "
        "leave one of them out, choose `covariance: diagonal`, or give `prior:` by hand"
    )


def _columns(names: Sequence[str]) -> str:
    return f"column {names[0]} is" if len(names) == 1 else f"columns {', '.join(names)} are"
