"""The ledger of a run: log p(x | theta) = L(q, theta) + KL(q || p(z | x, theta)), half step by half step, with the method's own q."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from workbench.fit import Ledger
from workbench.inference.em.scheme import LEAP, Iteration, Scheme
from workbench.models import Mixture
from workbench.models.mixture import rows_per_block
from workbench.models.shapes import Responsibilities
from workbench.models.terms import log_sum_exp
from workbench.problem import Problem

HELD = 10_000_000
"""Numbers of q up to which it is kept from an E half step to the M half step after it; above, it is made again."""

Share = Callable[[slice], Responsibilities]
"""q of the labels of some rows, (n, K)."""


def ledger(problem: Problem, scheme: Scheme, n_iterations: int) -> Ledger | None:
    """Run the scheme of one restart again and keep its books: after each E half step, and after the M half steps of plain EM.

    An extrapolated step has no M half step: its theta is not where the M step went. Half steps at which some row has no
    density, as where a part of k-means is one row, have no books; None if no half step has any.
    """
    rows: list[tuple[object, ...]] = []
    before: Share | None = None
    for iteration in range(n_iterations + 1):
        now = next(scheme)
        theta = now.mixture.take(0)
        log_prior = float(problem.log_prior(theta))
        own = _share(problem, now)
        halves = {"M": before, "E": own} if before is not None and now.by[0] != LEAP and now.shares is None else {"E": own}
        sums, held = _sums(problem, theta, [share for share in halves.values() if share is not None])
        for half, each in zip(halves, sums, strict=True):
            if np.isfinite(each).all():
                rows.append((iteration - (half == "M"), half, *each, log_prior))
        before = own if held is None else _lookup(held)
    return Ledger(*(np.array(column) for column in zip(*rows, strict=True))) if rows else None


def _lookup(held: np.ndarray) -> Share:
    return lambda rows: held[rows]


def _share(problem: Problem, now: Iteration) -> Share:
    """The q of an iteration: what the scheme holds, or what its assignment makes of theta."""
    if now.shares is not None:
        return _lookup(now.shares[0])
    terms = now.mixture.take(0).terms()

    def assigned(rows: slice) -> Responsibilities:
        log_joint = terms.log_joint(problem.data.x[rows])
        return now.assign(log_joint, log_sum_exp(log_joint))

    return assigned


def _sums(problem: Problem, theta: Mixture, shares: list[Share]) -> tuple[list[np.ndarray], np.ndarray | None]:
    """For each q sums over rows of E_q log p(x, z), H(q), KL and log p(x | theta); and the last q, if there is room for it."""
    sums = [np.zeros(4) for _ in shares]
    held: list[np.ndarray] | None = [] if problem.data.n_rows * theta.n_components <= HELD else None
    terms, size = theta.terms(), rows_per_block(theta.weights.size * problem.data.n_features)
    for rows in _blocks(problem.data.n_rows, size):
        log_joint = terms.log_joint(problem.data.x[rows])
        log_density = log_sum_exp(log_joint)
        for total, share in zip(sums, shares, strict=True):
            q = share(rows)
            # An M step can round a probability of 1 - 1e-20 to 1: log p is then -inf where q is of the order of 1e-17.
            used = (q > 0) & np.isfinite(log_joint)
            with np.errstate(invalid="ignore", divide="ignore"):
                log_q = np.log(q)
                log_ratio = log_q - (log_joint - log_density[:, None])
            parts = np.stack([_sum(q, log_joint, used), 0.0 - _sum(q, log_q, used), _sum(q, log_ratio, used), log_density])
            total += (parts * problem.data.counts[rows]).sum(axis=-1)
        if held is not None:
            held.append(q)
    return sums, None if held is None else np.concatenate(held)


def _blocks(n_rows: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, n_rows)) for start in range(0, n_rows, size))


def _sum(q: np.ndarray, values: np.ndarray, used: np.ndarray) -> np.ndarray:
    """sum_k q_k values_k with 0 times anything as 0."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(used, q * values, 0.0).sum(axis=-1))
