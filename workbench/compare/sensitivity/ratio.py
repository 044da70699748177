"""The ratio of two evidences under two priors, from draws of both posteriors: bridge sampling on labels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.compare.predictive import array_statistics
from workbench.inference.gibbs.augmentation import Augmented, labelled_statistics
from workbench.models import Mixture, Prior
from workbench.problem import Problem

MAX_ITER = 1000
SETTLED = 1e-10
FEWEST_CHAINS = 4
"""Whose means' spread is an error."""
ONE_SIDED = 0.05
"""Share of the other posterior's draws in a bridge that is all but one-sided: its terms are bounded, by twenty, and so is their error."""


@dataclass(frozen=True)
class Ratio:
    """An estimate of log p(x | other prior) - log p(x | prior).

    Attributes
    ----------
    value, mcse : in nats
    rhat : the larger of both sides' R-hat of the log ratio given the labels
    effective : the smaller of both sides' effective numbers of draws for it
    overlap : 1 where the two posteriors are one, 0 where no draw of one could be of the other
    apart, apart_mcse : by how much the estimate that all but rests on draws of the one posterior is above that of the other, in nats:
        nothing but for its error if each side's draws are of its whole posterior
    """

    value: float
    mcse: float
    rhat: float
    effective: float
    overlap: float
    apart: float = 0.0
    apart_mcse: float = 0.0


def log_ratios(problem: Problem, draws: Mixture, before: Prior, after: Prior, rng: np.random.Generator) -> np.ndarray:
    """log p(x, z | after) - log p(x, z | before) at labels z drawn given each draw, the parameters integrated out.

    Under a prior that is not conjugate: log p(theta | after) - log p(theta | before).

    Parameters
    ----------
    draws : batch (chain, draw), from the posterior under either prior
    """
    if not (before.conjugate and after.conjugate):
        return np.asarray(after.log_density(draws) - before.log_density(draws))
    rows = Augmented.of(problem)
    found = []
    for i in range(draws.batch_shape[0]):
        statistics = labelled_statistics(draws.take(i), rows, rng)
        found.append(_log_marginal(after, statistics, draws.n_components) - _log_marginal(before, statistics, draws.n_components))
    return np.stack(found)


def bridged(before: np.ndarray, after: np.ndarray) -> Ratio:
    """Bridge sampling (Meng & Wong 1996; Bennett 1976) by log ratios (chain, draw) at draws of the one and of the other posterior.

    The error is that of the two means by their autocorrelated draws (Fruehwirth-Schnatter 2004, eq. 15).
    """
    share = math.log(before.size / (before.size + after.size)), math.log(after.size / (before.size + after.size))
    value = float(np.median(before))
    for _ in range(MAX_ITER):
        own, other = _terms(before, after, value, share)
        step = _log_mean(own) - _log_mean(other) - value
        value += step
        if abs(step) < SETTLED:
            break
    own, other = (np.exp(logs - logs.max()) for logs in _terms(before, after, value, share))
    sides = [_error(side) for side in (own, other)]
    rhat, effective = max(_rhat(before), _rhat(after)), min(sides[0][1], sides[1][1])
    return Ratio(
        value, math.hypot(sides[0][0], sides[1][0]), rhat, effective, _overlap(before, after, value), *_apart(before, after, value)
    )


def _apart(before: np.ndarray, after: np.ndarray, value: float) -> tuple[float, float]:
    """By how much the estimate from draws of the one posterior is above that from draws of the other, and the error of that.

    Every bridge r / (s1 + s2 r / R) has the same ratio R as its end, whatever s1 + s2 = 1 (Meng & Wong 1996, section 3), if each
    side's draws are of its whole posterior. Where they are of a part A of it, the end at s1 = 1 is off by the log of what share of
    the *other* posterior is in A over the share of its own: the two ends tell. They are taken at 1 - s1 and s1 of a twentieth, where
    each term is bounded; the difference is of means over the same draws, so its error is that of the difference of their terms.
    """
    near, far = math.log1p(-ONE_SIDED), math.log(ONE_SIDED)
    ends = [_terms(before, after, value, share) for share in ((near, far), (far, near))]
    gaps, squares = [], []
    for one, other in zip(*ends, strict=True):  # draws of the one posterior, then of the other
        means = _log_mean(one), _log_mean(other)
        relative = np.exp(one - means[0]) - np.exp(other - means[1])  # to first order
        gaps.append(means[0] - means[1])
        squares.append(_standard_error(relative)[0] ** 2)
    return gaps[0] - gaps[1], math.sqrt(sum(squares))


def _terms(before: np.ndarray, after: np.ndarray, value: float, share: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Logs of what is averaged over draws of the one (whose mean is the ratio's numerator) and of the other."""
    return before - np.logaddexp(share[0], share[1] + before - value), -np.logaddexp(share[0], share[1] + after - value)


def _log_mean(logs: np.ndarray) -> float:
    top = logs.max()
    return float(top + np.log(np.exp(logs - top).mean()))


def _overlap(before: np.ndarray, after: np.ndarray, value: float) -> float:
    """Twice the mean chance, over draws of both, that a draw told by its labels alone would be taken for the other's."""
    wrong = np.exp(-np.logaddexp(0.0, value - before)), np.exp(-np.logaddexp(0.0, after - value))
    return float(wrong[0].mean() + wrong[1].mean())


def _error(values: np.ndarray) -> tuple[float, float]:
    """Relative standard error of a mean over (chain, draw), and the effective number of draws."""
    error, effective = _standard_error(values)
    return error / float(values.mean()), effective


def _standard_error(values: np.ndarray) -> tuple[float, float]:
    """Of a mean over (chain, draw), and the effective number of draws: by autocorrelation, or by the spread of the chains' means,
    whichever says more error, as a chain that has stood still elsewhere is seen by the second alone."""
    if np.ptp(values) <= 1e-12 * np.abs(values).max():
        return 0.0, float(values.size)
    with np.errstate(divide="ignore", invalid="ignore"):
        within = float(array_statistics().ess(values, chain_axis=0, draw_axis=1, method="mean"))
    if not within > 0.0:
        return math.nan, 1.0
    error = float(values.std(ddof=1)) / math.sqrt(min(within, values.size))
    if values.shape[0] >= FEWEST_CHAINS:
        error = max(error, float(values.mean(axis=1).std(ddof=1)) / math.sqrt(values.shape[0]))
    return error, float(values.var(ddof=1)) / error**2


def _rhat(values: np.ndarray) -> float:
    if np.ptp(values) <= 1e-9 * max(1.0, abs(float(values.max()))) or values.shape[0] < 2:
        return 1.0
    with np.errstate(divide="ignore", invalid="ignore"):  # chains that stand still have no spread of their own
        return float(array_statistics().rhat(values, chain_axis=0, draw_axis=1))


def _log_marginal(prior: Prior, statistics: Any, n_components: int) -> np.ndarray:
    """log p(x, labels), but for what depends on no prior."""
    empty = prior._log_beta() + prior.components.joint_log_normaliser(n_components)
    return np.asarray(prior.posterior(statistics).log_normaliser() - empty)
