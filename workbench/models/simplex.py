"""Simplex: Dirichlet draws, and unconstrained coordinates of probabilities that sum to 1, as PyMC has them."""

from __future__ import annotations

import numpy as np

from workbench.models.shapes import Coordinates, PerFit, Weights


def drawn_shares(rng: np.random.Generator, concentration: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Dirichlet draws along the last axis, each with its own ``concentration``, be it tiny (Gamma(a) = Gamma(a + 1) U^(1/a))."""
    spread = np.broadcast_to(concentration, shape)
    logs = np.log(rng.standard_gamma(spread + 1.0)) - rng.standard_exponential(shape) / spread
    shares = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=-1, keepdims=True))


def simplex_forward(weights: Weights) -> tuple[Coordinates, PerFit]:
    """Centred log ratios without the last, as PyMC's simplex transform has them; -inf where a weight is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(weights)
        u = (logs - logs.mean(axis=-1, keepdims=True))[..., :-1]
        return u, np.log(weights.shape[-1]) + logs.sum(axis=-1)


def simplex_backward(u: Coordinates) -> tuple[Weights, PerFit]:
    """Weights at u (*batch, K - 1), and log |d weights[:-1] / d u| = log K + sum of log weights."""
    logits = np.concatenate([u, -u.sum(axis=-1, keepdims=True)], axis=-1)
    logits = logits - logits.max(axis=-1, keepdims=True)
    logs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return np.exp(logs), np.log(logs.shape[-1]) + logs.sum(axis=-1)


def simplex_slope(weights: Weights, exponents: np.ndarray) -> Coordinates:
    """Gradient (*batch, K - 1) of sum_k exponents_k log weights_k by the coordinates of the simplex."""
    by_logit = exponents - exponents.sum(axis=-1, keepdims=True) * weights
    return np.asarray(by_logit[..., :-1] - by_logit[..., -1:])
