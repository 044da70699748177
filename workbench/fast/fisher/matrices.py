"""Gaussians with a covariance matrix, one each or one for all, rows grouped by what was observed of them.

Coordinates are Bartlett's (:mod:`workbench.fast.fisher.bartlett`). Rows y are in units of the scale's diagonal, about the prior's
mean. Under each pattern the E step runs with the root of the precision of what was observed; expectations of the rest complete
the statistics (:mod:`workbench.fast.fisher.conditioning`), of which the gradient is a function.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import overload

from workbench.fast.assign import softly
from workbench.fast.compiled import written_out
from workbench.fast.fisher import discrete
from workbench.fast.fisher.bartlett import bartlett, centres_of, pulled_back, roots_of
from workbench.fast.fisher.conditioning import complete, under
from workbench.fast.gaussian import factors, wide
from workbench.fast.lanes import WIDTH
from workbench.fast.mixed import by_cell, matrix_rows, tables

Gradient = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _rows(
    size: tuple[int, ...], y: np.ndarray, counts: np.ndarray, constant: np.ndarray, centres: np.ndarray, factor: np.ndarray
) -> tuple[float, np.ndarray]:
    """Log likelihood and sums about the centres, packed, of an E step over rows of one pattern."""
    raise NotImplementedError("for compiled code")


@overload(_rows)
def _rows_by_size(size: Any, y: Any, counts: Any, constant: Any, centres: Any, factor: Any) -> Any:
    """Only the kernels that D takes are compiled."""

    def few(size: Any, y: Any, counts: Any, constant: Any, centres: Any, factor: Any) -> Any:
        partial = np.zeros((1, 1, factors.numbers(centres.shape[1], centres.shape[2])))
        factors.e_step(0, 1, 0, 1, y.shape[0], partial, size, y, counts, constant, centres, factor, centres, softly())
        return partial[0, 0, partial.shape[2] - WIDTH], partial[0, 0]

    def many(size: Any, y: Any, counts: Any, constant: Any, centres: Any, factor: Any) -> Any:
        n_components, features = centres.shape[1], centres.shape[2]
        points = wide.padded_columns(centres[0]).reshape(1, n_components, -1)
        roots = wide.padded_rows(factor[0]).reshape(1, factor.shape[1], -1, features)
        partial = np.zeros((1, 1, n_components * wide.numbers(features) + WIDTH))
        wide.e_step(0, 1, 0, 1, y.shape[0], partial, y, counts, constant, points, roots, points, softly())
        return partial[0, 0, partial.shape[2] - WIDTH], wide.packed(partial[0], n_components, features)[0]

    return few if len(size) > 0 else many


@written_out
def value_and_gradient(
    size: tuple[int, ...],
    log_weights: np.ndarray,
    c: np.ndarray,
    t: np.ndarray,
    eps: np.ndarray,
    root: np.ndarray,
    whitener: np.ndarray,
    y: np.ndarray,
    starts: np.ndarray,
    masks: np.ndarray,
    counts: np.ndarray,
) -> Gradient:
    """By log_weights (K), c (M, D), t (M, D(D-1)/2) and eps (K, D), M = K or 1; without the Jacobian of y.

    Parameters
    ----------
    size : a tuple of D zeros where D is small, so that D is known when the code is written, else empty
    root : (), square root of the prior's mean_strength
    whitener : (D, D), lower triangular
    y : (N, D), rows sorted by pattern, 0 where a cell was not observed
    starts : (P + 1), where the rows of each pattern begin; masks : (P, D), 1 where observed
    counts : (N)
    """
    n_components, features = eps.shape
    a = bartlett(c, t)
    white, own = centres_of(a, eps / root.item(), whitener)
    b, centres = roots_of(a, whitener), own.reshape(1, n_components, features)
    factor, regression, left = np.empty((1, *a.shape)), np.empty(a.shape), np.empty(a.shape)
    total, n, n_seen = 0.0, np.zeros(n_components), np.zeros(n_components)
    s1, s2 = np.zeros(eps.shape), np.zeros((n_components, features, features))
    for p in range(masks.shape[0]):
        first, last = int(starts[p]), int(starts[p + 1])
        constant = under(b, masks[p], log_weights, factor, regression, left)
        value, sums = _rows(size, y[first:last], counts[first:last].copy().reshape(1, -1), constant, centres, factor)
        total += value
        complete(sums, masks[p], regression, left, n, n_seen, s1, s2)
    dc, dt, de = pulled_back(a, white, whitener, n_seen, s1, s2, root.item())
    return np.array(total), n, dc, dt, de


@written_out
def with_discrete(
    size: tuple[int, ...],
    log_weights: np.ndarray,
    c: np.ndarray,
    t: np.ndarray,
    eps: np.ndarray,
    probs: np.ndarray,
    rates: np.ndarray,
    levels: np.ndarray,
    root: np.ndarray,
    whitener: np.ndarray,
    y: np.ndarray,
    starts: np.ndarray,
    masks: np.ndarray,
    codes: np.ndarray,
    members: np.ndarray,
    kind: np.ndarray,
    column: np.ndarray,
    value: np.ndarray,
    counts: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """The same beside discrete features: by log_weights, c, t, eps, probs, rates and levels."""
    n_components, features = eps.shape
    a = bartlett(c, t)
    white, own = centres_of(a, eps / root.item(), whitener)
    b, centres = roots_of(a, whitener), own.reshape(1, n_components, features)
    factor, regression, left = np.empty((1, *a.shape)), np.empty(a.shape), np.empty(a.shape)
    n, n_seen = np.zeros(n_components), np.zeros(n_components)
    s1, s2 = np.zeros(eps.shape), np.zeros((n_components, features, features))
    cells = discrete.log_cells(probs, rates, levels, kind, column, value)
    table, totals = tables(cells, members), np.zeros(WIDTH)
    buckets = np.zeros(table.shape)
    for p in range(masks.shape[0]):
        first, last = int(starts[p]), int(starts[p + 1])
        constant = under(b, masks[p], log_weights, factor, regression, left)
        rows = (y[first:last], counts[first:last].copy().reshape(1, -1))
        sums = matrix_rows(size, *rows, constant, centres, factor, centres, codes[first:last], table, softly(), 0, 0, totals, buckets)
        complete(sums, masks[p], regression, left, n, n_seen, s1, s2)
    dc, dt, de = pulled_back(a, white, whitener, n_seen, s1, s2, root.item())
    rest = discrete.slopes(by_cell(buckets, members, kind.size), probs, rates, levels, kind, column, value)
    return np.array(totals[0]), n, dc, dt, de, rest[0], rest[1], rest[2]
