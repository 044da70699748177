"""A mixture of Student t densities fitted to draws by EM: the proposal that knows where a sampler has been."""

from __future__ import annotations

import math

import numpy as np

from workbench.inference.evidence.proposal import StudentMixture
from workbench.models.shapes import Coordinates
from workbench.models.terms import log_sum_exp

DOF = 20.0
"""Degrees of freedom: tails heavier than a posterior's, and a middle that is nearly normal."""
MOST_PARTS = 8
BETTER = 0.02
"""Nats a held-out draw that twice as many parts must gain."""
HELD_OUT = 4
"""Every fourth draw is held out while the number of parts is chosen."""
SETTLED = 1e-3
"""Nats a draw by which the climb's last iteration may still rise."""
MAX_ITER = 100


def fitted(u: Coordinates, rng: np.random.Generator) -> StudentMixture:
    """A mixture fitted to draws u (n, dim), of as many parts as held-out draws are likelier for.

    EM for t mixtures (Peel & McLachlan 2000). Scale matrices are shrunk as if dim + 2 more draws of every part had the covariance
    of draws about their parts: a part with few draws is no needle.
    """
    held = np.arange(u.shape[0]) % HELD_OUT == 0
    best, score, parts = climbed(u[~held], 1, rng), -math.inf, 1
    while parts <= MOST_PARTS and parts * (u.shape[1] + 2) <= u.shape[0] / 2:
        found = best if parts == 1 else climbed(u[~held], parts, rng)
        value = float(found.log_density(u[held]).mean())
        if value < score + BETTER and parts > 2:  # one part may be beaten by four alone
            break
        if value > score + (BETTER if parts > 1 else 0.0):
            best, score = found, value
        parts *= 2
    return _iterated(best, u)


def climbed(u: Coordinates, parts: int, rng: np.random.Generator) -> StudentMixture:
    """EM with a given number of parts, from seeds that lie far from each other (Arthur & Vassilvitskii 2007)."""
    z = (u - u.mean(axis=0)) / np.maximum(u.std(axis=0), np.finfo(float).tiny)
    seeds, distance = [int(rng.integers(z.shape[0]))], np.full(z.shape[0], np.inf)
    while len(seeds) < parts:
        distance = np.minimum(distance, ((z - z[seeds[-1]]) ** 2).sum(axis=1))
        seeds.append(int(rng.choice(z.shape[0], p=distance / distance.sum())))
    nearest = np.stack([((z - z[seed]) ** 2).sum(axis=1) for seed in seeds]).argmin(axis=0)
    return _iterated(_m_step(u, np.eye(parts)[nearest], np.ones((u.shape[0], parts))), u)


def _iterated(mixture: StudentMixture, u: Coordinates) -> StudentMixture:
    """EM until an iteration gains next to nothing."""
    height = -math.inf
    for _ in range(MAX_ITER):
        log_joint, squares = mixture.log_joint(u)
        log_density = log_sum_exp(log_joint)
        gain, height = float(log_density.mean()) - height, float(log_density.mean())
        if gain < SETTLED:
            break
        tails = (DOF + u.shape[1]) / (DOF + squares)  # the expected precision of each draw, were it of that part
        mixture = _m_step(u, np.exp(log_joint - log_density[:, None]), tails)
    return mixture


def _m_step(u: Coordinates, shares: np.ndarray, tails: np.ndarray) -> StudentMixture:
    """Means, and scatter about them, weighted by shares (n, J) and tails (n, J)."""
    counts, weights = shares.sum(axis=0), shares * tails
    means = (weights.T @ u) / weights.sum(axis=0)[:, None]
    scatters = np.stack([(weights[:, j, None] * (u - mean)).T @ (u - mean) for j, mean in enumerate(means)])
    within = scatters.sum(axis=0) / u.shape[0]
    within[np.diag_indices_from(within)] += np.maximum(1e-10 * np.diagonal(within), np.finfo(float).tiny)
    strength = u.shape[1] + 2.0
    scales = (scatters + strength * within) / (counts + strength)[:, None, None]
    return StudentMixture((counts + 1.0) / (counts + 1.0).sum(), means, np.linalg.cholesky(scales), DOF)
