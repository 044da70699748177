"""Conjugate: what the conjugate priors of all covariance structures have in common, their hyperparameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.models.prior import ComponentsPrior, plain


@dataclass(frozen=True, eq=False)
class ConjugatePrior(ComponentsPrior):
    """Means normal with ``mean_strength`` rows' worth about ``mean``; what spreads them with ``dof`` and ``scale``."""

    mean: np.ndarray
    mean_strength: np.ndarray
    dof: np.ndarray
    scale: np.ndarray

    @property
    def n_features(self) -> int:
        return int(self.mean.shape[-1])

    def numbers(self) -> dict[str, Any]:
        strength, dof = float(self.mean_strength), float(self.dof)
        return {"mean": plain(self.mean), "mean_strength": strength, "dof": dof, "scale": plain(self.scale)}
