"""Full covariance, compiled."""

from __future__ import annotations

import numpy as np

from workbench.data import Dataset
from workbench.fast.arrays import owned
from workbench.fast.assign import Assignment
from workbench.fast.gaussian import matrices
from workbench.fast.gaussian.algebra import pivots_positive, plain, weights_of
from workbench.models import Expectation, Mixture, Prior
from workbench.models.families.gaussian.full import FullComponents, NormalInverseWishart
from workbench.models.families.gaussian.quadratic import FullStatistics
from workbench.models.shapes import Flags


def expect(mixture: Mixture, data: Dataset, counts: np.ndarray, how: Assignment, threads: int) -> Expectation:
    """The E step over all rows of a batch of mixtures (restart,)."""
    rest = mixture.components
    assert isinstance(rest, FullComponents)
    return matrices.expect(mixture.weights, rest.means, rest.covariances, data, counts, how, threads)


def m_step(statistics: FullStatistics, prior: Prior | None, current: Mixture) -> Mixture:
    """Weighted moments, or the mode of the updated prior: covariances with divisor n + nu + D + 2 (statistics, section 1)."""
    size = statistics.means.shape[-1]
    numbers = (np.zeros(size), 0.0, np.zeros((size, size)), 0.0)
    if prior is not None:
        rest = prior.components
        assert isinstance(rest, NormalInverseWishart)
        numbers = (owned(rest.mean), float(rest.mean_strength), owned(rest.scale), float(rest.dof) + size + 2.0)
    old = current.components
    assert isinstance(old, FullComponents)
    seen, centres, scatters = plain(statistics)
    means, covariances = matrices.maximum(seen, centres, scatters, *numbers, old.means, old.covariances)
    return Mixture(weights_of(statistics.counts, prior), FullComponents(means, covariances))


def collapsed(mixture: Mixture, scale: np.ndarray) -> Flags:
    """A covariance is no longer positive definite in working precision."""
    rest = mixture.components
    assert isinstance(rest, FullComponents)
    return np.asarray(~pivots_positive(rest.covariances, scale))
