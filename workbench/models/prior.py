"""Prior: one prior for every method: density, update, maxima, draws, normaliser and coordinates."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from workbench.models.components import Components
from workbench.models.hyperparameters import plain
from workbench.models.matching import log_permanent
from workbench.models.mixture import Mixture
from workbench.models.shapes import Coordinates, PerComponent, PerFit, Weights
from workbench.models.simplex import drawn_shares, simplex_backward, simplex_forward, simplex_slope
from workbench.models.terms import Statistics, Terms

PROBABILITY_BOUNDARY = 20.0
"""A logit beyond this is a probability within 2e-9 of 0 or 1."""


class ComponentsPrior(ABC):
    """The prior of a family's component parameters; leading axes are none, or (*batch, K) after an update."""

    boundary: ClassVar[float] = float("inf")
    """Unconstrained coordinates beyond this count as on the boundary of the parameters, where they may run off without end."""

    @property
    def conjugate(self) -> bool:
        """Whether the parameters' posterior given the labels is of the prior's own form: then :meth:`posterior` is exact."""
        return True

    @abstractmethod
    def log_densities(self, components: Any) -> PerComponent:
        """Log density of each component's own parameters, given those that all share, constants included, no Jacobian; (*batch, K)."""

    def shared_log_density(self, components: Any) -> PerFit:
        """Log density of what all components share; (*batch)."""
        return np.zeros(components.batch_shape)

    def pair_log_densities(self, components: Any) -> np.ndarray:
        """The same of component j's parameters as component k's, (*batch, K, K): the prior's components before the parameters'."""
        count = components.n_components
        first = np.arange(count)
        turned = [self.log_densities(components.relabelled((first + turn) % count)) for turn in range(count)]
        found = np.empty((*turned[0].shape, count))
        for turn, own in enumerate(turned):
            found[..., first, (first + turn) % count] = own
        return found

    def log_density(self, components: Any) -> PerFit:
        """Log density of all K components together; (*batch)."""
        return np.asarray(self.shared_log_density(components) + self.log_densities(components).sum(axis=-1))

    @abstractmethod
    def posterior(self, statistics: Any) -> ComponentsPrior:
        """The conjugate update; of a prior that has none the best q, proportional to exp E log p(x, z, theta) of the prior's own form."""

    def maximise(self, statistics: Any, current: Any) -> Components:
        """MAP's M step: where E_q log p(x, z | theta) + log p(theta) is highest, or without a closed form higher than at ``current``."""
        return self.posterior(statistics).mode()

    def drawn(self, statistics: Any, current: Any, rng: np.random.Generator) -> Components:
        """A draw of the components given ``statistics`` of labelled rows, or without a closed form a move that leaves their
        distribution as it is, from ``current``; (*batch, K)."""
        return self.posterior(statistics).sample(rng, statistics.counts.shape)

    def drawn_there_and_back(self, statistics: Any, current: Any, rng: np.random.Generator) -> Components:
        """The same by a move that is reversible: what it may be accepted or refused by rests on that."""
        return self.drawn(statistics, current, rng)

    @abstractmethod
    def mode(self) -> Components:
        """Where the density of the natural parameters is highest; needs an updated or K-component prior."""

    @abstractmethod
    def centre(self) -> Components:
        """The components whose means, probabilities, rates and precisions are expected; needs an updated prior.

        A covariance is the inverse of its expected precision, which exists for all degrees of freedom; its own mean need not.
        """

    @abstractmethod
    def expected_terms(self, log_weights: PerComponent) -> Terms:
        """The coefficients of E log p(x, z = k), E log weights given, (*batch, K); needs an updated prior (Bishop 2006, eq. 10.46).

        exp of it is no density: it sums to less than 1.
        """

    @abstractmethod
    def divergence(self, prior: Any) -> PerFit:
        """KL(self || prior) of all K components, an updated prior from the one before; (*batch)."""

    @abstractmethod
    def sample(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Components:
        """Independent components of shape (*batch, K)."""

    @abstractmethod
    def log_normaliser(self) -> np.ndarray:
        """Log of the integral of the unnormalised density of one component; (*batch, K) after an update."""

    def joint_log_normaliser(self, n_components: int) -> PerFit:
        """Log normaliser of all K components together; (*batch)."""
        each = self.log_normaliser() + np.zeros(n_components)  # before an update one prior stands for all K
        return np.asarray(each.sum(axis=-1))

    @abstractmethod
    def numbers(self) -> dict[str, Any]:
        """The hyperparameters by their names in a config, as plain numbers and lists."""

    @abstractmethod
    def dim(self, n_components: int) -> int:
        """Number of unconstrained coordinates of K components."""

    def boundaries(self, n_components: int) -> Coordinates:
        """``boundary`` of each unconstrained coordinate of K components."""
        return np.full(self.dim(n_components), self.boundary)

    @abstractmethod
    def flatten(self, components: Any) -> tuple[Coordinates, PerFit]:
        """Unconstrained coordinates u and log |d parameters / d u|."""

    def bounded(self, components: Any, near: float) -> Coordinates:
        """Coordinates to compare two solutions by: all within ``near`` of a boundary are alike; (*batch, numbers)."""
        u = self.flatten(components)[0]
        return np.asarray(np.clip(u, -near, near) if np.isfinite(self.boundary) else u)

    @abstractmethod
    def unflatten(self, u: Coordinates, n_components: int) -> tuple[Components, PerFit]:
        """The components at u, and the same log Jacobian."""

    @abstractmethod
    def slope(self, u: Coordinates, statistics: Any) -> Coordinates:
        """Gradient by u of E_q log p(x | z, theta(u)), the statistics held fixed; (*batch, dim)."""

    @abstractmethod
    def log_density_slope(self, u: Coordinates, n_components: int) -> Coordinates:
        """Gradient by u of the log density of the natural parameters theta(u), without Jacobian."""

    @abstractmethod
    def log_jacobian_slope(self, u: Coordinates, n_components: int) -> Coordinates:
        """Gradient by u of log |d theta / d u|."""


@dataclass(frozen=True, eq=False)
class Prior:
    """Dirichlet weights and components, as numbers (statistics, section 1).

    Attributes
    ----------
    concentration : ndarray (*batch, K), of the Dirichlet
    components : the family's part
    """

    concentration: Weights
    components: ComponentsPrior

    @property
    def n_components(self) -> int:
        return int(self.concentration.shape[-1])

    @property
    def conjugate(self) -> bool:
        """Whether theta's posterior given the labels is of the prior's own form."""
        return self.components.conjugate

    @property
    def dim(self) -> int:
        """Number of unconstrained coordinates."""
        return self.n_components - 1 + self.components.dim(self.n_components)

    @property
    def boundaries(self) -> Coordinates:
        """For each unconstrained coordinate the size beyond which it counts as on the boundary."""
        return np.append(np.full(self.n_components - 1, PROBABILITY_BOUNDARY), self.components.boundaries(self.n_components))

    def log_density(self, mixture: Mixture) -> PerFit:
        """Log prior density of (weights, component parameters), constants included, no Jacobian; shape (*batch).

        The weights' density is that of the first K - 1 of them.
        """
        from scipy.special import xlogy

        kernel = xlogy(self.concentration - 1.0, mixture.weights).sum(axis=-1)
        return np.asarray(kernel - self._log_beta() + self.components.log_density(mixture.components))

    def relabelled_log_density(self, mixture: Mixture) -> PerFit:
        """Log of the density averaged over all K! relabellings; (*batch).

        Component j of the mixture as component k of the prior has a factor of its own, and the average is the permanent of the
        K x K matrix of them over K!: for up to nine components.
        """
        pairs = self._pair_log_weights(mixture.weights) + self.components.pair_log_densities(mixture.components)
        shared = self.components.shared_log_density(mixture.components) - self._log_beta()
        return np.asarray(shared + log_permanent(pairs) - math.lgamma(self.n_components + 1.0))

    def _pair_log_weights(self, weights: np.ndarray) -> np.ndarray:
        """Log factor of weight j as weight k; (*batch, K, K)."""
        from scipy.special import xlogy

        excess, of = self.concentration[..., :, None] - 1.0, weights[..., None, :]
        return np.asarray(excess * xlogy(1.0, of) if (weights > 0.0).all() else xlogy(excess, of))  # the logarithms of all k at once

    def posterior(self, statistics: Statistics) -> Prior:
        """Variational Bayes' q(theta) by expected statistics: the conjugate update, or the best of the prior's own form."""
        return Prior(self.concentration + statistics.counts, self.components.posterior(statistics))

    def maximise(self, statistics: Statistics, current: Mixture) -> Mixture:
        """MAP's M step: the mode of the updated prior, or without a closed form a step up from ``current`` by conditional maxima."""
        components = self.components.maximise(statistics, current.components)
        return Mixture(self._likeliest(self.concentration + statistics.counts), components)

    def drawn(self, statistics: Statistics, current: Mixture, rng: np.random.Generator) -> Mixture:
        """Gibbs' draw of theta given ``statistics`` of labelled rows, (*batch); without a closed form a move from ``current``."""
        weights = self._drawn_weights(rng, self.concentration + statistics.counts, current.batch_shape)
        return Mixture(weights, self.components.drawn(statistics, current.components, rng))

    def drawn_there_and_back(self, labels: PerComponent, statistics: Statistics, current: Mixture, rng: np.random.Generator) -> Mixture:
        """The same by a reversible move, where rows count for the components otherwise than for the weights: with their density raised
        to a power, say. ``labels`` (*batch, K) are the numbers of labels."""
        weights = self._drawn_weights(rng, self.concentration + labels, current.batch_shape)
        return Mixture(weights, self.components.drawn_there_and_back(statistics, current.components, rng))

    def mode(self) -> Mixture:
        """The mode in natural coordinates (statistics, sections 1 and 2); concentrations below 1 count as 1 - there is no
        interior mode, and configs refuse them."""
        return Mixture(self._likeliest(self.concentration), self.components.mode())

    def _likeliest(self, concentration: Weights) -> Weights:
        excess = np.maximum(concentration - 1.0, 0.0)
        total = excess.sum(axis=-1, keepdims=True)
        flat = np.full_like(excess, 1.0 / self.n_components)
        return np.divide(excess, total, out=flat, where=total > 0)

    def centre(self) -> Mixture:
        """The mixture of expected weights, means, probabilities, rates and precisions; of an updated prior."""
        return Mixture(self.concentration / self.concentration.sum(axis=-1, keepdims=True), self.components.centre())

    def expected_terms(self) -> Terms:
        """The coefficients of E log p(x, z = k | weights, theta), of an updated prior: variational Bayes' E step is EM's on them
        (Bishop 2006, eqs 10.46-10.49)."""
        return self.components.expected_terms(self._expected_log_weights())

    def divergence(self, prior: Prior) -> PerFit:
        """KL(self || prior), self an update of it; (*batch)."""
        kernel = ((self.concentration - prior.concentration) * self._expected_log_weights()).sum(axis=-1)
        return np.asarray(kernel - self._log_beta() + prior._log_beta() + self.components.divergence(prior.components))

    def _expected_log_weights(self) -> PerComponent:
        """E log weights (Bishop 2006, eq. 10.66)."""
        from scipy.special import digamma

        return np.asarray(digamma(self.concentration) - digamma(self.concentration.sum(axis=-1, keepdims=True)))

    def sample(self, rng: np.random.Generator, size: tuple[int, ...] = ()) -> Mixture:
        """Draw mixtures of batch shape ``size``, which is the prior's own where an update gave it one."""
        weights = self._drawn_weights(rng, self.concentration, size)
        return Mixture(weights, self.components.sample(rng, (*size, self.n_components)))

    def _drawn_weights(self, rng: np.random.Generator, own: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
        return rng.dirichlet(own, size=size) if own.ndim == 1 else drawn_shares(rng, own, (*size, self.n_components))

    def log_normaliser(self) -> PerFit:
        """Log normaliser, so that log p(x, labels) is a difference of two, but for a constant of the data; shape (*batch)."""
        return np.asarray(self._log_beta() + self.components.joint_log_normaliser(self.n_components))

    def _log_beta(self) -> np.ndarray:
        from scipy.special import gammaln

        return np.asarray(gammaln(self.concentration).sum(axis=-1) - gammaln(self.concentration.sum(axis=-1)))

    def numbers(self) -> dict[str, Any]:
        """The hyperparameters by their names in a config: what ``prior:`` takes."""
        return {"concentration": plain(self.concentration), **self.components.numbers()}

    def flatten(self, mixture: Mixture) -> tuple[Coordinates, PerFit]:
        """Unconstrained coordinates in the order of PyMC's value variables, and log |d natural / d u|."""
        weights, jacobian = simplex_forward(mixture.weights)
        rest, rest_jacobian = self.components.flatten(mixture.components)
        return np.concatenate([weights, rest], axis=-1), jacobian + rest_jacobian

    def bounded(self, mixture: Mixture, near: float = PROBABILITY_BOUNDARY) -> Coordinates:
        """Coordinates to compare two solutions by: all beyond logits of ``near`` are alike, weights of 0 among them."""
        weights = np.clip(simplex_forward(np.maximum(mixture.weights, np.exp(-near)))[0], -near, near)
        return np.concatenate([weights, self.components.bounded(mixture.components, near)], axis=-1)

    def unflatten(self, u: Coordinates) -> tuple[Mixture, PerFit]:
        """The mixture at u, and log |d natural / d u|: a density over u is that of the mixture plus this."""
        cut = self.n_components - 1
        weights, jacobian = simplex_backward(u[..., :cut])
        components, rest = self.components.unflatten(u[..., cut:], self.n_components)
        return Mixture(weights, components), jacobian + rest

    def slope(self, u: Coordinates, statistics: Statistics) -> Coordinates:
        """Gradient by u of E_q log p(x, z | theta(u)) with the statistics held fixed, (*batch, dim).

        At the statistics of theta(u)'s own E step it is the gradient of log p(x | theta(u)) (Fisher's identity; Louis 1982, eq. 3.1).
        """
        weights, rest = self._weights(u)
        return np.concatenate([simplex_slope(weights, statistics.counts), self.components.slope(rest, statistics)], axis=-1)

    def log_density_slope(self, u: Coordinates) -> Coordinates:
        """Gradient by u of the log prior density of the natural parameters theta(u), without Jacobian: MAP climbs that."""
        weights, rest = self._weights(u)
        own = simplex_slope(weights, self.concentration - 1.0)
        return np.concatenate([own, self.components.log_density_slope(rest, self.n_components)], axis=-1)

    def log_jacobian_slope(self, u: Coordinates) -> Coordinates:
        """Gradient by u of log |d theta / d u|: what a density over u has beside that of theta."""
        weights, rest = self._weights(u)
        own = simplex_slope(weights, np.ones(self.n_components))
        return np.concatenate([own, self.components.log_jacobian_slope(rest, self.n_components)], axis=-1)

    def _weights(self, u: Coordinates) -> tuple[Weights, np.ndarray]:
        """The weights at u, and the components' part of it."""
        cut = self.n_components - 1
        return simplex_backward(u[..., :cut])[0], u[..., cut:]
