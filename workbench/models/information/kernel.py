"""Kernel: scores and curvature of log p(x | theta_k) for K components of one family, at one point."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

import numpy as np

from workbench.models.shapes import Responsibilities, Rows

SNAP_BELOW = 1e-8
"""A probability this near to 0 is on the boundary."""
SNAP_FALLING = 1e-3
"""One below this that still falls, relative to itself, from step to step is on its way to the boundary."""
FALLING = 1e-4
"""Relative change in one M step by which a small probability still falls; at an interior optimum it is rounding."""

Scale = Literal["own", "log", "logit", "log_diagonal"]
"""Where a normal fits the estimate of a parameter best: as it is; its log; its logit; the log on a matrix' diagonal, the rest as it is."""


class Kernel(ABC):
    """Derivatives in coordinates e that are *linear* in the parameters: parameters = point + directions e.

    Linear, so that a Hessian in e is a congruence of the one in natural parameters, without second-order terms; and in units
    of the components' own spread, so that every curvature is of the order of the component's count whatever the data's units.

    Attributes
    ----------
    places : ndarray (K, P), the number of each coordinate among all ``size`` of them; equal numbers are shared by components
        (a tied covariance); -1 where the parameter is on the boundary, and so fixed
    size : number of free coordinates
    directions : parameter -> ndarray (K, *shape, P), change of one component's own entries along its coordinates
    scales : parameter -> the scale of its intervals, on which no end leaves the parameter space
    """

    scales: ClassVar[dict[str, Scale]]
    places: np.ndarray
    size: int
    directions: dict[str, np.ndarray]

    @property
    def bounded(self) -> bool:
        """Whether a parameter of a living component is on its boundary."""
        return False

    @abstractmethod
    def evaluate(self, x: Rows, weights: Responsibilities) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Scores of log p(x_n | theta_k), of what was observed of each row, and two sums over rows of ``weights`` (N, K).

        Returns
        -------
        scores : (N, K, P)
        curvature : (K, P, P), minus the Hessians
        complete : (K, P, P), minus those of what the M step maximises: if it fills cells that were not observed, expected ones of
            whole rows given what was observed; if it leaves them out, ``curvature`` itself
        """

    @abstractmethod
    def prior(self, prior: Any) -> tuple[np.ndarray, np.ndarray]:
        """Gradient (K, P) of the components' log prior density, and minus its Hessian (K, P, P); what is shared once, in the first."""

    @abstractmethod
    def factors(self, x: Rows) -> tuple[np.ndarray, np.ndarray]:
        """Log density of a row without its factors that are 0, and how many those are, (N, K) each."""

    def inward(self, x: Rows, lifted: np.ndarray, responsibilities: Responsibilities) -> np.ndarray:
        """Derivative of the log likelihood from each boundary into the interior, summed over rows; flat.

        ``lifted`` (N, K): p(x_n, z_n = k) / p(x_n) with the one factor that is 0 left out; 0 in rows with none or several.
        """
        return np.zeros(0)

    def prior_inward(self, prior: Any) -> np.ndarray:
        """The same of the log prior density."""
        return np.zeros(0)


def numbered(free: np.ndarray, shared: np.ndarray | None = None) -> tuple[np.ndarray, int]:
    """Places of the ``free`` coordinates (K, P), in order; those of the columns ``shared`` (P,) alike for all components."""
    places = np.full(free.shape, -1)
    own = free if shared is None else free & ~shared
    count = int(own.sum())
    places[own] = np.arange(count)
    if shared is None or not shared.any():
        return places, count
    common = free & shared
    columns = np.flatnonzero(common.any(axis=0))
    for i, column in enumerate(columns):
        places[common[:, column], column] = count + i
    return places, count + columns.size


def simplex_directions(probs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal coordinates of a distribution about ``probs`` (..., L), after division by its own root.

    Returns
    -------
    basis : (..., L, L); probs + sqrt(probs) basis e stays on the simplex to first and every order; sum_l p_l s_l s_l' = 1 for
        the scores s_l = basis_l / sqrt(p_l). Columns of a Householder reflection that takes sqrt(probs) to a coordinate axis.
    free : (..., L), the columns that are coordinates: all but the likeliest level's and those of levels with probability 0
    """
    root = np.sqrt(probs)
    pivot = np.arange(probs.shape[-1]) == probs.argmax(axis=-1)[..., None]
    v = root + pivot  # no cancellation: both are positive at the pivot
    basis = np.eye(probs.shape[-1]) - 2.0 * v[..., :, None] * v[..., None, :] / (v**2).sum(axis=-1)[..., None, None]
    return basis, (probs > 0) & ~pivot


def snapped_levels(probs: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Distributions (..., L) with 0 for the levels that are on the boundary or, by one M step, on their way to it."""
    falling = (probs < SNAP_FALLING) & (after < probs * (1.0 - FALLING))
    kept = np.where((probs < SNAP_BELOW) | falling, 0.0, probs)
    total = kept.sum(axis=-1, keepdims=True)
    return np.where((kept != probs).any(axis=-1, keepdims=True), kept / np.where(total > 0, total, 1.0), probs)
