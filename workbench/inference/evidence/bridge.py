"""Bridge sampling of log p(x) (Meng & Wong 1996) between draws from the posterior and proposals made of others of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from workbench.fit import Evidence
from workbench.inference.advice import Advice
from workbench.inference.evidence.conditionals import Labeller
from workbench.inference.evidence.importance import weighed
from workbench.inference.evidence.laplace import Mode
from workbench.inference.evidence.pareto import array_statistics
from workbench.inference.evidence.places import Place
from workbench.inference.evidence.proposed import UNSEEN, Makers, Unsure
from workbench.inference.evidence.symmetry import Averaged, Region, Symmetry
from workbench.inference.evidence.uncovered import percent, share_of
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
BEYOND, MOST_BEYOND = 3.0, 0.1
"""Log of a weight at draws from the posterior beyond which it is drawn from a proposal too seldom, and the share of such draws up to which
they are part of importance sampling's error. Iris K = 3, 12 seeds: without them it is up to 5.4 errors too low, at k-hat 0.36 and 55 %
of the draws effective."""
ROUNDS = 1_000
ERROR_AT_MOST = 0.1
"""Share of the posterior up to which such modes are an error of the bridge, above it they deny it."""
APART, ABOVE = 4.0, 2.0
"""Combined errors that the bridge may be above importance sampling by the same proposals, and below it. They share the proposals' draws,
so that on good draws the gap is seldom half of its combined error; draws that lack a fifth of the posterior leave the bridge two to four
below."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """Draws of one proposal, seen by all.

    Attributes
    ----------
    log_density : ndarray (n,), log p(x, u), -inf where a draw is lost
    log_q : ndarray (proposal, n), log density under each of the proposals, averaged over the labellings
    own : which of them the draws are from
    """

    log_density: PerFit
    log_q: np.ndarray
    own: int

    @property
    def log_ratio(self) -> PerFit:
        """log p - log q of the draws' own proposal."""
        return np.asarray(self.log_density - self.log_q[self.own])


@dataclass(frozen=True)
class Bridged:
    """log p(x), its variance, and how much of the two densities overlap."""

    value: float
    variance: float
    overlap: float


def estimates(
    target: CompiledTarget,
    u: np.ndarray,
    log_density: np.ndarray,
    rng: np.random.Generator,
    advice: Advice,
    known: Sequence[Mode] = (),
    empty: Sequence[Place] = (),
) -> tuple[Evidence, Evidence]:
    """Bridge and importance sampling from draws u (chain, draw, dim) with their log p(x, u) (chain, draw), as they are labelled.

    Draws are aligned with a reference. A proposal is made of the first half of every chain and bridged to the second, and the
    other way round: p(theta | x, z) averaged over labels z drawn given some of those draws (:class:`Conditionals`), or where
    there is no such a mixture of t densities fitted to them. The mean of both is ``bridge``; the weights of the proposals' own draws,
    under all proposals together, are ``importance``: right whatever the shares of the basins among the draws. Neither would know of
    a basin where no chain has been, were it not for the modes ``known`` from elsewhere, and places with ``empty`` components: those
    that are missed are proposed too.
    """
    symmetry = Symmetry.of(target.prior)
    flat, half = u.reshape(-1, u.shape[-1]), u.shape[1] // 2
    region = Region.aligning(symmetry, flat, int(np.argmax(log_density)))
    aligned = region.aligned(flat).reshape(u.shape)
    parts, values = (aligned[:, :half], aligned[:, half:]), (log_density[:, :half], log_density[:, half:])
    size = max(FEWEST_PROPOSED, half * u.shape[0])
    makers = Makers(region, Labeller.of(target, symmetry.exchangeable), size)
    proposals = makers.of_draws([part.reshape(-1, u.shape[-1]) for part in parts], rng)
    at_draws = [_log_ratio(q, parts[1 - i], values[1 - i]) for i, q in enumerate(proposals)]
    height = float(np.median(np.concatenate([ratio.ravel() for ratio in at_draws])))
    unsure = Unsure(target, makers, [mode.within(region) for mode in known], empty if makers.labeller is not None else (), rng)
    gaps = unsure.gaps(proposals)
    sizes = [size, size]
    if (seldom := unsure.proposed(gaps, height)) is not None:
        proposals.append(seldom[0])
        sizes.append(math.ceil(2 * size * min(1.0, max(0.1, 2.0 * seldom[1]))))
    drawn = [_drawn(target, proposals, i, size, rng) for i, size in enumerate(sizes)]
    more = advice.more("draws", kinds=["smc"])
    weights = weighed(_log_weights(drawn), makers.limits, more, sizes)
    weights = _allowing(weights, np.concatenate([ratio.ravel() for ratio in at_draws]), more)
    ends = [bridged(np.asarray(ratio), np.asarray(each.log_ratio)) for ratio, each in zip(at_draws, drawn, strict=False)]
    value, mcse = sum(end.value for end in ends) / 2.0, math.sqrt(sum(end.variance for end in ends)) / 2.0
    share = max(share_of(unsure.unseen(gaps, height), value), _unseen(drawn, value))
    mcse = math.hypot(mcse, -math.log1p(-min(share, ERROR_AT_MOST)))
    denial = _disagreement(symmetry, u, log_density, advice) or _denial(value, mcse, min(end.overlap for end in ends), advice)
    denial = denial or _absence(share, advice) or _contradiction(value, mcse, weights, advice)
    return Evidence("bridge", value, mcse, not denial, denial), weights


