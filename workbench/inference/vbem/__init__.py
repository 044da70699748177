"""Variational Bayes by coordinate ascent: the option class; its steps, its climb and what is drawn are in the files beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt

from workbench.fit import Estimate, Fit
from workbench.inference.em.begin import unbegun
from workbench.inference.em.climb import Stop
from workbench.inference.em.engine import EngineName, engine
from workbench.inference.em.starts import Init, misfit
from workbench.inference.method import Context
from workbench.inference.options import check_options
from workbench.problem import Problem


@dataclass(frozen=True)
class VBEM:
    """Variational Bayes by coordinate ascent: q(labels) q(weights, theta), each in turn at its optimum (Bishop 2006, section 10.2).

    The same E step as EM's, on expected coefficients, and the prior updated by its statistics in the place of a mode.

    Parameters
    ----------
    restarts : number of starts
    init : kind of start, or parameters by name as the start of all; ``em``: where MAP-EM ends from random rows. The first
        q(labels) is the E step there
    tol : a restart stops when its ELBO (nats) or, with ``stop: parameters``, the largest standardised unconstrained coordinate
        of q's centre changes by less
    stop : what ``tol`` is about: ``objective`` or ``parameters``
    max_iter : iterations after which a restart stops without having converged
    acceleration : ``none``, or ``anderson``: steps mended by the few before them, that never fall
    draws : draws from the best q that are kept
    engine : ``fast`` (compiled E steps) or ``book`` (the same in NumPy, to read along)

    Notes
    -----
    - q(z_n = k) proportional to exp E log p(x_n, z_n = k | weights, theta), by the moments of q(weights, theta):
      E log weights_k = digamma(alpha_k) - digamma(sum alpha), and so on.
    - q(weights, theta) = the prior updated by the expected statistics of q(labels): Dirichlet, normal-inverse-Wishart, ... A Gaussian
      prior of kind independent has no such update: q(means) q(covariances), each of the prior's form, each in turn at its optimum until
      neither moves, from means at the rows' and from means at the prior's, of which the better one is taken.
    - Never falls: `elbo` = E[log p(x, z, weights, theta) - log q], all constants included, a lower bound of log p(x): with labels
      in q, `elbo_labels` in `evidence.csv`. With them summed out the same q has a higher one, `elbo`, by Monte Carlo.
    - log p(x) = ELBO + KL(q || posterior). With one component, no missing cell and a conjugate prior q is
      the posterior.
    - q is at one of K! labellings, and its ELBO counts one. `elbo_symmetrised` is that of q averaged over all of them, where K is at
      most 6 and the prior treats components alike.
    - `importance`, under a conjugate prior with up to four components: from p(theta | x, z) averaged over labels z, drawn given draws of
      every optimum's q, about modes of MAP-EM and with empty components (Lee & Robert 2016), and over the labellings; trusted if
      k-hat is at most 0.5 and half of the draws or more are effective. Else from a mixture of every optimum's q, wider than it is, and a
      little of the prior; trusted if k-hat is at most 0.7, a fifth of the draws or more are effective, and MAP-EM finds no mode that
      the restarts missed.
    - Draws are independent, from q(weights, theta) of the best restart, with their log density.
    - Missing cells: independent features leave them out. Under full and tied covariances they are in q, given the labels, for rows
      of which something was seen.
    - A component that the data do not need keeps an expected count near 0, and the prior's parameters.

    References
    ----------
    - Bishop, C. M. (2006). Pattern Recognition and Machine Learning. Springer, section 10.2.
    - Attias, H. (2000). A variational Bayesian framework for graphical models. NIPS 12, 209-215.
    - Beal, M. J. (2003). Variational algorithms for approximate Bayesian inference. PhD thesis, University College London.
    - Lee, J. E. & Robert, C. P. (2016). Importance sampling schemes for evidence approximation in mixture models. Bayesian Analysis
      11, 573-597.
    - Walker, H. F. & Ni, P. (2011). Anderson acceleration for fixed-point iterations. SIAM Journal on Numerical Analysis 49,
      1715-1735.

    Examples
    --------
    >>> import numpy as np
    >>> problem = Problem(np.array([1.0, 1.2, 1.1, 0.9, 7.9, 8.0, 8.3, 8.1]), "gaussian", n_components=2)
    >>> fit = VBEM(restarts=4).fit(problem)
    >>> fit.status.value
    'converged'
    """

    kind: ClassVar[str] = "vbem"
    estimate: ClassVar[Estimate] = "approximation"
    revision: ClassVar[int] = 4
    packages: ClassVar[tuple[str, ...]] = ("numpy", "scipy", "numba")
    compiles: ClassVar[bool] = False

    restarts: Annotated[int, Ge(1)] = 100
    init: Init | Literal["em"] | dict[str, Any] = "mixed"
    tol: Annotated[float, Gt(0)] = 1e-8
    stop: Literal["objective", "parameters"] = "objective"
    max_iter: Annotated[int, Ge(1)] = 10_000
    acceleration: Literal["none", "anderson"] = "none"
    draws: Annotated[int, Ge(2)] = 1000
    engine: EngineName = "fast"

    def __post_init__(self) -> None:
        check_options(self)

    def refuses(self, problem: Problem) -> str | None:
        """No prior, or a start that does not fit."""
        if problem.prior is None:
            return problem.no_prior
        return misfit(self.init, problem) if isinstance(self.init, Mapping) else unbegun(problem, self.init)

    def fit(self, problem: Problem, context: Context | None = None) -> Fit:
        """Run every restart, polish the ends, and draw from the q with the highest ELBO.

        Raises
        ------
        ValueError
            If the method refuses the problem.
        FloatingPointError
            If no restart ended at a finite ELBO.
        """
        from workbench.inference.vbem.ends import climbed
        from workbench.inference.vbem.reported import reported
        from workbench.inference.vbem.steps import VariationalSteps

        context = context or Context.default(problem)
        if (reason := self.refuses(problem)) is not None:
            raise ValueError(reason)
        steps = VariationalSteps(problem, problem.prior, engine(self.engine, context.threads))
        stop = Stop(self.stop, self.tol, self.max_iter)
        ends = climbed(steps, self.init, self.restarts, stop, self.acceleration == "anderson", context)
        with context.clock("run"):
            found = reported(steps, ends, self.draws, context)
        return Fit.approximation_of(
            **found, kind=self.kind, family=problem.family, seconds=context.clock.seconds, options=dataclasses.asdict(self)
        )
