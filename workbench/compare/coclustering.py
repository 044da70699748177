"""Co-clustering: the probability that two rows share a component, which needs no labels; ``coclustering.csv``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from workbench.compare.evaluation import RowView
from workbench.compare.settled import Settled, leading
from workbench.models import Mixture
from workbench.problem import Problem

MOST_ROWS = 60
"""Rows of the table's matrix; of more, evenly spaced ones."""
MOST_DRAWS = 500
"""Draws that it averages over; of more, evenly spaced ones."""


def coclustering(responsibilities: np.ndarray) -> np.ndarray:
    """The matrix of P(z_i = z_j | x), averaged over draws: E sum_k r_ik r_jk off the diagonal, and 1 on it.

    Given a draw's parameters the labels of two rows are independent, so that they share component k with probability r_ik r_jk. The
    sum over k is the same whatever the components of each draw are called (Fritsch & Ickstadt 2009).

    Parameters
    ----------
    responsibilities : ndarray (draw, N, K), each draw under labels of its own; or (N, K) of a point

    Returns
    -------
    ndarray (N, N), symmetric

    Examples
    --------
    >>> import numpy as np
    >>> coclustering(np.array([[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.0, 1.0]]]))
    array([[1.  , 0.75],
           [0.75, 1.  ]])
    """
    draws = responsibilities.reshape(-1, *responsibilities.shape[-2:])
    flat = np.moveaxis(draws, 0, 1).reshape(draws.shape[1], -1)
    found: np.ndarray = flat @ flat.T / draws.shape[0]
    np.fill_diagonal(found, 1.0)
    return found


def coclustering_of(draws: Mixture, x: np.ndarray, most_draws: int = MOST_DRAWS) -> np.ndarray:
    """The matrix (N, N) of rows ``x`` under a batch of mixtures; of more than ``most_draws`` evenly spaced ones are used."""
    n_draws = int(np.prod(draws.batch_shape))
    chosen = np.unique(np.linspace(0, n_draws - 1, min(n_draws, most_draws)).astype(int))
    return coclustering(draws.reshaped(n_draws).take(chosen).responsibilities(x))


def ordered_rows(settled: Mapping[str, Settled], most: int = MOST_ROWS) -> np.ndarray:
    """Rows as the matrices of all methods show them: by the labels of the fit that all are aligned with, those it is sure of in the
    middle of each block; of more than ``most`` rows evenly spaced ones of that order."""
    first = leading([(each.fit.estimate, True) for each in settled.values()])
    if first is None:
        return np.zeros(0, dtype=int)
    order = _sorted(list(settled.values())[first].rows)
    return order if order.size <= most else order[np.linspace(0, order.size - 1, most).round().astype(int)]


def _sorted(view: RowView) -> np.ndarray:
    """By label; within one by how sure its row is, rising in components of even number and falling in odd ones."""
    sure = view.mean.max(axis=1)
    return np.asarray(np.lexsort((np.where(view.labels % 2, -sure, sure), view.labels)))


def coclustering_rows(label: str, problem: Problem, settled: Settled, shown: np.ndarray) -> Iterator[dict[str, Any]]:
    """``coclustering.csv``: every pair of the rows ``shown`` once, in their order; in one block."""
    if shown.size < 2 or problem.n_components < 2:
        return
    first, second = np.triu_indices(shown.size, k=1)
    matrix = coclustering_of(settled.draws, problem.data.x[shown])
    rows = problem.data.rows[shown]
    yield {"method": label, "row": rows[first], "row_2": rows[second], "probability": matrix[first, second]}
