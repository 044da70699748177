"""The E step of full and tied covariances where cells are missing: rows sorted by what was seen of them, pattern by pattern.

Under a pattern with the features o seen and m not, in the order o, m, let L L' = Sigma. The seen features have the factor
L_oo^-1 of their own precision, the others are expected at mu_m + A (x_o - mu_o) with A = L_mo L_oo^-1 and have the covariance
C = L_mm L_mm' (Bishop 2006, eqs 2.81-2.82 and 2.96-2.98). So the kernels for complete rows do the work, with zeros where nothing
was seen, and the sums of a pattern's rows are completed by A and C before they are added to the others'.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import numpy as np

from workbench.data import Dataset
from workbench.fast.assign import BLOCK, Assignment, assign, columns, scratch, weighed
from workbench.fast.compiled import compiled
from workbench.fast.gaussian import factors, wide
from workbench.fast.gaussian.algebra import LOG_2PI, cholesky, inverse
from workbench.fast.gaussian.factors import rounded_up
from workbench.fast.lanes import WIDTH
from workbench.models.families.gaussian.missing import grouped


@dataclass(frozen=True, eq=False)
class Sorted:
    """Rows by pattern.

    Attributes
    ----------
    order : ndarray (N,), the rows' places in the data
    x : ndarray (N, D), the rows in that order, 0 where nothing was seen
    starts : ndarray (P + 1,), where a pattern's rows begin
    seen : ndarray (P, D), which features were seen
    """

    order: np.ndarray
    x: np.ndarray
    starts: np.ndarray
    seen: np.ndarray


_SORTED: weakref.WeakKeyDictionary[Dataset, Sorted] = weakref.WeakKeyDictionary()


def by_pattern(data: Dataset) -> Sorted:
    """The rows of a dataset by pattern, sorted once."""
    if data not in _SORTED:
        _SORTED[data] = sort(data.x)
    return _SORTED[data]


def sort(x: np.ndarray) -> Sorted:
    """Rows (N, D) by pattern; nan is not seen."""
    seen, groups = grouped(x)
    order = np.concatenate(groups)
    starts = np.cumsum([0, *(rows.size for rows in groups)])
    return Sorted(order, np.ascontiguousarray(np.nan_to_num(x[order], nan=0.0)), starts, seen)


@compiled
def numbers(n_components: int, size: int) -> int:
    """Length of a fit's sums: those of complete rows, then the counts of all rows, then the three totals."""
    return factors.numbers(n_components, size) + rounded_up(n_components)


@compiled
def _regression(
    covariance: np.ndarray, order: np.ndarray, n_seen: int, turned: np.ndarray, lower: np.ndarray, root: np.ndarray, slopes: np.ndarray
) -> None:
    """L of the covariance in this order to ``lower``, the inverse of L_oo to ``root`` and A (m, o) to ``slopes``."""
    size = order.size
    for i in range(size):
        for j in range(size):
            turned[i, j] = covariance[order[i], order[j]]
    cholesky(turned, lower)
    inverse(lower[:n_seen, :n_seen], root)
    for i in range(n_seen, size):
        for j in range(n_seen):
            slope = 0.0
            for m in range(j, n_seen):
                slope += lower[i, m] * root[m, j]
            slopes[i - n_seen, j] = slope


