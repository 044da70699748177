"""Compiled E and M steps of Gaussian mixtures: one file a covariance structure, the kernels they share beside them.

For other compiled code (PyMC's Op among it): ``expectation(size, x, counts, constant, centres, factors, origins)`` is one fit's
whole E step as an njit function, without Python objects; see :mod:`workbench.fast.gaussian.factors`.
"""

from workbench.fast.gaussian.factors import expectation

__all__ = ["expectation"]
