"""Structure: what one covariance structure supplies to the Gaussian family."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.models.components import Components
from workbench.models.prior import ComponentsPrior


@dataclass(frozen=True)
class Structure:
    """A covariance structure by its parts.

    Attributes
    ----------
    components : the dataclass of its parameters
    maximise : statistics -> components
    prior : (numbers, D) -> the components' conjugate prior; PriorError for impossible numbers
    default_dof : D -> the default degrees of freedom
    scale : a covariance (D, D) -> the hyperparameter ``scale`` of this structure
    spreads : (covariance (D, D), (*batch, K)) -> the parameter beside the means of components that all have this covariance
    check : (covariance, features) -> None, or PriorError when no default scale can be formed
    n_parameters : (K, D) -> free parameters of means and covariances
    """

    components: type[Components]
    maximise: Callable[[Any], Components]
    prior: Callable[[Mapping[str, Any], int], ComponentsPrior]
    default_dof: Callable[[int], float]
    scale: Callable[[np.ndarray], np.ndarray]
    spreads: Callable[[np.ndarray, tuple[int, ...]], np.ndarray]
    check: Callable[[np.ndarray, Sequence[str]], None]
    n_parameters: Callable[[int, int], int]
