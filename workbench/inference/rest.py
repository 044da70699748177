"""Rest: the rows of which some units are left out, as the steps of refits see them."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.data import Dataset
from workbench.inference.batches import each_its_own
from workbench.inference.boundary import Step
from workbench.inference.em.climb import LOST
from workbench.inference.em.engine import Engine
from workbench.models import Mixture, Prior
from workbench.models.information import Information

GOING, DONE, SINGULAR = range(3)
"""How a refit stands: not converged; at a local maximum; singular, which a lost component is where it needs rows of its own."""


class Rest:
    """What EM's steps without some units do, and how they are measured; arrays (refit,), ``left`` (refit, row).

    Parameters
    ----------
    info : of the full fit, in whose coordinates steps are measured and stretched
    data : rows, each once

    Attributes
    ----------
    stretch : what turns EM's step into Newton's, but for the row that is missing (Louis 1982, section 5); 1 where that is unknown
    metric : squares of standard errors, to measure steps by
    alive : components that the full fit has; what it had lost, no refit loses or finds
    """

    def __init__(self, info: Information, data: Dataset, prior: Prior | None, engine: Engine) -> None:
        self.data, self.prior, self.engine, self.chart = data, prior, engine, info.chart
        maximum = info.covariance is not None
        self.stretch = np.asarray(info.covariance) @ info.complete if maximum else np.eye(info.chart.size)
        self.metric = info.observed if maximum else info.complete
        self.scales = np.sqrt(np.diagonal(self.metric))
        self.probe = data.x[np.argsort(np.isnan(data.x).sum(axis=1), kind="stable")[:2]]
        self.spread = data.spread
        self.alive = info.chart.mixture.weights > 0
        self.loss_is_singular = prior is None and info.chart.mixture.components.lost_is_singular

    def step(self, left: np.ndarray) -> Step:
        """EM's step of refits without the units ``left``."""
        counts = self.counts(left)
        return lambda mixture: self.engine.m_step(self.engine.expect(mixture, self.data, counts).statistics, self.prior, mixture)

    def counts(self, left: np.ndarray) -> np.ndarray:
        return np.asarray(np.maximum(self.data.counts - left, 0.0))

    def length(self, e: np.ndarray) -> np.ndarray:
        return np.asarray(np.sqrt(np.maximum(np.einsum("bi,ij,bj->b", e, self.metric, e, optimize=True), 0.0)))

    def objective(self, log_likelihood: Any, mixture: Mixture) -> np.ndarray:
        return np.array(log_likelihood if self.prior is None else log_likelihood + self.prior.log_density(mixture))

    def wrong(self, expectation: Any, after: Mixture, length: np.ndarray) -> np.ndarray:
        bad = np.full(length.size, GOING)
        if self.loss_is_singular:
            bad[expectation.statistics.counts[..., self.alive].min(axis=-1) < LOST] = SINGULAR
        failed = ~np.isfinite(length) | ~np.isfinite(expectation.log_likelihood)
        bad[self.engine.collapsed(after, self.spread) | failed] = SINGULAR
        return bad

    def moved(self, before: Mixture, after: Mixture, left: np.ndarray, who: np.ndarray) -> np.ndarray:
        """The most by which the log density of a row that is left out has changed; 0 for the others."""
        found = np.zeros(who.size)
        chosen_ones = np.flatnonzero(who)
        if not chosen_ones.size:
            return found
        out = left[chosen_ones] > 0
        if (out.sum(axis=1) == 1).all():
            x = self.data.x[out.argmax(axis=1)]
            found[chosen_ones] = _gaps(*(each_its_own(mixture.take(chosen_ones), x) for mixture in (before, after)))
            return found
        for i, rows in zip(chosen_ones, out, strict=True):
            found[i] = _gaps(*(mixture.take(i).log_density(self.data.x[rows]) for mixture in (before, after))).max()
        return found


def _gaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # both may be -inf
        return np.asarray(np.where(first == second, 0.0, np.abs(first - second)))
