"""Relabelling of draws: each against one reference, or all against their own mean until nothing changes (Stephens 2000)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from workbench.compare.labels import alignment, alignments
from workbench.models import Mixture
from workbench.models.matching import assigned
from workbench.models.mixture import fits_per_block
from workbench.models.shapes import Counts, Responsibilities

Relabelling = Literal["assignment", "stephens"]
HELD = 10_000_000
"""Responsibilities that are held; of more, each draw's are worked out again in every round."""
ROUNDS = 50
"""Rounds after which Stephens' algorithm stops where it is; it needs a few."""


@dataclass(frozen=True, eq=False)
class Shares:
    """Responsibilities (N, K) of every draw, as they were labelled when drawn.

    Attributes
    ----------
    draws : batch (draw,)
    x : ndarray (N, D)
    held : ndarray (draw, N, K), or None where that is too much
    """

    draws: Mixture
    x: np.ndarray
    held: np.ndarray | None = None

    @classmethod
    def of(cls, draws: Mixture, x: np.ndarray, *, again: bool) -> Shares:
        """Of these draws; held, within a budget, if they are looked at ``again``."""
        found = cls(draws, x)
        if not again or draws.weights.size * x.shape[0] > HELD:
            return found
        return cls(draws, x, np.concatenate([own for _, own in found.blocks()]))

    def blocks(self) -> Iterator[tuple[slice, Responsibilities]]:
        """Draws and their responsibilities (draws, N, K), as many draws at a time as stay in cache."""
        size = fits_per_block(self.x.size * self.draws.n_components)
        for first in range(0, self.draws.batch_shape[0], size):
            draws = slice(first, first + size)
            yield draws, self.draws.take(draws).responsibilities(self.x) if self.held is None else self.held[draws]


def stephens(shares: Shares, reference: Responsibilities, counts: Counts) -> np.ndarray:
    """Relabellings (draw, K) under which the draws' responsibilities are nearest to their own mean.

    Parameters
    ----------
    reference : ndarray (N, K), from which the rounds begin and whose labels the whole ends in
    counts : ndarray (N,), how often each row counts

    Notes
    -----
    - Climbs down sum_s KL(r_s || q), r_s = r_nk of draw s relabelled and q their mean: given the relabellings the mean is the best q,
      given q each draw's relabelling is the assignment that maximises sum_nk r_nk log q_nk (Stephens 2000, algorithm 2 and section
      4.1). So it ends, at a local minimum; it begins at the assignment against the reference, and is never worse than that.
    - Where the draws are too many to be held their responsibilities are worked out again in each round: the memory stays that of
      a few draws, (N, K) each.
    """
    found = np.concatenate([alignments(own, reference, counts) for _, own in shares.blocks()])
    q = _mean(shares, found)
    for _ in range(ROUNDS):
        before, found = found, _nearest(shares, q, counts, found)
        q = _mean(shares, found)
        if (found == before).all():
            break
    return np.asarray(found[:, alignment(q, reference, counts)])


def _mean(shares: Shares, orders: np.ndarray) -> Responsibilities:
    total = np.zeros((shares.x.shape[0], orders.shape[1]))
    for draws, own in shares.blocks():
        total += reordered(own, orders[draws]).sum(axis=0)
    return total / len(orders)


def reordered(responsibilities: Responsibilities, orders: np.ndarray) -> Responsibilities:
    """Responsibilities (B, N, K) of draws, components in each draw's own order (B, K)."""
    return np.take_along_axis(responsibilities, orders[:, None, :], axis=2)


def _nearest(shares: Shares, q: Responsibilities, counts: Counts, before: np.ndarray) -> np.ndarray:
    """Each draw's relabelling nearest to q; the one before where it is as near."""
    log_q = counts[:, None] * np.log(np.maximum(q, np.finfo(float).tiny))
    overlaps = np.concatenate([log_q.T @ own for _, own in shares.blocks()])
    found = assigned(overlaps)
    now, then = (np.take_along_axis(overlaps, orders[:, :, None], axis=2)[..., 0] for orders in (found, before))
    better = (now - then).sum(axis=1) > 1e-12 * np.abs(then).sum(axis=1)
    return np.where(better[:, None], found, before)
