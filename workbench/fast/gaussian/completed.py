"""Rows of full and tied covariances with missing cells under drawn labels: the cells drawn too, so that complete rows are summed up.

Given its label a row's missing cells are expected at mu_m + A (x_o - mu_o) with covariance L_mm L_mm' (:mod:`.missing`); every unit of
a row that counts several times has cells of its own.
"""

from __future__ import annotations

import math

import numpy as np

from workbench.fast.assign import Assignment
from workbench.fast.compiled import compiled
from workbench.fast.gaussian import factors
from workbench.fast.gaussian.missing import terms_under
from workbench.fast.labels import draw, uniform
from workbench.fast.lanes import WIDTH

OF_CELLS = np.uint64(0xD1B54A32D192ED03)
"""What turns the seed of a fit's labels into that of its cells."""
PER_ROW = 1 << 32


@compiled
def normal(seed: int, index: int) -> float:
    """The standard normal number with this index under a seed (Box & Muller 1958)."""
    radius = math.sqrt(-2.0 * math.log(1.0 - uniform(seed, 2 * index)))
    return radius * math.cos(2.0 * math.pi * uniform(seed, 2 * index + 1))


@compiled
def log_joints(row: np.ndarray, constant: np.ndarray, centres: np.ndarray, roots: np.ndarray, joint: np.ndarray) -> float:
    """log p(x_o, z = k) of one row into ``joint`` (K); log of the sum, and ``joint`` becomes shares."""
    size, matrices = row.size, roots.shape[0]
    top = -np.inf
    for k in range(constant.size):
        square = 0.0
        for i in range(size):
            inner = 0.0
            for j in range(i + 1):
                inner += roots[min(k, matrices - 1), i, j] * (row[j] - centres[k, j])
            square += inner * inner
        joint[k] = constant[k] - square / 2.0
        top = max(top, joint[k])
    total = 0.0
    for k in range(constant.size):
        joint[k] = math.exp(joint[k] - top) if top > -np.inf else 0.0
        total += joint[k]
    return top + math.log(total) if total > 0.0 else -np.inf


@compiled
def fill(
    row: np.ndarray,
    order: np.ndarray,
    n_seen: int,
    centre: np.ndarray,
    slopes: np.ndarray,
    lower: np.ndarray,
    noise: np.ndarray,
    whole: np.ndarray,
) -> None:
    """The row with its missing cells drawn, into ``whole`` (D); ``noise`` (m) standard normal."""
    for i in range(n_seen):
        whole[order[i]] = row[order[i]]
    for i in range(n_seen, order.size):
        value = centre[order[i]]
        for j in range(n_seen):
            value += slopes[i - n_seen, j] * (row[order[j]] - centre[order[j]])
        for j in range(n_seen, i + 1):
            value += lower[i, j] * noise[j - n_seen]
        whole[order[i]] = value


@compiled
def add(whole: np.ndarray, origin: np.ndarray, partial: np.ndarray, at: int) -> None:
    """Add a row's n, s1 and s2 about the origin."""
    size = whole.size
    place = at + 1 + size
    partial[at] += 1.0
    for i in range(size):
        partial[at + 1 + i] += whole[i] - origin[i]
        for j in range(i + 1):
            partial[place] += (whole[i] - origin[i]) * (whole[j] - origin[j])
            place += 1


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
    """As ``missing.e_step``, with drawn labels and cells; of the totals the log likelihood alone."""
    n_components, n_features, matrices = centres.shape[1], centres.shape[2], covariances.shape[1]
    per, n_numbers = 1 + n_features + n_features * (n_features + 1) // 2, partial.shape[2]
    flat, joint = partial.reshape(-1), np.empty(n_components)
    whole, noise = np.empty(n_features), np.empty(n_features)
    for chunk in range(first_chunk, last_chunk):
        begin, end = chunk * chunk_rows, min(x.shape[0], (chunk + 1) * chunk_rows)
        for fit in range(first_fit, last_fit):
            at = (fit * partial.shape[1] + chunk) * n_numbers
            counted_at = at + factors.numbers(n_components, n_features) - WIDTH
            weigh, seed = counts[fit if counts.shape[0] > 1 else 0], how.seeds[fit]
            for pattern in range(seen.shape[0]):
                first, last = max(begin, starts[pattern]), min(end, starts[pattern + 1])
                if first >= last:
                    continue
                order = np.concatenate((np.flatnonzero(seen[pattern]), np.flatnonzero(~seen[pattern])))
                n_seen = int(seen[pattern].sum())
                constant, roots, lowers, slopes = terms_under(log_weights[fit], given[fit], covariances[fit], order, n_seen)
                for n in range(first, last):
                    if not weigh[n] > 0.0:
                        continue
                    flat[at + n_numbers - WIDTH] += weigh[n] * log_joints(x[n], constant, centres[fit], roots, joint)
                    draw(joint, weigh[n], seed, n)
                    index = n * PER_ROW
                    for k in range(n_components):
                        flat[counted_at + k] += joint[k]
                        if n_seen == 0:
                            continue
                        m = min(k, matrices - 1)
                        for _ in range(int(joint[k])):
                            for cell in range(n_features - n_seen):
                                noise[cell] = normal(seed ^ OF_CELLS, index)
                                index += 1
                            fill(x[n], order, n_seen, centres[fit, k], slopes[m], lowers[m], noise, whole)
                            add(whole, origins[fit, k], flat, at + k * per)
