"""Matching: which component of one mixture is which of another, and sums over all that may be."""

from __future__ import annotations

import itertools

import numpy as np

from workbench.models.shapes import Permutation


def assigned(overlaps: np.ndarray) -> Permutation:
    """The relabellings (B, K) of largest total overlap; ``overlaps`` (B, K, K), the reference's components first.

    Where every component has its largest overlap with another one, that is the assignment; the rest are solved (scipy's
    optimisers take a while to load, and most runs need none).
    """
    found = overlaps.argmax(axis=-1)
    for i in np.flatnonzero((np.sort(found, axis=-1) != np.arange(overlaps.shape[-1])).any(axis=-1)):
        from scipy.optimize import linear_sum_assignment

        found[i] = linear_sum_assignment(overlaps[i], maximize=True)[1]
    return np.asarray(found)


def log_permanent(turns: np.ndarray) -> np.ndarray:
    """log sum over permutations s of prod_k exp(turns[..., k, s(k) - k modulo K]); (*batch, K, K) -> (*batch)."""
    count = turns.shape[-1]
    first = np.arange(count)
    total = np.full(turns.shape[:-2], -np.inf)
    for order in itertools.permutations(range(count)):
        total = np.logaddexp(total, turns[..., first, (np.array(order) - first) % count].sum(axis=-1))
    return total
