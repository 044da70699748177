"""Observed information of a mixture by Louis' formula, labels and cells that were not observed as the missing data."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from workbench.data import Dataset
from workbench.models.information.chart import Chart
from workbench.models.information.kernel import snapped_levels
from workbench.models.information.table import snapped_components
from workbench.models.maximum import m_step
from workbench.models.mixture import Mixture, rows_per_block
from workbench.models.prior import Prior
from workbench.models.terms import log_sum_exp

STATIONARY = 1e-7
"""Nats that a step of EM may still gain at a point whose curvature says anything."""
FLAT = 1e-7
"""A share of the complete information nearer to 0 than that is rounding."""


@dataclass(frozen=True, eq=False)
class Information:
    """Curvature of a log likelihood (or log posterior) at a point, in a chart's coordinates.

    Attributes
    ----------
    chart : the coordinates
    observed : ndarray (size, size), minus the Hessian of sum_n log p(x_n) (+ log prior)
    complete : the same of Bishop's Q, the expected log density of EM's own complete data: labels and, where the M step fills them
        (Gaussians with full or tied covariances), the missing cells of rows that have others
    gradient : ndarray (size,), by Fisher's identity
    inward : derivatives from the boundaries into the interior
    lost : whether a component has weight 0, whose parameters nothing determines
    """

    chart: Chart
    observed: np.ndarray
    complete: np.ndarray
    gradient: np.ndarray
    inward: np.ndarray
    lost: bool

    @functools.cached_property
    def shares(self) -> np.ndarray:
        """Eigenvalues of complete^-1 observed, smallest first: 1 minus the fractions of missing information.

        EM's steps shrink by 1 - shares[0] (Dempster, Laird & Rubin 1977, section 4; McLachlan & Krishnan 2008, section 3.9); where
        that is 1, the data do not determine the parameters. nan where the complete information is not positive definite, as
        it is at every fixed point of EM, and where a row has no density.
        """
        if not self.chart.size:
            return np.ones(0)
        if not (np.isfinite(self.observed).all() and np.isfinite(self.complete).all()):
            return np.full(self.chart.size, np.nan)
        try:
            root = np.linalg.inv(np.linalg.cholesky(self.complete))
        except np.linalg.LinAlgError:
            return np.full(self.chart.size, np.nan)
        return np.asarray(np.linalg.eigvalsh(root @ self.observed @ root.T))

    @functools.cached_property
    def left(self) -> float:
        """Nats that one more M step would gain, to first order: gradient' complete^-1 gradient / 2."""
        if not self.chart.size or not np.isfinite(self.shares).all():
            return 0.0 if not self.chart.size else float("nan")
        return float(self.gradient @ np.linalg.solve(self.complete, self.gradient)) / 2.0

    @property
    def stationary(self) -> bool:
        return self.left <= STATIONARY

    @property
    def flat(self) -> bool:
        """Whether the point is stationary and the curvature zero in some direction, but for rounding, and negative in none."""
        return self.stationary and abs(float(self.shares.min(initial=1.0))) <= FLAT

    @property
    def is_maximum(self) -> bool | None:
        """Whether the point is a local maximum; None where curvature to second order does not tell."""
        if not self.stationary:
            return None
        lowest = float(self.shares.min(initial=1.0))
        slope = float(self.inward.max(initial=-np.inf))
        if lowest < -FLAT or slope > STATIONARY:
            return False
        undecided = self.lost or lowest <= FLAT or slope >= -STATIONARY
        return None if undecided else True

    @functools.cached_property
    def covariance(self) -> np.ndarray | None:
        """Inverse of the observed information, (size, size); None but at a local maximum."""
        if not self.is_maximum:
            return None
        scale = 1.0 / np.sqrt(np.diagonal(self.observed))
        return np.asarray(np.linalg.inv(self.observed * np.outer(scale, scale)) * np.outer(scale, scale))

    def standard_errors(self) -> dict[str, np.ndarray] | None:
        """Standard error of every entry of every parameter, nan where it is fixed on a boundary; None but at a local maximum."""
        if self.covariance is None:
            return None
        found = {}
        for name, moves in self.chart.directions.items():
            flat = moves.reshape(-1, self.chart.size)
            scale = np.abs(flat).max(axis=1, initial=0.0)  # the square of a covariance need not be a float64
            unit = flat / np.where(scale > 0, scale, np.nan)[:, None]
            variance = np.einsum("em,mn,en->e", unit, self.covariance, unit, optimize=True)
            found[name] = (scale * np.sqrt(variance)).reshape(moves.shape[:-1])
        return found


def observed_information(mixture: Mixture, data: Dataset, prior: Prior | None = None, *, snap: bool = True) -> Information:
    """Observed information of an unbatched mixture (Louis 1982, eq. 3.2).

    I_obs = sum_n [sum_k r_nk (-d2 log p(x_n, z_n = k)) - sum_k r_nk s_nk s_nk' + S_n S_n'] with s_nk the gradient of
    log p(x_n, z_n = k) and S_n = sum_k r_nk s_nk, of what each row has observed: the cells that it has not are integrated out
    of both. With ``prior``, minus the Hessian of its log density is added, as it is to the complete information. Parameters on
    the boundary of their space are fixed there; those about to reach it are taken there first.

    Parameters
    ----------
    mixture : Mixture without batch axes
    data : Dataset, rows each ``counts`` times
    prior : Prior, for a mode of the posterior, or None
    snap : whether to take there what is about to reach its boundary
    """
    if not (data.counts > 0).all():
        data = data.take(np.flatnonzero(data.counts > 0))  # a row that counts nothing may have no density
    chart = Chart.about(snapped(mixture, data, prior) if snap else mixture)
    total = _Sums(chart)
    size = rows_per_block(chart.places.size + chart.size)
    for x, counts in data.blocks(size):
        total.add(x, counts)
    if prior is not None:
        total.add_prior(prior)
    lost = bool((chart.mixture.weights <= 0).any())
    return Information(chart, total.curvature - total.between, total.complete, total.gradient, total.inward_with_weights(data), lost)


