"""Compiled E and M steps of Gaussian mixtures: one file a covariance structure, the kernels they share beside them."""
