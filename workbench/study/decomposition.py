"""The ledger of EM: log p(x | theta) = L(q, theta) + KL(q || p(z | x, theta)), half step by half step (Neal & Hinton 1998)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from workbench.fit import Fit
from workbench.models import Mixture
from workbench.models.mixture import rows_per_block
from workbench.models.terms import log_sum_exp
from workbench.problem import Problem


@dataclass(frozen=True)
class HalfStep:
    """One row of the ledger, in nats.

    Attributes
    ----------
    iteration : from 0, the start's own E step
    half_step : ``E`` (q becomes the posterior of the labels, KL = 0) or ``M`` (theta moves, q stays)
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


def decomposition(problem: Problem, fit: Fit) -> Iterator[HalfStep]:
    """Yield the half steps of the reported restart, in order; none where no path was kept."""
    if fit.path is None or fit.reported < 0:
        return
    path = fit.path.of_restart(fit.reported)
    thetas = [path.mixture.take(i) for i in range(path.iteration.size)]
    for i, theta in enumerate(thetas):
        yield _half_step(problem, int(path.iteration[i]), "E", q_of=theta, theta=theta)
        if i + 1 < len(thetas):
            yield _half_step(problem, int(path.iteration[i]), "M", q_of=theta, theta=thetas[i + 1])


def _half_step(problem: Problem, iteration: int, half: str, *, q_of: Mixture, theta: Mixture) -> HalfStep:
    """Sums over rows of Q, H(q), KL and log p(x | theta), with q the posterior of the labels under ``q_of``."""
    sums = np.zeros(4)
    size = rows_per_block(theta.weights.size * problem.data.n_features)
    own, moved = q_of.terms(), theta.terms()
    for x, counts in problem.data.blocks(size):
        q_joint = own.log_joint(x)
        log_q = q_joint - log_sum_exp(q_joint)[:, None]
        log_joint = q_joint if theta is q_of else moved.log_joint(x)
        log_density = log_sum_exp(log_joint)
        q = np.exp(log_q)
        # An M step can round a probability of 1 - 1e-20 to 1: log p is then -inf where q is of the order of 1e-17.
        used = (q > 0) & np.isfinite(log_joint)
        with np.errstate(invalid="ignore"):  # -inf minus -inf, where q is 0 and nothing is used
            log_ratio = log_q - (log_joint - log_density[:, None])
        terms = np.stack(
            [
                _sum(q, log_joint, used),
                -_sum(q, log_q, used),
                _sum(q, log_ratio, used),
                log_density,
            ]
        )
        sums += (terms * counts).sum(axis=-1)
    expected_complete, entropy, kl, log_likelihood = (float(value) for value in sums)
    log_prior = float(problem.log_prior(theta))
    return HalfStep(iteration, half, expected_complete, entropy, expected_complete + entropy, kl, log_likelihood, log_prior)


def _sum(q: np.ndarray, values: np.ndarray, used: np.ndarray) -> np.ndarray:
    """sum_k q_k values_k with 0 times anything as 0."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(used, q * values, 0.0).sum(axis=-1))
