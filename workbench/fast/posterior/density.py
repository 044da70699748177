"""Log posteriors and gradients, one function a kind of likelihood, as a sampler calls them: by pointers.

(size, dim, v, gradient, value, data) -> 0, or 3 where something is not finite, which rejects a step. v are coordinates with u = factor v,
where there is a factor. ``data`` are arrays as of :mod:`workbench.fast.posterior.pointers`: the factor, of no size where u is v; the
chart's pieces and numbers; the lengths of what theta holds; the constant; then what the likelihood takes. theta is log_weights (K), c
(M, C), t (M, T), eps or shift (K, D), probs (K, B), rates (K, P), levels (K, L), one after the other, and its ``lengths`` are K, M, C,
T, D, B, P, L.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.fast.compiled import compiled_for_pointers
from workbench.fast.fisher import discrete, independent, matrices
from workbench.fast.fisher.shown import expectation
from workbench.fast.posterior import shifts
from workbench.fast.posterior.ends import closed, discrete_parts, lengths_of, opened, part, put
from workbench.fast.posterior.pointers import matrix, vector, whole_matrix

AT = 13
"""Places of ``data`` before what the likelihood takes."""


@compiled_for_pointers
def of_discrete(size: tuple[int, ...], dim: int, v: Any, gradient: Any, value: Any, data: Any) -> int:
    """places, members, kind, column, value, counts."""
    theta, slope, total = opened(dim, v, data)
    k, _, _, _, _, b, p, m = lengths_of(data)
    places, members = whole_matrix(data, AT), whole_matrix(data, AT + 3)
    kind, column, values = vector(data, AT + 6), vector(data, AT + 8), vector(data, AT + 10)
    probs, rates, levels = discrete_parts(theta, k, k, b, p, m)
    found, n, by_probs, by_rates, by_levels = discrete.value_and_gradient(
        theta[:k], probs, rates, levels, places, members, kind, column, values, vector(data, AT + 12)
    )
    by_theta = np.empty(theta.size)
    at = put(by_theta, 0, n)
    at = put(by_theta, at, by_probs)
    at = put(by_theta, at, by_rates)
    put(by_theta, at, by_levels)
    return closed(total + found.item(), theta, by_theta, slope, gradient, value, data)


@compiled_for_pointers
def of_few_cells(size: tuple[int, ...], dim: int, v: Any, gradient: Any, value: Any, data: Any) -> int:
    """shown, counts, kind, column, value, once; ``size`` is K zeros."""
    theta, slope, total = opened(dim, v, data)
    k, _, _, _, _, b, p, m = lengths_of(data)
    shown, counts = matrix(data, AT), vector(data, AT + 3)
    kind, column, values = vector(data, AT + 5), vector(data, AT + 7), vector(data, AT + 9)
    probs, rates, levels = discrete_parts(theta, k, k, b, p, m)
    cells = np.zeros((shown.shape[0], len(size)))
    discrete.fill_cells(probs, rates, levels, kind, column, values, cells)
    for i in range(k):  # an assignment of arrays compiles the text of its error: two seconds
        cells[kind.size, i] = theta[i]
    found, sums = expectation(size, cells, shown, counts, vector(data, AT + 11)[0] == 1.0)
    by_probs, by_rates, by_levels = discrete.slopes(sums, probs, rates, levels, kind, column, values)
    by_theta = np.empty(theta.size)
    at = put(by_theta, 0, sums[kind.size])
    at = put(by_theta, at, by_probs)
    at = put(by_theta, at, by_rates)
    put(by_theta, at, by_levels)
    return closed(total + found, theta, by_theta, slope, gradient, value, data)


@compiled_for_pointers
def of_independent(size: tuple[int, ...], dim: int, v: Any, gradient: Any, value: Any, data: Any) -> int:
    """turn, root, z, counts."""
    theta, slope, total = opened(dim, v, data)
    k, m, columns, _, d, _, _, _ = lengths_of(data)
    turn, root = matrix(data, AT), vector(data, AT + 3)
    c, shift = part(theta, k, m, columns), part(theta, k + m * columns, k, d)
    eps = shifts.along_axes(turn, c, shift)
    found, n, dc, de = independent.value_and_gradient(theta[:k], c, eps, root, matrix(data, AT + 5), vector(data, AT + 8))
    de = shifts.back_along_axes(turn, c, eps, de, dc)
    by_theta = np.empty(theta.size)
    at = put(by_theta, 0, n)
    at = put(by_theta, at, dc)
    put(by_theta, at, de)
    return closed(total + found.item(), theta, by_theta, slope, gradient, value, data)


@compiled_for_pointers
def of_independent_discrete(size: tuple[int, ...], dim: int, v: Any, gradient: Any, value: Any, data: Any) -> int:
    """turn, root, z, codes, members, kind, column, value, counts."""
    theta, slope, total = opened(dim, v, data)
    k, m, columns, _, d, b, p, n_levels = lengths_of(data)
    turn, root, at = matrix(data, AT), vector(data, AT + 3), k + m * columns + k * d
    c, shift = part(theta, k, m, columns), part(theta, k + m * columns, k, d)
    eps = shifts.along_axes(turn, c, shift)
    probs, rates, levels = discrete_parts(theta, at, k, b, p, n_levels)
    found, n, dc, de, by_probs, by_rates, by_levels = independent.with_discrete(
        theta[:k],
        c,
        eps,
        probs,
        rates,
        levels,
        root,
        matrix(data, AT + 5),
        matrix(data, AT + 8),
        matrix(data, AT + 11),
        vector(data, AT + 14),
        vector(data, AT + 16),
        vector(data, AT + 18),
        vector(data, AT + 20),
    )
    de = shifts.back_along_axes(turn, c, eps, de, dc)
    by_theta = np.empty(theta.size)
    place = put(by_theta, 0, n)
    place = put(by_theta, place, dc)
    place = put(by_theta, place, de)
    place = put(by_theta, place, by_probs)
    place = put(by_theta, place, by_rates)
    put(by_theta, place, by_levels)
    return closed(total + found.item(), theta, by_theta, slope, gradient, value, data)


@compiled_for_pointers
def of_matrices(size: tuple[int, ...], dim: int, v: Any, gradient: Any, value: Any, data: Any) -> int:
    """turn, root, whitener, y, starts, masks, counts; ``size`` is D zeros where D is small."""
    theta, slope, total = opened(dim, v, data)
    k, m, _, below, d, _, _, _ = lengths_of(data)
    turn, root = matrix(data, AT), vector(data, AT + 3)
    c, t, shift = part(theta, k, m, d), part(theta, k + m * d, m, below), part(theta, k + m * (d + below), k, d)
    eps = shifts.by_factors(turn, c, t, shift)
    whitener, y = matrix(data, AT + 5), matrix(data, AT + 8)
    starts, masks, counts = vector(data, AT + 11), matrix(data, AT + 13), vector(data, AT + 16)
    found, n, dc, dt, de = matrices.value_and_gradient(size, theta[:k], c, t, eps, root, whitener, y, starts, masks, counts)
    de = shifts.back_by_factors(turn, c, t, shift, de, dc, dt)
    by_theta = np.empty(theta.size)
    at = put(by_theta, 0, n)
    at = put(by_theta, at, dc)
    at = put(by_theta, at, dt)
    put(by_theta, at, de)
    return closed(total + found.item(), theta, by_theta, slope, gradient, value, data)


@compiled_for_pointers
def of_matrices_discrete(size: tuple[int, ...], dim: int, v: Any, gradient: Any, value: Any, data: Any) -> int:
    """turn, root, whitener, y, starts, masks, codes, members, kind, column, value, counts; ``size`` is D zeros where D is small."""
    theta, slope, total = opened(dim, v, data)
    k, m, _, below, d, b, p, n_levels = lengths_of(data)
    turn, root, at = matrix(data, AT), vector(data, AT + 3), k + m * (d + below) + k * d
    c, t, shift = part(theta, k, m, d), part(theta, k + m * d, m, below), part(theta, k + m * (d + below), k, d)
    eps = shifts.by_factors(turn, c, t, shift)
    probs, rates, levels = discrete_parts(theta, at, k, b, p, n_levels)
    found, n, dc, dt, de, by_probs, by_rates, by_levels = matrices.with_discrete(
        size,
        theta[:k],
        c,
        t,
        eps,
        probs,
        rates,
        levels,
        root,
        matrix(data, AT + 5),
        matrix(data, AT + 8),
        vector(data, AT + 11),
        matrix(data, AT + 13),
        matrix(data, AT + 16),
        matrix(data, AT + 19),
        vector(data, AT + 22),
        vector(data, AT + 24),
        vector(data, AT + 26),
        vector(data, AT + 28),
    )
    de = shifts.back_by_factors(turn, c, t, shift, de, dc, dt)
    by_theta = np.empty(theta.size)
    place = put(by_theta, 0, n)
    place = put(by_theta, place, dc)
    place = put(by_theta, place, dt)
    place = put(by_theta, place, de)
    place = put(by_theta, place, by_probs)
    place = put(by_theta, place, by_rates)
    put(by_theta, place, by_levels)
    return closed(total + found.item(), theta, by_theta, slope, gradient, value, data)
