"""Categorical components: independent features with levels (latent class analysis), each with a Dirichlet prior; nan is skipped.

Features need not have equally many levels: arrays over levels are as long as the longest, and what a feature has not holds 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from workbench.data import Dataset
from workbench.data.levels import with_levels
from workbench.models.components import Components, Outside, beyond
from workbench.models.families.discrete import LOG_ZERO, BoundedComponents, Sums, finite_log, with_zeros
from workbench.models.families.family import EMPTY, Address, Family, Scale
from workbench.models.hyperparameters import PriorError, numeric
from workbench.models.prior import PROBABILITY_BOUNDARY, ComponentsPrior, Prior
from workbench.models.shapes import (
    Coordinates,
    Labels,
    LevelProbs,
    LogJoint,
    PerComponent,
    PerFit,
    Responsibilities,
    Rows,
    Weights,
)
from workbench.models.simplex import simplex_backward, simplex_forward, simplex_slope
from workbench.models.terms import Coefficients, labelled


def one_hot(x: Float[np.ndarray, "*rows D"], n_levels: int) -> np.ndarray:
    """(..., D * L) of 0 and 1, nothing where a cell was not observed; level varies fastest."""
    return np.asarray((x[..., None] == np.arange(n_levels)).reshape(*x.shape[:-1], -1), dtype=float)


@dataclass(frozen=True, eq=False)
class CategoricalStatistics(Sums):
    """Counts N_k, and for each feature the weighted number of cells at each level."""

    counts: PerComponent
    totals: LevelProbs


def statistics(x: Rows, responsibilities: Responsibilities, n_levels: int) -> CategoricalStatistics:
    """Weighted sums over the observed cells."""
    weights = np.swapaxes(responsibilities, -1, -2)  # (*batch, K, N)
    totals = weights @ one_hot(x, n_levels)
    return CategoricalStatistics(weights.sum(axis=-1), totals.reshape(*totals.shape[:-1], x.shape[1], n_levels))


@dataclass(frozen=True, eq=False)
class CategoricalTerms(Coefficients):
    """log p(x, z = k) = constant_k + sum over observed d of log_probs_k,d,x_d."""

    constant: PerComponent
    log_probs: LevelProbs

    def log_joint(self, x: Rows) -> LogJoint:
        flat = self.log_probs.reshape(*self.constant.shape, -1)
        total = one_hot(x, self.log_probs.shape[-1]) @ np.swapaxes(flat, -1, -2)
        return np.asarray(with_zeros(total) + self.constant[..., None, :])

    def statistics(self, x: Rows, responsibilities: Responsibilities) -> CategoricalStatistics:
        return statistics(x, responsibilities, self.log_probs.shape[-1])

    def expected(self, statistics: CategoricalStatistics) -> PerFit:
        """Cells at each level times its log probability; as good as -inf where something seen has probability 0."""
        cells = statistics.totals * self.log_probs
        return np.asarray(labelled(statistics.counts, self.constant) + cells.sum(axis=(-1, -2, -3)))


@dataclass(frozen=True, eq=False)
class CategoricalComponents(BoundedComponents):
    """Independent features with levels.

    Attributes
    ----------
    probs : ndarray (*batch, K, D, L), probability of each level; 0 for levels that a feature has not
    """

    dims: ClassVar[dict[str, tuple[str, ...]]] = {"probs": ("component", "feature", "level")}

    probs: LevelProbs

    def terms(self, weights: Weights) -> CategoricalTerms:
        with np.errstate(divide="ignore", invalid="ignore"):
            return CategoricalTerms(np.log(weights), finite_log(self.probs))

    def maximise(self, statistics: CategoricalStatistics) -> CategoricalComponents:
        """Weighted shares of the observed cells; a feature never seen in a component stays as it is."""
        seen = statistics.totals.sum(axis=-1, keepdims=True)
        return type(self)(np.divide(statistics.totals, seen, out=np.array(self.probs), where=seen > 0))

    def sample(self, rng: np.random.Generator, labels: Labels) -> Rows:
        shares = np.cumsum(self.probs, axis=-1)[labels]  # (N, D, L)
        return np.asarray((rng.random(shares.shape[:2])[..., None] * shares[..., -1:] >= shares).sum(axis=-1), dtype=float)

    def outside(self) -> Iterator[Outside]:
        yield from beyond("probs", self.probs, ~((self.probs >= 0.0) & (self.probs <= 1.0)), "give probabilities from 0 to 1")

    def conditional(self, x: Rows) -> tuple[np.ndarray, np.ndarray]:
        """Codes of levels have no mean: nan where a cell was not observed; :meth:`level_probabilities` says what it may be."""
        shape = (*self.probs.shape[:-3], x.shape[0], self.n_components, x.shape[1])
        mean = np.broadcast_to(x[:, None, :], shape)
        return mean, np.where(np.isnan(mean), np.nan, 0.0)

    def level_probabilities(self, x: Rows) -> np.ndarray:
        """Probability of each level of each cell given the label (*batch, N, K, D, L): 1 at the level that was observed."""
        known = one_hot(x, self.probs.shape[-1]).reshape(*x.shape, -1)[:, None]
        return np.where(np.isnan(x)[:, None, :, None], self.probs[..., None, :, :, :], known)


@dataclass(frozen=True, eq=False)
class Dirichlets(ComponentsPrior):
    """The levels' probabilities of each feature ~ Dirichlet(alpha), alike for all components.

    Attributes
    ----------
    alpha : ndarray (D, L), (*batch, K, D, L) after an update; 1 for levels that a feature has not
    n_levels : the number of levels of each feature
    """

    boundary: ClassVar[float] = PROBABILITY_BOUNDARY

    alpha: np.ndarray
    n_levels: tuple[int, ...]

    @property
    def there(self) -> np.ndarray:
        """Which levels each feature has (D, L)."""
        return np.asarray(np.arange(self.alpha.shape[-1]) < np.array(self.n_levels)[:, None])

    def log_densities(self, components: CategoricalComponents) -> PerComponent:
        """The density of the first L_d - 1 probabilities of each feature."""
        from scipy.special import xlogy

        kernel = np.where(self.there, xlogy(self.alpha - 1.0, components.probs), 0.0).sum(axis=-1)
        return np.asarray((kernel - self._log_betas()).sum(axis=-1))

    def log_normaliser(self) -> np.ndarray:
        return np.asarray(self._log_betas().sum(axis=-1))

    def _log_betas(self) -> np.ndarray:
        from scipy.special import gammaln

        logs = np.where(self.there, gammaln(self.alpha), 0.0).sum(axis=-1)
        return np.asarray(logs - gammaln(np.where(self.there, self.alpha, 0.0).sum(axis=-1)))

    def posterior(self, statistics: CategoricalStatistics) -> Dirichlets:
        return type(self)(self.alpha + statistics.totals, self.n_levels)

    def mode(self) -> CategoricalComponents:
        """(alpha - 1) over its sum; a flat posterior (nothing seen, alpha = 1) gives equal probabilities."""
        excess = np.where(self.there, np.maximum(self.alpha - 1.0, 0.0), 0.0)
        total = excess.sum(axis=-1, keepdims=True)
        flat = np.where(self.there, 1.0 / np.array(self.n_levels)[:, None], 0.0) + np.zeros_like(excess)
        return CategoricalComponents(np.divide(excess, total, out=flat, where=total > 0))

    def centre(self) -> CategoricalComponents:
        own = np.where(self.there, self.alpha, 0.0)
        return CategoricalComponents(own / own.sum(axis=-1, keepdims=True))

    def expected_terms(self, log_weights: PerComponent) -> CategoricalTerms:
        return CategoricalTerms(log_weights, np.where(self.there, self._expected_logs(), LOG_ZERO))

    def _expected_logs(self) -> np.ndarray:
        """E log p of each level (Bishop 2006, eq. B.21); of levels that a feature has not nothing that counts."""
        from scipy.special import digamma

        return np.asarray(digamma(self.alpha) - digamma(np.where(self.there, self.alpha, 0.0).sum(axis=-1))[..., None])

    def divergence(self, prior: Dirichlets) -> PerFit:
        kernel = np.where(self.there, (self.alpha - prior.alpha) * self._expected_logs(), 0.0).sum(axis=-1)
        return np.asarray((kernel - self._log_betas() + prior._log_betas()).sum(axis=(-1, -2)))

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...]) -> CategoricalComponents:
        size = (*shape, *self.alpha.shape[-2:])
        draws = np.where(self.there, rng.standard_gamma(np.broadcast_to(self.alpha, size)), 0.0)
        return CategoricalComponents(draws / draws.sum(axis=-1, keepdims=True))

    def numbers(self) -> dict[str, Any]:
        """One number where all are equal, else a list of each feature's own."""
        values = self.alpha[self.there]
        if (values == values[0]).all():
            return {"alpha": float(values[0])}
        return {"alpha": [row[:n].tolist() for row, n in zip(self.alpha, self.n_levels, strict=True)]}

    def dim(self, n_components: int) -> int:
        return n_components * sum(n - 1 for n in self.n_levels)

    def bounded(self, components: CategoricalComponents, near: float) -> Coordinates:
        """Every level's own log odds (K, levels): a centred log ratio says nothing beside a probability of 0."""
        probs = components.probs[..., self.there]
        with np.errstate(divide="ignore"):
            odds = np.log(probs) - np.log1p(-probs)
        return np.asarray(np.clip(odds, -near, near).reshape(*components.batch_shape, -1))

    def flatten(self, components: CategoricalComponents) -> tuple[Coordinates, PerFit]:
        """Feature by feature PyMC's simplex coordinates (K, L_d - 1); infinite where a probability is 0."""
        parts, total = [], np.zeros(components.batch_shape)
        for d, n in enumerate(self.n_levels):
            u, jacobian = simplex_forward(components.probs[..., d, :n])
            parts.append(u.reshape(*components.batch_shape, -1))
            total = total + jacobian.sum(axis=-1)
        return np.concatenate(parts, axis=-1), total

    def unflatten(self, u: Coordinates, n_components: int) -> tuple[CategoricalComponents, PerFit]:
        probs = np.zeros((*u.shape[:-1], n_components, *self.alpha.shape[-2:]))
        total, start = np.zeros(u.shape[:-1]), 0
        for d, n in enumerate(self.n_levels):
            size = n_components * (n - 1)
            own = u[..., start : start + size].reshape(*u.shape[:-1], n_components, n - 1)
            probs[..., d, :n], jacobian = simplex_backward(own)
            total, start = total + jacobian.sum(axis=-1), start + size
        return CategoricalComponents(probs), total

    def slope(self, u: Coordinates, statistics: CategoricalStatistics) -> Coordinates:
        return self._slope(u, statistics.totals)

    def log_density_slope(self, u: Coordinates, n_components: int) -> Coordinates:
        return self._slope(u, np.broadcast_to(self.alpha - 1.0, (n_components, *self.alpha.shape[-2:])))

    def log_jacobian_slope(self, u: Coordinates, n_components: int) -> Coordinates:
        return self._slope(u, np.ones((n_components, *self.alpha.shape[-2:])))

    def _slope(self, u: Coordinates, exponents: np.ndarray) -> Coordinates:
        """Gradient of the sum of exponents log probs, feature by feature."""
        probs = self.unflatten(u, exponents.shape[-3])[0].probs
        parts = (simplex_slope(probs[..., d, :n], exponents[..., d, :n]).reshape(*u.shape[:-1], -1) for d, n in enumerate(self.n_levels))
        return np.concatenate(list(parts), axis=-1)


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
