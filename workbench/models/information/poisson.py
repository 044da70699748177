"""Scores and curvature of independent counts."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from workbench.models.information.kernel import FALLING, SNAP_BELOW, SNAP_FALLING, Kernel, Scale, numbered
from workbench.models.shapes import Responsibilities, Rows


class PoissonKernel(Kernel):
    """rate = rate_0 + sqrt(rate_0) e: the score is (x - rate) / sqrt(rate), minus the second derivative x / rate.

    A rate of 0 is fixed; into the interior a 1 gains what lacks this factor alone, and every cell gives its responsibility.
    """

    scales: ClassVar[dict[str, Scale]] = {"rates": "log"}

    def __init__(self, rates: np.ndarray, alive: np.ndarray) -> None:
        count, size = rates.shape
        self.rates = rates
        self.boundary = (rates <= 0) & alive[:, None]
        self.places, self.size = numbered((rates > 0) & alive[:, None])
        self.root = np.where(rates > 0, np.sqrt(rates), 1.0)
        moves = np.zeros((count, size, size))
        index = np.arange(size)
        moves[:, index, index] = np.sqrt(rates)
        self.directions = {"rates": moves}

    @property
    def bounded(self) -> bool:
        return bool(self.boundary.any())

    def evaluate(self, x: Rows, weights: Responsibilities) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        observed = ~np.isnan(x)
        values = np.where(observed, x, 0.0)
        scores = np.where(observed[:, None, :] & (self.rates > 0), (x[:, None, :] - self.rates) / self.root, 0.0)
        curvature = _diagonals(np.where(self.rates > 0, weights.T @ values / self.root**2, 0.0))
        return scores, curvature, curvature

    def prior(self, prior: Any) -> tuple[np.ndarray, np.ndarray]:
        """A gamma density is (shape - 1) log rate - rate_of_prior rate."""
        free = self.rates > 0
        pseudo = np.where(free, (prior.shape - 1.0) / self.root**2, 0.0)
        return np.where(free, (pseudo - prior.rate) * self.root, 0.0), _diagonals(pseudo)

    def factors(self, x: Rows) -> tuple[np.ndarray, np.ndarray]:
        from scipy.special import gammaln, xlogy

        observed = ~np.isnan(x)
        values = np.where(observed, x, 0.0)[:, None, :]
        free = self.rates > 0
        logs = np.where(free, xlogy(values, np.where(free, self.rates, 1.0)) - self.rates - gammaln(values + 1.0), 0.0)
        logs = np.where(observed[:, None, :], logs, 0.0)
        zeros = ~free & (values > 0)
        many = zeros & (values > 1.0)  # such a factor is 0 to more than the first order
        return logs.sum(axis=-1), zeros.sum(axis=-1) + many.sum(axis=-1)

    def inward(self, x: Rows, lifted: np.ndarray, responsibilities: Responsibilities) -> np.ndarray:
        observed = ~np.isnan(x)
        gained = lifted.T @ (observed & (x == 1.0)) - responsibilities.T @ observed
        return np.asarray(gained[self.boundary])

    def prior_inward(self, prior: Any) -> np.ndarray:
        """The boundary is a mode only with shape 1, where the density falls at the prior's rate."""
        return np.asarray(np.broadcast_to(-prior.rate, self.rates.shape)[self.boundary])


def _diagonals(values: np.ndarray) -> np.ndarray:
    return np.asarray(values[..., None] * np.eye(values.shape[-1]))


def poisson(components: Any, alive: np.ndarray) -> PoissonKernel:
    return PoissonKernel(components.rates, alive)


def snapped_poisson(components: Any, after: Any) -> Any:
    """Rates of 0 where they are about to be."""
    falling = (components.rates < SNAP_FALLING) & (after.rates < components.rates * (1.0 - FALLING))
    return type(components)(np.where((components.rates < SNAP_BELOW) | falling, 0.0, components.rates))


def sides_poisson(components: Any) -> dict[str, np.ndarray]:
    """-1 for rates of 0."""
    return {"rates": -(components.rates < SNAP_BELOW).astype(int)}
