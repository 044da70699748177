"""NUTS: the option class; models, compilation and chains are in the files beside it."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Lt

from workbench.fit import Estimate, Fit, Status
from workbench.inference.advice import Advice
from workbench.inference.densities import densities
from workbench.inference.em.begin import unbegun
from workbench.inference.evidence import sampled
from workbench.inference.method import Context
from workbench.inference.options import check_options
from workbench.inference.pymc.choices import Likelihood, chosen, refusal
from workbench.inference.pymc.toolchain import captured
from workbench.problem import Problem

if TYPE_CHECKING:
    from workbench.inference.em.apart import Places
    from workbench.inference.pymc.chains import Chains, Settings
    from workbench.inference.pymc.posterior import Posterior

Init = Literal["random_rows", "random_responsibilities", "kmeans++", "prior", "em"]


@dataclass(frozen=True)
class NUTS:
    """The No-U-Turn sampler (Hoffman & Gelman 2014) over the coordinates of PyMC's model, labels summed out.

    Parameters
    ----------
    chains : number of chains
    draws : kept draws of each chain
    tune : warm-up draws of each chain, which are not kept; 400, as nutpie's own default: it adapts from gradients as well as from draws
        and needs fewer than the 1000 of PyMC's sampler, which ``sampler: pymc`` may want
    init : kind of start, drawn for chain i by the i-th start seed, as other methods' starts are; ``em``, the default: chains in turn at
        the different optima of MAP-EM that hold a twentieth of the posterior or more, by the normal about each; without an interior
        mode (a concentration below 1) the default is ``random_rows``
    sampler : ``nutpie``, or PyMC's own
    target_accept : mean acceptance that the step size is tuned to
    max_treedepth : a trajectory has at most 2**max_treedepth - 1 steps
    likelihood : ``op`` (the density of PyMC's model compiled here, around the E step), ``graph`` (PyMC's own), or the family's default

    Notes
    -----
    - Target: p(u | x), proportional to p(x | theta(u)) p(theta(u)) |d theta / d u|, over unconstrained coordinates u, labels summed out.
    - A chain that begins in a basin of little mass may never leave it and would count for as much as the others: from random rows a
      chain in four did so on the galaxies, K = 3, at a mode of a thousandth of the posterior. So chains begin where the mass is, and
      R-hat tells whether the basins they began in agree.
    - From there nutpie moves in v with u = L v, L L' the covariance of the normal about the chain's optimum, and begins at a draw of it:
      the posterior is the same, and less stretched (with many rows it is narrow and its coordinates correlated), which costs fewer steps.
    - No label order is forced: chains may call components differently, and are aligned afterwards.
    - log p(x) by bridge sampling (Meng & Wong 1996) between the draws and a proposal made of others of them, and by importance
      sampling from that: p(theta | x, z) averaged over labels z drawn given some of the draws (Lee & Robert 2016) and over the
      labellings, with parts about modes that EM finds, and places with empty components, where no chain has been. Without a closed form
      (kind: independent, above four components, broken counts) the proposal is a mixture of t densities fitted to the draws. What
      denies an estimate stands beside it: chains that disagree, no overlap, a part of the posterior that no chain has visited.
    - The gradient of log p(x | theta) is that of EM's expected complete log likelihood with its statistics held fixed (Fisher's
      identity): the compiled E step gives value and gradient in one pass. PyMC's priors and transforms are compiled with it, and the
      whole is held to PyMC's graph in value and gradient by tests; nutpie calls it without PyTensor, and no model is built.

    References
    ----------
    - Hoffman, M. D. & Gelman, A. (2014). The No-U-Turn sampler: adaptively setting path lengths in Hamiltonian Monte Carlo. Journal
      of Machine Learning Research 15, 1593-1623.
    - Lee, J. E. & Robert, C. P. (2016). Importance sampling schemes for evidence approximation in mixture models. Bayesian Analysis
      11, 573-597.
    - Meng, X.-L. & Wong, W. H. (1996). Simulating ratios of normalizing constants via a simple identity: a theoretical exploration.
      Statistica Sinica 6, 831-860.
    - Stephens, M. (2000). Dealing with label switching in mixture models. Journal of the Royal Statistical Society B 62, 795-809.
    """

    kind: ClassVar[str] = "nuts"
    estimate: ClassVar[Estimate] = "sample"
    revision: ClassVar[int] = 10
    packages: ClassVar[tuple[str, ...]] = ("numpy", "numba", "pytensor", "pymc", "nutpie")
    compiles: ClassVar[bool] = True

    chains: Annotated[int, Ge(1)] = 4
    draws: Annotated[int, Ge(1)] = 1000
    tune: Annotated[int, Ge(1)] = 400
    init: Init | None = None
    sampler: Literal["nutpie", "pymc"] = "nutpie"
    target_accept: Annotated[float, Gt(0), Lt(1)] = 0.8
    max_treedepth: Annotated[int, Ge(1)] = 10
    likelihood: Likelihood | None = None

    def __post_init__(self) -> None:
        check_options(self)

    def refuses(self, problem: Problem) -> str | None:
        return refusal(problem, self.likelihood) or (None if self.init is None else unbegun(problem, self.init))

    def fit(self, problem: Problem, context: Context | None = None) -> Fit:
        """Compile, unless this process has compiled the same family, K and D before; then sample."""
        context = context or Context.default(problem)
        if (reason := self.refuses(problem)) is not None:
            raise ValueError(reason)
        from workbench.inference.em.apart import chain_starts

        with context.clock("run"):
            places = chain_starts(problem, self.init, self.chains, context)
        with captured() as messages:
            chains = self._run(problem, context, places)
        return self._report(problem, context, chains, (*messages, *places.said), climbed=places.factors is not None)

    def _run(self, problem: Problem, context: Context, places: Places) -> Chains:
        if self.sampler == "pymc":
            return self._run_pymc(problem, context, places)
        context.progress("compiling", math.nan)
        with context.clock("compile"):
            from workbench.inference.pymc import chains

            posterior = self._posterior(problem)
        context.progress("sampling", 0.0)
        with context.clock("run"):
            return chains.sample(posterior, places, self._settings(context), lambda fraction: context.progress("sampling", fraction))

    def _posterior(self, problem: Problem) -> Posterior:
        if chosen(problem, self.likelihood) == "op":
            from workbench.inference.pymc.posterior import posterior
        else:
            from workbench.inference.pymc.density import posterior
        return posterior(problem)

    def _run_pymc(self, problem: Problem, context: Context, places: Places) -> Chains:
        context.progress("compiling", math.nan)
        with context.clock("compile"):
            from workbench.inference.pymc import own_sampler
            from workbench.inference.pymc.model import build

            model, settings = build(problem, self.likelihood), self._settings(context)
            step = own_sampler.step_of(model, settings)
        context.progress("sampling", 0.0)
        with context.clock("run"):
            return own_sampler.sample(model, places.u, settings, step)

    def _settings(self, context: Context) -> Settings:
        from workbench.inference.pymc.chains import Settings

        return Settings(
            draws=self.draws,
            tune=self.tune,
            target_accept=self.target_accept,
            max_treedepth=self.max_treedepth,
            seeds=tuple(context.noise_seed(i) % 2**32 for i in range(self.chains)),  # as PyMC's generators take them
            cores=max(1, context.threads),
        )

    def _report(self, problem: Problem, context: Context, chains: Chains, messages: tuple[str, ...], climbed: bool) -> Fit:
        with context.clock("run"):
            mixture = problem.target().mixture(chains.u)
            log_likelihood, log_posterior = densities(problem, mixture, context.threads, at_hand=climbed)
            evidence = sampled(problem, mixture, context, noise=self.chains, log_posterior=log_posterior, advice=Advice.of(self, problem))
        return Fit.sample(
            mixture,
            kind=self.kind,
            family=problem.family,
            log_likelihood=log_likelihood,
            log_posterior=log_posterior,
            objective_name="log_posterior",
            status=Status.SAMPLED,
            seconds=context.clock.seconds,
            options=dataclasses.asdict(self),
            sample_stats=chains.statistics,
            evidence=evidence,
            messages=messages,
        )
