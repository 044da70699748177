"""Partition: Lloyd's algorithm on plain rows, for starts."""

from __future__ import annotations

import numpy as np

LONGEST = 100
"""Sweeps after which a start need not be better."""


def partition(z: np.ndarray, counts: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """One-hot memberships (N, K) of rows ``z`` (N, D), each ``counts`` (N,) times, by Lloyd's algorithm (1982) from ``centres`` (K, D).

    An empty part keeps its centre.
    """
    labels = np.full(z.shape[0], -1)
    for _ in range(LONGEST):
        nearest = np.stack([((z - centre) ** 2).sum(axis=1) for centre in centres], axis=1).argmin(axis=1)
        if (nearest == labels).all():
            break
        labels = nearest
        member = np.eye(len(centres))[labels] * counts[:, None]
        size = member.sum(axis=0)[:, None]
        centres = np.where(size > 0, member.T @ z / np.where(size > 0, size, 1.0), centres)
    return np.asarray(np.eye(len(centres))[labels])
