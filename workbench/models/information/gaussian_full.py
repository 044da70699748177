"""Scores and curvature of Gaussian components with full or tied covariances, each row by what was observed of it."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from workbench.models.families.gaussian.full import LOG_2PI
from workbench.models.families.gaussian.missing import grouped
from workbench.models.families.gaussian.semiconjugate import SemiConjugatePrior
from workbench.models.families.gaussian.triangular import cholesky, inverse, transposed
from workbench.models.information.kernel import Kernel, Scale, numbered
from workbench.models.shapes import Responsibilities, Rows


class FullKernel(Kernel):
    """mean = mean_0 + L e and covariance = L (I + E) L', with L L' the covariance and E symmetric.

    With y = L' P (x - mean) and A = L' P L, where P is the inverse of the observed part of the covariance, padded with zeros
    (so A is a projection, the identity where all is observed): the score is y for e and (y y' - A) / 2 for E, and minus the
    second derivatives are A, A E y and y'F A E y - tr(F A E A) / 2.

    Of the whole row, given what was observed, the same y is the mean and 1 - A the covariance (Little & Rubin 2019, section
    11.3): its expected second derivatives are those with A = 1 and y y' + 1 - A instead of y y'.
    """

    scales: ClassVar[dict[str, Scale]] = {"means": "own", "covariances": "log_diagonal"}

    def __init__(self, means: np.ndarray, covariances: np.ndarray, alive: np.ndarray, tied: bool) -> None:
        count, size = means.shape
        self.means, self.covariances = means, covariances
        self.keeper = np.arange(count) == alive.argmax() if tied else np.ones(count, bool)  # whose a shared prior is
        self.factor = cholesky(covariances)
        self.i, self.j = np.tril_indices(size)
        width = size + self.i.size
        free = np.broadcast_to(alive[:, None], (count, width))
        self.places, self.size = numbered(free, (np.arange(width) >= size) & tied)
        spread = np.zeros((count, size, size, width))
        left, right = self.factor[..., self.i], self.factor[..., self.j]
        both = np.einsum("kap,kbp->kabp", left, right)
        spread[..., size:] = np.where(self.i == self.j, both, both + np.swapaxes(both, 1, 2))
        shift = np.zeros((count, size, width))
        shift[..., :size] = self.factor
        self.directions = {"means": shift, "covariances": spread}

    def evaluate(self, x: Rows, weights: Responsibilities) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        count, width = self.places.shape
        size = self.means.shape[1]
        identity = np.broadcast_to(np.eye(size), (count, size, size))
        scores = np.zeros((x.shape[0], count, width))
        total = np.zeros((count, width, width))
        counts, firsts, seconds = np.zeros(count), np.zeros((count, size)), np.zeros((count, size, size))
        for observed, rows in zip(*grouped(x), strict=True):
            if not observed.any():
                continue
            y, projection = self._whitened(x[rows][:, observed], observed)
            scores[rows] = self._scores(y, projection)
            own = weights[rows]
            each = own.sum(axis=0)
            first = np.einsum("nk,nkd->kd", own, y)
            second = np.einsum("nk,nkd,nke->kde", own, y, y, optimize=True)
            total += self._curvature(projection, each, each, first, second)
            counts, firsts = counts + each, firsts + first
            seconds = seconds + second + each[:, None, None] * (identity - projection)
        return scores, total, self._curvature(identity, counts, counts, firsts, seconds)

    def prior(self, prior: Any) -> tuple[np.ndarray, np.ndarray]:
        """The normal-inverse-Wishart is the log density of pseudo-rows: ``mean_strength`` of them at its mean, and a scatter.

        An independent prior has the scatter, and a normal of the means that the covariances have nothing to do with.
        """
        count, size = self.means.shape
        gap = np.linalg.solve(self.factor, (prior.mean - self.means)[..., None])[..., 0]
        whitener, identity = inverse(self.factor), np.broadcast_to(np.eye(size), (count, size, size))
        dof = np.where(self.keeper, prior.dof + size + 1.0, 0.0)  # powers of |Sigma|^(-1/2)
        second = np.where(self.keeper[:, None, None], whitener @ prior.scale @ transposed(whitener), 0.0)
        if isinstance(prior, SemiConjugatePrior):
            pull = transposed(self.factor) @ np.linalg.inv(prior.mean_covariance) @ self.factor
            first = (pull @ gap[..., None])[..., 0]
            curvature = self._curvature(identity, np.zeros(count), dof, np.zeros_like(first), second)
            curvature[:, :size, :size] += pull
        else:
            strength, dof = np.broadcast_to(prior.mean_strength, (count,)), dof + 1.0
            first = strength[:, None] * gap
            second = second + first[..., :, None] * gap[..., None, :]
            curvature = self._curvature(identity, strength, dof, first, second)
        gradient = np.concatenate([first, self._pairs(second - dof[:, None, None] * identity)], axis=-1)
        return gradient, curvature

    def factors(self, x: Rows) -> tuple[np.ndarray, np.ndarray]:
        logs = np.zeros((x.shape[0], self.means.shape[0]))
        for observed, rows in zip(*grouped(x), strict=True):
            if observed.any():
                y, _ = self._whitened(x[rows][:, observed], observed)
                roots = np.linalg.slogdet(self.covariances[:, observed][:, :, observed])[1] / 2.0
                logs[rows] = -(y**2).sum(axis=-1) / 2.0 - roots - observed.sum() * LOG_2PI / 2.0
        return logs, np.zeros_like(logs)

    def _whitened(self, x: Rows, observed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """y (N, K, D) and A (K, D, D) of rows of which ``observed`` was seen."""
        gap = x[:, None, :] - self.means[:, observed]
        if observed.all():
            root = inverse(self.factor)
            return np.einsum("kij,nkj->nki", root, gap), np.broadcast_to(np.eye(observed.size), self.covariances.shape)
        seen = self.covariances[:, observed][:, :, observed]
        root = inverse(cholesky(seen))
        turned = root @ self.factor[:, observed]
        return np.einsum("kod,kop,nkp->nkd", turned, root, gap, optimize=True), transposed(turned) @ turned

    def _scores(self, y: np.ndarray, projection: np.ndarray) -> np.ndarray:
        pairs = y[..., self.i] * y[..., self.j] - projection[..., self.i, self.j]
        return np.concatenate([y, np.where(self.i == self.j, pairs / 2.0, pairs)], axis=-1)

    def _pairs(self, matrices: np.ndarray) -> np.ndarray:
        """Gradients tr(E M) / 2 for each coordinate of E."""
        entries = matrices[..., self.i, self.j]
        return np.where(self.i == self.j, entries / 2.0, entries)

    def _curvature(self, projection: np.ndarray, n_means: np.ndarray, n_spreads: np.ndarray, first: np.ndarray, second: np.ndarray) -> Any:
        """Minus the summed Hessian from counts, sum of y and sum of y y'."""
        count, size = first.shape
        cross = np.einsum("kac,kd->kacd", projection, first)
        quartic = np.einsum("kbc,kda->kabcd", projection, second)
        quartic = quartic - np.einsum("k,kbc,kda->kabcd", n_spreads / 2.0, projection, projection)
        result = np.zeros((count, size + self.i.size, size + self.i.size))
        result[:, :size, :size] = projection * n_means[:, None, None]
        result[:, :size, size:] = self._folded(cross)
        result[:, size:, :size] = transposed(result[:, :size, size:])
        rows = self._folded(quartic)  # (K, D, D, T)
        folded = self._folded(np.moveaxis(rows, -1, 1))
        result[:, size:, size:] = (folded + transposed(folded)) / 2.0
        return result

    def _folded(self, array: np.ndarray) -> np.ndarray:
        """Entries (i, j) and (j, i) of the last two axes added: the derivative by one coordinate of a symmetric matrix."""
        lower, upper = array[..., self.i, self.j], array[..., self.j, self.i]
        return np.where(self.i == self.j, lower, lower + upper)


def full(components: Any, alive: np.ndarray) -> FullKernel:
    return FullKernel(components.means, components.covariances, alive, tied=False)


def tied(components: Any, alive: np.ndarray) -> FullKernel:
    count, size = components.means.shape
    return FullKernel(components.means, np.broadcast_to(components.covariances, (count, size, size)), alive, tied=True)
