"""Poisson components: independent counts, each rate with a gamma prior; nan is skipped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from workbench.data import Dataset
from workbench.models.components import Components, Outside, beyond
from workbench.models.families.discrete import BoundedComponents, Powers, Sums, finite_log, sums, with_zeros
from workbench.models.families.family import EMPTY, Family, Scale, first_cell
from workbench.models.hyperparameters import PriorError, plain, positive
from workbench.models.prior import ComponentsPrior, Prior
from workbench.models.shapes import (
    Coordinates,
    Labels,
    LogJoint,
    PerComponent,
    PerFit,
    Rates,
    Responsibilities,
    Rows,
    Weights,
)
from workbench.models.terms import Coefficients, labelled

LARGEST_COUNT = 1e12
"""A count c above it has a log density of which rounding takes a hundredth of a nat: about 1e-16 c log c."""
RATE_BOUNDARY = 30.0
"""A log rate beyond this is a rate below 1e-13: at the boundary 0, which EM approaches without end."""


@dataclass(frozen=True, eq=False)
class PoissonStatistics(Sums):
    """Counts N_k, and for each feature the weighted sum of ``x`` and the weighted number of observed cells."""

    counts: PerComponent
    totals: Rates
    seen: Rates


def statistics(x: Rows, responsibilities: Responsibilities) -> PoissonStatistics:
    """Weighted sums over the observed cells."""
    return PoissonStatistics(*sums(x, responsibilities))


@dataclass(frozen=True, eq=False)
class PoissonTerms(Coefficients):
    """log p(x, z = k) = constant_k + sum over observed d of x_d log rate_kd - rate_kd - log x_d!."""

    constant: PerComponent
    log_rates: Rates
    rates: Rates

    def log_joint(self, x: Rows) -> LogJoint:
        from scipy.special import gammaln

        observed = ~np.isnan(x)
        values = np.where(observed, x, 0.0)
        total = values @ np.swapaxes(self.log_rates, -1, -2) - observed.astype(float) @ np.swapaxes(self.rates, -1, -2)
        factorials = gammaln(values + 1.0).sum(axis=-1)
        return np.asarray(with_zeros(total) - factorials[:, None] + self.constant[..., None, :])

    def statistics(self, x: Rows, responsibilities: Responsibilities) -> PoissonStatistics:
        return statistics(x, responsibilities)

    def expected(self, statistics: PoissonStatistics) -> PerFit:
        """Without log x!, which no rate changes."""
        cells = statistics.totals * self.log_rates - statistics.seen * self.rates
        return np.asarray(labelled(statistics.counts, self.constant) + cells.sum(axis=(-1, -2)))


@dataclass(frozen=True, eq=False)
class PoissonComponents(BoundedComponents):
    """Independent counts.

    Attributes
    ----------
    rates : ndarray (*batch, K, D), mean counts a row
    """

    dims: ClassVar[dict[str, tuple[str, ...]]] = {"rates": ("component", "feature")}

    rates: Rates

    def terms(self, weights: Weights) -> PoissonTerms:
        with np.errstate(divide="ignore", invalid="ignore"):
            return PoissonTerms(np.log(weights), finite_log(self.rates), self.rates)

    def maximise(self, statistics: PoissonStatistics) -> PoissonComponents:
        """Weighted means of the observed cells; a feature never seen in a component stays as it is."""
        return type(self)(np.divide(statistics.totals, statistics.seen, out=np.array(self.rates), where=statistics.seen > 0))

    def sample(self, rng: np.random.Generator, labels: Labels) -> Rows:
        return np.asarray(rng.poisson(self.rates[labels]), dtype=float)

    def outside(self) -> Iterator[Outside]:
        yield from beyond("rates", self.rates, ~(self.rates >= 0.0), "give rates of 0 or more")

    def conditional(self, x: Rows) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of each cell given its row's observed cells and the label: the rate, twice."""
        rates = np.where(np.isnan(x)[..., None, :], self.rates[..., None, :, :], 0.0)
        return rates + np.nan_to_num(x)[:, None, :], rates


