"""Stepwise EM, as for data that are streamed: running statistics, a block of rows at a time (Cappe & Moulines 2009)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Gt, Le

from workbench.inference.em.climb import Stop
from workbench.inference.em.engine import EngineName, engine
from workbench.inference.em.kind import Kind
from workbench.inference.em.point import Ascent
from workbench.inference.em.polish import em_polish
from workbench.inference.em.scheme import LEAP, Scheme, Steps
from workbench.inference.em.starts import Init
from workbench.inference.method import Context
from workbench.models import Mixture, Statistics
from workbench.problem import Problem


@dataclass(frozen=True)
class StochasticEM(Kind):
    """Stepwise EM: S <- (1 - rho_t) S + rho_t (N / n_t) S_t after every block of rows, then an M step (Cappe & Moulines 2009).

    S_t are the statistics of a block of n_t rows, rho_t = (t + 2) ** -decay. An iteration is one pass over the data, in an order
    drawn anew; only its end is evaluated on all rows, for the trace. Nothing is bound to rise, and with a constant amount of
    noise left it converges to no point: the point is where the best restart stood after the last pass.

    Parameters
    ----------
    restarts : number of starts
    init : kind of start, or parameters by name as the start of all
    batch_size : rows of a block
    decay : exponent of the step size, in (0.5, 1]
    max_iter : passes over the data
    engine : ``fast`` (compiled E steps) or ``book`` (the same in NumPy, to read along)

    Notes
    -----
    - E step: the posterior of the labels of the next block of rows, summed into statistics S_t.
    - Between: S <- (1 - rho_t) S + rho_t (N / n_t) S_t, starting from an E step over all rows.
    - M step: EM's own, of S.
    - May fall: everything. `log_likelihood` at the end of every pass is traced.
    - log p(x | theta) = bound + KL with q of every row as it was when its block was last seen, KL >= 0.

    References
    ----------
    - Cappe, O. & Moulines, E. (2009). On-line expectation-maximization algorithm for latent data models. Journal of the Royal
      Statistical Society B 71, 593-613.
    - Liang, P. & Klein, D. (2009). Online EM for unsupervised models. NAACL, 611-619 (step sizes and blocks).
    """

    kind: ClassVar[str] = "stochastic_em"
    has_errors: ClassVar[bool] = False

    restarts: Annotated[int, Ge(1)] = 20
    init: Init | dict[str, Any] = "mixed"
    batch_size: Annotated[int, Ge(1)] = 32
    decay: Annotated[float, Gt(0.5), Le(1)] = 0.6
    max_iter: Annotated[int, Ge(1)] = 100
    engine: EngineName = "fast"

    def ascent(self, problem: Problem, context: Context) -> Ascent:
        """Every restart through its passes; the end with the highest log likelihood is reported."""
        steps = Steps(problem, None, engine(self.engine, context.threads))

        def scheme(start: Mixture, restarts: Sequence[int], show: bool) -> Scheme:
            return stepwise(start, steps, self.batch_size, self.decay, context.noise_seed, show)

        stop = Stop(rule="never", max_iter=self.max_iter, past_loss=True)
        return Ascent(steps=steps, scheme=scheme, stop=stop, objective_name="log_likelihood", polish=em_polish(steps), reports_end=True)


def stepwise(start: Mixture, steps: Steps, batch_size: int, decay: float, seed: Callable[[int], int], show: bool) -> Scheme:
    """Pass after pass; the order of the rows in pass p comes from ``seed(p)``, the same for every restart."""
    iteration = steps.evaluate(start)
    statistics = iteration.expectation.statistics
    shares = np.asarray(start.responsibilities(steps.data.x)) if show else None
    taken, passes = 0, 0
    while True:
        keep = yield replace(iteration.led(LEAP), rises=False, shares=shares)
        if keep is not None:
            iteration, statistics = iteration.take(keep), statistics.take(keep)
            shares = None if shares is None else shares[keep]
        order = np.random.default_rng(seed(passes)).permutation(steps.data.n_rows)
        mixture = iteration.mixture
        for at in range(0, order.size, batch_size):
            rows = np.sort(order[at : at + batch_size])
            if shares is not None:
                shares[:, rows] = mixture.responsibilities(steps.data.x[rows])
            mixture, statistics = _step(mixture, statistics, steps, rows, (taken + 2.0) ** -decay)
            taken += 1
        passes += 1
        iteration = steps.evaluate(mixture)


def _step(mixture: Mixture, statistics: Statistics, steps: Steps, rows: np.ndarray, rate: float) -> tuple[Mixture, Statistics]:
    """The running statistics moved towards those of a block, and their M step."""
    block = steps.data.take(rows)
    weight = block.counts.sum()
    if weight == 0.0:
        return mixture, statistics
    with np.errstate(all="ignore"):
        found = steps.engine.expect(mixture, block)
        moved = statistics.scaled(1.0 - rate).merge(found.statistics.scaled(rate * float(steps.data.counts.sum() / weight)))
        return steps.engine.m_step(moved, steps.prior, mixture), moved
