"""Importance sampling of log p(x): the log of a mean weight p(x, u) / q(u), with Pareto's k-hat (Vehtari et al. 2024)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from workbench.fit import Evidence
from workbench.inference.evidence.laplace import Mode
from workbench.inference.evidence.pareto import pareto_k
from workbench.inference.evidence.proposal import Proposal
from workbench.inference.evidence.symmetry import Fold, Region, Symmetry
from workbench.inference.evidence.uncovered import percent, share_of, uncovered
from workbench.inference.target import CompiledTarget
from workbench.models.shapes import Coordinates, PerFit

LogQ = Callable[[Coordinates], PerFit]

FEWEST_EFFECTIVE = 100.0
"""Effective draws below which neither the estimate nor its error is to be trusted."""
MISSED = 3.0
"""Nats by which p(x, u) / (p(x) q(u)) is above 1 at a mode that q does not cover: of weights that are trusted it is mostly within 1."""
MISSED_AT_MOST = 0.01
"""Share of the posterior up to which such modes are part of the error, above it they deny the estimate."""
DRAWS = 10_000
FEWEST_DRAWS = 500
CELLS = 1_000_000_000
"""Draws times cells of data times components that an estimate may cost: seconds."""
BOUND = "the log of a mean weight, a lower bound of log p(x) in expectation"


@dataclass(frozen=True)
class Limits:
    """What weights must meet to be trusted, by where their proposal is from.

    With few effective draws much of the posterior may be where no draw has been: the estimate is then too low by several of its
    stated errors, and k-hat, which judges the weights that were drawn, is blind to that.

    Attributes
    ----------
    pareto_k : largest k-hat
    efficiency : least number of effective draws, (sum w)^2 / sum w^2, a draw
    """

    pareto_k: float
    efficiency: float


def affordable(target: CompiledTarget, most: int = DRAWS) -> int:
    """How many points the budget allows: at most ``most``, at least a few hundred."""
    cells = target.problem.data.x.size * target.problem.n_components
    return max(FEWEST_DRAWS, min(most, CELLS // max(1, cells)))


def importance(
    target: CompiledTarget, symmetry: Symmetry, proposal: Proposal, rng: np.random.Generator, size: int, limits: Limits, advice: str
) -> tuple[Evidence, LogQ]:
    """From ``size`` draws of a proposal that knows one labelling, folded into the region about its own draws.

    Parameters
    ----------
    limits, advice : what the weights must meet, and what to do if they do not

    Returns
    -------
    The estimate, and the log density of q averaged over the labellings at points (n, dim), by which :func:`seen` judges it.
    """
    u = proposal.sample(rng, size)
    fold = Fold.of(Region.around(symmetry, u), u)
    log_weights = target.log_density(u) - fold.log_density(proposal.log_density, u)
    found = weighed(np.where(fold.lost(u), -np.inf, log_weights), limits, advice)
    return found, lambda points: fold.log_density(proposal.log_density, fold.region.aligned(points))


def seen(found: Evidence, target: CompiledTarget, log_q: LogQ, known: Sequence[Mode] | None, advice: str) -> Evidence:
    """A trusted estimate, unless modes that were found without q show that q has missed a part of the posterior.

    Parameters
    ----------
    log_q : log density of q averaged over the labellings at points (n, dim)
    known : modes, or None if they were not looked for, as that would take too long
    """
    if known is None:
        return replace(found, trusted=False, note=f"{BOUND}; modes that q may miss were not looked for, as that would take long: {advice}")
    u = np.array([mode.u for mode in known]).reshape(-1, target.dim)
    missed = uncovered(known, target.log_density(u) - log_q(u), found.log_evidence, MISSED)
    share = share_of(missed, found.log_evidence)
    if share <= MISSED_AT_MOST:
        return replace(found, mcse=math.hypot(found.mcse, -math.log1p(-share)))
    why = f"q has next to no density where, by Laplace, {percent(share)} of the posterior is: modes that EM has found"
    return replace(found, trusted=False, note=f"{BOUND}; {why}: {advice}")


def weighed(log_weights: PerFit, limits: Limits, advice: str, sizes: Sequence[int] = ()) -> Evidence:
    """The log of the mean of weights p(x, u) / q(u) at independent draws from q, (n,); trusted if k-hat and effective draws allow.

    The relative error of a mean of n weights is sqrt(1 / n_eff - 1 / n), n_eff = (sum w)^2 / sum w^2. Where q is a mixture and each
    part has a fixed number of draws, those count that are within the parts: the squared error is sum_i n_i var_i / (sum w)^2.

    Parameters
    ----------
    sizes : numbers of draws of q's parts, one after the other; none if they are chosen at random, or q has one
    """
    top = float(log_weights.max(initial=-np.inf))
    if not math.isfinite(top):
        return Evidence("importance", math.nan, math.nan, False, f"no draw of the proposal has a finite density; {advice}")
    shares = np.exp(log_weights - top)
    effective = float(shares.sum() ** 2 / (shares**2).sum())
    within = np.split(shares, np.cumsum(sizes)[:-1]) if len(sizes) else [shares]
    mcse = math.sqrt(sum(part.size * float(part.var()) for part in within)) / float(shares.sum())
    denial = _denial(log_weights, effective, limits)
    note = f"{BOUND}; {denial}: {advice}" if denial else ""
    return Evidence("importance", top + math.log(float(shares.mean())), mcse, not denial, note)


def _denial(log_weights: PerFit, effective: float, limits: Limits) -> str:
    """What denies the estimate, or nothing."""
    if effective < max(FEWEST_EFFECTIVE, limits.efficiency * log_weights.size):
        return f"only {effective:.0f} of {log_weights.size} draws are effective"
    k_hat = pareto_k(np.asarray(log_weights))
    return "" if k_hat <= limits.pareto_k else f"Pareto k-hat of its weights is {k_hat:.2f}, above {limits.pareto_k}"