@dataclass(frozen=True, eq=False)
class Gamma(Powers):
    """rates ~ Gamma(shape, rate) for every feature, mean shape / rate, alike for all components; (*batch, K, D) after an update."""

    boundary: ClassVar[float] = RATE_BOUNDARY

    shape: np.ndarray
    rate: np.ndarray

    def log_densities(self, components: PoissonComponents) -> PerComponent:
        from scipy.special import xlogy

        kernel = xlogy(self.shape - 1.0, components.rates) - self.rate * components.rates
        return np.asarray((kernel - self._log_normalisers()).sum(axis=-1))

    def exponents(self) -> np.ndarray:
        return np.concatenate(np.broadcast_arrays(self.shape - 1.0, -self.rate), axis=-1)

    def factors(self, components: PoissonComponents) -> np.ndarray:
        return np.concatenate([finite_log(components.rates), components.rates], axis=-1)

    def log_normaliser(self) -> np.ndarray:
        return np.asarray(self._log_normalisers().sum(axis=-1))

    def _log_normalisers(self) -> np.ndarray:
        from scipy.special import gammaln

        return np.asarray(gammaln(self.shape) - self.shape * np.log(self.rate))

    def posterior(self, statistics: PoissonStatistics) -> Gamma:
        """The shape grows by the sum of the counts, the rate by the number of cells."""
        return type(self)(self.shape + statistics.totals, self.rate + statistics.seen)

    def mode(self) -> PoissonComponents:
        """(shape - 1) / rate."""
        return PoissonComponents(np.maximum(self.shape - 1.0, 0.0) / self.rate)

    def centre(self) -> PoissonComponents:
        return PoissonComponents(self.shape / self.rate)

    def expected_terms(self, log_weights: PerComponent) -> PoissonTerms:
        return PoissonTerms(log_weights, self._expected_logs(), self.shape / self.rate)

    def _expected_logs(self) -> np.ndarray:
        """E log rate (Bishop 2006, eq. B.30)."""
        from scipy.special import digamma

        return np.asarray(digamma(self.shape) - np.log(self.rate))

    def divergence(self, prior: Gamma) -> PerFit:
        kernel = (self.shape - prior.shape) * self._expected_logs() - (self.rate - prior.rate) * self.shape / self.rate
        return np.asarray((kernel - self._log_normalisers() + prior._log_normalisers()).sum(axis=(-1, -2)))

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...]) -> PoissonComponents:
        size = (*shape, self.shape.shape[-1])
        return PoissonComponents(rng.gamma(np.broadcast_to(self.shape, size)) / self.rate)

    def numbers(self) -> dict[str, Any]:
        return {"shape": plain(self.shape), "rate": plain(self.rate)}

    def dim(self, n_components: int) -> int:
        return n_components * int(self.shape.shape[-1])

    def bounded(self, components: PoissonComponents, near: float) -> Coordinates:
        """The boundary is at 0 alone: large rates are told apart."""
        return np.asarray(np.maximum(self.flatten(components)[0], -near))

    def flatten(self, components: PoissonComponents) -> tuple[Coordinates, PerFit]:
        """log(rates) (K, D); -inf at 0."""
        with np.errstate(divide="ignore"):
            logs = np.log(components.rates)
        return logs.reshape(*components.batch_shape, -1), logs.sum(axis=(-1, -2))

    def unflatten(self, u: Coordinates, n_components: int) -> tuple[PoissonComponents, PerFit]:
        logs = u.reshape(*u.shape[:-1], n_components, -1)
        return PoissonComponents(np.exp(logs)), logs.sum(axis=(-1, -2))

    def slope(self, u: Coordinates, statistics: PoissonStatistics) -> Coordinates:
        rates = np.exp(u.reshape(*u.shape[:-1], *statistics.totals.shape[-2:]))
        return np.asarray((statistics.totals - statistics.seen * rates).reshape(u.shape))

    def log_density_slope(self, u: Coordinates, n_components: int) -> Coordinates:
        rates = np.exp(u.reshape(*u.shape[:-1], n_components, -1))
        return np.asarray((self.shape - 1.0 - self.rate * rates).reshape(u.shape))

    def log_jacobian_slope(self, u: Coordinates, n_components: int) -> Coordinates:
        return np.ones_like(u)


