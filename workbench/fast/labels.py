"""Labels drawn from responsibilities, compiled: a number of the row's own for each fit, whoever works on which rows in what order.

Nothing is kept of a generator: the i-th uniform of a fit is a hash of its seed and i (Steele, Lea & Flood 2014, SplitMix64), so that
the same labels come out for any number of threads, and when the sums of the same rows are taken again about other origins.
"""

from __future__ import annotations

import math

import numpy as np

from workbench.fast.compiled import compiled

GAMMA, MIX_1, MIX_2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
RIGHT_30, RIGHT_27, RIGHT_31, RIGHT_11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
UNIT = 2.0**-53
PER_ROW = 1 << 20
"""Uniforms that there are for a row, one for each component."""


@compiled
def uniform(seed: int, index: int) -> float:
    """The uniform number of [0, 1) with this index, from 0, under a seed (uint64)."""
    z = seed + GAMMA * (np.uint64(index) + np.uint64(1))
    z = (z ^ (z >> RIGHT_30)) * MIX_1
    z = (z ^ (z >> RIGHT_27)) * MIX_2
    z = z ^ (z >> RIGHT_31)
    return float(z >> RIGHT_11) * UNIT


@compiled
def uniforms(seed: int, first: int, rows: int, out: np.ndarray) -> None:
    """The first uniform of each of so many rows."""
    for row in range(rows):
        out[row] = uniform(seed, (first + row) * PER_ROW)


@compiled
def binomial(n: float, p: float, u: float) -> float:
    """The number of hits among n with probability p that belongs to the uniform u: outwards from the mode (Kemp 1986).

    Takes as many steps as the standard deviation is long.
    """
    if not p > 0.0:
        return 0.0
    if p >= 1.0:
        return n
    mode = min(n, math.floor((n + 1.0) * p))
    odds = p / (1.0 - p)
    log_mass = math.lgamma(n + 1.0) - math.lgamma(mode + 1.0) - math.lgamma(n - mode + 1.0)
    top = math.exp(log_mass + mode * math.log(p) + (n - mode) * math.log1p(-p))
    left = u - top
    low, high, below, above = mode, mode, top, top
    while left >= 0.0:
        if low > 0.0:
            below *= low / ((n - low + 1.0) * odds)
            low -= 1.0
            left -= below
            if left < 0.0:
                return low
        if high < n:
            above *= (n - high) * odds / (high + 1.0)
            high += 1.0
            left -= above
            if left < 0.0:
                return high
        if (low <= 0.0 or below == 0.0) and (high >= n or above == 0.0):
            return mode  # what rounding has left over
    return mode


@compiled
def draw(shares: np.ndarray, count: float, seed: int, row: int) -> None:
    """Shares (K) of row number ``row``, up to a factor, become whole numbers of its ``count`` units, multinomial by the shares."""
    mass, index = 0.0, row * PER_ROW
    for k in range(shares.size):
        mass += shares[k]
    if count == 1.0:
        _one(shares, uniform(seed, index) * mass)
        return
    left, last = count, -1
    for k in range(shares.size):
        share, found = shares[k], 0.0
        if share > 0.0:
            last = k
            if left > 0.0:
                found = binomial(left, min(1.0, share / mass), uniform(seed, index + k))
        mass -= share
        left -= found
        shares[k] = found
    if left > 0.0 and last >= 0:
        shares[last] += left  # what rounding has left over


@compiled
def _one(shares: np.ndarray, left: float) -> None:
    """All of one unit on the component in whose share ``left`` falls, of those that have one."""
    label = -1
    for k in range(shares.size):
        if shares[k] > 0.0 and left >= 0.0:
            label = k
            left -= shares[k]
        shares[k] = 0.0
    if label >= 0:
        shares[label] = 1.0
