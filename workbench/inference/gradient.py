"""Ascent along the gradient of the observed-data likelihood or posterior: no EM, but its E step is the gradient (Fisher's identity)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt

from workbench.inference.em.climb import Stop
from workbench.inference.em.engine import EngineName, engine
from workbench.inference.em.kind import Kind
from workbench.inference.em.point import Ascent
from workbench.inference.em.polish import em_polish
from workbench.inference.em.scheme import LEAP, Iteration, Scheme, Steps
from workbench.inference.em.starts import Init, interior
from workbench.inference.lbfgs import Memory, dot
from workbench.inference.line_search import backtracked
from workbench.inference.method import Context
from workbench.models import Mixture, Prior
from workbench.models.shapes import Coordinates
from workbench.problem import Problem

Optimiser = Literal["lbfgs", "ascent"]

MEMORY = 10
"""Steps that L-BFGS remembers."""


@dataclass(frozen=True)
class Gradient(Kind):
    """Ascent of log p(x | theta), or of log p(x, theta), by its gradient in unconstrained coordinates.

    The gradient is that of E_q log p(x, z | theta) with the statistics of theta's own E step (Fisher's identity; Salakhutdinov,
    Roweis & Ghahramani 2003): an iteration costs an E step for every point that the line search tries, and there is no M step.
    A step is taken only if the objective rises (Armijo's rule). A probability of 0 or 1 has no finite coordinate: starts there
    begin near it. Ends are followed to working precision as those of ``em`` are, so that both number the same optima.

    Parameters
    ----------
    restarts : number of starts
    init : kind of start, or parameters by name as the start of all
    optimiser : ``lbfgs`` (limited-memory BFGS; Nocedal & Wright 2006, algorithm 7.5) or ``ascent`` (along the gradient itself)
    tol : a restart stops when its objective (nats, summed) changes by less
    max_iter : iterations after which a restart stops without having converged
    objective : ``likelihood`` (MLE) or ``posterior`` (MAP, the mode in natural coordinates)
    engine : ``fast`` (compiled E steps) or ``book`` (the same in NumPy, to read along)

    Notes
    -----
    - Gradient by the unconstrained coordinates u: d/du log p(x | theta(u)) = d/du E_q log p(x, z | theta(u)) with q(z) = p(z | x, theta(u))
      held fixed; with `objective: posterior` the gradient of log p(theta(u)) is added, without the Jacobian of theta(u).
    - A step u + t d is taken if the objective rises by at least 1e-4 t g'd, g the gradient there; t is halved, or shortened to the top
      of a parabola, until it does.
    - `lbfgs`: d = H g, H the inverse curvature that the last 10 steps and changes of the gradient show; `ascent`: d = g.
    - Never falls: `log_likelihood`, or `log_posterior`. In the ledger every half step is an E step, with KL = 0.
    - With `objective: posterior`, log p(x) by Laplace's approximation and by importance sampling about the modes, as `em` has them.

    References
    ----------
    - Salakhutdinov, R., Roweis, S. & Ghahramani, Z. (2003). Optimization with EM and expectation-conjugate-gradient. ICML, 672-679.
    - Nocedal, J. & Wright, S. J. (2006). Numerical Optimization, 2nd edition. Springer, section 3.1 and algorithm 7.5.
    - Louis, T. A. (1982). Finding the observed information matrix when using the EM algorithm. Journal of the Royal Statistical
      Society B 44, 226-233 (eq. 3.1).
    """

    kind: ClassVar[str] = "gradient"
    revision: ClassVar[int] = 8

    restarts: Annotated[int, Ge(1)] = 100
    init: Init | dict[str, Any] = "mixed"
    optimiser: Optimiser = "lbfgs"
    tol: Annotated[float, Gt(0)] = 1e-8
    max_iter: Annotated[int, Ge(1)] = 2_000
    objective: Literal["likelihood", "posterior"] = "likelihood"
    engine: EngineName = "fast"

    def ascent(self, problem: Problem, context: Context) -> Ascent:
        """Every restart uphill by the gradient alone."""
        steps = Steps(problem, problem.prior if self.objective == "posterior" else None, engine(self.engine, context.threads))

        def scheme(start: Mixture, restarts: Sequence[int], show: bool) -> Scheme:
            return ascending(start, steps, self.optimiser)

        return Ascent(
            steps=steps,
            scheme=scheme,
            stop=Stop(tol=self.tol, max_iter=self.max_iter),
            objective_name="log_posterior" if self.objective == "posterior" else "log_likelihood",
            polish=em_polish(steps),
        )


def ascending(start: Mixture, steps: Steps, optimiser: Optimiser) -> Scheme:
    """Step after step uphill; a fit that no step lifts any more stays where it is."""
    chart = steps.chart
    here = _arrived(chart, steps, interior(chart, start))
    memory = Memory(here.u.shape[0], chart.dim, MEMORY if optimiser == "lbfgs" else 0)
    while True:
        keep = yield here.iteration
        if keep is not None:
            here, memory = here.take(keep), memory.take(keep)
        there, stays = _moved(chart, steps, here, memory)
        again = stays & memory.filled
        if again.any():  # along the gradient itself, where what is remembered leads nowhere
            memory.forget(again)
            one, _ = _moved(chart, steps, here.take(again), memory.take(again))
            there = _Place.joined([(np.flatnonzero(again), one), (np.flatnonzero(~again), there.take(~again))])
        memory.note(there.u - here.u, here.slope - there.slope)
        here = there


@dataclass(frozen=True, eq=False)
class _Place:
    """Where a batch of fits stands: coordinates (restart, dim), the E step there, and the gradient of the objective."""

    u: Coordinates
    iteration: Iteration
    slope: Coordinates

    def take(self, index: Any) -> _Place:
        return _Place(self.u[index], self.iteration.take(index), self.slope[index])

    @staticmethod
    def joined(parts: list[tuple[np.ndarray, _Place]]) -> _Place:
        """One batch of parts that are numbered by their fits."""
        order = np.argsort(np.concatenate([numbers for numbers, _ in parts]), kind="stable")
        u, slope = (np.concatenate([getattr(place, name) for _, place in parts])[order] for name in ("u", "slope"))
        return _Place(u, Iteration.numbered([(numbers, place.iteration) for numbers, place in parts]), slope)


def _arrived(chart: Prior, steps: Steps, u: Coordinates) -> _Place:
    """The E step at u and, from its statistics, the gradient of log p(x | theta(u)), or of log p(x, theta(u))."""
    with np.errstate(all="ignore"):
        mixture, _ = chart.unflatten(u)
        iteration = steps.evaluate(mixture)
        slope = chart.slope(u, iteration.expectation.statistics)
        if steps.prior is not None:
            slope = slope + steps.prior.log_density_slope(u)
    return _Place(u, iteration.led(LEAP), slope)


def _moved(chart: Prior, steps: Steps, here: _Place, memory: Memory) -> tuple[_Place, np.ndarray]:
    """One step of every fit, and who stays."""

    def evaluate(_: np.ndarray, u: Coordinates) -> tuple[np.ndarray, _Place]:
        place = _arrived(chart, steps, u)
        return place.iteration.objective, place

    direction, length = memory.direction(here.slope)
    rise = dot(here.slope, direction)
    taken, parts = backtracked(evaluate, here.u, direction, rise, here.iteration.objective, length)
    memory.length = np.where(taken > 0.0, taken, memory.length)
    stays = taken == 0.0
    return _Place.joined([*parts, (np.flatnonzero(stays), here.take(stays))]), stays
