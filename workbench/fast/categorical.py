"""Categorical components, compiled: a cell is a feature with one of its levels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from workbench.data import Dataset
from workbench.fast.assign import Assignment
from workbench.fast.codes import Coded
from workbench.fast.discrete import Discrete, logarithms, with_zeros
from workbench.models import Expectation, Mixture
from workbench.models.families.categorical.components import CategoricalStatistics, CategoricalTerms


def step(n_features: int, n_levels: int) -> Discrete:
    """The E step of so many features with at most so many levels, probabilities (fit, K, D L)."""
    return _step(n_features, n_levels, lambda probs, out: np.log(probs, out=out))


def given(n_features: int, n_levels: int) -> Discrete:
    """The same of log probabilities (fit, K, D L)."""
    return _step(n_features, n_levels, lambda logs, out: np.copyto(out, with_zeros(logs)))


def _step(n_features: int, n_levels: int, write_logs: Callable[[np.ndarray, np.ndarray], object]) -> Discrete:

    def places(known: Coded) -> np.ndarray:
        """Each cell's place among (feature, level)."""
        return known.feature * n_levels + known.value.astype(np.int64)

    def log_cells(known: Coded, probs: np.ndarray, cells: np.ndarray, first: int) -> None:
        write_logs(np.take(probs, places(known), axis=1), cells[:, first : first + known.n_cells])

    def summarise(known: Coded, cells: np.ndarray) -> tuple[np.ndarray]:
        totals = np.zeros((cells.shape[0], n_features * n_levels, cells.shape[2]))
        totals[:, places(known)] = cells
        return (totals,)

    def statistics(counts: np.ndarray, totals: np.ndarray) -> CategoricalStatistics:
        return CategoricalStatistics(counts, totals.reshape(*counts.shape, n_features, n_levels))

    return Discrete(log_cells, summarise, statistics)


def expect(mixture: Mixture, data: Dataset, counts: np.ndarray, how: Assignment, threads: int) -> Expectation:
    """The E step over all rows of a batch of mixtures (restart,)."""
    probs = mixture.components.parameters()["probs"]
    logs = logarithms(mixture.weights)
    return step(*probs.shape[2:]).expect(logs, probs.reshape(*logs.shape, -1), data, counts, how, threads)


def numbers_of(terms: CategoricalTerms) -> np.ndarray:
    """(fit, K, D L)."""
    return terms.log_probs.reshape(*terms.constant.shape, -1)


def expect_terms(terms: CategoricalTerms, data: Dataset, counts: np.ndarray, how: Assignment, threads: int) -> Expectation:
    """The E step over all rows of a batch of terms (restart,)."""
    return given(*terms.log_probs.shape[2:]).expect(terms.constant, numbers_of(terms), data, counts, how, threads)