def _log_ratio(proposal: Averaged, u: np.ndarray, log_density: np.ndarray) -> np.ndarray:
    """log p - log q at points (chain, draw, dim)."""
    return np.asarray(log_density - proposal.log_density(u.reshape(-1, u.shape[-1])).reshape(log_density.shape))


def _drawn(target: CompiledTarget, proposals: Sequence[Averaged], own: int, size: int, rng: np.random.Generator) -> Drawn:
    u = proposals[own].sample(rng, size)
    log_q = np.stack([q.log_density(u) for q in proposals])
    return Drawn(np.where(proposals[own].lost(u), -np.inf, target.log_density(u)), log_q, own)


def _allowing(weights: Evidence, at_draws: np.ndarray, more: str) -> Evidence:
    """Importance sampling whose error allows for what its own draws will not have met, as the posterior's draws tell.

    At those, log p - log q of a proposal made of others of them is the log of a weight. Where it is large next to nothing is drawn from
    q: the sum of weights is too low by the share of such draws, and neither its spread nor k-hat knows.
    """
    beyond = float((at_draws - weights.log_evidence > BEYOND).mean())
    if beyond > MOST_BEYOND:
        why = f"{percent(beyond)} of the posterior's draws are where the proposals draw next to nothing: {more}"
        return replace(weights, trusted=False, note="; ".join(filter(None, (weights.note, why))))
    return replace(weights, mcse=math.hypot(weights.mcse, -math.log1p(-beyond)))


def _unseen(drawn: Sequence[Drawn], value: float) -> float:
    """What part of the posterior is, by the weights, where the proposals made of draws have next to no density."""
    log_weights = _log_weights(drawn)
    if not math.isfinite(value) or not np.isfinite(log_weights).any():
        return 0.0
    ratios = np.concatenate([each.log_density - np.logaddexp(*each.log_q[:2]) + math.log(2.0) for each in drawn])
    weights = np.exp(log_weights - log_weights.max())
    return float(weights[ratios - value > UNSEEN].sum() / weights.sum())


def _log_weights(drawn: Sequence[Drawn]) -> PerFit:
    """log p - log q of all draws, q all proposals together, each as much as it has draws (Veach & Guibas 1995)."""
    sizes = np.array([each.log_density.size for each in drawn], dtype=float)
    logs = np.log(sizes / sizes.sum())[:, None]
    return np.concatenate([each.log_density - np.logaddexp.reduce(each.log_q + logs) for each in drawn])


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


def _disagreement(symmetry: Symmetry, u: np.ndarray, log_density: np.ndarray, advice: Advice) -> str:
    """Whether the chains are in different places, by numbers that no relabelling changes; or they are worth too few draws."""
    values = np.concatenate([log_density[..., None], symmetry.ordered(u)], axis=-1)
    moving = np.moveaxis(values[..., np.ptp(values, axis=(0, 1)) > 0.0], -1, 0)
    rhat = float(np.max(array_statistics().rhat(moving, chain_axis=1, draw_axis=2), initial=1.0))
    if not rhat <= RHAT:
        where = "they may be in basins whose shares they cannot tell"
        more = advice.more("tune", "draws", word="and", kinds=["smc"])
        return f"the chains disagree (R-hat {rhat:.2f}, above {RHAT}): {where}; {more}, or take importance sampling where it is trusted"
    worth = effective(log_density)
    return "" if worth >= FEWEST_EFFECTIVE else f"the chains are worth only {worth:.0f} independent draws; {advice.more('draws')}"


def _denial(value: float, mcse: float, overlap: float, advice: Advice) -> str:
    if not math.isfinite(value) or overlap < OVERLAP:
        return f"the fitted proposal and the posterior overlap by {overlap:.2f} only; {advice.more('draws', kinds=['smc'])}"
    return "" if mcse <= LARGEST_ERROR else f"its error is above {LARGEST_ERROR} nats and cannot be told; {advice.more('draws')}"


def _absence(share: float, advice: Advice) -> str:
    if share <= ERROR_AT_MOST:
        return ""
    where = f"{percent(share)} of the posterior is: modes that EM has found, or places with empty components"
    return f"no chain has been where {where}; {advice.more('chains', 'draws', kinds=['smc'])}"


def _contradiction(value: float, mcse: float, weights: Evidence, advice: Advice) -> str:
    """Whether importance sampling, which knows no shares of the chains, says something else.

    A mean weight may be too low where its diagnostics deny it, but hardly too high: from above it speaks against the bridge anyway, and
    at fewer errors, as what chains have missed is missing from the bridge alone.
    """
    gap, error = weights.log_evidence - value, math.hypot(mcse, weights.mcse)
    if not (gap > ABOVE * error or (weights.trusted and -gap > APART * error)):
        return ""
    why, smc = "the chains' shares of their basins are wrong", advice.instead("smc")
    what = ", or ".join(filter(None, ("trust that", smc))) if weights.trusted else advice.more("draws", kinds=["smc"])
    return f"importance sampling from the same proposals is {abs(gap):.2f} nats away: {why}; {what}"
