"""Classification EM: every row wholly to its likeliest component (Celeux & Govaert 1992)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from annotated_types import Ge, Gt

from workbench.inference.em.climb import Stop, climb
from workbench.inference.em.engine import EngineName, engine
from workbench.inference.em.kind import Kind
from workbench.inference.em.point import Ascent
from workbench.inference.em.polish import POLISH
from workbench.inference.em.scheme import Scheme, Steps, plain
from workbench.inference.em.starts import Init
from workbench.inference.em.steps import hard
from workbench.inference.method import Context
from workbench.models import Mixture
from workbench.models.terms import Expectation
from workbench.problem import Problem


@dataclass(frozen=True)
class HardEM(Kind):
    """Classification EM: climbs sum_n log p(x_n, z_n | theta) over labels and parameters in turn (Celeux & Govaert 1992).

    q is restricted to one label a row, so that the bound is the classification log likelihood and KL to the posterior of the
    labels is what the restriction costs. It ends after finitely many steps.

    Parameters
    ----------
    restarts : number of starts
    init : kind of start, or parameters by name as the start of all
    tol : a restart stops when its classification log likelihood (nats, summed) changes by less
    max_iter : iterations after which a restart stops without having converged
    engine : ``fast`` (compiled E steps) or ``book`` (the same in NumPy, to read along)

    Notes
    -----
    - E step: z_n = argmax_k log p(x_n, z_n = k | theta), of several equal ones the first.
    - M step: the maximum of sum_n log p(x_n, z_n | theta) over theta.
    - Never falls: `classification_log_likelihood` = sum_n log p(x_n, z_n | theta). The log likelihood, traced beside it, may.
    - log p(x | theta) = bound + KL with q on one label a row: H(q) = 0, and KL = - sum_n log p(z_n | x_n, theta) > 0.

    References
    ----------
    - Celeux, G. & Govaert, G. (1992). A classification EM algorithm for clustering and two stochastic versions.
      Computational Statistics & Data Analysis 14, 315-332.
    """

    kind: ClassVar[str] = "hard_em"
    has_errors: ClassVar[bool] = False

    restarts: Annotated[int, Ge(1)] = 100
    init: Init | dict[str, Any] = "mixed"
    tol: Annotated[float, Gt(0)] = 1e-8
    max_iter: Annotated[int, Ge(1)] = 10_000
    engine: EngineName = "fast"

    def ascent(self, problem: Problem, context: Context) -> Ascent:
        """Every restart to a partition that its own parameters give again."""
        steps = Steps(problem, None, engine(self.engine, context.threads))

        def scheme(start: Mixture, restarts: Sequence[int], show: bool) -> Scheme:
            return plain(start, steps, hard, classification)

        return Ascent(
            steps=steps,
            scheme=scheme,
            stop=Stop(tol=self.tol, max_iter=self.max_iter),
            objective_name="classification_log_likelihood",
            polish=lambda ends: climb(scheme(ends, (), False), ends.weights.shape[0], steps, POLISH),
        )


def classification(expectation: Expectation) -> Any:
    """sum_n log p(x_n, z_n | theta): with one label a row, H(q) = 0 and E_q log p(x, z) is the bound."""
    return expectation.expected_complete
