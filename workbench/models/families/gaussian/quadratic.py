"""Statistics and terms of normal components with a matrix each, or one for all: what full and tied have in common."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from workbench.models.components import Outside
from workbench.models.families.gaussian.missing import LOG_2PI, Pattern, complete, patterns
from workbench.models.families.gaussian.triangular import cholesky, diagonal, inverse, transposed
from workbench.models.shapes import Cells, Covariances, Factors, LogJoint, Means, PerComponent, PerFit, Responsibilities, Rows, Weights
from workbench.models.terms import Coefficients, Statistics, labelled


@dataclass(frozen=True, eq=False)
class FullStatistics(Statistics):
    """Counts N_k, means and scatters about them, of (*batch, K) components (Bishop 2006, eqs 10.51-10.53).

    With missing cells means and scatters are expected ones, of the ``seen`` rows: those with an observed cell.
    """

    counts: PerComponent
    means: Means
    scatters: Covariances
    seen: PerComponent

    def merge(self, other: FullStatistics) -> FullStatistics:
        """Both sets of rows together (Chan, Golub and LeVeque 1983)."""
        seen = self.seen + other.seen
        share = np.divide(other.seen, seen, out=np.zeros_like(seen), where=seen > 0)
        gap = other.means - self.means
        between = (self.seen * share)[..., None, None] * gap[..., :, None] * gap[..., None, :]
        scatters = self.scatters + other.scatters + between
        return FullStatistics(self.counts + other.counts, self.means + share[..., None] * gap, scatters, seen)


def statistics(x: Rows, responsibilities: Responsibilities) -> FullStatistics:
    """Weighted counts, means and scatters of complete rows."""
    weights = np.swapaxes(responsibilities, -1, -2)  # (*batch, K, N)
    counts = weights.sum(axis=-1)
    means = np.divide(weights @ x, counts[..., None], out=np.zeros((*counts.shape, x.shape[1])), where=counts[..., None] > 0)
    deviations = x - means[..., None, :]
    return FullStatistics(counts, means, transposed(deviations * weights[..., None]) @ deviations, counts)


@dataclass(frozen=True, eq=False)
class FullTerms(Coefficients):
    """log p(x, z = k) = constant_k - |factors_k (x - centres_k)|^2 / 2, or its integral over the cells that are missing.

    Where nothing of a row was seen there is no density but the label's, log_weights_k: of a mixture that is the integral over
    all cells, in expectation it is not.

    Attributes
    ----------
    log_weights : ndarray (*batch, K)
    constant : ndarray (*batch, K)
    factors : ndarray (*batch, K or 1, D, D), lower triangular; 1 where all components share it
    centres : ndarray (*batch, K, D)
    """

    log_weights: PerComponent
    constant: PerComponent
    factors: Factors
    centres: Means

    def log_joint(self, x: Rows) -> LogJoint:
        if complete(x):
            return np.swapaxes(self.constant[..., None] - self._squares(x, self.centres, self.factors) / 2.0, -1, -2)
        joint = np.empty((*self.constant.shape, x.shape[0]))
        for part in patterns(self.factors, x):
            if not part.seen.size:
                joint[..., part.rows] = self.log_weights[..., None]
                continue
            squares = self._squares(x[np.ix_(part.rows, part.seen)], self.centres[..., part.seen], part.marginal)
            joint[..., part.rows] = (self.constant + part.log_volume)[..., None] - squares / 2.0
        return np.swapaxes(joint, -1, -2)

    @staticmethod
    def _squares(x: np.ndarray, centres: np.ndarray, factors: np.ndarray) -> np.ndarray:
        deviations = (x - centres[..., None, :]) @ transposed(factors)
        return np.asarray(np.einsum("...nd,...nd->...n", deviations, deviations))

    def statistics(self, x: Rows, responsibilities: Responsibilities) -> FullStatistics:
        """Of what was seen, and of what was not its conditional moments (Little & Rubin 2019, section 11.3)."""
        if complete(x):
            return statistics(x, responsibilities)
        each = (self._expected(part, x, responsibilities[..., part.rows, :]) for part in patterns(self.factors, x))
        return functools.reduce(FullStatistics.merge, each)

    def _expected(self, part: Pattern, x: np.ndarray, responsibilities: np.ndarray) -> FullStatistics:
        """Expected statistics of one pattern's rows: those of the seen features, through their regression."""
        own = statistics(x[np.ix_(part.rows, part.seen)], responsibilities)
        if not part.unseen.size:
            return own
        shape = (*own.counts.shape, self.centres.shape[-1])
        if not part.seen.size:
            return FullStatistics(own.counts, np.zeros(shape), np.zeros((*shape, shape[-1])), np.zeros_like(own.counts))
        slopes, left = part.regression()
        shift = np.einsum("...do,...o->...d", slopes, own.means - self.centres[..., part.seen])
        scatters = slopes @ own.scatters @ transposed(slopes) + own.counts[..., None, None] * left
        return FullStatistics(own.counts, self.centres + shift, scatters, own.counts)

    def expected(self, statistics: FullStatistics) -> PerFit:
        """Rows of which nothing was seen have their label alone; of the others all D cells are in the scatters."""
        with np.errstate(invalid="ignore"):
            gaps = ((statistics.means - self.centres)[..., None, :] @ transposed(self.factors))[..., 0, :]
            squares = np.einsum("...ij,...ij->...", self.factors @ statistics.scatters, self.factors)
            each = np.where(statistics.seen > 0, (squares + statistics.seen * (gaps**2).sum(axis=-1)) / 2.0, 0.0)
        unseen = labelled(statistics.counts - statistics.seen, self.log_weights)
        return np.asarray(unseen + labelled(statistics.seen, self.constant) - each.sum(axis=-1))

    def conditional(self, x: Rows) -> tuple[Cells, Cells]:
        """Mean and variance of every cell given the row's observed cells and its label, (*batch, N, K, D)."""
        shape = (*self.constant.shape, x.shape[0], self.centres.shape[-1])
        mean, variance = np.empty(shape), np.zeros(shape)
        for part in patterns(self.factors, x):
            rows, own = part.rows[:, None], x[np.ix_(part.rows, part.seen)]
            slopes, left = part.regression()
            shift = (own - self.centres[..., None, part.seen]) @ transposed(slopes[..., part.unseen, :])
            mean[..., rows, part.seen] = own
            mean[..., rows, part.unseen] = self.centres[..., None, part.unseen] + shift
            variance[..., rows, part.unseen] = diagonal(left)[..., None, part.unseen]
        return np.swapaxes(mean, -3, -2), np.swapaxes(variance, -3, -2)


