"""Bernoulli components: independent binary features (latent class analysis), each with a beta prior; nan is skipped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from workbench.data import Dataset
from workbench.models.components import Components, Outside, beyond
from workbench.models.families.discrete import LOG_ZERO, BoundedComponents, Powers, Sums, finite_log, sums, with_zeros
from workbench.models.families.family import EMPTY, Family, Scale, first_cell
from workbench.models.hyperparameters import plain, positive
from workbench.models.prior import PROBABILITY_BOUNDARY, ComponentsPrior, Prior
from workbench.models.shapes import (
    Coordinates,
    Labels,
    LogJoint,
    PerComponent,
    PerFit,
    Probs,
    Responsibilities,
    Rows,
    Weights,
)
from workbench.models.terms import Coefficients, labelled


@dataclass(frozen=True, eq=False)
class BernoulliStatistics(Sums):
    """Counts N_k, and for each feature the weighted number of ones and of observed cells."""

    counts: PerComponent
    ones: Probs
    seen: Probs

    def possible(self) -> BernoulliStatistics:
        """No number is below 0, and there are no more ones than cells."""
        seen = np.maximum(self.seen, 0.0)
        return BernoulliStatistics(np.maximum(self.counts, 0.0), np.clip(self.ones, 0.0, seen), seen)


def statistics(x: Rows, responsibilities: Responsibilities) -> BernoulliStatistics:
    """Weighted sums over the observed cells."""
    return BernoulliStatistics(*sums(x, responsibilities))


@dataclass(frozen=True, eq=False)
class BernoulliTerms(Coefficients):
    """log p(x, z = k) = constant_k + sum over observed d of x_d log p_kd + (1 - x_d) log (1 - p_kd)."""

    constant: PerComponent
    log_probs: Probs
    log_complements: Probs

    def log_joint(self, x: Rows) -> LogJoint:
        ones, zeros = (x == 1.0).astype(float), (x == 0.0).astype(float)
        total = ones @ np.swapaxes(self.log_probs, -1, -2) + zeros @ np.swapaxes(self.log_complements, -1, -2)
        return np.asarray(with_zeros(total) + self.constant[..., None, :])

    def statistics(self, x: Rows, responsibilities: Responsibilities) -> BernoulliStatistics:
        return statistics(x, responsibilities)

    def expected(self, statistics: BernoulliStatistics) -> PerFit:
        """Ones and zeros times their log probabilities; as good as -inf where something seen has probability 0."""
        cells = statistics.ones * self.log_probs + (statistics.seen - statistics.ones) * self.log_complements
        return np.asarray(labelled(statistics.counts, self.constant) + cells.sum(axis=(-1, -2)))


@dataclass(frozen=True, eq=False)
class BernoulliComponents(BoundedComponents):
    """Independent binary features.

    Attributes
    ----------
    probs : ndarray (*batch, K, D), probability of a one
    """

    dims: ClassVar[dict[str, tuple[str, ...]]] = {"probs": ("component", "feature")}

    probs: Probs

    def terms(self, weights: Weights) -> BernoulliTerms:
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = finite_log(self.probs)
            complements = np.maximum(np.log1p(-self.probs), LOG_ZERO)
            return BernoulliTerms(np.log(weights), logs, complements)

    def maximise(self, statistics: BernoulliStatistics) -> BernoulliComponents:
        """Weighted shares of ones (Bishop 2006, eq. 9.59); a feature never seen in a component stays as it is."""
        shares = np.divide(statistics.ones, statistics.seen, out=np.array(self.probs), where=statistics.seen > 0)
        return type(self)(np.clip(shares, 0.0, 1.0))

    def sample(self, rng: np.random.Generator, labels: Labels) -> Rows:
        return np.asarray(rng.random((labels.size, self.probs.shape[-1])) < self.probs[labels], dtype=float)

    def outside(self) -> Iterator[Outside]:
        yield from beyond("probs", self.probs, ~((self.probs >= 0.0) & (self.probs <= 1.0)), "give probabilities from 0 to 1")

    def conditional(self, x: Rows) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of each cell given its row's observed cells and the label."""
        empty = np.isnan(x)[:, None, :]
        probs = self.probs[..., None, :, :]
        return np.where(empty, probs, x[:, None, :]), np.where(empty, probs * (1.0 - probs), 0.0)


