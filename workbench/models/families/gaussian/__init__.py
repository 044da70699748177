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
from workbench.models.families.gaussian.spherical import SPHERICAL
from workbench.models.families.gaussian.structure import Structure
from workbench.models.families.gaussian.tied import TIED
from workbench.models.prior import ComponentsPrior, Prior, PriorError
from workbench.models.shapes import Responsibilities
from workbench.models.terms import Statistics

STRUCTURES: dict[str, Structure] = {"full": FULL, "tied": TIED, "diagonal": DIAGONAL, "spherical": SPHERICAL}


@dataclass(frozen=True)
class Gaussian(Family):
    """Multivariate normal components (Bishop 2006, section 9.2); cells may be missing.

    Parameters
    ----------
    covariance : ``full`` (a covariance matrix each), ``tied`` (one matrix for all), ``diagonal`` (independent features) or
        ``spherical`` (one variance each)
    """

    name: ClassVar[str] = "gaussian"
    hyperparameters: ClassVar[tuple[str, ...]] = ("mean", "mean_strength", "dof", "scale")

    covariance: Literal["full", "tied", "diagonal", "spherical"] = "full"

    @property
    def structure(self) -> Structure:
        return STRUCTURES[self.covariance]

    @property
    def components_type(self) -> type[Components]:
        return self.structure.components

    def refuses(self, data: Dataset) -> str | None:
        empty = np.isnan(data.x).all(axis=0)
        names = [name for name, none in zip(data.features, empty, strict=True) if none]
        if not names:
            return None
        which = f"column {names[0]} has" if len(names) == 1 else f"columns {', '.join(names)} have"
        return f"{which} no observed cell, so nothing is known of its mean or variance; leave out what was never observed"

    def statistics(self, data: Dataset, responsibilities: Responsibilities) -> Statistics:
        """Missing cells are expected as under the single Gaussian that the data are likeliest under."""
        centres = np.broadcast_to(moments.mean(data), (responsibilities.shape[-1], data.n_features))
        terms = self.around(centres, data).terms(np.ones(centres.shape[0]))
        return terms.statistics(data.x, responsibilities * data.counts[:, None])

    def maximise(self, statistics: Any) -> Components:
        return self.structure.maximise(statistics)

    def around(self, centres: np.ndarray, data: Dataset) -> Components:
        """Missing cells of ``centres`` are the means of their columns' observed ones."""
        covariance = moments.covariance(data)
        if moments.singular(covariance):
            covariance = np.diag(moments.spread(covariance))
        parameters = (moments.filled(centres, data), self.structure.spreads(covariance, centres.shape[:-1]))
        return self.components_type(**dict(zip(self.components_type.dims, parameters, strict=True)))

    def default_numbers(self, data: Dataset, n_components: int) -> dict[str, Any]:
        if (reason := self.refuses(data)) is not None:
            raise PriorError(f"no default prior: {reason}")
        covariance = moments.covariance(data)
        try:
            self.structure.check(covariance, data.features)
        except PriorError as error:
            raise (error if data.complete else PriorError(f"{error}; too few cells observed together have the same effect")) from None
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
