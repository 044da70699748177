"""Gibbs: the option class; a sweep is in the file beside it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge

from workbench.fit import Estimate, Fit, Status
from workbench.inference.advice import Advice
from workbench.inference.densities import densities
from workbench.inference.em.begin import unbegun
from workbench.inference.evidence import sampled
from workbench.inference.gibbs.augmentation import Augmented, relabelled, sweep
from workbench.inference.method import Context
from workbench.inference.options import check_options
from workbench.models import Mixture
from workbench.models.mixture import combined
from workbench.models.shapes import Coordinates
from workbench.problem import Problem

Init = Literal["random_rows", "random_responsibilities", "kmeans++", "prior", "em"]


@dataclass(frozen=True)
class Gibbs:
    """Gibbs sampling by data augmentation: labels given the parameters, then the parameters given the labels (Diebolt & Robert 1994).

    It shares nothing with the gradient samplers but the prior: a second opinion on the same posterior. A chain moves row by row,
    so it may stay in one basin of the posterior for longer than it runs.

    Parameters
    ----------
    chains : number of chains
    draws : kept draws of each chain
    tune : sweeps of each chain before them, which are not kept
    thin : sweeps for each kept draw
    init : kind of start, drawn for chain i by the i-th start seed; ``em``, the default: chains in turn at the different optima of MAP-EM
        that hold a twentieth of the posterior or more, by the normal about each; without an interior mode (a concentration below 1)
        the default is ``random_rows``
    relabel : permute the components of each chain at random after every sweep, so that all K! copies of the posterior are visited
        alike; without it a chain keeps its names for as long as it happens to, which suits trace plots

    Notes
    -----
    - z_n | theta ~ Categorical(r_n), r_nk = p(z_n = k | x_n, theta) over the observed cells; theta | z ~ the prior updated by the
      statistics of the labelled rows, in closed form.
    - A chain that begins in a basin of little mass may never leave it and would count for as much as the others: from random rows one
      of ten runs on the galaxies, K = 3, had chains that agreed on the log density (R-hat below 1.01), from optima all ten. So chains
      begin where the mass is, and R-hat tells whether the basins they began in agree, not what is in others. Where basins are hard
      to leave, starts in several show that: on Old Faithful, K = 3, R-hat is below 1.01 no more often than from random rows.
    - Missing cells: independent features leave them out. Full and tied covariances draw them given the label, theta and the cells
      that were seen, z_n and the cells in one step, so that complete rows update the prior. A row without any cell says nothing of
      theta and is left out.
    - `counts`: a row that counts c times is c rows with a label each: their numbers by component are Multinomial(c, r_n). A row
      with cells to be drawn is c rows in full, each with cells of its own. Equal rows are drawn together.
    - Relabelling leaves the posterior as it is, since neither likelihood nor prior knows names; where `concentration` differs by
      component it is accepted with probability min(1, prior ratio). Labels are aligned after sampling.
    - log p(x) by bridge sampling (Meng & Wong 1996) between the draws and a proposal made of others of them, and by importance
      sampling from that: p(theta | x, z) averaged over labels z drawn given some of the draws (Lee & Robert 2016) and over the
      labellings, with parts about modes that EM finds, and places with empty components, where no chain has been. Without a closed form
      (kind: independent, above four components, broken counts) the proposal is a mixture of t densities fitted to the draws. What
      denies an estimate stands beside it: chains that disagree, no overlap, a part of the posterior that no chain has visited.

    References
    ----------
    - Diebolt, J. & Robert, C. P. (1994). Estimation of finite mixture distributions through Bayesian sampling. Journal of the Royal
      Statistical Society B 56, 363-375.
    - Fruehwirth-Schnatter, S. (2001). Markov chain Monte Carlo estimation of classical and dynamic switching and mixture models.
      Journal of the American Statistical Association 96, 194-209 (random permutations).
    - Lee, J. E. & Robert, C. P. (2016). Importance sampling schemes for evidence approximation in mixture models. Bayesian Analysis
      11, 573-597.
    - Meng, X.-L. & Wong, W. H. (1996). Simulating ratios of normalizing constants via a simple identity: a theoretical exploration.
      Statistica Sinica 6, 831-860.
    - Tanner, M. A. & Wong, W. H. (1987). The calculation of posterior distributions by data augmentation. Journal of the American
      Statistical Association 82, 528-540.
    """

    kind: ClassVar[str] = "gibbs"
    estimate: ClassVar[Estimate] = "sample"
    revision: ClassVar[int] = 7
    packages: ClassVar[tuple[str, ...]] = ("numpy", "scipy", "numba")
    compiles: ClassVar[bool] = False

    chains: Annotated[int, Ge(1)] = 4
    draws: Annotated[int, Ge(1)] = 1000
    tune: Annotated[int, Ge(0)] = 1000
    thin: Annotated[int, Ge(1)] = 1
    init: Init | None = None
    relabel: bool = True

    def __post_init__(self) -> None:
        check_options(self)

    def refuses(self, problem: Problem) -> str | None:
        """No prior, a start that there is not, or counts that are no numbers of rows."""
        if problem.prior is None:
            return problem.no_prior
        if not problem.data.counts_are_whole:
            return "gibbs draws a label for each row and the counts are not whole numbers; use nuts"
        return None if self.init is None else unbegun(problem, self.init)

    def fit(self, problem: Problem, context: Context | None = None) -> Fit:
        """Run all chains side by side.

        Raises
        ------
        ValueError
            If the problem is refused.
        FloatingPointError
            If a draw gives a row no density.
        """
        context = context or Context.default(problem)
        if (reason := self.refuses(problem)) is not None:
            raise ValueError(reason)
        from workbench.inference.em.apart import chain_starts

        with context.clock("run"):
            places = chain_starts(problem, self.init, self.chains, context)
            draws = self._sample(problem, places.u, context)
            log_likelihood, log_posterior = densities(problem, draws, context.threads)
            evidence = sampled(problem, draws, context, noise=1, log_posterior=log_posterior, advice=Advice.of(self, problem))
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
            evidence=evidence,
            messages=places.said,
        )

    def _sample(self, problem: Problem, u: Coordinates, context: Context) -> Mixture:
        """Kept draws (chain, draw) of chains that begin at u (chain, dim)."""
        assert problem.prior is not None  # refused before
        mixture, rows = problem.prior.unflatten(u)[0], Augmented.of(problem)
        rng, kept = np.random.default_rng(context.noise_seed(0)), []
        sweeps = self.tune + self.draws * self.thin
        for i in range(1, sweeps + 1):
            mixture = sweep(mixture, rows, problem.prior, rng)
            if self.relabel:
                mixture = relabelled(mixture, problem.prior, rng)
            if i > self.tune and (i - self.tune) % self.thin == 0:
                kept.append(mixture)
            if i % 100 == 0:
                context.progress("sampling", i / sweeps)
        return combined(kept, lambda arrays: np.stack(arrays, axis=1))
