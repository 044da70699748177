"""Bernoulli components, compiled: a cell is a feature with 0 or 1."""

from __future__ import annotations

import numpy as np

from workbench.data import Dataset
from workbench.fast.codes import Coded
from workbench.fast.discrete import Discrete
from workbench.models import Expectation, Mixture
from workbench.models.families.bernoulli import BernoulliStatistics


def _log_cells(known: Coded, probs: np.ndarray) -> np.ndarray:
    """log p or log(1 - p)."""
    rest = 1.0 - probs
    complements = np.where(rest < 1.0, np.log(rest) * (probs / (1.0 - rest)), -probs)  # log1p(-p), with the rounding of 1 - p undone
    both = np.concatenate([complements, np.log(probs)], axis=1)
    return np.asarray(np.take(both, known.feature + (known.value == 1.0) * known.n_features, axis=1))


def _summarise(known: Coded, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The weighted number of ones, and of observed cells."""
    ones, zeros = (np.zeros((cells.shape[0], known.n_features, cells.shape[2])) for _ in range(2))
    for total, value in ((ones, 1.0), (zeros, 0.0)):
        total[:, known.feature[known.value == value]] = cells[:, known.value == value]
    return ones, ones + zeros


STEP = Discrete(_log_cells, _summarise, BernoulliStatistics)


def expect(mixture: Mixture, data: Dataset, counts: np.ndarray, rule: int, beta: float, threads: int) -> Expectation:
    """The E step over all rows of a batch of mixtures (restart,)."""
    return STEP.expect(mixture.weights, mixture.components.parameters()["probs"], data, counts, rule, beta, threads)
