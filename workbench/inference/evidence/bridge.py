"""Bridge sampling of log p(x) (Meng & Wong 1996) between draws from the posterior and a mixture fitted to others of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from workbench.fit import Evidence
from workbench.inference.evidence.fitted import fitted
from workbench.inference.evidence.importance import array_statistics, weighed
from workbench.inference.evidence.symmetry import Fold, Region, Symmetry
from workbench.inference.target import CompiledTarget
from workbench.models.shapes import PerFit

RHAT = 1.05
"""Largest R-hat of the log density and of numbers that no relabelling changes."""
FEWEST_EFFECTIVE = 100.0
OVERLAP = 0.05
"""Least integral of pq / (s1 p + s2 q), 1 where p = q and 0 where they do not meet."""
LARGEST_ERROR = 0.3
"""Nats above which the error itself, a linear one, cannot be told."""
FEWEST_PROPOSED = 500
ROUNDS = 1_000
APART = 4.0
"""Combined errors that the bridge may be from importance sampling by the same proposals."""


@dataclass(frozen=True, eq=False)
class Leg:
    """One half of the posterior's draws, and draws of a proposal q fitted to the other half.

    Attributes
    ----------
    at_draws : ndarray (chain, draw), log p(x, u) - log q(u) at this half of the posterior's draws
    log_density : ndarray (n,), log p(x, u) at the proposal's own draws, -inf where they are lost to the fold
    log_own, log_other : ndarray (n,), log q of them, and their log density under the other leg's proposal
    """

    at_draws: np.ndarray
    log_density: PerFit
    log_own: PerFit
    log_other: PerFit

    @property
    def log_weights(self) -> PerFit:
        """log p - log q with q the two proposals together, of which these draws are half."""
        return np.asarray(self.log_density - np.logaddexp(self.log_own, self.log_other) + math.log(2.0))


@dataclass(frozen=True)
class Bridged:
    """log p(x), its variance, and how much of the two densities overlap."""

    value: float
    variance: float
    overlap: float


def estimates(target: CompiledTarget, u: np.ndarray, log_density: np.ndarray, rng: np.random.Generator) -> tuple[Evidence, Evidence]:
    """Bridge and importance sampling from draws u (chain, draw, dim) with their log p(x, u) (chain, draw), as they are labelled.

    Draws are aligned with a reference. A mixture is fitted to the first half of every chain and bridged to the second, and the
    other way round. The mean of both is ``bridge``; the weights of the proposals' own draws under both mixtures together are
    ``importance``: right whatever the shares of the basins among the draws, but blind to basins that no chain has been in.
    """
    symmetry = Symmetry.of(target.prior)
    flat = u.reshape(-1, u.shape[-1])
    region = Region.aligning(symmetry, flat, int(np.argmax(log_density)))
    legs = _legs(target, region, region.aligned(flat).reshape(u.shape), log_density, rng)
    weights = weighed(np.concatenate([leg.log_weights for leg in legs]), "raise draws, or use smc")
    ends = [bridged(leg.at_draws, np.asarray(leg.log_density - leg.log_own)) for leg in legs]
    value, mcse = sum(end.value for end in ends) / 2.0, math.sqrt(sum(end.variance for end in ends)) / 2.0
    overlap = min(end.overlap for end in ends)
    denial = _disagreement(symmetry, u, log_density) or _denial(value, mcse, overlap, weights)
    return Evidence("bridge", value, mcse, not denial, denial), weights


def _legs(target: CompiledTarget, region: Region, u: np.ndarray, log_density: np.ndarray, rng: np.random.Generator) -> list[Leg]:
    half, size = u.shape[1] // 2, u.shape[-1]
    parts, values = (u[:, :half], u[:, half:]), (log_density[:, :half], log_density[:, half:])
    proposals = [fitted(part.reshape(-1, size), rng) for part in parts]
    proposed = [proposal.sample(rng, max(FEWEST_PROPOSED, u.shape[0] * half)) for proposal in proposals]
    fold = Fold.of(region, np.concatenate(proposed))
    found = []
    for own, v in enumerate(proposed):
        q, other = proposals[own], 1 - own
        at_draws = values[other] - fold.log_density(q.log_density, parts[other].reshape(-1, size)).reshape(values[other].shape)
        log_q = [fold.log_density(each.log_density, v) for each in (q, proposals[other])]
        found.append(Leg(at_draws, np.where(fold.lost(v), -np.inf, target.log_density(v)), *log_q))
    return found


def bridged(at_draws: np.ndarray, at_proposal: np.ndarray) -> Bridged:
    """The optimal bridge (Meng & Wong 1996, eq. 4.1) from log p - log q at draws of p (chain, draw), and at draws of q (n,).

    The chains count as many draws as they are worth (effective sample size); the variance is that of
    Fruehwirth-Schnatter (2004, eq. 12), with the autocorrelation of the draws' own terms.
    """
    n1, n2 = effective(at_draws), float(at_proposal.size)
    s1, s2 = n1 / (n1 + n2), n2 / (n1 + n2)
    value, with_draws, with_proposal = float(np.median(at_draws)), np.ones(1), np.ones(1)
    for _ in range(ROUNDS):
        with np.errstate(over="ignore"):
            ratio = np.exp(np.minimum(at_proposal - value, 700.0))
            with_proposal = ratio / (s1 * ratio + s2)
            with_draws = 1.0 / (s1 * np.exp(np.minimum(at_draws - value, 700.0)) + s2)
        step = math.log(with_proposal.mean() / with_draws.mean()) if with_proposal.any() else -math.inf
        value += step
        if not abs(step) > 1e-10 or not math.isfinite(step):
            break
    overlap = float(with_proposal.mean())
    if not math.isfinite(value):
        return Bridged(math.nan, math.nan, 0.0)
    of_proposal = float(with_proposal.var(ddof=1)) / (n2 * overlap**2)
    return Bridged(value, of_proposal + _squared_error(with_draws), overlap)


def _squared_error(terms: np.ndarray) -> float:
    """Of the mean of autocorrelated terms (chain, draw), relative to it."""
    if np.ptp(terms) <= 1e-12 * abs(float(terms.mean())):
        return 0.0
    return float(array_statistics().mcse(terms)) ** 2 / float(terms.mean()) ** 2


def effective(values: np.ndarray) -> float:
    """Effective sample size of values (chain, draw), at most their number."""
    if np.ptp(values) <= 1e-12 * (1.0 + abs(float(values.mean()))):
        return float(values.size)
    found = float(array_statistics().ess(values, method="mean"))
    return min(float(values.size), max(1.0, found)) if math.isfinite(found) else 1.0


def _disagreement(symmetry: Symmetry, u: np.ndarray, log_density: np.ndarray) -> str:
    """Whether the chains are in different places, by numbers that no relabelling changes; or they are worth too few draws."""
    values = np.concatenate([log_density[..., None], symmetry.ordered(u)], axis=-1)
    moving = np.moveaxis(values[..., np.ptp(values, axis=(0, 1)) > 0.0], -1, 0)
    rhat = float(np.max(array_statistics().rhat(moving, chain_axis=1, draw_axis=2), initial=1.0))
    if not rhat <= RHAT:
        where = "they may be in basins whose shares they cannot tell"
        return f"the chains disagree (R-hat {rhat:.2f}, above {RHAT}): {where}; raise tune and draws, or use smc or importance sampling"
    worth = effective(log_density)
    return "" if worth >= FEWEST_EFFECTIVE else f"the chains are worth only {worth:.0f} independent draws; raise draws"


def _denial(value: float, mcse: float, overlap: float, weights: Evidence) -> str:
    if not math.isfinite(value) or overlap < OVERLAP:
        return f"the fitted proposal and the posterior overlap by {overlap:.2f} only; raise draws, or use smc"
    if not mcse <= LARGEST_ERROR:
        return f"its error is above {LARGEST_ERROR} nats and cannot be told; raise draws"
    gap = abs(value - weights.log_evidence)
    if weights.trusted and gap > APART * math.hypot(mcse, weights.mcse):
        why = "the chains' shares of their basins are wrong"
        return f"importance sampling from the same proposals is {gap:.2f} nats away: {why}; trust that, or use smc"
    return ""
