"""Unconstrained coordinates u and what they stand for, theta, with the log prior density over u: as PyMC transforms its variables.

A chart says it in numbers, so that one function serves all families. Its *pieces* (P, 4) are neighbouring coordinates alike in kind:
kind, number of thetas, where they begin in u, where they begin in theta. Its *numbers* (3, T) are by theta: what it is where no piece
says it, and the two hyperparameters of its prior.
"""

from __future__ import annotations

import math

import numpy as np

from workbench.fast.compiled import written_out

NORMAL, LOGARITHM, LOG_ODDS, SHARES, LOG_SHARES = 0, 1, 2, 3, 4
"""theta is u; its logarithm is u; its log odds are u; n shares, or logarithms of shares, have n - 1 centred log ratios u."""


@written_out
def natural(u: np.ndarray, pieces: np.ndarray, numbers: np.ndarray, theta: np.ndarray, slope: np.ndarray) -> float:
    """Write theta(u), and the gradient by u of the log prior density over u; that density, but for its constant."""
    total = 0.0
    for piece in range(pieces.shape[0]):
        kind, size, at, to = pieces[piece, 0], pieces[piece, 1], pieces[piece, 2], pieces[piece, 3]
        a, b = numbers[1, to : to + size], numbers[2, to : to + size]
        if kind == NORMAL:
            for i in range(size):
                theta[to + i] = u[at + i]
                slope[at + i] = -u[at + i]
                total -= 0.5 * u[at + i] ** 2
        elif kind == LOGARITHM:
            for i in range(size):
                theta[to + i] = math.exp(u[at + i])
                slope[at + i] = a[i] - b[i] * theta[to + i]
                total += a[i] * u[at + i] - b[i] * theta[to + i]
        elif kind == LOG_ODDS:
            for i in range(size):
                small = math.exp(-abs(u[at + i]))
                rest = math.log1p(small)
                theta[to + i] = (1.0 if u[at + i] > 0.0 else small) / (1.0 + small)
                slope[at + i] = a[i] - (a[i] + b[i]) * theta[to + i]
                total += a[i] * (min(u[at + i], 0.0) - rest) + b[i] * (min(-u[at + i], 0.0) - rest)
        else:
            total += shares(u[at : at + size - 1], a, kind == LOG_SHARES, theta[to : to + size], slope[at : at + size - 1])
    return total


@written_out
def shares(u: np.ndarray, alpha: np.ndarray, logs: bool, theta: np.ndarray, slope: np.ndarray) -> float:
    """The same for one Dirichlet."""
    size = theta.size
    theta[size - 1] = 0.0
    for i in range(size - 1):
        theta[i] = u[i]
        theta[size - 1] -= u[i]
    top, mass, sum_of_alpha, total = theta[0], 0.0, 0.0, 0.0
    for i in range(1, size):
        top = max(top, theta[i])
    for i in range(size):
        mass += math.exp(theta[i] - top)
        sum_of_alpha += alpha[i]
    log_mass = top + math.log(mass)
    for i in range(size):
        theta[i] -= log_mass
        total += alpha[i] * theta[i]
    last = alpha[size - 1] - sum_of_alpha * math.exp(theta[size - 1])
    for i in range(size):
        share = math.exp(theta[i])
        if i < size - 1:
            slope[i] = alpha[i] - sum_of_alpha * share - last
        if not logs:
            theta[i] = share
    return total


@written_out
def pull_back(theta: np.ndarray, by_theta: np.ndarray, pieces: np.ndarray, slope: np.ndarray) -> None:
    """Add to ``slope`` the gradient by u of what has this gradient by theta."""
    for piece in range(pieces.shape[0]):
        kind, size, at, to = pieces[piece, 0], pieces[piece, 1], pieces[piece, 2], pieces[piece, 3]
        if kind == NORMAL:
            for i in range(size):
                slope[at + i] += by_theta[to + i]
        elif kind == LOGARITHM:
            for i in range(size):
                slope[at + i] += by_theta[to + i] * theta[to + i]
        elif kind == LOG_ODDS:
            for i in range(size):
                slope[at + i] += by_theta[to + i] * theta[to + i] * (1.0 - theta[to + i])
        else:
            total, last = 0.0, 0.0
            for i in range(size):
                total += by_theta[to + i] * (1.0 if kind == LOG_SHARES else theta[to + i])
            for i in range(size - 1, -1, -1):
                share = math.exp(theta[to + i]) if kind == LOG_SHARES else theta[to + i]
                own = by_theta[to + i] * (1.0 if kind == LOG_SHARES else share) - total * share
                if i == size - 1:
                    last = own
                else:
                    slope[at + i] += own - last
