"""Relabelling of draws: each against one reference, or all against their own mean until nothing changes (Stephens 2000)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from workbench.compare.labels import alignment
from workbench.models import Mixture
from workbench.models.matching import assigned
from workbench.models.shapes import Counts, Responsibilities
from workbench.models.terms import log_sum_exp

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
        if not again or len(found) * x.shape[0] * draws.n_components > HELD:
            return found
        return cls(draws, x, np.stack([found[s] for s in range(len(found))]))

    def __len__(self) -> int:
        return int(self.draws.batch_shape[0])

    def __getitem__(self, s: int) -> Responsibilities:
        if self.held is not None:
            return np.asarray(self.held[s])
        log_joint = self.draws.take(s).log_joint(self.x)
        return np.asarray(np.exp(log_joint - log_sum_exp(log_joint)[:, None]))


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
      one draw, (N, K).
    """
    found = np.stack([alignment(shares[s], reference, counts) for s in range(len(shares))])
    q = _mean(shares, found)
    for _ in range(ROUNDS):
        before, found = found, _nearest(shares, q, counts, found)
        q = _mean(shares, found)
        if (found == before).all():
            break
    return np.asarray(found[:, alignment(q, reference, counts)])


def _mean(shares: Shares, orders: np.ndarray) -> Responsibilities:
    total = np.zeros((shares.x.shape[0], orders.shape[1]))
    for s, order in enumerate(orders):
        total += shares[s][:, order]
    return total / len(orders)


def _nearest(shares: Shares, q: Responsibilities, counts: Counts, before: np.ndarray) -> np.ndarray:
    """Each draw's relabelling nearest to q; the one before where it is as near."""
    log_q = counts[:, None] * np.log(np.maximum(q, np.finfo(float).tiny))
    overlaps = np.stack([log_q.T @ shares[s] for s in range(len(shares))])
    found = assigned(overlaps)
    now, then = (np.take_along_axis(overlaps, orders[:, :, None], axis=2)[..., 0] for orders in (found, before))
    better = (now - then).sum(axis=1) > 1e-12 * np.abs(then).sum(axis=1)
    return np.where(better[:, None], found, before)
