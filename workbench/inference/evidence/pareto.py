"""k-hat of importance weights: the shape of a generalised Pareto distribution fitted to the largest (Vehtari et al. 2024).

ArviZ has the same (``array_stats.psislw``), and takes seconds to load, which fits of EM need not wait for.
"""

from __future__ import annotations

import importlib
import math
from typing import Any

import numpy as np

FEWEST_DRAWS = 25
"""A tail is a fifth of few draws, and needs five."""
PRIOR_DRAWS, PRIOR_SHAPE = 10.0, 0.5


def array_statistics() -> Any:
    """ArviZ's statistics on plain arrays, imported when they are needed."""
    return importlib.import_module("arviz_stats.base").array_stats


def pareto_k(log_weights: np.ndarray) -> float:
    """k-hat of weights given by their logs (n,), -inf where one is 0.

    0 where all are alike and there is no tail; nan for fewer than 25 draws; inf where the largest are tied and nothing can be
    fitted, as when a sampler has stood still at one of them.
    """
    size = log_weights.size
    if size < FEWEST_DRAWS:
        return math.nan
    weights = np.sort(np.exp(log_weights - log_weights.max()))
    if weights[-1] - weights[0] < 1e-9:
        return 0.0
    tail = math.floor(3.0 * math.sqrt(size)) if size > 225 else size // 5
    return _shape(weights[-tail:] - weights[-tail - 1])


def _shape(excess: np.ndarray) -> float:
    """Of sorted excesses over a threshold, by Zhang & Stephens' (2009) quick Bayes, shrunk towards 1/2 as if by ten more."""
    size = excess.size
    quartile = excess[int(size / 4.0 + 0.5) - 1]
    if quartile <= excess[0]:
        return math.inf
    count = 30 + math.isqrt(size)
    scales = (1.0 - np.sqrt(count / (np.arange(1, count + 1) - 0.5))) / (3.0 * quartile) + 1.0 / excess[-1]
    with np.errstate(all="ignore"):
        shapes = np.log1p(-scales[:, None] * excess).mean(axis=1)
        profile = size * (np.log(-scales / shapes) - shapes - 1.0)
        shares = np.exp(profile - profile.max())
        shares[shares < 10.0 * np.finfo(float).eps * shares.sum()] = 0.0
        shape = float(np.log1p(-(scales @ shares / shares.sum()) * excess).mean())
    return (size * shape + PRIOR_DRAWS * PRIOR_SHAPE) / (size + PRIOR_DRAWS)
