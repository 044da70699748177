"""Poisson components, compiled: a cell is a feature with one of the counts that occur in it."""

from __future__ import annotations

import numpy as np

from workbench.data import Dataset
from workbench.fast.assign import Assignment
from workbench.fast.codes import Coded
from workbench.fast.discrete import Discrete, by_feature, logarithms, with_zeros
from workbench.models import Expectation, Mixture
from workbench.models.families.poisson import PoissonStatistics, PoissonTerms


def _log_cells(known: Coded, rates: np.ndarray, cells: np.ndarray, first: int) -> None:
    """x log rate - rate - log x!."""
    _fill(known, np.log(rates)[:, known.feature], rates[:, known.feature], cells, first)


def _fill(known: Coded, log_rates: np.ndarray, rates: np.ndarray, cells: np.ndarray, first: int) -> None:
    """Log densities of the cells under their rates (G, C, lanes)."""
    from scipy.special import gammaln

    value = known.value[:, None]
    logs = np.where(value > 0.0, value * log_rates, 0.0)
    cells[:, first : first + known.n_cells] = logs - rates - gammaln(value + 1.0)


def _summarise(known: Coded, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The weighted sum of x, and the weighted number of observed cells."""
    return by_feature(known, cells * known.value[:, None]), by_feature(known, cells)


STEP = Discrete(_log_cells, _summarise, PoissonStatistics)


def expect(mixture: Mixture, data: Dataset, counts: np.ndarray, how: Assignment, threads: int) -> Expectation:
    """The E step over all rows of a batch of mixtures (restart,)."""
    return STEP.expect(logarithms(mixture.weights), mixture.components.parameters()["rates"], data, counts, how, threads)


def _given_cells(known: Coded, numbers: np.ndarray, cells: np.ndarray, first: int) -> None:
    """x log rate - rate - log x!, of log rates and rates (G, 2 D, lanes)."""
    logs = with_zeros(numbers[:, known.feature])
    _fill(known, logs, numbers[:, known.n_features + known.feature], cells, first)


GIVEN = Discrete(_given_cells, _summarise, PoissonStatistics)


def numbers_of(terms: PoissonTerms) -> np.ndarray:
    """(fit, K, 2 D)."""
    return np.concatenate([terms.log_rates, terms.rates], axis=-1)


def expect_terms(terms: PoissonTerms, data: Dataset, counts: np.ndarray, how: Assignment, threads: int) -> Expectation:
    """The E step over all rows of a batch of terms (restart,)."""
    return GIVEN.expect(terms.constant, numbers_of(terms), data, counts, how, threads)
