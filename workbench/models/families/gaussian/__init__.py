"""Gaussian components: one file a covariance structure, one row in STRUCTURES."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from workbench.data import Dataset
from workbench.models.components import Components
from workbench.models.families.family import Family
from workbench.models.families.gaussian import moments
from workbench.models.families.gaussian.diagonal import DIAGONAL
from workbench.models.families.gaussian.full import FULL
from workbench.models.families.gaussian.structure import Structure
from workbench.models.families.gaussian.triangular import cholesky
from workbench.models.prior import ComponentsPrior, Prior, PriorError
from workbench.models.shapes import Responsibilities
from workbench.models.terms import Statistics

STRUCTURES: dict[str, Structure] = {"full": FULL, "diagonal": DIAGONAL}


@dataclass(frozen=True)
class Gaussian(Family):
    """Multivariate normal components (Bishop 2006, section 9.2).

    Parameters
    ----------
    covariance : ``full`` (a covariance matrix each) or ``diagonal`` (independent features)
    """

    name: ClassVar[str] = "gaussian"
    hyperparameters: ClassVar[tuple[str, ...]] = ("mean", "mean_strength", "dof", "scale")

    covariance: Literal["full", "diagonal"] = "full"

    @property
    def structure(self) -> Structure:
        return STRUCTURES[self.covariance]

    @property
    def components_type(self) -> type[Components]:
        return self.structure.components

    def refuses(self, data: Dataset) -> str | None:
        if data.complete:
            return None
        empty = np.isnan(data.x)
        columns = ", ".join(name for name, some in zip(data.features, empty.any(axis=0), strict=True) if some)
        return (
            f"{int(empty.sum())} cells are not observed (columns {columns}) and gaussian components cannot take that yet; "
            "keep the complete rows with `complete_rows: true`, or choose other columns"
        )

    def statistics(self, data: Dataset, responsibilities: Responsibilities) -> Statistics:
        found: Statistics = self.structure.statistics(data.x, responsibilities * data.counts[:, None])
        return found

    def maximise(self, statistics: Any) -> Components:
        return self.structure.maximise(statistics)

    def around(self, centres: np.ndarray, data: Dataset) -> Components:
        covariance = moments.covariance(data)
        if not np.isfinite(cholesky(covariance)).all():
            covariance = np.diag(moments.spread(covariance))
        parameters = self.structure.scale(covariance)
        spreads = np.broadcast_to(parameters, (centres.shape[0], *parameters.shape))
        return self.components_type(**dict(zip(self.components_type.dims, (centres, spreads), strict=True)))

    def default_numbers(self, data: Dataset, n_components: int) -> dict[str, Any]:
        covariance = moments.covariance(data)
        self.structure.check(covariance, data.features)
        shrunk = covariance * n_components ** (-2.0 / data.n_features)
        return {
            "concentration": 1.0,
            "mean": moments.mean(data).tolist(),
            "mean_strength": 0.01,
            "dof": self.structure.default_dof(data.n_features),
            "scale": self.structure.scale(shrunk).tolist(),
        }

    def components_prior(self, numbers: Mapping[str, Any], data: Dataset) -> ComponentsPrior:
        return self.structure.prior(numbers, data.n_features)

    def n_parameters(self, n_components: int, data: Dataset) -> int:
        return n_components - 1 + self.structure.n_parameters(n_components, data.n_features)

    def coordinates(self, data: Dataset, n_components: int) -> Prior:
        numbers = {
            "mean": moments.mean(data),
            "mean_strength": 1.0,
            "dof": data.n_features + 2.0,
            "scale": self.structure.scale(np.diag(moments.spread(moments.covariance(data)))),
        }
        return Prior(np.ones(n_components), self.components_prior(numbers, data))


__all__ = ["STRUCTURES", "Gaussian", "PriorError"]