@dataclass(frozen=True, eq=False)
class Beta(Powers):
    """probs ~ Beta(a, b) for every feature, alike for all components; (*batch, K, D) after an update."""

    boundary: ClassVar[float] = PROBABILITY_BOUNDARY

    a: np.ndarray
    b: np.ndarray

    def log_densities(self, components: BernoulliComponents) -> PerComponent:
        from scipy.special import betaln, xlog1py, xlogy

        kernel = xlogy(self.a - 1.0, components.probs) + xlog1py(self.b - 1.0, -components.probs)
        return np.asarray((kernel - betaln(self.a, self.b)).sum(axis=-1))

    def exponents(self) -> np.ndarray:
        return np.concatenate([self.a - 1.0, self.b - 1.0], axis=-1)

    def factors(self, components: BernoulliComponents) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.concatenate([finite_log(components.probs), np.maximum(np.log1p(-components.probs), LOG_ZERO)], axis=-1)

    def log_normaliser(self) -> np.ndarray:
        from scipy.special import betaln

        return np.asarray(betaln(self.a, self.b).sum(axis=-1))

    def posterior(self, statistics: BernoulliStatistics) -> Beta:
        return type(self)(self.a + statistics.ones, self.b + (statistics.seen - statistics.ones))

    def mode(self) -> BernoulliComponents:
        """(a - 1) / (a + b - 2); a flat posterior (nothing seen, a = b = 1) gives one half."""
        ones, zeros = np.maximum(self.a - 1.0, 0.0), np.maximum(self.b - 1.0, 0.0)
        total = ones + zeros
        return BernoulliComponents(np.divide(ones, total, out=np.full_like(total, 0.5), where=total > 0))

    def centre(self) -> BernoulliComponents:
        return BernoulliComponents(self.a / (self.a + self.b))

    def expected_terms(self, log_weights: PerComponent) -> BernoulliTerms:
        return BernoulliTerms(log_weights, *self._expected_logs())

    def _expected_logs(self) -> tuple[np.ndarray, np.ndarray]:
        """E log p and E log(1 - p) (Bishop 2006, eq. B.21)."""
        from scipy.special import digamma

        total = digamma(self.a + self.b)
        return digamma(self.a) - total, digamma(self.b) - total

    def divergence(self, prior: Beta) -> PerFit:
        from scipy.special import betaln

        logs, complements = self._expected_logs()
        kernel = (self.a - prior.a) * logs + (self.b - prior.b) * complements
        return np.asarray((kernel - betaln(self.a, self.b) + betaln(prior.a, prior.b)).sum(axis=(-1, -2)))

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...]) -> BernoulliComponents:
        size = (*shape, self.a.shape[-1])
        return BernoulliComponents(rng.beta(np.broadcast_to(self.a, size), np.broadcast_to(self.b, size)))

    def numbers(self) -> dict[str, Any]:
        return {"a": plain(self.a), "b": plain(self.b)}

    def dim(self, n_components: int) -> int:
        return n_components * int(self.a.shape[-1])

    def flatten(self, components: BernoulliComponents) -> tuple[Coordinates, PerFit]:
        """logit(probs) (K, D); infinite at 0 and 1."""
        with np.errstate(divide="ignore"):
            logs, complements = np.log(components.probs), np.log1p(-components.probs)
        return (logs - complements).reshape(*components.batch_shape, -1), (logs + complements).sum(axis=(-1, -2))

    def unflatten(self, u: Coordinates, n_components: int) -> tuple[BernoulliComponents, PerFit]:
        logits = u.reshape(*u.shape[:-1], n_components, -1)
        jacobian = -(np.logaddexp(0.0, logits) + np.logaddexp(0.0, -logits)).sum(axis=(-1, -2))
        return BernoulliComponents(np.exp(-np.logaddexp(0.0, -logits))), jacobian

    def slope(self, u: Coordinates, statistics: BernoulliStatistics) -> Coordinates:
        return self._slope(u, statistics.ones, statistics.seen - statistics.ones)

    def log_density_slope(self, u: Coordinates, n_components: int) -> Coordinates:
        flat = np.ones((n_components, self.a.shape[-1]))
        return self._slope(u, self.a - flat, self.b - flat)

    def log_jacobian_slope(self, u: Coordinates, n_components: int) -> Coordinates:
        flat = np.ones((n_components, self.a.shape[-1]))
        return self._slope(u, flat, flat)

    @staticmethod
    def _slope(u: Coordinates, ones: np.ndarray, zeros: np.ndarray) -> Coordinates:
        """Gradient of ones log p + zeros log(1 - p), by the logits of p."""
        logits = u.reshape(*u.shape[:-1], *ones.shape[-2:])
        found = ones * np.exp(-np.logaddexp(0.0, logits)) - zeros * np.exp(-np.logaddexp(0.0, -logits))
        return np.asarray(found.reshape(u.shape))


