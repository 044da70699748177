"""Which families PyMC fits here, and by which likelihoods; light, so that a config is checked without loading PyMC."""

from __future__ import annotations

from typing import Literal

from workbench.models import Bernoulli, Categorical, Family, Gaussian, Poisson, Product
from workbench.problem import Problem

Likelihood = Literal["op", "graph"]
Rank = Literal["mean_field", "full_rank"]

BOTH: tuple[Likelihood, ...] = ("op", "graph")
LIKELIHOODS: dict[Family, tuple[Likelihood, ...]] = {
    Gaussian("full"): BOTH,
    Gaussian("tied"): BOTH,
    Gaussian("diagonal"): BOTH,
    Gaussian("spherical"): BOTH,
    Bernoulli(): BOTH,
    Poisson(): BOTH,
    Categorical(): BOTH,
}
"""The first is the default. A product has what all its blocks have."""


def likelihoods(family: Family) -> tuple[Likelihood, ...]:
    """The likelihoods there are for a family, the default first; none where PyMC has no recipe."""
    if isinstance(family, Product):
        each = [likelihoods(block.family) for block in family.blocks]
        return tuple(form for form in BOTH if all(form in forms for forms in each))
    return LIKELIHOODS.get(family, ())


def refusal(problem: Problem, likelihood: Likelihood | None) -> str | None:
    """Why PyMC cannot fit this problem with this likelihood, or None."""
    known = likelihoods(problem.family)
    if not known:
        return f"PyMC has no recipe for {problem.family} yet; choose one of {', '.join(str(family) for family in LIKELIHOODS)}"
    if problem.prior is None:
        return problem.no_prior
    if likelihood is not None and likelihood not in known:
        return f"likelihood: {likelihood} is not there for {problem.family}; use {' or '.join(known)}, or leave it out"
    return None


def chosen(problem: Problem, likelihood: Likelihood | None) -> Likelihood:
    """The likelihood to use, the family's default where none is asked for."""
    return likelihood or likelihoods(problem.family)[0]
