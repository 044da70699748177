"""Leave-one-out predictive density, labels summed out: of draws by Pareto-smoothed weights (Vehtari, Gelman & Gabry 2017; of an
approximation's Magnusson et al. 2019), of points by exact refits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.compare.curvature import Curvature, why_no_errors
from workbench.compare.verdict import check
from workbench.data import Dataset
from workbench.fit import Fit
from workbench.inference.advice import Advice
from workbench.inference.evidence.pareto import FEWEST_DRAWS, array_statistics, pareto_k
from workbench.inference.leave_one_out import too_large
from workbench.problem import Problem

PARETO_K = 0.7
"""k-hat up to which importance weights are to be trusted (Vehtari et al. 2024)."""


@dataclass(frozen=True)
class LeaveOneOut:
    """Expected log predictive density of the fitted rows, each left out, in nats.

    Attributes
    ----------
    elpd, se : the sum, and its standard error over rows; not finite where some row has no density without itself
    pareto_k_max : of draws the largest k-hat, above 0.7 the figure is not to be trusted; None for points, which are refitted
    rows_above : how many rows' k-hat is above that
    """

    elpd: float
    se: float
    pareto_k_max: float | None
    rows_above: int = 0


def why_not_left_out(problem: Problem, fit: Fit, curved: Curvature) -> str:
    """Why a point has no refits, in words; empty where it has them, and for what is no point."""
    if fit.estimate != "point" or fit.draws is None or fit.left_out is not None:
        return ""
    if curved.point is None or not curved.point.stationary or curved.point.is_maximum is False:
        return why_no_errors(curved)
    if problem.data.counts.sum() < 2:
        return "there is one row"
    if too_large(problem):
        return "the data are large, and refits of them would take minutes"
    return "this method does not maximise the likelihood or the posterior"


def leave_one_out(problem: Problem, fit: Fit, *, budget: int = 20_000_000) -> LeaveOneOut | None:
    """PSIS-LOO of draws; of a point what its refits without each row say.

    Row n is left out by weights 1 / p(x_n | theta) on draws from the posterior, and p(x, theta) / q(theta) / p(x_n | theta) on draws
    from an approximation q, whose own draws would price q's distance from the posterior as if it were data (statistics, section 6).

    None where k-hat of p / q is above 0.7, and for fewer draws than a Pareto tail needs. Rows are taken in blocks of at most
    ``budget`` numbers (draws x rows x components x features); all draws are used.
    """
    if fit.left_out is not None:
        return LeaveOneOut(*_total(fit.left_out.elpd, problem.data), None)
    if fit.estimate == "point" or fit.draws is None or fit.log_likelihood.size < FEWEST_DRAWS or not correctable(fit):
        return None
    flat = fit.draws.reshaped(fit.log_likelihood.size)
    relative = _relative_efficiency(fit.log_likelihood) if fit.estimate == "sample" else 1.0
    to_posterior = np.zeros(fit.log_likelihood.size) if fit.log_q is None else (fit.log_posterior - fit.log_q).ravel()
    elpd, k_hat = [], []
    for x, _ in problem.data.blocks(max(1, budget // (flat.weights.size * problem.data.n_features))):
        each, seen = np.zeros(x.shape[0]), ~np.isnan(x).all(axis=1)
        if seen.any():  # a row without an observed cell has density 1 under every draw, and weights without a tail
            log_likelihood = flat.log_density(x[seen]).T  # (row, draw)
            minus = log_likelihood - to_posterior  # of the log weights
            log_weights, own = smoothed(minus, relative)
            each[seen] = _log_sum(log_weights + log_likelihood)
            k_hat.append(own)
        elpd.append(each)
    shapes = np.concatenate(k_hat)
    return LeaveOneOut(*_total(np.concatenate(elpd), problem.data), float(shapes.max()), int((shapes > PARETO_K).sum()))


def of_left_out_draws(found: LeaveOneOut | None, advice: Advice) -> Iterator[dict[str, Any]]:
    """The check of leave-one-out by draws: whether some row's weights have too heavy a tail."""
    if found is None or found.pareto_k_max is None:
        return
    rows = "1 row has" if found.rows_above == 1 else f"{found.rows_above} rows have"
    more = f"{advice.more('draws')}, and if it stays compare by `held_out` rows, or by em with objective: posterior, which refits"
    said = f"{rows} a k-hat above {PARETO_K}: the fit depends on them so much that elpd_loo may be too high; {more}"
    yield check("pareto_k_loo", found.pareto_k_max, PARETO_K, found.pareto_k_max <= PARETO_K, said)


def correctable(fit: Fit) -> bool:
    """Whether draws are the posterior's, or can be weighted to be: k-hat of p / q is at most 0.7."""
    if fit.log_q is None:
        return True
    return pareto_k((fit.log_posterior - fit.log_q).ravel()) <= PARETO_K


def smoothed(minus: np.ndarray, relative: float) -> tuple[np.ndarray, np.ndarray]:
    """Pareto-smoothed log weights (row, draw) that sum to 1, and k-hat of each row, from minus the raw ones.

    ArviZ raises where a row's largest weights are tied: such a row keeps its own, its k-hat 0 where all are alike and inf elsewhere.
    """
    try:
        found: tuple[np.ndarray, np.ndarray] = array_statistics().psislw(minus, r_eff=relative, axis=-1)
    except ValueError:
        pairs = [_smoothed_row(row, relative) for row in minus]
        return np.stack([weights for weights, _ in pairs]), np.array([shape for _, shape in pairs])
    return found


def _smoothed_row(minus: np.ndarray, relative: float) -> tuple[np.ndarray, float]:
    try:
        log_weights, shape = array_statistics().psislw(minus, r_eff=relative)
    except ValueError:
        return -minus - _log_sum(-minus[None])[0], 0.0 if np.ptp(minus) == 0.0 else np.inf
    return log_weights, float(shape)


def _total(each: np.ndarray, data: Dataset) -> tuple[float, float]:
    """The sum over rows, and its standard error: N times the variance of the N rows, those without an observed cell left out."""
    if not np.isfinite(each).all():
        return float(each.sum()), float("nan")
    counts = np.where(np.isnan(data.x).all(axis=1), 0.0, data.counts)
    total = max(counts.sum(), 1.0)
    centre = (counts * each).sum() / total
    variance = float((counts * (each - centre) ** 2).sum() * total / max(1.0, total - 1.0))
    return float((each * counts).sum()), float(np.sqrt(variance))


def _relative_efficiency(values: np.ndarray) -> float:
    """Effective draws per draw of (chain, draw) values; 1 where that cannot be told."""
    found = float(array_statistics().ess(values, method="mean")) / values.size
    return min(1.0, found) if np.isfinite(found) and found > 0 else 1.0


def _log_sum(log_weighted: np.ndarray) -> np.ndarray:
    """log of the sum over draws."""
    top = log_weighted.max(axis=1)
    return np.asarray(np.log(np.exp(log_weighted - top[:, None]).sum(axis=1)) + top)
