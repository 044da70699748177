"""Discrete features: the gradient by a cell's log density is the responsibilities summed over its rows.

Coordinates are ``probs`` (K, D_b) of binary features, ``rates`` (K, D_p) of counts and ``levels`` (K, M), the probabilities of all
levels of all features with levels, one after the other; what a family has not has no columns. Data are those of
:class:`workbench.fast.codes.Coded`, as doubles: codes (N', G), members (S, 2), and what each cell (C) is: its kind, its column in
the coordinates of that kind, and its value.
"""

from __future__ import annotations

import math

import numpy as np

from workbench.fast.compiled import compiled, written_out
from workbench.fast.lanes import WIDTH
from workbench.fast.lookup import expectation

BINARY, COUNT, LEVEL = 0.0, 1.0, 2.0
"""Kinds of cells."""

Gradient = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@compiled
def log_cells(
    probs: np.ndarray, rates: np.ndarray, levels: np.ndarray, kind: np.ndarray, column: np.ndarray, value: np.ndarray
) -> np.ndarray:
    """Log densities of the cells (C + 1, K'), the last 0; K' is K in whole registers."""
    cells = np.zeros((kind.size + 1, (probs.shape[0] + WIDTH - 1) // WIDTH * WIDTH))
    fill_cells(probs, rates, levels, kind, column, value, cells)
    return cells


@compiled
def fill_cells(
    probs: np.ndarray, rates: np.ndarray, levels: np.ndarray, kind: np.ndarray, column: np.ndarray, value: np.ndarray, cells: np.ndarray
) -> None:
    """Write them to the first rows and columns of ``cells``."""
    n_components = probs.shape[0]
    for c in range(kind.size):
        place = int(column[c])
        for k in range(n_components):
            if kind[c] == BINARY:
                cells[c, k] = math.log(probs[k, place]) if value[c] == 1.0 else math.log1p(-probs[k, place])
            elif kind[c] == COUNT:
                density = value[c] * math.log(rates[k, place]) if value[c] > 0.0 else 0.0
                cells[c, k] = density - rates[k, place] - math.lgamma(value[c] + 1.0)
            else:
                cells[c, k] = math.log(levels[k, place])


@compiled
def slopes(
    sums: np.ndarray, probs: np.ndarray, rates: np.ndarray, levels: np.ndarray, kind: np.ndarray, column: np.ndarray, value: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients by the coordinates from sums by cell (C + 1, K')."""
    by_probs, by_rates, by_levels = np.zeros(probs.shape), np.zeros(rates.shape), np.zeros(levels.shape)
    for c in range(kind.size):
        place = int(column[c])
        for k in range(probs.shape[0]):
            if kind[c] == BINARY:
                by_probs[k, place] += sums[c, k] / (probs[k, place] if value[c] == 1.0 else probs[k, place] - 1.0)
            elif kind[c] == COUNT:
                by_rates[k, place] += sums[c, k] * (value[c] / rates[k, place] - 1.0)
            else:
                by_levels[k, place] += sums[c, k] / levels[k, place]
    return by_probs, by_rates, by_levels


@written_out
def value_and_gradient(
    log_weights: np.ndarray,
    probs: np.ndarray,
    rates: np.ndarray,
    levels: np.ndarray,
    places: np.ndarray,
    members: np.ndarray,
    kind: np.ndarray,
    column: np.ndarray,
    value: np.ndarray,
    counts: np.ndarray,
) -> Gradient:
    """By log_weights (K), probs, rates and levels; counts (N'); places and members int64, as of ``Coded``."""
    cells = log_cells(probs, rates, levels, kind, column, value)
    constant = np.full(cells.shape[1], -np.inf)
    for k in range(log_weights.size):
        constant[k] = log_weights[k]
    total, summed, sums = expectation(cells, constant, places, members, counts)
    return (np.array(total), summed[: log_weights.size].copy(), *slopes(sums, probs, rates, levels, kind, column, value))