@dataclass(frozen=True)
class Poisson(Family):
    """Independent counts (Johnson, Kemp & Kotz 2005, ch. 4; mixtures: Hasselblad 1969); cells are whole numbers or not observed.

    Hyperparameters
    ---------------
    concentration : of the Dirichlet over the weights; 1
    shape, rate : of a Gamma for every rate, one number or one a feature; 1 and 1 / mean of the feature

    Notes
    -----
    - p(x | k) = product over the observed d of rates_kd ** x_d exp(-rates_kd) / x_d!.
    - M step: rates_kd = S_kd / n_kd, with S_kd the weighted sum of x_d and n_kd the responsibilities of rows where d was observed.
    - MAP: rates_kd = (S_kd + shape - 1) / (n_kd + rate).
    - Nothing is singular; a rate may end at 0.
    - Counts above 1e12 are refused: rounding would take a hundredth of a nat and more of their log densities.
    - A cell that was not observed is left out of the product and of both sums.

    References
    ----------
    - Hasselblad, V. (1969). Estimation of finite mixtures of distributions from the exponential family. Journal of the American
      Statistical Association 64, 1459-1471.
    - Johnson, N. L., Kemp, A. W. & Kotz, S. (2005). Univariate Discrete Distributions. Wiley, chapter 4.
    """

    name: ClassVar[str] = "poisson"
    hyperparameters: ClassVar[tuple[str, ...]] = ("shape", "rate")
    shapes_with_no_mode: ClassVar[tuple[str, ...]] = ("shape",)
    scale: ClassVar[Scale] = "count"

    @property
    def components_type(self) -> type[Components]:
        return PoissonComponents

    def refuses(self, data: Dataset) -> str | None:
        other, large = self.impossible(data), data.x > LARGEST_COUNT
        if other is None and not large.any():
            return None
        row, column = other[:2] if other is not None else np.argwhere(large)[0]
        cell = f"column {data.features[column]!r} holds {data.x[row, column]:g} (row {data.rows[row]})"
        if other is not None:
            return f"{cell} and {other[2]}; choose columns of counts, or another family"
        return (
            f"{cell}, and above {LARGEST_COUNT:g} rounding takes a hundredth of a nat and more of a count's log density; choose another "
            "family, such as gaussian"
        )

    def impossible(self, data: Dataset) -> tuple[int, int, str] | None:
        other = ~(np.isnan(data.x) | ((data.x >= 0.0) & (data.x == np.round(data.x))))
        return first_cell(other, "poisson takes whole numbers from 0 up, or an empty cell")

    def log_base(self, data: Dataset) -> float:
        """-log x! for every observed cell."""
        from scipy.special import gammaln

        return float(-(data.counts @ gammaln(np.where(np.isnan(data.x), 0.0, data.x) + 1.0)).sum())

    def statistics(self, data: Dataset, responsibilities: Responsibilities) -> PoissonStatistics:
        return statistics(data.x, responsibilities * data.counts[:, None])

    def maximise(self, statistics: PoissonStatistics) -> PoissonComponents:
        return PoissonComponents(np.ones_like(statistics.totals)).maximise(statistics)

    def around(self, centres: np.ndarray, data: Dataset) -> PoissonComponents:
        """Rows averaged with the column means: a row alone, with its zeros, would be absorbing."""
        means, _ = column_means(data)
        return PoissonComponents((np.where(np.isnan(centres), means, centres) + means) / 2.0)

    def default_numbers(self, data: Dataset, n_components: int, given: Mapping[str, Any] = EMPTY) -> dict[str, Any]:
        """Gamma(1, 1 / mean): exponential, with the mean of each column."""
        if "rate" in given:
            return {"concentration": 1.0, "shape": 1.0}
        means, seen = column_means(data)
        zero = [name for name, mean in zip(data.features, np.where(seen > 0, means, 0.0), strict=True) if not mean > 0]
        if zero:
            raise PriorError(
                f"there is no default prior: no cell of {', '.join(zero)} is above 0, so its mean gives no rate; leave the column out, "
                "or give `prior:` by hand"
            )
        return {"concentration": 1.0, "shape": 1.0, "rate": plain(1.0 / means)}

    def components_prior(self, numbers: Mapping[str, Any], data: Dataset) -> ComponentsPrior:
        size = (data.n_features,)
        return Gamma(positive(numbers["shape"], "shape", size), positive(numbers["rate"], "rate", size))

    def n_parameters(self, n_components: int, data: Dataset) -> int:
        return n_components - 1 + n_components * data.n_features

    def coordinates(self, data: Dataset, n_components: int) -> Prior:
        flat = np.ones(data.n_features)
        return Prior(np.ones(n_components), Gamma(flat, flat))


def column_means(data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Mean of each column's observed cells, rows by their counts (1 where nothing was observed), and how many they are."""
    observed = ~np.isnan(data.x)
    seen = (observed * data.counts[:, None]).sum(axis=0)
    totals = (np.where(observed, data.x, 0.0) * data.counts[:, None]).sum(axis=0)
    return np.divide(totals, seen, out=np.ones(seen.shape), where=seen > 0), seen
