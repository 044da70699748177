"""The exact posterior: every labelling summed, each with its parameters integrated out."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge

from workbench.fit import Estimate, Evidence, Fit, Status
from workbench.inference.densities import densities
from workbench.inference.exact.enumeration import Enumeration
from workbench.inference.exact.labellings import how_many
from workbench.inference.method import Context
from workbench.inference.options import check_options
from workbench.problem import Problem

MOST = 1 << 22
"""Labellings that are summed at most."""
MOST_COMPONENTS = 20
"""Components up to which labellings are counted: beyond it only rows that are all alike could have few enough."""


@dataclass(frozen=True)
class Exact:
    """The exact posterior by summing over all K**N labellings: small N, or K = 1 and any N.

    Log evidence without error, and draws that are independent of each other: what every other method can be held to.

    Parameters
    ----------
    chains : number of chains, for the form's sake: all draws are independent
    draws : draws of each chain

    Notes
    -----
    - log p(x) = log sum_z p(x, z), with the parameters integrated out in closed form: p(x, z) = Z(prior updated by x, z) / Z(prior)
      times what depends on no parameter, Z the normaliser of the conjugate prior.
    - p(theta | x) = sum_z p(z | x) p(theta | x, z): a draw is a labelling by its probability, then the conjugate posterior given it.
    - Labellings that differ by the components' names alone are summed once and counted K! times (less where components are
      alike), and a draw's names are permuted at random; not where `concentration` tells the components apart. Rows that are
      equal, and `counts`, are one row whose c units are shared out among the components: c! / (c_1! ... c_K!) labellings at once.
    - At most 2**22 = 4,194,304 labellings are summed: K = 2 up to 23 different rows, K = 3 up to 15, K = 4 or 5 up to 13 and 12.
    - A cell that was not observed is left out where features are independent given the label; a row without any cell says nothing
      of theta. Full and tied covariances have no closed form with empty cells: refused, with K = 1 too.

    References
    ----------
    - Fruehwirth-Schnatter, S. (2006). Finite Mixture and Markov Switching Models. Springer, section 5.3.
    - Nobile, A. (2007). Bayesian finite mixtures: a note on prior specification and posterior computation. Technical report
      05-3, University of Glasgow; arXiv:0711.0458.
    """

    kind: ClassVar[str] = "exact"
    estimate: ClassVar[Estimate] = "sample"
    revision: ClassVar[int] = 1
    packages: ClassVar[tuple[str, ...]] = ("numpy", "scipy", "numba")
    compiles: ClassVar[bool] = False

    chains: Annotated[int, Ge(1)] = 4
    draws: Annotated[int, Ge(1)] = 1000

    def __post_init__(self) -> None:
        check_options(self)

    def refuses(self, problem: Problem) -> str | None:
        """No prior, one that is not conjugate, cells without a closed form, or more labellings than are summed."""
        if problem.prior is None:
            return problem.no_prior
        if not problem.prior.conjugate:
            return "exact needs a conjugate prior: under one of kind independent p(x, labels) has no closed form; use gibbs"
        if (reason := problem.family.no_closed_form(problem.data)) is not None:
            return reason
        data, n_components = problem.data, problem.n_components
        if not data.counts_are_whole:
            return "exact shares out each row's units and the counts are not whole numbers; use nuts"
        if n_components > MOST_COMPONENTS:
            return f"exact sums over labellings of at most {MOST_COMPONENTS} components, and there are {n_components}; use gibbs"
        enumeration = Enumeration.of(problem)
        if how_many(enumeration.units, n_components, enumeration.symmetric, MOST) <= MOST:
            return None
        return (
            f"exact sums at most {MOST:,} labellings, and {enumeration.units.size} different rows with {n_components} components have "
            "more; fit fewer rows or components, or use gibbs"
        )

    def fit(self, problem: Problem, context: Context | None = None) -> Fit:
        """Sum all labellings, then draw.

        Raises
        ------
        ValueError
            If the problem is refused.
        """
        context = context or Context.default(problem)
        if (reason := self.refuses(problem)) is not None:
            raise ValueError(reason)
        with context.clock("run"):
            enumeration = Enumeration.of(problem)
            log_weights = enumeration.log_weights(lambda done: context.progress("summing labellings", done))
            top = log_weights.max()
            log_evidence = float(top + np.log(np.exp(log_weights - top).sum()))
            rng = np.random.default_rng(context.noise_seed(0))
            draws = enumeration.sample(rng, self.chains * self.draws, log_weights).reshaped(self.chains, self.draws)
            log_likelihood, log_posterior = densities(problem, draws, context.threads)
        return Fit.sample(
            draws,
            kind=self.kind,
            family=problem.family,
            log_likelihood=log_likelihood,
            log_posterior=log_posterior,
            objective_name="log_posterior",
            status=Status.SAMPLED,
            seconds=context.clock.seconds,
            options=dataclasses.asdict(self),
            evidence=(Evidence("exact", log_evidence, 0.0),),
        )
