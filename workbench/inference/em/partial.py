"""Generalised EM: an M step that only goes uphill, by one step from gradients (Dempster, Laird & Rubin 1977, section 1; Lange 1995)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from workbench.inference.em.scheme import PARTIAL, Iteration, Steps
from workbench.inference.em.starts import interior
from workbench.inference.line_search import backtracked
from workbench.inference.newton import newton
from workbench.models import Mixture, Statistics
from workbench.models.mixture import numbered
from workbench.models.shapes import Coordinates

FARTHEST = 36.0
"""A logit that stands for an infinite one: 1 - p is then of the order of the last digit of 1."""


MStepName = Literal["exact", "gradient"]


def moving(m_step: MStepName, start: Mixture, steps: Steps) -> tuple[Mixture, Steps]:
    """Start and steps of the M step ``m_step``; a gradient step could not leave a probability of 0 or 1, so it starts near it."""
    if m_step == "exact":
        return start, steps
    partial = PartialSteps(steps.problem, steps.prior, steps.engine)
    return partial.chart.unflatten(interior(partial.chart, start))[0], partial


@dataclass(frozen=True, eq=False)
class PartialSteps(Steps):
    """EM's steps with a partial M step: one step uphill on E_q log p(x, z | theta) (+ log p(theta)) in unconstrained coordinates.

    Its direction is Newton's, as far as a few gradients show it (Lange 1995 has it whole, and shows that near an optimum such
    steps shrink as EM's own do); it is shortened until the function rises (Armijo's rule). So the bound rises in both half steps,
    and with it the objective: whatever maps such steps to steps and never falls, as the accelerations do, may be put on top.
    Nothing is remembered from one step to the next, and no step costs anything by row.
    """

    def evaluate(self, *arguments: Any, **options: Any) -> Iteration:
        """As EM's, reached by an M half step that is none of EM's own."""
        return super().evaluate(*arguments, **options).led(PARTIAL)

    def maximise(self, iteration: Iteration) -> Mixture:
        """A step uphill, or the mixture itself where none rises."""
        statistics, current = iteration.expectation.statistics, iteration.mixture
        with np.errstate(all="ignore"):
            u = np.nan_to_num(self.chart.flatten(current)[0], nan=0.0, posinf=FARTHEST, neginf=-FARTHEST)
            slope = self._slope(u, statistics)
            direction = newton(lambda there: self._slope(there, statistics), u, slope)
            rise = (slope * direction).sum(axis=-1)
            length = np.where(np.isfinite(rise), 1.0, 0.0)

            def evaluate(which: np.ndarray, there: Coordinates) -> tuple[np.ndarray, Mixture]:
                mixture = self.chart.unflatten(there)[0]
                return self._value(mixture, statistics.take(which)), mixture

            taken, parts = backtracked(evaluate, u, direction, rise, self._value(current, statistics), length)
        stays = np.flatnonzero(taken == 0.0)
        parts = [*parts, (stays, current.take(stays))] if stays.size else parts
        return numbered(parts)

    def _value(self, mixture: Mixture, statistics: Statistics) -> np.ndarray:
        """E_q log p(x, z | theta), but for a constant, plus the log prior density of MAP."""
        value = mixture.terms().expected(statistics)
        return np.asarray(value if self.prior is None else value + self.prior.log_density(mixture))

    def _slope(self, u: Coordinates, statistics: Statistics) -> Coordinates:
        slope = self.chart.slope(u, statistics)
        return slope if self.prior is None else slope + self.prior.log_density_slope(u)
