"""The single Gaussian that rows with missing cells are likeliest under: where the default prior's numbers come from."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from workbench.data import Dataset
from workbench.models.families.gaussian.missing import grouped
from workbench.models.families.gaussian.triangular import cholesky, inverse, transposed

SMALLEST_CORRELATION_EIGENVALUE = 1e-12
"""Below this the columns are collinear to working precision."""
SETTLED = 1e-14
"""No mean moves by more than this in a step, in standard deviations, and no correlation."""
MOST_STEPS = 20_000

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
def column_moments(data: Dataset) -> Moments:
    """Mean and variance (D,) of each column's observed cells, divisor their number; 0 where there are none."""
    seen = ~np.isnan(data.x)
    weights = seen * data.counts[:, None]
    total = np.maximum(weights.sum(axis=0), 1.0)
    mean = (np.where(seen, data.x, 0.0) * weights).sum(axis=0) / total
    mean = np.where(seen, data.x - mean, 0.0).T @ data.counts / total + mean  # again from the differences: no digits lost
    constant = np.where(seen, data.x, -np.inf).max(axis=0) <= np.where(seen, data.x, np.inf).min(axis=0)
    deviations = np.where(seen & ~constant, data.x - mean, 0.0)
    return mean, data.counts @ deviations**2 / total


@once
def single(data: Dataset) -> Moments:
    """Mean (D,) and covariance (D, D) of the K = 1 maximum-likelihood Gaussian of the observed cells, by EM to working precision.

    EM for one Gaussian (Little & Rubin 2019, section 11.2.1), in standardised columns, from statistics of each missing pattern:
    a step costs nothing by row. Columns that never vary have variance 0. Where the likelihood has no bound, as for collinear
    columns, it stops at a matrix that is singular in working precision.
    """
    centre, variance = column_moments(data)
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
    """EM from independent features."""
    size = groups.seen.shape[1]
    mean, covariance = np.zeros(size), np.eye(size)
    for _ in range(MOST_STEPS):
        new_mean, new_covariance = _step(groups, mean, covariance)
        moved = max(np.abs(new_mean - mean).max(), np.abs(new_covariance - covariance).max())
        mean, covariance = new_mean, new_covariance
        if moved < SETTLED or np.linalg.eigvalsh(covariance)[0] < SMALLEST_CORRELATION_EIGENVALUE / 10.0:
            break
    return mean, covariance


def _step(groups: _Groups, mean: np.ndarray, covariance: np.ndarray) -> Moments:
    """One E and M step. Unseen rows and columns are the identity's: then one factorisation serves every pattern."""
    seen = groups.seen.astype(float)
    both = seen[:, :, None] * seen[:, None, :]
    size = mean.size
    whitener = inverse(cholesky(covariance * both + np.eye(size) * (1.0 - seen)[:, :, None]))
    cross = covariance * (1.0 - seen)[:, :, None] * seen[:, None, :]  # of unseen with seen
    half = cross @ transposed(whitener)
    slopes = half @ whitener + np.eye(size) * seen[:, :, None]
    unseen = (1.0 - seen)[:, :, None] * (1.0 - seen)[:, None, :]
    left = (covariance - half @ transposed(half)) * unseen
    expected = mean + np.einsum("pij,pj->pi", slopes, (groups.means - mean) * seen)
    new_mean = groups.counts @ expected / groups.counts.sum()
    gaps = expected - new_mean
    scatter = slopes @ groups.scatters @ transposed(slopes) + groups.counts[:, None, None] * (left + gaps[:, :, None] * gaps[:, None, :])
    total = scatter.sum(axis=0) / groups.counts.sum()
    return new_mean, (total + total.T) / 2.0
