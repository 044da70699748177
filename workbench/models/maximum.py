"""The M step in closed form: what the book's EM, the compiled one and the observed information take from the statistics of q."""

from __future__ import annotations

from workbench.models.mixture import Mixture
from workbench.models.prior import Prior
from workbench.models.terms import Statistics


def m_step(statistics: Statistics, prior: Prior | None, current: Mixture) -> Mixture:
    """The maximum of L(q, theta) over theta, or with a prior the mode of the updated prior: exact in both cases.

    pi_k = N_k / N, and theta_k from its own statistics (Bishop 2006, section 9.3); where those say nothing of a parameter, it
    stays as it is in ``current``. With a prior that is not conjugate a step up from ``current``, one part of theta given the other
    (Meng & Rubin 1993).
    """
    if prior is not None:
        return prior.maximise(statistics, current)
    weights = statistics.counts / statistics.counts.sum(axis=-1, keepdims=True)
    return Mixture(weights, current.components.maximise(statistics))
