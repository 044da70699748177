"""Scores and curvature of Gaussian components with independent features: a variance for each, or one for all of them."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from workbench.models.families.gaussian.full import LOG_2PI
from workbench.models.families.gaussian.semiconjugate import SemiConjugatePrior
from workbench.models.information.kernel import Kernel, Scale, numbered
from workbench.models.shapes import Responsibilities, Rows


class DiagonalKernel(Kernel):
    """mean = mean_0 + sd e and variance = variance_0 (1 + f), feature by feature; cells that were not observed add nothing.

    With y = (x - mean) / sd: the score is y for e and (y^2 - 1) / 2 for f, and minus the second derivatives are 1, y and y^2 - 1/2.
    """

    scales: ClassVar[dict[str, Scale]] = {"means": "own", "variances": "log"}

    def __init__(self, means: np.ndarray, variances: np.ndarray, alive: np.ndarray) -> None:
        count, size = means.shape
        self.means, self.sd = means, np.sqrt(variances)
        self.places, self.size = numbered(np.broadcast_to(alive[:, None], (count, 2 * size)))
        index = np.arange(size)
        shift, spread = np.zeros((count, size, 2 * size)), np.zeros((count, size, 2 * size))
        shift[:, index, index], spread[:, index, size + index] = self.sd, variances
        self.directions = {"means": shift, "variances": spread}

    def evaluate(self, x: Rows, weights: Responsibilities) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        observed = ~np.isnan(x)
        y = np.where(observed[:, None, :], (x[:, None, :] - self.means) / self.sd, 0.0)
        squares = np.where(observed[:, None, :], y**2 - 1.0, 0.0) / 2.0
        seen = weights.T @ observed
        first, second = np.einsum("nk,nkd->kd", weights, y), np.einsum("nk,nkd->kd", weights, y**2)
        curvature = _blocks(seen, first, second - seen / 2.0)
        return np.concatenate([y, squares], axis=-1), curvature, curvature

    def prior(self, prior: Any) -> tuple[np.ndarray, np.ndarray]:
        """The normal-inverse-gamma of each feature, as pseudo-rows at the prior's mean and a sum of squares; an independent prior
        has the latter, and means that the variances have nothing to do with."""
        gap = (prior.mean - self.means) / self.sd
        strength, linked = _strength(prior, self.sd)
        second = linked * strength * gap**2 + prior.scale / self.sd**2
        power = np.broadcast_to(np.asarray(prior.dof)[..., None] + 2.0 + linked, gap.shape)
        gradient = np.concatenate([strength * gap, (second - power) / 2.0], axis=-1)
        return gradient, _blocks(strength, linked * strength * gap, second - power / 2.0)

    def factors(self, x: Rows) -> tuple[np.ndarray, np.ndarray]:
        y = (x[:, None, :] - self.means) / self.sd
        logs = np.where(np.isnan(y), 0.0, -(y**2) / 2.0 - np.log(self.sd) - LOG_2PI / 2.0).sum(axis=-1)
        return logs, np.zeros_like(logs)


class SphericalKernel(Kernel):
    """The diagonal one with a single variance: its coordinate is the sum of the features' coordinates."""

    scales: ClassVar[dict[str, Scale]] = DiagonalKernel.scales

    def __init__(self, means: np.ndarray, variances: np.ndarray, alive: np.ndarray) -> None:
        count, size = means.shape
        self.each = DiagonalKernel(means, np.broadcast_to(variances[:, None], means.shape), alive)
        self.variances = variances
        self.places, self.size = numbered(np.broadcast_to(alive[:, None], (count, size + 1)))
        self.sum = np.zeros((2 * size, size + 1))
        self.sum[np.arange(size), np.arange(size)] = 1.0
        self.sum[size:, size] = 1.0
        spread = np.zeros((count, size + 1))
        spread[:, size] = variances
        self.directions = {"means": self.each.directions["means"] @ self.sum, "variances": spread}

    def evaluate(self, x: Rows, weights: Responsibilities) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        scores, each, _ = self.each.evaluate(x, weights)
        curvature = self.sum.T @ each @ self.sum
        return scores @ self.sum, curvature, curvature

    def prior(self, prior: Any) -> tuple[np.ndarray, np.ndarray]:
        """variance ~ inverse-gamma(dof / 2, scale / 2), means normal about the prior's with variance / mean_strength, or whatever the
        variance."""
        size = self.each.means.shape[1]
        gap = (prior.mean - self.each.means) / self.each.sd
        strength, linked = _strength(prior, self.each.sd)
        second = linked * (strength * gap**2).sum(axis=-1) + prior.scale / self.variances
        power = prior.dof + 2.0 + linked * size
        gradient = np.concatenate([strength * gap, ((second - power) / 2.0)[:, None]], axis=-1)
        curvature = np.zeros((gap.shape[0], size + 1, size + 1))
        index = np.arange(size)
        curvature[:, index, index] = strength
        curvature[:, index, size] = curvature[:, size, index] = linked * strength * gap
        curvature[:, size, size] = second - power / 2.0
        return gradient, curvature

    def factors(self, x: Rows) -> tuple[np.ndarray, np.ndarray]:
        return self.each.factors(x)


def _strength(prior: Any, sd: np.ndarray) -> tuple[np.ndarray, float]:
    """What the prior of the means weighs (K, D), in rows; and 1 where those are rows of the component's own variance, else 0."""
    if isinstance(prior, SemiConjugatePrior):
        return np.asarray(sd**2 / prior.mean_covariance), 0.0
    return np.broadcast_to(prior.mean_strength, sd.shape), 1.0


def _blocks(of_means: np.ndarray, across: np.ndarray, of_variances: np.ndarray) -> np.ndarray:
    """(K, 2 D, 2 D) with the features apart from each other."""
    count, size = of_means.shape
    index = np.arange(size)
    result = np.zeros((count, 2 * size, 2 * size))
    result[:, index, index] = of_means
    result[:, index, size + index] = result[:, size + index, index] = across
    result[:, size + index, size + index] = of_variances
    return result


def diagonal(components: Any, alive: np.ndarray) -> DiagonalKernel:
    return DiagonalKernel(components.means, components.variances, alive)


def spherical(components: Any, alive: np.ndarray) -> SphericalKernel:
    return SphericalKernel(components.means, components.variances, alive)
