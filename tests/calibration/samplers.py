"""Samplers whose fault, if any, is known."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from workbench.fit import Estimate, Fit, Status
from workbench.inference.method import Context
from workbench.models import Mixture, Prior
from workbench.problem import Problem

DRAWS = 99
Fault = Literal["none", "narrow", "wide", "prior", "mode", "recomputed"]


@dataclass(frozen=True)
class OneComponent:
    """K = 1: independent draws from the conjugate posterior, or with one fault.

    Parameters
    ----------
    fault : ``narrow``, ``wide``: a fifth less, or a quarter more, spread about the mean in unconstrained coordinates; ``prior``: draws of
        the prior; ``mode``: the mode again and again; ``recomputed``: under the default prior of the rows that are fitted
    """

    kind: ClassVar[str] = "one_component"
    estimate: ClassVar[Estimate] = "sample"
    revision: ClassVar[int] = 1
    packages: ClassVar[tuple[str, ...]] = ("numpy",)
    compiles: ClassVar[bool] = False

    fault: Fault = "none"

    def refuses(self, problem: Problem) -> str | None:
        return None if problem.n_components == 1 else "K is not 1"

    def fit(self, problem: Problem, context: Context | None = None) -> Fit:
        context = context or Context.default(problem)
        rng = np.random.default_rng(context.noise_seed(0))
        if self.fault == "recomputed":
            problem = Problem(problem.data, problem.family, 1)
        draws = self._draws(problem, rng)
        log_likelihood = problem.log_likelihood(draws)
        return Fit.sample(
            draws.reshaped(1, DRAWS),
            kind=self.kind,
            family=problem.family,
            log_likelihood=log_likelihood[None],
            log_posterior=(log_likelihood + problem.log_prior(draws))[None],
            objective_name="log_posterior",
            status=Status.SAMPLED,
            seconds={"compile": 0.0, "run": 0.0},
            options=dataclasses.asdict(self),
        )

    def _draws(self, problem: Problem, rng: np.random.Generator) -> Mixture:
        assert problem.prior is not None
        if self.fault == "prior":
            return problem.prior.sample(rng, (DRAWS,))
        shares = np.ones((DRAWS, problem.data.n_rows, 1)) * problem.data.counts[:, None]
        posterior: Prior = problem.prior.posterior(problem.family.statistics(problem.data, shares))
        if self.fault == "mode":
            return posterior.mode()
        draws = posterior.sample(rng, (DRAWS,))
        spread = {"narrow": 0.8, "wide": 1.25}.get(self.fault)
        if spread is None:
            return draws
        u = problem.prior.flatten(draws)[0]
        return problem.prior.unflatten(u.mean(axis=0) + spread * (u - u.mean(axis=0)))[0]
