"""Labels: aligned after the fact, against one reference; nothing inside a model orders them."""

from __future__ import annotations

import numpy as np

from workbench.models.matching import assigned as assigned
from workbench.models.shapes import Counts, Permutation, Responsibilities


def alignment(responsibilities: Responsibilities, reference: Responsibilities, counts: Counts) -> Permutation:
    """The relabelling of one fit that overlaps most with a reference.

    Parameters
    ----------
    responsibilities, reference : ndarray (N, K)
    counts : ndarray (N,), how often each row counts

    Returns
    -------
    ndarray (K,)
        ``permutation[k]`` is the component to be called k (Kuhn 1955; Stephens 2000 for mixtures).
    """
    return np.asarray(alignments(responsibilities[None], reference, counts)[0])


def alignments(responsibilities: Responsibilities, reference: Responsibilities, counts: Counts) -> Permutation:
    """The same (B, K) of each of a batch (B, N, K)."""
    return assigned((reference * counts[:, None]).T @ responsibilities)


def adjusted_rand(labels: np.ndarray, others: np.ndarray) -> float:
    """Adjusted Rand index of two labellings of the same rows (Hubert & Arabie 1985); 1 for the same partition."""
    _, a = np.unique(labels, return_inverse=True)
    _, b = np.unique(others, return_inverse=True)
    table = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(table, (a, b), 1.0)
    both, of_a, of_b = (float((n * (n - 1) / 2).sum()) for n in (table, table.sum(axis=1), table.sum(axis=0)))
    pairs = a.size * (a.size - 1) / 2
    chance, most = of_a * of_b / max(1.0, pairs), (of_a + of_b) / 2
    if chance == most:
        return 1.0
    return float((both - chance) / (most - chance))


def coclustering_difference(first: Responsibilities, second: Responsibilities) -> float:
    """Mean absolute difference of the probabilities that two rows share a component, over pairs of different rows.

    Label-free, and defined for different K; computed in blocks, so that no (N, N) array is held.
    """
    n_rows = first.shape[0]
    if n_rows < 2:
        return 0.0
    total = 0.0
    for start in range(0, n_rows, 512):
        rows = slice(start, start + 512)
        total += float(np.abs(first[rows] @ first.T - second[rows] @ second.T).sum())
    own = float(np.abs((first**2).sum(axis=1) - (second**2).sum(axis=1)).sum())
    return float((total - own) / (n_rows * (n_rows - 1)))
