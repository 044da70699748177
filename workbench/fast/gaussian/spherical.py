"""Spherical covariance, compiled."""

from __future__ import annotations

import numpy as np

from workbench.data import Dataset
from workbench.fast.arrays import owned
from workbench.fast.assign import Assignment
from workbench.fast.gaussian import independent
from workbench.fast.gaussian.algebra import plain, weights_of
from workbench.models import Expectation, Mixture, Prior
from workbench.models.families.gaussian.independent import DiagonalStatistics
from workbench.models.families.gaussian.spherical import SphericalComponents, SphericalNormalInverseGamma


def expect(mixture: Mixture, data: Dataset, counts: np.ndarray, how: Assignment, threads: int) -> Expectation:
    """The E step over all rows of a batch of mixtures (restart,)."""
    rest = mixture.components
    assert isinstance(rest, SphericalComponents)
    return independent.expect(mixture.weights, rest.means, rest.variances[..., None], data, counts, how, threads)


def m_step(statistics: DiagonalStatistics, prior: Prior | None, current: Mixture) -> Mixture:
    """Weighted moments, or the mode of the updated prior: variances with divisor D n + nu + D + 2 (statistics, section 1)."""
    size = statistics.means.shape[-1]
    numbers = (np.zeros(size), 0.0, np.zeros(1), 0.0)
    if prior is not None:
        rest = prior.components
        assert isinstance(rest, SphericalNormalInverseGamma)
        numbers = (owned(rest.mean), float(rest.mean_strength), owned(np.atleast_1d(rest.scale)), float(rest.dof) + size + 2.0)
    old_means, old_variances = current.components.parameters().values()
    old = (old_means, old_variances[..., None])
    seen, centres, scatters = plain(statistics)
    means, variances = independent.maximum(seen, centres, scatters, *numbers, *old)
    return Mixture(weights_of(statistics.counts, prior), SphericalComponents(means, variances[..., 0]))
