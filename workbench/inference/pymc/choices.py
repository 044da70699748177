"""Which families PyMC fits here, and by which likelihoods; light, so that a config is checked without loading PyMC."""

from __future__ import annotations

from typing import Literal

from workbench.models import Bernoulli, Family, Gaussian
from workbench.problem import Problem

Likelihood = Literal["op", "graph"]
Rank = Literal["mean_field", "full_rank"]

LIKELIHOODS: dict[Family, tuple[Likelihood, ...]] = {
    Gaussian("full"): ("op", "graph"),
    Gaussian("diagonal"): ("graph",),
    Bernoulli(): ("graph",),
}
"""The first is the default."""


def refusal(problem: Problem, likelihood: Likelihood | None) -> str | None:
    """Why PyMC cannot fit this problem with this likelihood, or None."""
    known = LIKELIHOODS.get(problem.family)
    if known is None:
        return f"PyMC has no recipe for {problem.family} yet; choose one of {', '.join(str(family) for family in LIKELIHOODS)}"
    if problem.prior is None:
        return problem.no_prior
    if likelihood is not None and likelihood not in known:
        return f"likelihood: {likelihood} is not there for {problem.family}; use {' or '.join(known)}, or leave it out"
    return None


def chosen(problem: Problem, likelihood: Likelihood | None) -> Likelihood:
    """The likelihood to use, the family's default where none is asked for."""
    return likelihood or LIKELIHOODS[problem.family][0]
