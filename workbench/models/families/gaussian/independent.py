"""Statistics and terms of normal components with independent features: what diagonal and spherical have in common."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.models.families.gaussian.missing import LOG_2PI, complete
from workbench.models.shapes import Cells, LogJoint, Means, PerComponent, PerFit, Responsibilities, Rows, Variances, Weights
from workbench.models.terms import Coefficients, Statistics, labelled


@dataclass(frozen=True, eq=False)
class DiagonalStatistics(Statistics):
    """Counts N_k, and feature by feature means and sums of squares about them of the ``seen`` cells."""

    counts: PerComponent
    means: Means
    scatters: Variances
    seen: Variances

    def merge(self, other: DiagonalStatistics) -> DiagonalStatistics:
        """Both sets of rows together (Chan, Golub and LeVeque 1983)."""
        seen = self.seen + other.seen
        share = np.divide(other.seen, seen, out=np.zeros_like(seen), where=seen > 0)
        gap = other.means - self.means
        scatters = self.scatters + other.scatters + (self.seen * share) * gap**2
        return DiagonalStatistics(self.counts + other.counts, self.means + share * gap, scatters, seen)


def statistics(x: Rows, responsibilities: Responsibilities) -> DiagonalStatistics:
    """Weighted counts, means and sums of squares; a cell that is missing is skipped."""
    weights = np.swapaxes(responsibilities, -1, -2)  # (*batch, K, N)
    counts = weights.sum(axis=-1)
    shape = (*counts.shape, x.shape[1])
    observed = None if complete(x) else ~np.isnan(x)
    seen = np.broadcast_to(counts[..., None], shape) if observed is None else weights @ observed.astype(float)
    totals = weights @ (x if observed is None else np.where(observed, x, 0.0))
    means = np.divide(totals, seen, out=np.zeros(shape), where=seen > 0)
    deviations = x - means[..., None, :]
    if observed is not None:
        deviations = np.where(observed, deviations, 0.0)
    return DiagonalStatistics(counts, means, np.einsum("...n,...nd->...d", weights, deviations**2), seen)


@dataclass(frozen=True, eq=False)
class DiagonalTerms(Coefficients):
    """log p(x, z = k) = log_weights_k + sum over the seen d of log_factors_kd - (log 2 pi + (factors_kd (x_d - centres_kd))^2) / 2."""

    log_weights: PerComponent
    log_factors: Variances
    factors: Variances
    centres: Means

    def log_joint(self, x: Rows) -> LogJoint:
        deviations = (x - self.centres[..., None, :]) * self.factors[..., None, :]
        if complete(x):
            constant = (self.log_weights + self.log_factors.sum(axis=-1) - x.shape[1] * LOG_2PI / 2.0)[..., None]
        else:
            observed = ~np.isnan(x)
            deviations = np.where(observed, deviations, 0.0)
            sizes = observed.sum(axis=-1) * LOG_2PI / 2.0
            constant = self.log_weights[..., None] + self.log_factors @ observed.T.astype(float) - sizes
        squares = np.einsum("...nd,...nd->...n", deviations, deviations)
        return np.swapaxes(constant - squares / 2.0, -1, -2)

    def statistics(self, x: Rows, responsibilities: Responsibilities) -> DiagonalStatistics:
        return statistics(x, responsibilities)

    def expected(self, statistics: DiagonalStatistics) -> PerFit:
        """Of the cells that were seen."""
        with np.errstate(invalid="ignore"):
            squares = self.factors**2 * (statistics.scatters + statistics.seen * (statistics.means - self.centres) ** 2)
            each = statistics.seen * (self.log_factors - LOG_2PI / 2.0) - squares / 2.0
        return np.asarray(labelled(statistics.counts, self.log_weights) + np.where(statistics.seen > 0, each, 0.0).sum(axis=(-1, -2)))


def terms(weights: Weights, means: Means, variances: Variances) -> DiagonalTerms:
    """Of components with these weights, means and variances (*batch, K, D)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        factors = np.where(variances > 0.0, 1.0 / np.sqrt(variances), np.nan)  # no density: nan, as of a bad matrix
        return DiagonalTerms(np.log(weights), np.log(factors), factors, means)


def expected_log_precisions(dof: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """E log(1 / variance), variance ~ inverse-gamma(dof / 2, scale / 2) (Bishop 2006, eq. B.30)."""
    from scipy.special import digamma

    return np.asarray(digamma(dof / 2.0) - np.log(scale / 2.0))


def expected_terms(log_weights: PerComponent, mean: Means, spreads: np.ndarray, dof: np.ndarray, scale: np.ndarray) -> DiagonalTerms:
    """E log p(x, z = k), cell by cell; dof and scale (*batch, K, D or 1) of the variances.

    E (x - mean)^2 / variance = dof / scale (x - m)^2 + ``spreads`` (*batch, K, D), E (mean - m)^2 / variance: 1 / mean_strength of
    the conjugate prior; that, like E log(1 / variance), belongs to the cell.
    """
    shape = mean.shape
    logs = (expected_log_precisions(dof, scale) - spreads) / 2.0
    return DiagonalTerms(log_weights, np.broadcast_to(logs, shape), np.broadcast_to(np.sqrt(dof / scale), shape), mean)


def divergence(dof: np.ndarray, scale: np.ndarray, prior_dof: np.ndarray, prior_scale: np.ndarray) -> np.ndarray:
    """KL of an inverse-gamma(dof / 2, scale / 2) from another, as of any two of an exponential family."""
    from scipy.special import gammaln

    def log_normaliser(half: float | np.ndarray, rate: float | np.ndarray) -> np.ndarray:
        return np.asarray(gammaln(half) - half * np.log(rate))

    kernel = (dof - prior_dof) * expected_log_precisions(dof, scale) - dof * (1.0 - prior_scale / scale)
    logs = log_normaliser(prior_dof / 2.0, prior_scale / 2.0) - log_normaliser(dof / 2.0, scale / 2.0)
    return np.asarray(kernel / 2.0 + logs)


def kernel_slope(
    log_c: np.ndarray,
    eps: np.ndarray,
    scale: np.ndarray,
    mean_strength: np.ndarray,
    powers: np.ndarray,
    scatters: np.ndarray,
    pulls: tuple[np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient by log c and eps (*batch, K, D), where c = scale / variance and eps = (mean - m) / sqrt(variance / mean_strength),
    cell by cell, of

        -powers/2 log(variance) - (scatters + strengths (mean - centres)^2) / (2 variance);

    ``pulls`` are strengths and centres, those measured from m.
    """
    strengths, centres = pulls
    root, precision = np.sqrt(mean_strength), np.exp(log_c) / scale
    centres = centres * np.sqrt(precision)
    pulled = strengths * (eps / root - centres)
    return (powers - scatters * precision + pulled * centres) / 2.0, -pulled / root


def conditional(x: Rows, means: Means, variances: Variances) -> tuple[Cells, Cells]:
    """Mean and variance of every cell (*batch, N, K, D): what was seen is itself, of the rest nothing else is known."""
    missing = np.isnan(x)[:, None, :]
    mean = np.where(missing, means[..., None, :, :], x[:, None, :])
    return mean, np.where(missing, variances[..., None, :, :], 0.0)
