"""The log evidence of one problem under another prior than the run's: along a path of priors, else by SMC; and what bounds it."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from workbench.compare.sensitivity.changes import between
from workbench.compare.sensitivity.path import Journey, journey
from workbench.fit import Evidence, Fit
from workbench.inference import SMC, VBEM, Gibbs
from workbench.inference.advice import listed
from workbench.inference.method import Context, seed_of
from workbench.models import Mixture, Prior
from workbench.problem import Problem

MOST_CELLS = 6_000
"""Cells of data times components up to which a path takes seconds."""
MOST_DIRECT = 1_200
"""The same of SMC from the prior on, which takes ten times as long."""
WIDER = 4
"""Times as many particles where islands differ too much at first."""
MORE_ISLANDS = 4
"""The same of SMC's islands, if that is still a matter of seconds."""
RESTARTS = 20
"""Of variational Bayes under the other prior, whose ELBO is a bound."""
ERRORS = 3.0
"""By which an estimate may be below a bound."""
LARGEST_ERROR = 0.25
"""Nats beyond which a log evidence is not called known."""
ADVICE = "to know, run the sweep with this row's numbers in `model: {prior: ...}` and `smc: {chains: 64}`"


@dataclass(frozen=True, eq=False)
class Base:
    """From where the evidence under another prior is looked for.

    Attributes
    ----------
    problem : under the run's prior
    given : method and estimate of the log evidence there; None where it is not known
    draws_of : label and draws of a fit that stands for the posterior; None without one
    sampled : whether the cell has a sampler at all, and so seconds may be spent
    why : why there is no path; empty if there is
    """

    problem: Problem
    given: tuple[str, Evidence] | None
    draws_of: tuple[str, Mixture] | None
    sampled: bool
    why: str

    @classmethod
    def of(cls, problem: Problem, fits: Mapping[str, Fit], given: tuple[str, Evidence] | None) -> Base:
        samples = {label: fit for label, fit in fits.items() if fit.estimate == "sample"}
        label = next((each for each in (given[0] if given else "", *samples) if each in samples and _believed(samples[each])), None)
        if given is None:
            why = "the log evidence under the prior as given is not known"
        elif (reason := Gibbs().refuses(problem)) is not None:
            why = reason
        elif _cells(problem) > MOST_CELLS:
            why = f"{problem.data.n_rows} rows of {problem.data.n_features} features and K = {problem.n_components} are too many for tables"
        else:
            why = "" if label else _distrusted(samples)
        draws = samples[label].draws if label and not why else None
        return cls(problem, given, None if label is None or draws is None else (label, draws), bool(samples), why)

    @property
    def cells(self) -> int:
        """Of data, times components: what the time goes by."""
        return _cells(self.problem)

    @property
    def worth_it(self) -> bool:
        """Whether anything is looked for that takes seconds."""
        return self.draws_of is not None or self._direct

    @property
    def _direct(self) -> bool:
        return self.sampled and self.cells <= MOST_DIRECT and SMC().refuses(self.problem) is None

    def at_once(self, other: Prior) -> Under | None:
        """What takes no time to tell: as given where the other prior is the same, or why nothing is looked for; else None."""
        assert self.problem.prior is not None
        if other.numbers() == self.problem.prior.numbers() and self.given is not None:
            return Under(self.given[1], named(*self.given), Evidence("same", 0.0, 0.0))
        return None if self.worth_it else Under(why=self.why)

    def under(self, other: Prior) -> Under:
        """The log evidence under another prior: by a path, by SMC, or why it is not known."""
        if (told := self.at_once(other)) is not None:
            return told
        bound, denied = bound_of(self.problem, other), []
        for attempt in (self._by_path, self._by_smc):
            found = attempt(other)
            if found.evidence is None:
                denied += [found.why] if found.why else []
            elif denial := _denial(found, bound):
                denied.append(f"{found.by} gives {found.evidence.log_evidence:.2f} ± {found.evidence.mcse:.2f}, not trusted: {denial}")
            else:
                return dataclasses.replace(found, bound=bound)
        return Under(why="; ".join(denied), bound=bound)

    def _by_path(self, other: Prior) -> Under:
        if self.draws_of is None or self.given is None:
            return Under(why=self.why)
        try:
            change = _change(self.problem, self.draws_of[1], other)
        except (FloatingPointError, np.linalg.LinAlgError) as error:
            return Under(why=f"the path to the other prior failed ({error})")
        given = self.given[1]
        total = dataclasses.replace(change, log_evidence=given.log_evidence + change.log_evidence, mcse=math.hypot(given.mcse, change.mcse))
        return Under(total, f"path from {self.draws_of[0]}", change)

    def _by_smc(self, other: Prior) -> Under:
        if not self._direct:
            return Under()
        there = Problem(self.problem.data, self.problem.family, self.problem.n_components, other)
        try:
            found = _by_islands(there, SMC())
            if not found.trusted and _cells(there) * MORE_ISLANDS <= MOST_DIRECT:
                found = _by_islands(there, SMC(chains=SMC().chains * MORE_ISLANDS))
        except (FloatingPointError, np.linalg.LinAlgError) as error:
            return Under(why=f"smc under the other prior failed ({error})")
        if self.given is None:
            return Under(found, "smc")
        given = self.given[1]
        change = Evidence("smc", found.log_evidence - given.log_evidence, math.hypot(found.mcse, given.mcse))
        return Under(found, "smc", change)


