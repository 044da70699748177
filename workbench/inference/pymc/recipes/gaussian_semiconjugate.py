"""Gaussian, means and covariances independent a priori: mean = m0 + R shift with shift ~ N(0, I), and the rest as in the recipes of
the conjugate prior.

Likelihoods take a component's mean as eps, in units of its own spread; so that is worked out from shift, and everything else of
those recipes serves here too: with A Bartlett's factor of the precision in units of the scale, eps = A' L0^-1 R shift.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pymc as pm
import pytensor.tensor as pt

from workbench.data import Dataset
from workbench.inference.pymc.recipes import gaussian_matrices
from workbench.inference.pymc.recipes.coordinates import Coordinates


def matrix_variables(name: str, n_components: int, data: Dataset, given: Mapping[str, Any], shared: bool = False) -> Coordinates:
    c, t = gaussian_matrices.triangle_variables(name, 1 if shared else n_components, data, given)
    shift = pm.Normal(f"{name}shift", 0, 1, shape=(n_components, data.n_features))
    white = pt.dot(shift, given["turn"].T)
    eps = (white[:, :, None] * gaussian_matrices.bartlett(c, t)).sum(axis=1)
    return Coordinates(c=c, t=t, eps=pt.specify_shape(eps, (n_components, data.n_features)))


def axis_variables(name: str, n_components: int, data: Dataset, given: Mapping[str, Any], shared: bool = False) -> Coordinates:
    shape = (n_components, data.n_features)
    c = pm.Gamma(f"{name}c", given["half_dof"], given["half"], shape=shape[:1] if shared else shape)
    c = c[:, None] if shared else c
    shift = pm.Normal(f"{name}shift", 0, 1, shape=shape)
    return Coordinates(c=c, eps=pt.specify_shape(pt.sqrt(c) * shift * given["turn"], shape))
