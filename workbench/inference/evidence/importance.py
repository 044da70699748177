"""Importance sampling of log p(x): the log of a mean weight p(x, u) / q(u), with Pareto's k-hat (Vehtari et al. 2024)."""

from __future__ import annotations

import math

import numpy as np

from workbench.fit import Evidence
from workbench.inference.evidence.pareto import pareto_k
from workbench.inference.evidence.proposal import Proposal
from workbench.inference.evidence.symmetry import Fold, Region, Symmetry
from workbench.inference.target import CompiledTarget
from workbench.models.shapes import PerFit

PARETO_K = 0.7
FEWEST_EFFECTIVE = 100.0
"""Effective draws below which neither the estimate nor its error is to be trusted."""
EFFICIENCY = 0.1
"""Effective draws a draw, likewise: with less, much of the posterior may be where no draw has been, and k-hat is blind to that."""
DRAWS = 10_000
FEWEST_DRAWS = 500
CELLS = 1_000_000_000
"""Draws times cells of data times components that an estimate may cost: seconds."""
BOUND = "the log of a mean weight, a lower bound of log p(x) in expectation"


def affordable(target: CompiledTarget, most: int = DRAWS) -> int:
    """How many points the budget allows: at most ``most``, at least a few hundred."""
    cells = target.problem.data.x.size * target.problem.n_components
    return max(FEWEST_DRAWS, min(most, CELLS // max(1, cells)))


def importance(
    target: CompiledTarget, symmetry: Symmetry, proposal: Proposal, rng: np.random.Generator, size: int, advice: str
) -> Evidence:
    """From ``size`` draws of a proposal that knows one labelling, folded into the region about its own draws.

    Parameters
    ----------
    advice : what to do if the weights' tail is too heavy
    """
    u = proposal.sample(rng, size)
    fold = Fold.of(Region.around(symmetry, u), u)
    log_weights = target.log_density(u) - fold.log_density(proposal.log_density, u)
    return weighed(np.where(fold.lost(u), -np.inf, log_weights), advice)


def weighed(log_weights: PerFit, advice: str) -> Evidence:
    """The log of the mean of weights p(x, u) / q(u) at independent draws from q, (n,); trusted if k-hat and effective draws allow.

    The relative error of a mean of n weights is sqrt(1 / n_eff - 1 / n), n_eff = (sum w)^2 / sum w^2.
    """
    size, top = log_weights.size, float(log_weights.max(initial=-np.inf))
    if not math.isfinite(top):
        return Evidence("importance", math.nan, math.nan, False, f"no draw of the proposal has a finite density; {advice}")
    shares = np.exp(log_weights - top)
    effective = float(shares.sum() ** 2 / (shares**2).sum())
    mcse = math.sqrt(max(0.0, 1.0 / effective - 1.0 / size))
    denial = _denial(log_weights, effective)
    note = f"{BOUND}; {denial}: {advice}" if denial else ""
    return Evidence("importance", top + math.log(float(shares.mean())), mcse, not denial, note)


def _denial(log_weights: PerFit, effective: float) -> str:
    """What denies the estimate, or nothing."""
    if effective < max(FEWEST_EFFECTIVE, EFFICIENCY * log_weights.size):
        return f"only {effective:.0f} of {log_weights.size} draws are effective"
    k_hat = pareto_k(np.asarray(log_weights))
    return "" if k_hat <= PARETO_K else f"Pareto k-hat of its weights is {k_hat:.2f}, above {PARETO_K}"
