"""Conjugate: what the conjugate priors of all covariance structures have in common, their hyperparameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.models.hyperparameters import plain
from workbench.models.prior import ComponentsPrior


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

    def _mean_divergence(self, prior: ConjugatePrior, squares: np.ndarray, size: int) -> np.ndarray:
        """KL of ``size`` cells' means given what spreads them, on average over that (*batch, K, ...).

        ``squares`` are E[(mean - prior.mean)^2] in units of the spread without what ``mean_strength`` itself leaves open: with
        precision P they are gap' E[P] gap (Bishop 2006, eqs 10.64 and 10.74).
        """
        ratio = prior.mean_strength / self.mean_strength
        return np.asarray((prior.mean_strength * squares + size * (ratio - 1.0 - np.log(ratio))) / 2.0)

    def numbers(self) -> dict[str, Any]:
        strength, dof = float(self.mean_strength), float(self.dof)
        return {"mean": plain(self.mean), "mean_strength": strength, "dof": dof, "scale": plain(self.scale)}
