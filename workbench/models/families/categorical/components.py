"""Categorical components: statistics, terms and parameters of independent features with levels; nan is skipped.

Features need not have equally many levels: arrays over levels are as long as the longest, and what a feature has not holds 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from workbench.models.components import Outside, beyond
from workbench.models.families.discrete import BoundedComponents, Sums, finite_log, with_zeros
from workbench.models.shapes import Labels, LevelProbs, LogJoint, PerComponent, PerFit, Responsibilities, Rows, Weights
from workbench.models.terms import Coefficients, labelled


def one_hot(x: Float[np.ndarray, "*rows D"], n_levels: int) -> np.ndarray:
    """(..., D * L) of 0 and 1, nothing where a cell was not observed; level varies fastest."""
    return np.asarray((x[..., None] == np.arange(n_levels)).reshape(*x.shape[:-1], -1), dtype=float)


@dataclass(frozen=True, eq=False)
class CategoricalStatistics(Sums):
    """Counts N_k, and for each feature the weighted number of cells at each level."""

    counts: PerComponent
    totals: LevelProbs


def statistics(x: Rows, responsibilities: Responsibilities, n_levels: int) -> CategoricalStatistics:
    """Weighted sums over the observed cells."""
    weights = np.swapaxes(responsibilities, -1, -2)  # (*batch, K, N)
    totals = weights @ one_hot(x, n_levels)
    return CategoricalStatistics(weights.sum(axis=-1), totals.reshape(*totals.shape[:-1], x.shape[1], n_levels))


@dataclass(frozen=True, eq=False)
class CategoricalTerms(Coefficients):
    """log p(x, z = k) = constant_k + sum over observed d of log_probs_k,d,x_d."""

    constant: PerComponent
    log_probs: LevelProbs

    def log_joint(self, x: Rows) -> LogJoint:
        flat = self.log_probs.reshape(*self.constant.shape, -1)
        total = one_hot(x, self.log_probs.shape[-1]) @ np.swapaxes(flat, -1, -2)
        return np.asarray(with_zeros(total) + self.constant[..., None, :])

    def statistics(self, x: Rows, responsibilities: Responsibilities) -> CategoricalStatistics:
        return statistics(x, responsibilities, self.log_probs.shape[-1])

    def expected(self, statistics: CategoricalStatistics) -> PerFit:
        """Cells at each level times its log probability; as good as -inf where something seen has probability 0."""
        cells = statistics.totals * self.log_probs
        return np.asarray(labelled(statistics.counts, self.constant) + cells.sum(axis=(-1, -2, -3)))


@dataclass(frozen=True, eq=False)
class CategoricalComponents(BoundedComponents):
    """Independent features with levels.

    Attributes
    ----------
    probs : ndarray (*batch, K, D, L), probability of each level; 0 for levels that a feature has not
    """

    dims: ClassVar[dict[str, tuple[str, ...]]] = {"probs": ("component", "feature", "level")}

    probs: LevelProbs

    def terms(self, weights: Weights) -> CategoricalTerms:
        with np.errstate(divide="ignore", invalid="ignore"):
            return CategoricalTerms(np.log(weights), finite_log(self.probs))

    def maximise(self, statistics: CategoricalStatistics) -> CategoricalComponents:
        """Weighted shares of the observed cells; a feature never seen in a component stays as it is."""
        seen = statistics.totals.sum(axis=-1, keepdims=True)
        return type(self)(np.divide(statistics.totals, seen, out=np.array(self.probs), where=seen > 0))

    def sample(self, rng: np.random.Generator, labels: Labels) -> Rows:
        shares = np.cumsum(self.probs, axis=-1)[labels]  # (N, D, L)
        return np.asarray((rng.random(shares.shape[:2])[..., None] * shares[..., -1:] >= shares).sum(axis=-1), dtype=float)

    def outside(self) -> Iterator[Outside]:
        yield from beyond("probs", self.probs, ~((self.probs >= 0.0) & (self.probs <= 1.0)), "give probabilities from 0 to 1")

    def conditional(self, x: Rows) -> tuple[np.ndarray, np.ndarray]:
        """Codes of levels have no mean: nan where a cell was not observed; :meth:`level_probabilities` says what it may be."""
        shape = (*self.probs.shape[:-3], x.shape[0], self.n_components, x.shape[1])
        mean = np.broadcast_to(x[:, None, :], shape)
        return mean, np.where(np.isnan(mean), np.nan, 0.0)

    def level_probabilities(self, x: Rows) -> np.ndarray:
        """Probability of each level of each cell given the label (*batch, N, K, D, L): 1 at the level that was observed."""
        known = one_hot(x, self.probs.shape[-1]).reshape(*x.shape, -1)[:, None]
        return np.where(np.isnan(x)[:, None, :, None], self.probs[..., None, :, :, :], known)
