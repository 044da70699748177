"""Trial: one replicate fitted, and where its truth stands among the draws, or within the intervals, of the fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workbench.compare.calibration.coverage import covered
from workbench.compare.calibration.quantities import quantities
from workbench.compare.calibration.replicate import replicate
from workbench.fit import Fit
from workbench.inference.advice import Advice
from workbench.inference.evidence.pareto import FEWEST_DRAWS, array_statistics
from workbench.inference.method import seed_of
from workbench.models import Mixture
from workbench.models.mixture import gathered
from workbench.problem import Problem

DRAWS = 99
"""Draws that a rank is taken among, at most: ranks are 0 to 99."""

Fitting = Callable[[Problem], Fit]


@dataclass(frozen=True)
class Trial:
    """How one replicate went.

    Attributes
    ----------
    replicate : its number; replicate i of a seed is the same for every method
    failure : why there is no fit; empty if there is one
    ranks : quantity -> how many of ``n_draws`` draws are below the truth, ties broken at random; of a method that gives draws
    n_draws : draws that ranks are taken among
    effective : effective sample size of the chains by their log likelihood or log posterior, the smaller one; None where draws are
        independent, or too few to tell
    covered : parameter -> whether its 95 % interval holds the truth, None where it has none; of a point
    """

    replicate: int
    failure: str = ""
    ranks: Mapping[str, int] = field(default_factory=dict)
    n_draws: int = 0
    effective: float | None = None
    covered: Mapping[str, bool | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Trials:
    """The trials of one method.

    Attributes
    ----------
    estimate : what the method gives
    wanted : how many replicates there were to be
    advice : what can be changed about the method
    done : those that were fitted, or could not be
    lost : why others were not even tried, such as a process that died
    """

    estimate: str
    wanted: int
    advice: Advice
    done: tuple[Trial, ...] = ()
    lost: tuple[str, ...] = ()

    @property
    def fitted(self) -> tuple[Trial, ...]:
        return tuple(trial for trial in self.done if not trial.failure)


def trial(problem: Problem, fitting: Fitting, seed: int, number: int) -> Trial:
    """Draw replicate ``number`` of ``problem``, fit it by ``fitting``, and look where its truth stands.

    The replicate is made from (seed, number) alone. What goes wrong in fitting is a failure, and no exception.
    """
    truth, made = replicate(problem, np.random.default_rng(seed_of("replicate", seed, number)))
    try:
        fit = fitting(made)
    except Exception as error:
        said = " ".join(str(error).strip().partition("\n")[0].split()) or "no reason given"
        return Trial(number, f"{type(error).__name__}: {said[:300]}")
    if fit.estimate == "point":
        return Trial(number, covered=covered(made, truth, fit))
    assert fit.draws is not None  # only a point may have none
    rng = np.random.default_rng(seed_of("ties", seed, number))
    draws = thinned(fit.draws)
    return Trial(number, ranks=ranks(made, truth, draws, rng), n_draws=draws.batch_shape[0], effective=_effective(fit))


def thinned(draws: Mixture) -> Mixture:
    """At most ``DRAWS`` of the draws (chain, draw), evenly spread over the chains one after the other; batch (S,)."""
    total = int(np.prod(draws.batch_shape))
    size = min(DRAWS, total)
    return draws.reshaped(total).take(((np.arange(size) + 0.5) * total / size).astype(int))


def ranks(problem: Problem, truth: Mixture, draws: Mixture, rng: np.random.Generator) -> dict[str, int]:
    """How many draws (S,) are below the truth in each label-invariant quantity; those equal to it are below with even chances.

    All S + 1 are evaluated together, so that rounding treats them alike.
    """
    found = {}
    for name, values in quantities(problem, gathered([truth.reshaped(1), draws])).items():
        known = np.where(np.isnan(values), -np.inf, values)
        own, others = known[0], known[1:]
        found[name] = int((others < own).sum()) + int(rng.integers(int((others == own).sum()) + 1))
    return found


def _effective(fit: Fit) -> float | None:
    chains: Any = (fit.log_likelihood, fit.log_posterior)
    if fit.estimate != "sample" or fit.log_likelihood.shape[1] < FEWEST_DRAWS:
        return None
    moving = [values for values in chains if np.isfinite(values).all() and np.ptp(values) > 0]
    return min((float(array_statistics().ess(values, chain_axis=0, draw_axis=1)) for values in moving), default=None)