def snapped(mixture: Mixture, data: Dataset, prior: Prior | None) -> Mixture:
    """The mixture with weights and probabilities on the boundaries that one M step shows them to run to, if nothing is lost by it."""
    terms, counts = mixture.terms(), data.counts
    with np.errstate(all="ignore"):
        log_joint = terms.log_joint(data.x)
        shares = np.exp(log_joint - log_sum_exp(log_joint)[:, None])
        statistics = terms.statistics(data.x, shares * counts[:, None])
        after = m_step(statistics, prior, mixture)
    moved = Mixture(snapped_levels(mixture.weights, after.weights), snapped_components(mixture.components, after.components))
    change = float(moved.log_likelihood(data.x, counts) - mixture.log_likelihood(data.x, counts))
    return moved if abs(change) <= 1e-6 * data.n_observed_rows else mixture


class _Sums:
    """Louis' sums over blocks of rows."""

    def __init__(self, chart: Chart) -> None:
        self.chart = chart
        self.terms = chart.mixture.terms()
        self.used = [places >= 0 for places in chart.places]
        self.places = [places[used] for places, used in zip(chart.places, self.used, strict=True)]
        self.curvature = np.zeros((chart.size, chart.size))
        self.complete = np.zeros((chart.size, chart.size))
        self.between = np.zeros((chart.size, chart.size))
        self.gradient = np.zeros(chart.size)
        self.inward: np.ndarray = np.zeros(0)
        self.gained = np.zeros(chart.mixture.n_components)

    def add(self, x: np.ndarray, counts: np.ndarray) -> None:
        log_joint = self.terms.log_joint(x)
        log_density = log_sum_exp(log_joint)
        shares = np.exp(log_joint - log_density[:, None])
        weighed = shares * counts[:, None]
        scores, curvature, complete = self.chart.kernel.evaluate(x, weighed)
        whole = np.zeros((x.shape[0], self.chart.size))
        labels = self.chart.label_scores
        for k, (places, used) in enumerate(zip(self.places, self.used, strict=True)):
            fixed = np.broadcast_to(labels[k], (x.shape[0], labels.shape[1]))
            own = np.concatenate([fixed, scores[:, k]], axis=1)[:, used]
            self._add_blocks(k, weighed[:, k].sum(), curvature[k], complete[k])
            self.between[np.ix_(places, places)] += (own * weighed[:, k, None]).T @ own
            whole[:, places] += shares[:, k, None] * own
        self.between -= (whole * counts[:, None]).T @ whole
        self.gradient += counts @ whole
        self._add_boundary(x, counts, log_density, weighed)

    def add_prior(self, prior: Prior) -> None:
        """The Dirichlet is concentration - 1 labels of each component; the rest is the family's."""
        labels = self.chart.label_scores
        excess = np.where(self.chart.mixture.weights > 0, prior.concentration - 1.0, 0.0)
        gradient, curvature = self.chart.kernel.prior(prior.components)
        for k, (places, used) in enumerate(zip(self.places, self.used, strict=True)):
            self._add_blocks(k, excess[k], curvature[k], curvature[k])
            self.gradient[places] += np.concatenate([excess[k] * labels[k], gradient[k]])[used]
        if self.inward.size:
            self.inward = self.inward + self.chart.kernel.prior_inward(prior.components)

    def inward_with_weights(self, data: Dataset) -> np.ndarray:
        """Boundaries of components and, for components of weight 0, sum_n p(x_n | theta_k) / p(x_n) - N."""
        dead = self.chart.mixture.weights <= 0
        return np.concatenate([self.inward, self.gained[dead] - data.counts.sum()])

    def _add_blocks(self, k: int, count: float, curvature: np.ndarray, complete: np.ndarray) -> None:
        """Of component k, beside its label's, which counts ``count`` times."""
        there, own = np.ix_(self.places[k], self.places[k]), np.ix_(self.used[k], self.used[k])
        label = self.chart.label_scores[k]
        self.curvature[there] += _joined(label, count, curvature)[own]
        self.complete[there] += _joined(label, count, complete)[own]

    def _add_boundary(self, x: np.ndarray, counts: np.ndarray, log_density: np.ndarray, weighed: np.ndarray) -> None:
        weights = self.chart.mixture.weights
        if (weights <= 0).any():
            alone = Mixture(np.ones_like(weights), self.chart.mixture.components).log_joint(x)
            self.gained += counts @ np.exp(alone - log_density[:, None])
        if not self.chart.kernel.bounded:
            return
        logs, zeros = self.chart.kernel.factors(x)
        with np.errstate(divide="ignore", over="ignore"):
            lifted = np.where(zeros == 1, np.exp(np.log(weights) + logs - log_density[:, None]), 0.0) * counts[:, None]
        found = self.chart.kernel.inward(x, lifted, weighed)
        self.inward = found if self.inward.size == 0 else self.inward + found


def _joined(label: np.ndarray, count: float, curvature: np.ndarray) -> np.ndarray:
    """Curvature of log weights_k, ``count`` times, beside that of the component."""
    own = label.size
    block = np.zeros((own + curvature.shape[0],) * 2)
    block[:own, :own] = count * np.outer(label, label)
    block[own:, own:] = curvature
    return block