@dataclass(frozen=True, eq=False)
class Under:
    """What is known of the log evidence under another prior.

    Attributes
    ----------
    evidence : the log evidence; None where it is not known
    by : what it is by
    change : of the log evidence, with its own error
    bound : an ELBO under the other prior
    why : why it is not known
    advice : what to do then
    """

    evidence: Evidence | None = None
    by: str = ""
    change: Evidence | None = None
    bound: float = math.nan
    why: str = ""
    advice: str = ADVICE


def _by_islands(problem: Problem, method: SMC) -> Evidence:
    return method.fit(problem, dataclasses.replace(Context.default(problem), estimates=False)).evidence[0]


def named(label: str, found: Evidence) -> str:
    """`bridge of gibbs`; of a method of the estimator's own name that alone."""
    return label if label == found.estimator else f"{found.estimator} of {label}"


def change_of(problem: Problem, draws: Mixture, other: Prior, seed: int = 0, wider: int = 1) -> Journey:
    """log p(x | other prior) - log p(x | the problem's), from draws of the posterior on."""
    rng = np.random.default_rng(seed_of("prior", seed, problem.data.fingerprint, problem.family, problem.n_components))
    return journey(problem, draws, functools.partial(between, problem, other), rng, wider)


def bound_of(problem: Problem, other: Prior) -> float:
    """The best ELBO of variational Bayes under another prior, labels in q, which is below log p(x); nan where there is none."""
    there = Problem(problem.data, problem.family, problem.n_components, other)
    method = VBEM(restarts=RESTARTS, draws=2)
    if method.refuses(there) is not None:
        return math.nan
    try:
        fit = method.fit(there, dataclasses.replace(Context.default(there), estimates=False))
    except (FloatingPointError, np.linalg.LinAlgError):
        return math.nan  # no restart has an ELBO: there is nothing to be held to
    return next((each.log_evidence for each in fit.evidence if each.estimator == "elbo_labels"), math.nan)


def _change(problem: Problem, draws: Mixture, other: Prior) -> Evidence:
    """By a path, by a wider one where islands differ too much; its note says why it is not known."""
    found = change_of(problem, draws, other)
    if not found.lags and (not found.evidence.trusted or found.evidence.mcse > LARGEST_ERROR):
        found = change_of(problem, draws, other, wider=WIDER)
    return found.evidence


def _denial(found: Under, bound: float) -> str:
    """Why an estimate is not called known; empty if it is."""
    assert found.evidence is not None
    value, error = found.evidence.log_evidence, found.evidence.mcse
    if not found.evidence.trusted:
        return found.evidence.note
    if value < bound - ERRORS * error - 1e-9 * abs(value):
        return f"it is below the ELBO of vbem, {bound:.2f}"
    return "" if error <= LARGEST_ERROR else f"its error is above {LARGEST_ERROR} nats"


def _believed(fit: Fit) -> bool:
    """Whether draws stand for the posterior: an estimate that rests on their own shares of it is trusted (importance sampling needs no
    shares)."""
    return any(each.trusted for each in fit.evidence if each.estimator != "importance")


def _distrusted(samples: Mapping[str, Fit]) -> str:
    """Which estimates of which samples are not trusted, so that their draws are no base."""
    denied = [named(label, each) for label, fit in samples.items() for each in fit.evidence if each.estimator != "importance"]
    if not denied:
        return "no method here has draws from the posterior and an evidence that is trusted; add gibbs, nuts or smc"
    return f"no draws to start from, as {listed(denied)} {'is' if len(denied) == 1 else 'are'} not trusted"


def _cells(problem: Problem) -> int:
    return problem.data.x.size * problem.n_components
