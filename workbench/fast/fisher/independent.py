"""Gaussians with independent features: diagonal covariance, and spherical, where a component's features share c.

Rows are z = (x - mean) / sqrt(scale), nan where a cell was not observed; in component k they have the variance 1 / c and the mean
e / sqrt(c), e = eps / root. With n, s1 and s2 a feature's responsibilities summed with 1, and with the deviation d from that mean
and its square, dc = n / (2 c) - (s2 + s1 mean) / 2 and de = sqrt(c) s1. ``c`` is (K, D), or (K, 1) where features share it.
"""

from __future__ import annotations

import math

import numpy as np

from workbench.fast.assign import softly
from workbench.fast.compiled import compiled, written_out
from workbench.fast.fisher import discrete
from workbench.fast.gaussian.axes import e_step
from workbench.fast.gaussian.factors import rounded_up
from workbench.fast.lanes import WIDTH
from workbench.fast.mixed import axis_rows, by_cell, tables

HALF_LOG_2PI = math.log(2.0 * math.pi) / 2.0

Gradient = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@compiled
def terms(c: np.ndarray, eps: np.ndarray, root: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Constants of the cells, centres and factors (1, K, D)."""
    n_components, size = eps.shape
    shape = (1, n_components, size)
    cells, centres, factors = np.empty(shape), np.empty(shape), np.empty(shape)
    for k in range(n_components):
        for d in range(size):
            own = c[k, min(d, c.shape[1] - 1)]
            factors[0, k, d] = math.sqrt(own)
            centres[0, k, d] = eps[k, d] / (root * factors[0, k, d])
            cells[0, k, d] = 0.5 * math.log(own) - HALF_LOG_2PI
    return cells, centres, factors


@compiled
def slopes(sums: np.ndarray, c: np.ndarray, centres: np.ndarray, factors: np.ndarray, root: float) -> tuple[np.ndarray, ...]:
    """Gradients by log_weights, c and eps from sums about the centres."""
    n_components, size = centres.shape[1:]
    n, dc, de = np.empty(n_components), np.zeros(c.shape), np.empty((n_components, size))
    for k in range(n_components):
        at = k * (1 + 3 * size)
        n[k] = sums[at]
        for d in range(size):
            seen, s1, s2 = sums[at + 1 + 3 * d], sums[at + 2 + 3 * d], sums[at + 3 + 3 * d]
            own = min(d, c.shape[1] - 1)
            dc[k, own] += 0.5 * (seen / c[k, own] - s2 - s1 * centres[0, k, d])
            de[k, d] = factors[0, k, d] * s1 / root
    return n, dc, de


@written_out
def value_and_gradient(
    log_weights: np.ndarray, c: np.ndarray, eps: np.ndarray, root: np.ndarray, z: np.ndarray, counts: np.ndarray
) -> Gradient:
    """By log_weights (K), c and eps (K, D); without the Jacobian of z (N, D)."""
    cells, centres, factors = terms(c, eps, root.item())
    constant = log_weights.copy().reshape(1, -1)
    partial = np.zeros((1, 1, rounded_up(eps.shape[0] * (1 + 3 * eps.shape[1])) + WIDTH))
    rows = counts.copy().reshape(1, -1)
    e_step(0, 1, 0, 1, z.shape[0], partial, (0,), (), z, rows, constant, cells, centres, factors, centres, softly())
    sums = partial[0, 0]
    n, dc, de = slopes(sums, c, centres, factors, root.item())
    return np.array(sums[sums.size - WIDTH]), n, dc, de


@written_out
def with_discrete(
    log_weights: np.ndarray,
    c: np.ndarray,
    eps: np.ndarray,
    probs: np.ndarray,
    rates: np.ndarray,
    levels: np.ndarray,
    root: np.ndarray,
    z: np.ndarray,
    codes: np.ndarray,
    members: np.ndarray,
    kind: np.ndarray,
    column: np.ndarray,
    value: np.ndarray,
    counts: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """The same beside discrete features: by log_weights, c, eps, probs, rates and levels."""
    cells, centres, factors = terms(c, eps, root.item())
    own = discrete.log_cells(probs, rates, levels, kind, column, value)
    table, totals = tables(own, members), np.zeros(WIDTH)
    buckets = np.zeros(table.shape)
    constant, rows = log_weights.copy().reshape(1, -1), counts.copy().reshape(1, -1)
    sums = axis_rows(z, rows, constant, cells, centres, factors, centres, codes, table, softly(), 0, 0, totals, buckets)
    n, dc, de = slopes(sums, c, centres, factors, root.item())
    rest = discrete.slopes(by_cell(buckets, members, kind.size), probs, rates, levels, kind, column, value)
    return np.array(totals[0]), n, dc, de, rest[0], rest[1], rest[2]
