"""Scores and curvature of independent discrete features: Bernoulli as two levels, categorical as several."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from workbench.models.information.kernel import SNAP_BELOW, Kernel, Scale, numbered, simplex_directions, snapped_levels
from workbench.models.shapes import Responsibilities, Rows


class LevelsKernel(Kernel):
    """Probabilities of levels (K, D, L), those that a feature does not have 0; probs = probs_0 + sqrt(probs_0) basis e.

    The score of a cell with level l is s_l = basis_l / sqrt(p_l) and minus its second derivative s_l s_l'. Levels of
    probability 0 are fixed; their derivative is taken into the interior, the other levels giving way in proportion.
    """

    scales: ClassVar[dict[str, Scale]] = {"probs": "logit"}

    def __init__(self, probs: np.ndarray, alive: np.ndarray) -> None:
        count, features, levels = probs.shape
        self.probs, self.alive = probs, alive
        self.boundary = (probs <= 0) & alive[:, None, None]
        basis, free = simplex_directions(probs)
        self.places, self.size = numbered((free & alive[:, None, None]).reshape(count, features * levels))
        with np.errstate(divide="ignore", invalid="ignore"):
            self.scores = np.where(probs[..., None] > 0, basis / np.sqrt(probs)[..., None], 0.0) * free[..., None, :]
        moves = np.zeros((count, features, levels, features, levels))
        index = np.arange(features)
        moves[:, index, :, index, :] = np.moveaxis(np.sqrt(probs)[..., None] * basis * free[..., None, :], 0, 1)
        self.directions = {"probs": moves.reshape(count, features, levels, features * levels)}

    @property
    def bounded(self) -> bool:
        return bool(self.boundary.any())

    def evaluate(self, x: Rows, weights: Responsibilities) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        count, features, levels = self.probs.shape
        codes, observed = _codes(x)
        picked = np.moveaxis(self.scores[:, np.arange(features), codes], 0, 1)  # (N, K, D, L)
        picked = picked * observed[:, None, :, None]
        cells = np.stack([weights.T @ (observed & (codes == level)) for level in range(levels)], axis=-1)  # (K, D, L)
        blocks = np.einsum("kdl,kdlp,kdlq->kdpq", cells, self.scores, self.scores, optimize=True)
        curvature = self._spread(blocks)
        return picked.reshape(x.shape[0], count, -1), curvature, curvature

    def prior(self, prior: Any) -> tuple[np.ndarray, np.ndarray]:
        """A Dirichlet is concentration - 1 cells of each level."""
        cells = np.where(self.probs > 0, self.excess(prior), 0.0)
        gradient = np.einsum("kdl,kdlp->kdp", cells, self.scores)
        return gradient.reshape(self.places.shape), self._spread(np.einsum("kdl,kdlp,kdlq->kdpq", cells, self.scores, self.scores))

    def excess(self, prior: Any) -> np.ndarray:
        """Concentrations minus 1, broadcast to (K, D, L)."""
        raise NotImplementedError

    def factors(self, x: Rows) -> tuple[np.ndarray, np.ndarray]:
        codes, observed = _codes(x)
        features = np.arange(x.shape[1])
        logs = np.log(np.where(self.probs > 0, self.probs, 1.0))[:, features, codes] * observed
        zeros = (self.probs <= 0)[:, features, codes] & observed
        return logs.sum(axis=-1).T, zeros.sum(axis=-1).T

    def inward(self, x: Rows, lifted: np.ndarray, responsibilities: Responsibilities) -> np.ndarray:
        codes, observed = _codes(x)
        levels = range(self.probs.shape[2])
        gained = np.stack([lifted.T @ (observed & (codes == level)) for level in levels], axis=-1)
        given = (responsibilities.T @ observed)[..., None]
        return np.asarray((gained - given)[self.boundary])

    def prior_inward(self, prior: Any) -> np.ndarray:
        cells = np.where(self.probs > 0, self.excess(prior), 0.0)
        return np.asarray((np.zeros_like(self.probs) - cells.sum(axis=-1, keepdims=True))[self.boundary])

    def _spread(self, blocks: np.ndarray) -> np.ndarray:
        """(K, D, L, L) as (K, D L, D L) with the features apart from each other."""
        count, features, levels, _ = blocks.shape
        result = np.zeros((count, features, levels, features, levels))
        index = np.arange(features)
        result[:, index, :, index, :] = np.moveaxis(blocks, 0, 1)
        return result.reshape(count, features * levels, features * levels)


class BernoulliKernel(LevelsKernel):
    """Level 0 has probability 1 - p, level 1 has p."""

    def __init__(self, probs: np.ndarray, alive: np.ndarray) -> None:
        both = np.stack([1.0 - probs, probs], axis=-1)
        super().__init__(both, alive)
        self.directions = {"probs": self.directions["probs"][:, :, 1]}

    def excess(self, prior: Any) -> np.ndarray:
        return np.broadcast_to(np.stack([prior.b - 1.0, prior.a - 1.0], axis=-1), self.probs.shape)


class CategoricalKernel(LevelsKernel):
    """As many levels as the longest feature has; those that a feature has not are never seen and stay at 0."""

    def excess(self, prior: Any) -> np.ndarray:
        return np.broadcast_to(np.where(prior.there, prior.alpha - 1.0, 0.0), self.probs.shape)


def categorical(components: Any, alive: np.ndarray) -> CategoricalKernel:
    return CategoricalKernel(components.probs, alive)


def snapped_categorical(components: Any, after: Any) -> Any:
    """Probabilities of 0 where they are about to be."""
    return type(components)(snapped_levels(components.probs, after.probs))


def sides_categorical(components: Any) -> dict[str, np.ndarray]:
    """-1 for probabilities of 0; where one is 1, the others say so."""
    return {"probs": -(components.probs < SNAP_BELOW).astype(int)}


def bernoulli(components: Any, alive: np.ndarray) -> BernoulliKernel:
    return BernoulliKernel(components.probs, alive)


def snapped_bernoulli(components: Any, after: Any) -> Any:
    """Probabilities of 0 and 1 where they are about to be."""
    before = np.stack([1.0 - components.probs, components.probs], axis=-1)
    kept = snapped_levels(before, np.stack([1.0 - after.probs, after.probs], axis=-1))
    return type(components)(np.where((kept == before).all(axis=-1), components.probs, kept[..., 1]))


def sides_bernoulli(components: Any) -> dict[str, np.ndarray]:
    """-1 for probabilities of 0, 1 for those of 1."""
    return {"probs": (components.probs > 1.0 - SNAP_BELOW).astype(int) - (components.probs < SNAP_BELOW)}


def _codes(x: Rows) -> tuple[np.ndarray, np.ndarray]:
    observed = ~np.isnan(x)
    return np.where(observed, x, 0.0).astype(int), observed
