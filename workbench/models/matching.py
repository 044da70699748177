"""Matching: which component of one mixture is which of another, and sums over all that may be."""

from __future__ import annotations

import functools
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


def log_permanent(pairs: np.ndarray) -> np.ndarray:
    """log sum over permutations s of prod_k exp(pairs[..., k, s(k)]); (*batch, K, K) -> (*batch)."""
    total: np.ndarray | None = None
    for order in itertools.permutations(range(pairs.shape[-1])):
        each = functools.reduce(np.add, [pairs[..., k, j] for k, j in enumerate(order)])
        total = each if total is None else np.logaddexp(total, each)
    return np.asarray(total)