def precision_factors(covariances: np.ndarray) -> np.ndarray:
    """Lower triangular B with B'B the inverse of a covariance; nan where it has no density."""
    return inverse(cholesky(covariances))


def terms(weights: Weights, means: Means, factors: Factors) -> FullTerms:
    """Of components with these weights, means and factors B of the precisions: log weight + log|B| - D/2 log(2 pi)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        log_weights = np.log(weights)
        constant = np.asarray(log_weights + np.log(diagonal(factors)).sum(axis=-1) - factors.shape[-1] * LOG_2PI / 2.0)
    return FullTerms(log_weights, constant, factors, means)


def indefinite(covariances: np.ndarray) -> Iterator[Outside]:
    """Those of (..., D, D) that are not positive definite."""
    for place in np.argwhere(~(diagonal(cholesky(covariances)) > 0.0).all(axis=-1)):
        lowest = np.linalg.eigvalsh(covariances[tuple(place)])[0]
        yield (
            "covariances",
            tuple(place.tolist()),
            f"is not positive definite: its smallest eigenvalue is {lowest:g}; give covariance matrices",
        )


def collapsed(covariances: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Whether a covariance is no longer positive definite in working precision, by the factor that the E step itself uses."""
    return np.asarray(~(diagonal(cholesky(covariances)) / scale > 1e-8).all(axis=-1))
