"""The ledger of EM and its variants as rows, half step by half step (Neal & Hinton 1998)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from workbench.fit import Fit


@dataclass(frozen=True)
class HalfStep:
    """One row of the ledger, in nats.

    Attributes
    ----------
    iteration : from 0, the start's own E step
    half_step : ``E`` (q moves; after a soft E step KL = 0) or ``M`` (theta moves, q stays)
    expected_complete : E_q log p(x, z | theta), Bishop's Q
    entropy : H(q)
    bound : their sum, L(q, theta)
    kl : KL(q || p(z | x, theta)), computed by itself and not as a difference
    log_likelihood : log p(x | theta) at this half step's theta
    log_prior : log prior density of theta, nan without a prior
    """

    iteration: int
    half_step: str
    expected_complete: float
    entropy: float
    bound: float
    kl: float
    log_likelihood: float
    log_prior: float


def decomposition(fit: Fit) -> Iterator[HalfStep]:
    """Yield the half steps of the reported restart, in order; none where the method keeps no such books."""
    if (book := fit.ledger) is None:
        return
    columns = (
        book.iteration,
        book.half_step,
        book.expected_complete,
        book.entropy,
        book.bound,
        book.kl,
        book.log_likelihood,
        book.log_prior,
    )
    for row in zip(*(column.tolist() for column in columns), strict=True):
        yield HalfStep(*row)