@dataclass(frozen=True)
class Bernoulli(Family):
    """Independent binary features (Bishop 2006, section 9.3.3); cells are 0, 1 or not observed.

    Latent class analysis with two levels a feature.

    Hyperparameters
    ---------------
    concentration : of the Dirichlet over the weights; 1
    a, b : of a Beta for every probability, one number or one a feature; 1, 1 (flat)

    Notes
    -----
    - p(x | k) = product over the observed d of probs_kd ** x_d (1 - probs_kd) ** (1 - x_d).
    - M step: probs_kd = S_kd / n_kd, with S_kd the responsibilities of rows with a 1 and n_kd of rows where d was observed.
    - MAP: probs_kd = (S_kd + a - 1) / (n_kd + a + b - 2).
    - Nothing is singular; a probability may end at 0 or 1, where it has no standard error.
    - A cell that was not observed is left out of the product and of n_kd. Given the label it is 1 with probs_kd.

    References
    ----------
    - Bishop, C. M. (2006). Pattern Recognition and Machine Learning. Springer, section 9.3.3.
    - Lazarsfeld, P. F. & Henry, N. W. (1968). Latent Structure Analysis. Houghton Mifflin.
    """

    name: ClassVar[str] = "bernoulli"
    hyperparameters: ClassVar[tuple[str, ...]] = ("a", "b")
    shapes_with_no_mode: ClassVar[tuple[str, ...]] = ("a", "b")
    scale: ClassVar[Scale] = "level"

    @property
    def components_type(self) -> type[Components]:
        return BernoulliComponents

    def refuses(self, data: Dataset) -> str | None:
        if (found := self.impossible(data)) is None:
            return None
        row, column, takes = found
        held = f"column {data.features[column]!r} holds {data.x[row, column]:g} (row {data.rows[row]})"
        return f"{held} and {takes}; choose binary columns, or another family"

    def impossible(self, data: Dataset) -> tuple[int, int, str] | None:
        other = ~(np.isnan(data.x) | (data.x == 0.0) | (data.x == 1.0))
        return first_cell(other, "bernoulli takes 0, 1 or an empty cell")

    def statistics(self, data: Dataset, responsibilities: Responsibilities) -> BernoulliStatistics:
        return statistics(data.x, responsibilities * data.counts[:, None])

    def maximise(self, statistics: BernoulliStatistics) -> BernoulliComponents:
        return BernoulliComponents(np.full_like(statistics.ones, 0.5)).maximise(statistics)

    def around(self, centres: np.ndarray, data: Dataset) -> BernoulliComponents:
        """Rows averaged with the column means: a row alone would be absorbing."""
        observed = ~np.isnan(data.x)
        ones = (np.where(observed, data.x, 0.0) * data.counts[:, None]).sum(axis=0)
        seen = (observed * data.counts[:, None]).sum(axis=0)
        means = np.divide(ones, seen, out=np.full(seen.shape, 0.5), where=seen > 0)
        return BernoulliComponents((np.where(np.isnan(centres), means, centres) + means) / 2.0)

    def default_numbers(self, data: Dataset, n_components: int, given: Mapping[str, Any] = EMPTY) -> dict[str, Any]:
        return {"concentration": 1.0, "a": 1.0, "b": 1.0}

    def components_prior(self, numbers: Mapping[str, Any], data: Dataset) -> ComponentsPrior:
        size = (data.n_features,)
        return Beta(positive(numbers["a"], "a", size), positive(numbers["b"], "b", size))

    def n_parameters(self, n_components: int, data: Dataset) -> int:
        return n_components - 1 + n_components * data.n_features

    def n_outcomes(self, data: Dataset) -> int:
        return int(2 ** int((~np.isnan(data.x)).any(axis=0).sum()))

    def coordinates(self, data: Dataset, n_components: int) -> Prior:
        flat = np.ones(data.n_features)
        return Prior(np.ones(n_components), Beta(flat, flat))
