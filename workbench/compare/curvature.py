"""Curvature at a fit's optima: which are local maxima, and standard errors of the point (statistics, section 3; Louis 1982)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from workbench.compare.optima import Optimum
from workbench.fit import Fit
from workbench.inference.leave_one_out import MOST_PARAMETERS
from workbench.models import Mixture, Prior
from workbench.models.information import Information, observed_information
from workbench.problem import Problem

MOST_OPTIMA = 50
"""Optima whose curvature is looked at, best first."""
BUDGET = 2e10
"""Multiplications for the curvature of all optima of a fit: some ten seconds."""


@dataclass(frozen=True, eq=False)
class Curvature:
    """Observed information of a point fit.

    Attributes
    ----------
    optima : number of an optimum -> information there; for those that were looked at
    point : at the reported point, or None
    reason : why there is none; empty if there is
    """

    optima: Mapping[int, Information] = field(default_factory=dict)
    point: Information | None = None
    reason: str = ""

    def is_maximum(self, number: int) -> bool | None:
        """Whether an optimum is a local maximum; None where that is undecided, or was not looked at."""
        return self.optima[number].is_maximum if number in self.optima else None

    @property
    def standard_errors(self) -> Mapping[str, np.ndarray] | None:
        """By parameter, in the point's own labels."""
        return None if self.point is None else self.point.standard_errors()

    @property
    def saddles(self) -> list[int]:
        return [number for number, information in self.optima.items() if information.is_maximum is False]


def curvature(problem: Problem, fit: Fit, found: list[Optimum]) -> Curvature:
    """The observed information at the reported point of a point fit and at its best optima, singular ones left out."""
    if fit.estimate != "point":
        return Curvature(reason="")
    if problem.n_parameters > MOST_PARAMETERS:
        return Curvature(reason=f"there are more than {MOST_PARAMETERS} parameters, so second derivatives are not worked out")
    prior = problem.prior if fit.maximises == "posterior" else None
    at = {} if fit.restarts is None or fit.restarts.polished is None else _at_optima(problem, fit.restarts.polished, found, prior)
    if fit.draws is None:
        return Curvature(at, reason="there is no point")
    best = None if not at or fit.restarts is None or fit.restarts.polished is None else fit.restarts.polished.take(found[0].restarts[0])
    same = best is not None and 0 in at and _equal(best, fit.mixture)
    return Curvature(at, at[0] if same else observed_information(fit.mixture, problem.data, prior))


def why_no_errors(curved: Curvature) -> str:
    """Why a point has no standard errors, in words; empty where it has them."""
    if curved.point is None:
        return curved.reason
    if curved.point.is_maximum:
        return ""
    if curved.point.is_maximum is False:
        return "the point is a saddle, not a maximum"
    if not curved.point.stationary:
        return "the point is not where the log likelihood, or log posterior, is flat: this method stops elsewhere, or stopped early"
    if curved.point.lost:
        return "a component has weight 0, and nothing determines its parameters"
    return "the curvature is zero in some direction: the data do not determine all parameters"


def _at_optima(problem: Problem, polished: Mixture, found: list[Optimum], prior: Prior | None) -> dict[int, Information]:
    each = float(problem.data.n_rows) * problem.n_parameters**2
    most = min(MOST_OPTIMA, max(1, int(BUDGET / max(each, 1.0))))
    chosen = [number for number, optimum in enumerate(found) if not optimum.singular][:most]
    with np.errstate(all="ignore"):  # a partition may have a part that has no density
        chosen = [number for number in chosen if np.isfinite(problem.log_likelihood(polished.take(found[number].restarts[0])))]
    return {number: observed_information(polished.take(found[number].restarts[0]), problem.data, prior) for number in chosen}


def _equal(first: Mixture, second: Mixture) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first.parameters().values(), second.parameters().values(), strict=True))
