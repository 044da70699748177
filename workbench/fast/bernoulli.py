"""Bernoulli components, compiled: a cell is a feature with 0 or 1."""

from __future__ import annotations

import numpy as np

from workbench.data import Dataset
from workbench.fast.codes import Coded, coded
from workbench.fast.discrete import expect as discrete
from workbench.models import Expectation, Mixture
from workbench.models.families.bernoulli import BernoulliComponents, BernoulliStatistics


def expect(mixture: Mixture, data: Dataset, counts: np.ndarray, rule: int, beta: float, threads: int) -> Expectation:
    """The E step over all rows of a batch of mixtures (restart,)."""
    known = coded(data)
    assert isinstance(mixture.components, BernoulliComponents)
    found = discrete(log_cells(mixture.components, known), mixture.weights, data, counts, rule, beta, threads)
    ones = found.by_feature(data.n_features, found.cells * known.value)
    statistics = BernoulliStatistics(found.counts, ones, found.by_feature(data.n_features, found.cells))
    return Expectation(statistics, found.log_likelihood, found.expected_complete, found.entropy)


def log_cells(components: BernoulliComponents, known: Coded) -> np.ndarray:
    """log p or log(1 - p) of every cell (fit, K, C)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log1p(-components.probs), np.log(components.probs)
    feature = known.feature.astype(int)
    return np.where(known.value == 1.0, logs[1][..., feature], logs[0][..., feature])
