"""One covariance for all components, compiled."""

from __future__ import annotations

import numpy as np

from workbench.data import Dataset
from workbench.fast.arrays import owned
from workbench.fast.assign import Assignment
from workbench.fast.gaussian import matrices
from workbench.fast.gaussian.algebra import pivots_positive, plain, weights_of
from workbench.models import Expectation, Mixture, Prior
from workbench.models.families.gaussian.quadratic import FullStatistics
from workbench.models.families.gaussian.tied import TiedComponents, TiedNormalInverseWishart
from workbench.models.shapes import Flags


def expect(mixture: Mixture, data: Dataset, counts: np.ndarray, how: Assignment, threads: int) -> Expectation:
    """The E step over all rows of a batch of mixtures (restart,)."""
    rest = mixture.components
    assert isinstance(rest, TiedComponents)
    return matrices.expect(mixture.weights, rest.means, rest.covariances[:, None], data, counts, how, threads)


def m_step(statistics: FullStatistics, prior: Prior | None, current: Mixture) -> Mixture:
    """Weighted moments, or the mode of the updated prior: covariance with divisor N + nu + K + D + 1 (statistics, section 1)."""
    n_components, size = statistics.means.shape[-2:]
    numbers = (np.zeros(size), 0.0, np.zeros((size, size)), 0.0)
    if prior is not None:
        rest = prior.components
        assert isinstance(rest, TiedNormalInverseWishart)
        numbers = (owned(rest.mean), float(rest.mean_strength), owned(rest.scale), float(rest.dof) + n_components + size + 1.0)
    old_means, shared = current.components.parameters().values()
    old = (old_means, shared[:, None])
    seen, centres, scatters = plain(statistics)
    means, covariances = matrices.maximum(seen, centres, scatters, *numbers, *old)
    return Mixture(weights_of(statistics.counts, prior), TiedComponents(means, covariances[:, 0]))


def collapsed(mixture: Mixture, scale: np.ndarray) -> Flags:
    """The covariance is no longer positive definite in working precision."""
    return np.asarray(~pivots_positive(mixture.components.parameters()["covariances"][:, None], scale))
