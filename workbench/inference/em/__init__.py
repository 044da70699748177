"""EM for mixtures, hand-written: the option class; the steps are in ``steps``, what is done around them in ``point``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt

from workbench.inference.em.acceleration import AccelerationName, accelerated
from workbench.inference.em.climb import Stop
from workbench.inference.em.engine import EngineName, engine
from workbench.inference.em.kind import Kind
from workbench.inference.em.partial import MStepName, moving
from workbench.inference.em.point import Ascent
from workbench.inference.em.polish import em_polish
from workbench.inference.em.scheme import Steps
from workbench.inference.em.starts import Init
from workbench.inference.method import Context
from workbench.problem import Problem


@dataclass(frozen=True)
class EM(Kind):
    """Expectation maximisation, to the maximum of the likelihood or of the posterior (Dempster, Laird & Rubin 1977).

    Parameters
    ----------
    restarts : number of starts
    init : kind of start, or parameters by name as the start of all
    tol : a restart stops when its objective (nats, summed) or, with ``stop: parameters``, the largest standardised
        unconstrained coordinate changes by less
    stop : what ``tol`` is about: ``objective`` or ``parameters``
    max_iter : iterations after which a restart stops without having converged
    objective : ``likelihood`` (MLE) or ``posterior`` (MAP, the mode in natural coordinates)
    acceleration : ``none``, or extrapolated steps that never fall: ``squarem`` (Varadhan & Roland 2008), ``anderson``
    m_step : ``exact`` (the maximum), or ``gradient`` (one step uphill from gradients: generalised EM, which climbs the same objective)
    engine : ``fast`` (compiled E steps) or ``book`` (the same in NumPy, to read along)
    split_merge : split-and-merge moves tried from the end of every restart to escape a poor optimum; needs K of at least 3

    Notes
    -----
    - E step: r_nk = pi_k p(x_n | theta_k) / sum_j pi_j p(x_n | theta_j), summed into expected sufficient statistics.
    - M step: pi_k = N_k / N and theta_k the maximum of its own statistics; with `objective: posterior` the mode of the prior updated
      by them, in natural coordinates.
    - Never falls: `log_likelihood` = log p(x | theta), or `log_posterior` = log p(x | theta) + log p(theta); with the posterior the log
      likelihood may.
    - log p(x | theta) = L(q, theta) + KL(q || p(z | x, theta)), and KL = 0 after each E step.
    - `m_step: gradient`: theta moves by one step on E_q log p(x, z | theta), plus log p(theta) of MAP, in unconstrained coordinates:
      along -H^-1 g, g its gradient and H its second derivatives, as far as at most 16 conjugate gradients show it, shortened until it
      rises (generalised EM; truncated Newton). The bound still rises in both half steps, and near an optimum steps shrink as EM's do.
    - A restart that stops at `max_iter` says so, and is followed by EM, squared, to the optimum that is compared and reported.
    - Extrapolated steps work in unconstrained coordinates and are dropped for plain ones where the objective would fall.
    - With `objective: posterior`, log p(x) by Laplace's approximation: the normal about each mode over unconstrained coordinates
      (which is another point than that over natural ones: Newton's method goes there), summed over the modes and over the K!
      relabellings of each, which are so many modes. To second order only, so never trusted by itself; where it is cheap,
      importance sampling about the modes stands beside it: from p(theta | x, z) averaged over labels drawn there (Lee & Robert
      2016), places with empty components among them, or without a closed form from t densities.

    References
    ----------
    - Dempster, A. P., Laird, N. M. & Rubin, D. B. (1977). Maximum likelihood from incomplete data via the EM algorithm. Journal of
      the Royal Statistical Society B 39, 1-38.
    - Bishop, C. M. (2006). Pattern Recognition and Machine Learning. Springer, chapter 9.
    - Neal, R. M. & Hinton, G. E. (1998). A view of the EM algorithm that justifies incremental, sparse, and other variants. In
      Learning in Graphical Models, 355-368.
    - Varadhan, R. & Roland, C. (2008). Simple and globally convergent methods for accelerating the convergence of any EM algorithm.
      Scandinavian Journal of Statistics 35, 335-353.
    - Walker, H. F. & Ni, P. (2011). Anderson acceleration for fixed-point iterations. SIAM Journal on Numerical Analysis 49,
      1715-1735.
    - Lange, K. (1995). A gradient algorithm locally equivalent to the EM algorithm. Journal of the Royal Statistical Society B 57,
      425-437.
    - Nocedal, J. & Wright, S. J. (2006). Numerical Optimization, 2nd edition. Springer, algorithm 7.1.
    - Tierney, L. & Kadane, J. B. (1986). Accurate approximations for posterior moments and marginal densities. Journal of the
      American Statistical Association 81, 82-86.
    - Ueda, N., Nakano, R., Ghahramani, Z. & Hinton, G. E. (2000). SMEM algorithm for mixture models. Neural Computation 12, 2109-2128.

    Examples
    --------
    >>> import numpy as np
    >>> problem = Problem(np.array([1.0, 1.2, 1.1, 7.9, 8.0, 8.3]), "gaussian", n_components=2)
    >>> fit = EM(restarts=4, objective="posterior").fit(problem)
    >>> sorted(fit.mixture.weights.round(2).tolist())
    [0.5, 0.5]
    """

    kind: ClassVar[str] = "em"
    revision: ClassVar[int] = 10

    restarts: Annotated[int, Ge(1)] = 100
    init: Init | dict[str, Any] = "mixed"
    tol: Annotated[float, Gt(0)] = 1e-8
    stop: Literal["objective", "parameters"] = "objective"
    max_iter: Annotated[int, Ge(1)] = 10_000
    objective: Literal["likelihood", "posterior"] = "likelihood"
    acceleration: AccelerationName = "none"
    engine: EngineName = "fast"
    m_step: MStepName = "exact"
    split_merge: Annotated[int, Ge(0)] = 0

    def refuses(self, problem: Problem) -> str | None:
        if self.split_merge and problem.n_components < 3:
            return (
                f"split_merge needs 3 components (one pair to merge, another to split) and there are {problem.n_components}; leave it out"
            )
        return super().refuses(problem)

    def ascent(self, problem: Problem, context: Context) -> Ascent:
        """EM, its steps extrapolated, its M step partial, as the options say."""
        steps = Steps(problem, problem.prior if self.objective == "posterior" else None, engine(self.engine, context.threads))
        return Ascent(
            steps=steps,
            scheme=lambda start, restarts, show: accelerated(self.acceleration, *moving(self.m_step, start, steps)),
            stop=Stop(self.stop, self.tol, self.max_iter),
            objective_name="log_posterior" if self.objective == "posterior" else "log_likelihood",
            polish=em_polish(steps),
            split_merge=self.split_merge,
        )