@compiled
def complete_sums(
    sums: np.ndarray,
    start: int,
    order: np.ndarray,
    n_seen: int,
    lower: np.ndarray,
    slopes: np.ndarray,
    centre: np.ndarray,
    origin: np.ndarray,
    partial: np.ndarray,
    at: int,
) -> None:
    """Add the expected n, s1 and s2 of a pattern's rows about the origin to ``partial`` from place ``at`` on.

    With d the deviation from the origin, E d_m = h + A d_o, h = (centre - origin)_m - A (centre - origin)_o.
    """
    size = order.size
    s1, s2, h = np.zeros(size), np.zeros((size, size)), np.zeros(size)
    n = sums[start]
    for i in range(n_seen):
        s1[i] = sums[start + 1 + order[i]]
        for j in range(i + 1):
            s2[i, j] = s2[j, i] = sums[start + 1 + size + order[i] * (order[i] + 1) // 2 + order[j]]
    for i in range(n_seen, size):
        h[i] = centre[order[i]] - origin[order[i]]
        for j in range(n_seen):
            h[i] -= slopes[i - n_seen, j] * (centre[order[j]] - origin[order[j]])
        s1[i] = n * h[i]
        for j in range(n_seen):
            s1[i] += slopes[i - n_seen, j] * s1[j]
        for j in range(n_seen):
            s2[i, j] = h[i] * s1[j]
            for m in range(n_seen):
                s2[i, j] += slopes[i - n_seen, m] * s2[m, j]
            s2[j, i] = s2[i, j]
    for i in range(n_seen, size):
        for j in range(n_seen, i + 1):
            s2[i, j] = h[j] * s1[i]
            for m in range(n_seen):
                s2[i, j] += slopes[j - n_seen, m] * s2[i, m]
            for m in range(n_seen, j + 1):
                s2[i, j] += n * lower[i, m] * lower[j, m]
    partial[at] += n
    for i in range(size):
        partial[at + 1 + order[i]] += s1[i]
        for j in range(i + 1):
            first, second = max(order[i], order[j]), min(order[i], order[j])
            partial[at + 1 + size + first * (first + 1) // 2 + second] += s2[i, j]


@compiled
def e_step(
    first_fit: int,
    last_fit: int,
    first_chunk: int,
    last_chunk: int,
    chunk_rows: int,
    partial: np.ndarray,
    size: tuple[int, ...],
    x: np.ndarray,
    starts: np.ndarray,
    seen: np.ndarray,
    counts: np.ndarray,
    log_weights: np.ndarray,
    given: np.ndarray,
    centres: np.ndarray,
    covariances: np.ndarray,
    origins: np.ndarray,
    how: Assignment,
) -> None:
    """Add expected sums, as of complete rows, counts and totals to ``partial`` (fit, chunk, numbers).

    x, starts and seen are those of :class:`Sorted`; counts in that order; covariances (F, K or 1, D, D). ``given`` (F, K) is what
    the log joint has beside log weight and normal density where anything was seen: nothing, of a mixture. ``size`` is a tuple of
    D zeros where D is small, else empty.
    """
    n_components, n_features, matrices = centres.shape[1], centres.shape[2], covariances.shape[1]
    per, n_numbers = 1 + n_features + n_features * (n_features + 1) // 2, partial.shape[2]
    flat = partial.reshape(-1)
    for chunk in range(first_chunk, last_chunk):
        begin, end = chunk * chunk_rows, min(x.shape[0], (chunk + 1) * chunk_rows)
        for fit in range(first_fit, last_fit):
            at = (fit * partial.shape[1] + chunk) * n_numbers
            counted_at = at + factors.numbers(n_components, n_features) - WIDTH
            for pattern in range(seen.shape[0]):
                first, last = max(begin, starts[pattern]), min(end, starts[pattern + 1])
                if first >= last:
                    continue
                order = np.concatenate((np.flatnonzero(seen[pattern]), np.flatnonzero(~seen[pattern])))
                n_seen = int(seen[pattern].sum())
                constant, roots, lowers, slopes = terms_under(log_weights[fit], given[fit], covariances[fit], order, n_seen)
                terms = (constant, centres[fit], roots, origins[fit])
                sums = _rows(size, x, first, last, counts, fit, matrices, terms, how, flat, at + n_numbers - WIDTH)
                for k in range(n_components):
                    flat[counted_at + k] += sums[k * per]
                    m = k if matrices > 1 else 0
                    if n_seen:
                        own = (lowers[m], slopes[m], centres[fit, k], origins[fit, k])
                        complete_sums(sums, k * per, order, n_seen, *own, flat, at + k * per)


@compiled
def terms_under(
    log_weights: np.ndarray, given: np.ndarray, covariances: np.ndarray, order: np.ndarray, n_seen: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of one fit under one pattern: constant (K), factors with zeros where nothing was seen, L and A (K or 1, ...)."""
    matrices, size, _ = covariances.shape
    constant, roots = np.empty(log_weights.size), np.zeros(covariances.shape)
    lowers, slopes = np.zeros(covariances.shape), np.empty((matrices, size - n_seen, n_seen))
    turned, root = np.empty((size, size)), np.zeros((n_seen, n_seen))
    logs = np.empty(matrices)
    for m in range(matrices):
        _regression(covariances[m], order, n_seen, turned, lowers[m], root, slopes[m])
        logs[m] = -n_seen * LOG_2PI / 2.0
        for i in range(n_seen):
            logs[m] += np.log(root[i, i])
            for j in range(i + 1):
                roots[m, order[i], order[j]] = root[i, j]
    for k in range(log_weights.size):
        constant[k] = log_weights[k] + logs[k if matrices > 1 else 0] + (given[k] if n_seen else 0.0)
    return constant, roots, lowers, slopes


@compiled
def _rows(
    size: tuple[int, ...],
    x: np.ndarray,
    begin: int,
    end: int,
    counts: np.ndarray,
    fit: int,
    matrices: int,
    terms: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    how: Assignment,
    totals: np.ndarray,
    at: int,
) -> np.ndarray:
    """Sums about the origins of a pattern's rows, one fit; its totals are added to ``totals[at : at + 3]``."""
    constant, centres, roots, origins = terms
    n_components, n_features = centres.shape
    few = len(size) > 0
    padded = n_features if few else (n_features + wide.TILE - 1) // wide.TILE * wide.TILE
    per = wide.numbers(n_features)
    n_numbers = factors.numbers(n_components, n_features) if few else n_components * per + WIDTH
    sums = np.zeros((1, n_numbers))
    block, joint, weigh = scratch(padded * BLOCK), scratch(n_components * BLOCK), scratch(BLOCK)
    lanes = scratch((n_numbers - WIDTH) * WIDTH if few else n_features * wide.STRIP + wide.TILE * BLOCK)
    if not few:
        centres, origins, roots = wide.padded_columns(centres), wide.padded_columns(origins), wide.padded_rows(roots)
    strip, weighted = lanes[: n_features * wide.STRIP], lanes[n_features * wide.STRIP :]
    for first in range(begin, end, BLOCK):
        last = min(end, first + BLOCK)
        rows = columns(size, x, first, last, block)
        once = weighed(counts, fit, first, last, weigh)
        if few:
            factors.joint_of(size, 0, n_components, matrices, rows, block, constant, centres, roots, joint)
        else:
            wide.joint_of(n_features, padded, 0, n_components, matrices, rows, block, constant, centres, roots, joint, strip)
        assign(joint, n_components, rows, weigh, once, how, fit, first, totals, at)
        if few:
            factors.add_sums(size, 0, n_components, rows, block, origins, joint, lanes)
        else:
            wide.add_sums(padded, 0, n_components, rows, block, origins, joint, weighted, per, sums, 0)
    if few:
        factors.reduce(n_numbers - WIDTH, lanes, sums, 0)
    else:
        sums = wide.packed(sums, n_components, n_features)
    result: np.ndarray = sums[0]
    return result
