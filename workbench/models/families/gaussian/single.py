"""The single Gaussian that rows with missing cells are likeliest under: where the default prior's numbers come from."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from workbench.data import Dataset
from workbench.models.families.gaussian.missing import grouped
from workbench.models.families.gaussian.triangular import transposed

SMALLEST_CORRELATION_EIGENVALUE = 1e-12
"""Below this the columns are collinear to working precision."""
SETTLED = 1e-14
"""No mean moves by more than this in a step, in standard deviations, and no correlation."""
MOST_CYCLES = 3_000
ROUNDING, PATIENCE = 1e-14, 30
"""A step may be rounding when it is smaller than this over the smallest eigenvalue; so many cycles are waited for a smaller one."""

Moments = tuple[np.ndarray, np.ndarray]


def once(function: Callable[[Dataset], Moments]) -> Callable[[Dataset], Moments]:
    """Work out once for each dataset, as long as it is there."""
    known: weakref.WeakKeyDictionary[Dataset, Moments] = weakref.WeakKeyDictionary()

    @functools.wraps(function)
    def asked(data: Dataset) -> Moments:
        if data not in known:
            known[data] = function(data)
        return known[data]

    return asked


@once
def single(data: Dataset) -> Moments:
    """Mean (D,) and covariance (D, D) of the K = 1 maximum-likelihood Gaussian of the observed cells, by EM to working precision.

    EM for one Gaussian (Little & Rubin 2019, section 11.2.1), in standardised columns, from statistics of each missing pattern:
    a step costs nothing by row. Columns that never vary have variance 0. Where the likelihood has no bound, as for collinear
    columns, it stops at a matrix that is singular in working precision.
    """
    centre, variance = data.column_moments
    sd = np.sqrt(variance)
    varies = np.flatnonzero(variance > 0)
    mean, covariance = centre.copy(), np.zeros((centre.size, centre.size))
    if varies.size:
        z = (data.x[:, varies] - centre[varies]) / sd[varies]
        own_mean, own_covariance = _climb(_summed(z, data.counts))
        mean[varies] += sd[varies] * own_mean
        covariance[np.ix_(varies, varies)] = own_covariance * np.outer(sd[varies], sd[varies])
    return mean, covariance


@dataclass(frozen=True, eq=False)
class _Groups:
    """Standardised rows by pattern: which features were seen (P, D), and counts (P,), means and scatters, 0 where unseen."""

    seen: np.ndarray
    counts: np.ndarray
    means: np.ndarray
    scatters: np.ndarray


def _summed(z: np.ndarray, counts: np.ndarray) -> _Groups:
    masks, groups = grouped(z)
    kept = [p for p in range(len(groups)) if masks[p].any()]
    size = z.shape[1]
    totals, means, scatters = np.zeros(len(kept)), np.zeros((len(kept), size)), np.zeros((len(kept), size, size))
    for i, p in enumerate(kept):
        rows, own = np.where(masks[p], z[groups[p]], 0.0), counts[groups[p]]
        totals[i] = own.sum()
        means[i] = own @ rows / totals[i]
        deviations = rows - means[i]
        scatters[i] = (deviations * own[:, None]).T @ deviations
    return _Groups(masks[kept], totals, means, scatters)


def _climb(groups: _Groups) -> Moments:
    """EM from independent features, sped up by SQUAREM (Varadhan & Roland 2008, scheme S3): two steps, then as far along the
    curve through them as the likelihood rises."""
    size = groups.seen.shape[1]
    theta = np.vstack([np.zeros(size), np.eye(size)])  # the mean above the covariance
    least, flattest, since = np.inf, np.inf, 0
    after, _ = _step(groups, theta)
    for _ in range(MOST_CYCLES):
        moved, flat = float(np.abs(after - theta).max()), float(np.linalg.eigvalsh(after[1:])[0])
        better = moved < least or flat < 0.99 * flattest or moved * flat > ROUNDING
        least, flattest, since = min(moved, least), min(flat, flattest), 0 if better else since + 1
        if moved < SETTLED or since > PATIENCE or flat < SMALLEST_CORRELATION_EIGENVALUE / 10.0:
            break
        second, height = _step(groups, after)
        theta, after = _further(groups, theta, after, second, height)
    return after[0], after[1:]


def _further(groups: _Groups, theta: np.ndarray, first: np.ndarray, second: np.ndarray, height: float) -> tuple[np.ndarray, np.ndarray]:
    """Where to go on, and one step from there; ``height`` is the log likelihood at ``first``."""
    step, bend = first - theta, second - 2.0 * first + theta
    length = float(np.linalg.norm(step)) / max(float(np.linalg.norm(bend)), np.finfo(float).tiny)
    while length > 1.0:
        far = theta + 2.0 * length * step + length**2 * bend
        try:
            np.linalg.cholesky(far[1:])  # no pattern need see all features
            beyond, reached = _step(groups, far)
        except np.linalg.LinAlgError:  # beyond the boundary
            length /= 2.0
            continue
        if reached >= height:
            return far, beyond
        break
    return second, _step(groups, second)[0]


def _step(groups: _Groups, theta: np.ndarray) -> tuple[np.ndarray, float]:
    """One E and M step, and the log likelihood before it up to a constant.

    Unseen rows and columns are the identity's: then one factorisation serves every pattern.

    Raises
    ------
    LinAlgError
        If the covariance is singular in working precision.
    """
    mean, covariance, size = theta[0], theta[1:], theta.shape[1]
    seen, hidden = groups.seen.astype(float), 1.0 - groups.seen
    eye, counts = np.eye(size), groups.counts
    factor = np.linalg.cholesky(covariance * (seen[:, :, None] * seen[:, None, :]) + eye * hidden[:, :, None])
    whitener = np.linalg.inv(factor)
    half = (covariance * hidden[:, :, None] * seen[:, None, :]) @ transposed(whitener)  # of unseen with seen
    slopes = half @ whitener + eye * seen[:, :, None]
    left = (covariance - half @ transposed(half)) * (hidden[:, :, None] * hidden[:, None, :])
    shift = (groups.means - mean) * seen
    white = np.einsum("pij,pj->pi", whitener, shift)
    squares = ((whitener @ groups.scatters) * whitener).sum() + (counts[:, None] * white**2).sum()
    height = -(counts * np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)).sum() - squares / 2.0
    expected = mean + np.einsum("pij,pj->pi", slopes, shift)
    new_mean = counts @ expected / counts.sum()
    gaps = expected - new_mean
    scatter = slopes @ groups.scatters @ transposed(slopes) + counts[:, None, None] * (left + gaps[:, :, None] * gaps[:, None, :])
    total = scatter.sum(axis=0) / counts.sum()
    return np.vstack([new_mean, (total + total.T) / 2.0]), float(height)
