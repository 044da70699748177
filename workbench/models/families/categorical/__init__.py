"""Categorical: independent features with levels (latent class analysis); components and their prior are in the files beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from workbench.data import Dataset
from workbench.data.levels import with_levels
from workbench.models.components import Components
from workbench.models.families.categorical.components import CategoricalComponents, CategoricalStatistics, one_hot, statistics
from workbench.models.families.categorical.prior import Dirichlets
from workbench.models.families.family import EMPTY, Address, Family, Scale
from workbench.models.hyperparameters import PriorError, numeric
from workbench.models.prior import ComponentsPrior, Prior
from workbench.models.shapes import Responsibilities


@dataclass(frozen=True)
class Categorical(Family):
    """Independent features with levels, words or whole numbers, any number a feature (latent class analysis; Goodman 1974).

    The levels are those of the fitted column, words in their order, numbers by size; a level that turns up later is an error.

    Hyperparameters
    ---------------
    concentration : of the Dirichlet over the weights; 1
    alpha : of a Dirichlet over the levels of every feature, one number for all; 1 (flat)

    Notes
    -----
    - p(x | k) = product over the observed d of probs_k,d,x_d.
    - M step: probs_kdl = S_kdl / n_kd, with S_kdl the responsibilities of rows at level l and n_kd of rows where d was observed.
    - MAP: probs_kdl = (S_kdl + alpha - 1) / (n_kd + L_d (alpha - 1)), with L_d levels.
    - Free parameters: K - 1 + K sum_d (L_d - 1). Nothing is singular; a level may end at 0.
    - A cell that was not observed is left out of the product; given the label it is at level l with probs_kdl.

    References
    ----------
    - Goodman, L. A. (1974). Exploratory latent structure analysis using both identifiable and unidentifiable models. Biometrika 61,
      215-231.
    """

    name: ClassVar[str] = "categorical"
    hyperparameters: ClassVar[tuple[str, ...]] = ("alpha",)
    shapes_with_no_mode: ClassVar[tuple[str, ...]] = ("alpha",)
    scale: ClassVar[Scale] = "level"

    @property
    def components_type(self) -> type[Components]:
        return CategoricalComponents

    @property
    def levels(self) -> bool:
        return True

    def dataset(self, data: Any) -> Dataset:
        rows = Dataset.of(data, levels=True)
        return with_levels(rows, rows.features)

    def coords(self, data: Dataset) -> dict[str, list[Any]]:
        return {"feature": list(data.features), "level": list(range(max(data.n_levels)))}

    def addresses(self, data: Dataset, n_components: int) -> tuple[Address, ...]:
        """Levels by their names; those that a feature has not are left out."""
        weights = tuple(Address("weights", (k,), k, None, None, None) for k in range(n_components))
        names = [(d, feature, levels) for d, (feature, levels) in enumerate(zip(data.features, data.levels or (), strict=True))]
        probs = tuple(
            Address("probs", (k, d, code), k, feature, None, level)
            for k in range(n_components)
            for d, feature, levels in names
            for code, level in enumerate(levels or ())
        )
        return weights + probs

    def refuses(self, data: Dataset) -> str | None:
        if data.levels is None or None in data.levels:
            return "a column has no levels and categorical takes columns of words or whole numbers; give those"
        empty = [name for name, levels in zip(data.features, data.n_levels, strict=True) if levels == 0]
        return f"no cell of {', '.join(empty)} is observed, so it has no levels; leave the column out" if empty else None

    def statistics(self, data: Dataset, responsibilities: Responsibilities) -> CategoricalStatistics:
        return statistics(data.x, responsibilities * data.counts[:, None], max(data.n_levels))

    def maximise(self, statistics: CategoricalStatistics) -> CategoricalComponents:
        """A feature without an observed cell in a component has the shares of all components together."""
        together = statistics.totals.sum(axis=-3, keepdims=True)
        seen = together.sum(axis=-1, keepdims=True)
        shares = np.divide(together, seen, out=np.zeros_like(together), where=seen > 0)
        return CategoricalComponents(np.broadcast_to(shares, statistics.totals.shape)).maximise(statistics)

    def around(self, centres: np.ndarray, data: Dataset) -> CategoricalComponents:
        """Rows averaged with the columns' shares: a row alone would be absorbing."""
        shares = self._shares(data)
        own = one_hot(centres, shares.shape[-1]).reshape(*centres.shape, -1)
        return CategoricalComponents((np.where(np.isnan(centres)[..., None], shares, own) + shares) / 2.0)

    def _shares(self, data: Dataset) -> np.ndarray:
        totals = self.statistics(data, np.ones((data.n_rows, 1))).totals[0]
        return np.asarray(totals / totals.sum(axis=-1, keepdims=True))

    def default_numbers(self, data: Dataset, n_components: int, given: Mapping[str, Any] = EMPTY) -> dict[str, Any]:
        return {"concentration": 1.0, "alpha": 1.0}

    def components_prior(self, numbers: Mapping[str, Any], data: Dataset) -> ComponentsPrior:
        alpha = np.ones((data.n_features, max(data.n_levels)))
        for d, own in enumerate(self._alphas(numbers["alpha"], data)):
            alpha[d, : own.size] = own
        return Dirichlets(alpha, data.n_levels)

    def _alphas(self, value: Any, data: Dataset) -> list[np.ndarray]:
        """Alpha of each feature's levels: one number for all, one a feature, or a list of each feature's own."""
        each = list(value) if isinstance(value, list | tuple) or np.ndim(value) > 0 else [value] * data.n_features
        if len(each) != data.n_features:
            raise PriorError(f"has {len(each)} entries for {data.n_features} features; give a number, or one entry a feature", "alpha")
        found = []
        for feature, n_levels, own in zip(data.features, data.n_levels, each, strict=True):
            try:
                found.append(numeric(own, "alpha", (n_levels,)))
            except PriorError as error:
                raise PriorError(f"for {feature} {error.what}", "alpha") from None
            if not (found[-1] > 0).all():
                raise PriorError(f"for {feature} is {own}; every entry must be above 0", "alpha")
        return found

    def n_parameters(self, n_components: int, data: Dataset) -> int:
        return n_components - 1 + n_components * sum(n - 1 for n in data.n_levels)

    def n_outcomes(self, data: Dataset) -> int:
        return math.prod(data.n_levels)

    def coordinates(self, data: Dataset, n_components: int) -> Prior:
        return Prior(np.ones(n_components), self.components_prior({"alpha": 1.0}, data))
