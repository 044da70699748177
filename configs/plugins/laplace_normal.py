"""A method of one's own in 30 lines: a normal at the highest mode that BFGS finds, in unconstrained coordinates (Laplace).

workbench run configs/plugins/laplace_normal.yaml --plugin configs/plugins/laplace_normal.py
workbench check-method laplace_normal --plugin configs/plugins/laplace_normal.py
"""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from workbench import Context, Fit, Status


@dataclass(frozen=True)
class LaplaceNormal:
    """A normal at the highest mode found, with the inverse Hessian as its covariance (Laplace's approximation)."""

    kind: ClassVar[str] = "laplace_normal"
    estimate: ClassVar[str] = "approximation"  # or point, sample
    revision: ClassVar[int] = 1  # raise it when the same options give other numbers
    packages: ClassVar[tuple[str, ...]] = ("numpy", "scipy")  # whose versions change the numbers
    compiles: ClassVar[bool] = False

    restarts: int = 10  # options are fields, and keys in a config
    draws: int = 1000

    def refuses(self, problem):
        return problem.no_prior or None

    def fit(self, problem, context=None):
        context = context or Context.default(problem)
        target = problem.target()  # log p(x, u) and its gradient; u are PyMC's unconstrained coordinates
        with context.clock("run"):
            starts = (np.random.default_rng(context.start_seed(i)) for i in range(self.restarts))
            starts = (problem.prior.flatten(problem.prior.sample(rng, (1,)))[0][0] for rng in starts)
            ends = [minimize(lambda u: -target.log_density(u), u, jac=lambda u: -target.gradient(u), method="BFGS") for u in starts]
            mode = min(ends, key=lambda end: end.fun).x
            step = 1e-4 * np.eye(mode.size)
            hessian = (target.gradient(mode - step) - target.gradient(mode + step)) / 2e-4
            q = multivariate_normal(mode, np.linalg.inv((hessian + hessian.T) / 2.0))
            u = np.atleast_2d(q.rvs(self.draws, random_state=context.noise_seed(0) % 2**32)).reshape(self.draws, mode.size)
            mixture, log_jacobian = problem.prior.unflatten(u)
            log_likelihood = problem.log_likelihood(mixture)
        return Fit.approximation_of(
            mixture.reshaped(1, self.draws),
            (q.logpdf(u) - log_jacobian).reshape(1, -1),  # densities are over the natural parameters
            log_likelihood=log_likelihood.reshape(1, -1),
            log_posterior=(log_likelihood + problem.log_prior(mixture)).reshape(1, -1),
            approximation={"mean": mode, "scale_tril": np.linalg.cholesky(q.cov)},
            kind=self.kind,
            family=problem.family,
            objective_name="elbo",
            status=Status.CONVERGED,
            seconds=context.clock.seconds,
            options=dataclasses.asdict(self),
        )
