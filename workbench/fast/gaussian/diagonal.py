"""Diagonal covariance, compiled."""

from __future__ import annotations

import numpy as np

from workbench.data import Dataset
from workbench.fast.arrays import owned
from workbench.fast.assign import Assignment
from workbench.fast.gaussian import independent
from workbench.fast.gaussian.algebra import plain, weights_of
from workbench.models import Expectation, Mixture, Prior
from workbench.models.families.gaussian.diagonal import DiagonalComponents, NormalInverseGamma
from workbench.models.families.gaussian.independent import DiagonalStatistics


def expect(mixture: Mixture, data: Dataset, counts: np.ndarray, how: Assignment, threads: int) -> Expectation:
    """The E step over all rows of a batch of mixtures (restart,)."""
    rest = mixture.components
    assert isinstance(rest, DiagonalComponents)
    return independent.expect(mixture.weights, rest.means, rest.variances, data, counts, how, threads)


def m_step(statistics: DiagonalStatistics, prior: Prior | None, current: Mixture) -> Mixture:
    """Weighted moments, or the mode of the updated prior: variances with divisor n + nu + 3 (statistics, section 1)."""
    size = statistics.means.shape[-1]
    numbers = (np.zeros(size), 0.0, np.zeros(size), 0.0)
    if prior is not None:
        rest = prior.components
        assert isinstance(rest, NormalInverseGamma)
        numbers = (owned(rest.mean), float(rest.mean_strength), owned(rest.scale), float(rest.dof) + 3.0)
    old = current.components
    assert isinstance(old, DiagonalComponents)
    seen, centres, scatters = plain(statistics)
    means, variances = independent.maximum(seen, centres, scatters, *numbers, old.means, old.variances)
    return Mixture(weights_of(statistics.counts, prior), DiagonalComponents(means, variances))
