"""Scores of a fit: information criteria, entropies and the held-out log predictive density (statistics, sections 2 and 6)."""

from __future__ import annotations

import numpy as np

from workbench.data import Dataset
from workbench.fit import Fit
from workbench.models.shapes import Counts, Responsibilities
from workbench.models.terms import log_sum_exp
from workbench.problem import Problem


def information_criteria(problem: Problem, fit: Fit, responsibilities: Responsibilities | None) -> dict[str, float]:
    """``aic`` at the MLE, ``bic`` and ``icl`` at MLE and MAP; empty for draws, without a point, and for points that are neither."""
    if not fit.maximises or fit.draws is None or responsibilities is None:
        return {}
    log_likelihood, free = fit.log_likelihood.item(), problem.n_parameters
    bic = -2.0 * log_likelihood + free * float(np.log(problem.data.n_observed_rows))
    likeliest = float((np.log(responsibilities.max(axis=1)) * observed(problem.data)).sum())
    found = {"bic": bic, "icl": bic - 2.0 * likeliest}
    return {"aic": 2.0 * free - 2.0 * log_likelihood, **found} if fit.maximises == "likelihood" else found


def entropies(problem: Problem, responsibilities: Responsibilities) -> dict[str, float]:
    """``entropy`` = -sum r log r in nats, and ``relative_entropy`` = 1 - entropy / (N log K), which K = 1 has not.

    N, and so the sum, leaves out rows without an observed cell, as the information criteria do.
    """
    logs = np.log(np.where(responsibilities > 0, responsibilities, 1.0))
    entropy = 0.0 - float(((responsibilities * logs).sum(axis=1) * observed(problem.data)).sum())  # of certain rows 0, not -0
    if problem.n_components == 1:
        return {"entropy": entropy}
    most = problem.data.n_observed_rows * float(np.log(problem.n_components))
    return {"entropy": entropy, "relative_entropy": 1.0 - entropy / most}


def observed(data: Dataset) -> Counts:
    """How often each row counts: 0 where no cell of it was observed."""
    return np.where(np.isnan(data.x).all(axis=1), 0.0, data.counts)


def held_out_lpd(fit: Fit, held_out: Dataset) -> float:
    """sum_n log mean_s p(x_n | theta_s) over rows that no fit has seen; nan where a fit has no draws."""
    if fit.draws is None:
        return float("nan")
    n_draws = int(np.prod(fit.draws.batch_shape))
    flat = fit.draws.reshaped(n_draws)
    total = 0.0
    size = max(1, 1_000_000 // n_draws)
    for x, counts in held_out.blocks(size):
        density = flat.log_density(x)  # (draw, row)
        total += float(((log_sum_exp(density.T) - np.log(n_draws)) * counts).sum())
    return total
