"""Leave-one-out predictive density of draws, labels summed out (Vehtari, Gelman & Gabry 2017)."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.fit import Fit
from workbench.problem import Problem

FEWEST_DRAWS = 25
"""A Pareto tail is a fifth of the draws, and needs five."""


@dataclass(frozen=True)
class LeaveOneOut:
    """PSIS-LOO in nats.

    Attributes
    ----------
    elpd, se : expected log predictive density of the fitted rows, each left out, and its standard error over rows
    pareto_k_max : the largest k-hat; above 0.7 the figure is not to be trusted
    """

    elpd: float
    se: float
    pareto_k_max: float


def array_statistics() -> Any:
    """ArviZ's statistics on plain arrays, imported when they are needed."""
    return importlib.import_module("arviz_stats.base").array_stats


def leave_one_out(problem: Problem, fit: Fit, *, budget: int = 20_000_000) -> LeaveOneOut | None:
    """PSIS-LOO of a sample; None for points and approximations, whose leave-one-out is another formula (statistics, section 6).

    None also for fewer draws than a Pareto tail needs.

    Rows are taken in blocks of at most ``budget`` numbers (draws x rows x components x features); all draws are used.
    """
    if fit.estimate != "sample" or fit.draws is None:
        return None
    chains, length = fit.draws.batch_shape
    if chains * length < FEWEST_DRAWS:
        return None
    flat = fit.draws.reshaped(chains * length)
    relative = _relative_efficiency(fit.log_likelihood)
    elpd, k_hat = [], []
    for x, _ in problem.data.blocks(max(1, budget // (flat.weights.size * problem.data.n_features))):
        log_likelihood = flat.log_density(x).T  # (row, draw)
        log_weights, pareto_k = array_statistics().psislw(log_likelihood, r_eff=relative, axis=-1)  # takes minus the log weights
        elpd.append(_log_mean(log_weights + log_likelihood))
        k_hat.append(pareto_k)
    each = np.concatenate(elpd)
    counts = problem.data.counts
    centre = np.average(each, weights=counts)
    total = counts.sum()
    variance = float((counts * (each - centre) ** 2).sum() * total / max(1.0, total - 1.0))  # of a sum of N, the rows' variance with N - 1
    return LeaveOneOut(float((each * counts).sum()), float(np.sqrt(variance)), float(np.concatenate(k_hat).max()))


def _relative_efficiency(values: np.ndarray) -> float:
    """Effective draws per draw of (chain, draw) values; 1 where that cannot be told."""
    found = float(array_statistics().ess(values, method="mean")) / values.size
    return min(1.0, found) if np.isfinite(found) and found > 0 else 1.0


def _log_mean(log_weighted: np.ndarray) -> np.ndarray:
    """log of the sum over draws; the weights already sum to 1."""
    top = log_weighted.max(axis=1)
    return np.asarray(np.log(np.exp(log_weighted - top[:, None]).sum(axis=1)) + top)
