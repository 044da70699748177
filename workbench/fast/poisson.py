"""Poisson components, compiled: a cell is a feature with one of the counts that occur in it."""

from __future__ import annotations

import numpy as np

from workbench.data import Dataset
from workbench.fast.codes import Coded
from workbench.fast.discrete import Discrete, by_feature
from workbench.models import Expectation, Mixture
from workbench.models.families.poisson import PoissonStatistics


def _log_cells(known: Coded, rates: np.ndarray, cells: np.ndarray, first: int) -> None:
    """x log rate - rate - log x!."""
    from scipy.special import gammaln

    value = known.value[:, None]
    logs = np.where(value > 0.0, value * np.log(rates)[:, known.feature], 0.0)
    cells[:, first : first + known.n_cells] = logs - rates[:, known.feature] - gammaln(value + 1.0)


def _summarise(known: Coded, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The weighted sum of x, and the weighted number of observed cells."""
    return by_feature(known, cells * known.value[:, None]), by_feature(known, cells)


STEP = Discrete(_log_cells, _summarise, PoissonStatistics)


def expect(mixture: Mixture, data: Dataset, counts: np.ndarray, rule: int, beta: float, threads: int) -> Expectation:
    """The E step over all rows of a batch of mixtures (restart,)."""
    return STEP.expect(mixture.weights, mixture.components.parameters()["rates"], data, counts, rule, beta, threads)
