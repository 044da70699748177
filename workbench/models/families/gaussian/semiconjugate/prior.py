"""SemiConjugate: what the independent priors of all covariance structures have in common, their hyperparameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.models.hyperparameters import plain
from workbench.models.prior import ComponentsPrior


@dataclass(frozen=True, eq=False)
class SemiConjugatePrior(ComponentsPrior):
    """Means normal about ``mean`` with ``mean_covariance``, whatever spreads the rows; that with ``dof`` and ``scale``.

    Each is conjugate given the other, the two together are not. So the updated prior is the best q(means) q(spreads), which is of
    the prior's own form, and maxima and draws take one given the other.
    """

    mean: np.ndarray
    mean_covariance: np.ndarray
    dof: np.ndarray
    scale: np.ndarray

    @property
    def conjugate(self) -> bool:
        return False

    def numbers(self) -> dict[str, Any]:
        means = {"mean": plain(self.mean), "mean_covariance": plain(self.mean_covariance)}
        return {"kind": "independent", **means, "dof": float(self.dof), "scale": plain(self.scale)}
