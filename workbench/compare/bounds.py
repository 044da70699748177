"""Bounds of the log evidence from an approximation q: the ELBO, plain and with the labels symmetrised (statistics, section 5)."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from workbench.fit import Fit
from workbench.inference.evidence.symmetry import exchangeable
from workbench.models.terms import log_sum_exp
from workbench.problem import Problem

MOST_PERMUTED = 6
"""Components up to which all K! relabellings are summed."""
FEW = 4
"""Draws by which it is found out whether the prior tells components apart."""


@dataclass(frozen=True)
class Bound:
    """A Monte-Carlo estimate in nats, and its standard error."""

    value: float
    mcse: float


def elbo(fit: Fit) -> Bound | None:
    """E_q[log p(x, theta) - log q(theta)] from the draws of an approximation; None for other fits."""
    return None if fit.log_q is None else _mean((fit.log_posterior - fit.log_q).ravel())


def symmetrised_elbo(problem: Problem, fit: Fit) -> Bound | None:
    """The ELBO of q averaged over the K! relabellings: between the plain one and that plus log K!.

    None for other fits than Gaussians in unconstrained coordinates, for more than six components, and under a prior that tells
    components apart: the average of the relabellings of q is then no approximation of the posterior, and E_q of its log ratio no
    bound of log p(x).
    """
    known = {"mean", "scale_tril"} <= fit.approximation.keys()
    if fit.log_q is None or fit.draws is None or problem.prior is None or not known or problem.n_components > MOST_PERMUTED:
        return None
    draws = fit.draws.reshaped(int(np.prod(fit.draws.batch_shape)))
    if not exchangeable(problem.prior, draws.take(slice(0, FEW))):
        return None
    orders = list(itertools.permutations(range(problem.n_components)))
    logs = []
    for order in orders:
        u, log_jacobian = problem.prior.flatten(draws.relabelled(np.array(order)))
        logs.append(_log_normal(u, fit.approximation["mean"], fit.approximation["scale_tril"]) - log_jacobian)
    log_q = log_sum_exp(np.stack(logs, axis=-1)) - math.log(len(orders))
    return _mean(fit.log_posterior.ravel() - log_q)


def _log_normal(u: np.ndarray, mean: np.ndarray, scale_tril: np.ndarray) -> np.ndarray:
    from scipy.linalg import solve_triangular

    z = solve_triangular(scale_tril, (u - mean).T, lower=True)
    log_det = np.log(np.abs(np.diagonal(scale_tril))).sum()
    return np.asarray(-0.5 * (z**2).sum(axis=0) - log_det - mean.size / 2.0 * math.log(2.0 * math.pi))


def _mean(values: np.ndarray) -> Bound:
    return Bound(float(values.mean()), float(values.std(ddof=1) / math.sqrt(values.size)))
