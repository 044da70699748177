"""Pathfinder: the option class; paths, their normals and the mixture of these are in the files beside it."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt

from workbench.fit import Estimate, Evidence, Fit, Restarts, Status, Trace
from workbench.inference.advice import Advice
from workbench.inference.em.begin import begin, unbegun
from workbench.inference.method import Context
from workbench.inference.options import check_options
from workbench.problem import Problem

if TYPE_CHECKING:
    from workbench.inference.pathfinder.mixed import Mixed
    from workbench.inference.pathfinder.paths import Found
    from workbench.inference.target import CompiledTarget

Init = Literal["random_rows", "random_responsibilities", "mixed", "kmeans++", "prior", "em"]
TELLING = 200
"""Fresh draws by which paths are compared."""


@dataclass(frozen=True)
class Pathfinder:
    """Multi-path Pathfinder: normals read off L-BFGS's way to each mode of the posterior (Zhang et al. 2022). No compiler needed.

    Every restart climbs log p(x, u) in unconstrained coordinates; the steps so far show a normal at each point, and that with the
    highest ELBO is the path's. What is reported is the mixture of the normals of different modes.

    Parameters
    ----------
    restarts : number of paths
    init : kind of start of each; ``em``: where MAP-EM ends from random rows
    history : steps whose curvature a normal is made of; with few coordinates more of them than the usual 6 cost nothing
    elbo_draws : draws by which the ELBO of each normal is told; the path's best is told anew; of many rows fewer, and 4 with `batch_size`
    draws : draws from q that are kept
    tol : a path ends when its log density (nats) rises by less
    max_iter : steps after which a path ends without having converged
    batch_size : rows on which paths climb first, where they are many; without it they see all from the first step

    Notes
    -----
    - Path: u_1, u_2, ... by L-BFGS on log p(x, theta(u)) + log |d theta / d u|, labels summed out; the gradient by Fisher's identity
      from EM's own E step, all paths in one batch.
    - Normal at u_l: mean u_l + H g, covariance H, with g the gradient there and H the inverse curvature of the last steps: a
      diagonal that follows all of them, and the low-rank update of the last ones.
    - With `batch_size` paths climb on that many rows, drawn at random, which count for all; those that end at one mode, labels aside, go
      on as one. From there a path sees all rows, in coordinates in which the normal by the part's Hessian is round, and is there in a
      few steps: its normals, their ELBOs and the draws that are kept are those of all rows. A mode that the part has not is not found.
      Measured with two columns and K = 3 groups that overlap, 20 paths, beside the same without: 1,000,000 rows by 10,000: 11 CPU
      seconds instead of 126 (climbs 20, choice of normals 100), 0.26 instead of 0.40 GB, ELBO 1.21 nats higher, log p(x) by importance
      sampling 0.27 higher, of which the error without is 0.13; 10,000 rows by 1,000, three seeds: 1.6 seconds instead of 6.2, ELBO 0.2
      to 0.5 higher, log p(x) 0.00 to 0.10; 300 rows by 100, five seeds: no time to speak of, ELBO -0.17 to 0.37, log p(x) -0.04 to
      0.10. That ELBOs are higher is the coordinates' doing: few steps show a round curvature better than many a stretched one.
    - q = sum_j w_j N_j(u), one normal for each mode up to labels; two paths end at one mode if they are less than half a standard
      deviation of the better normal apart, labels aside. All are in the labelling of the best; w_j proportional to exp ELBO_j.
      Draws come from q itself, with its log density, and are not resampled: importance weights are told beside them.
    - `elbo` = E_q[log p(x, u) - log q(u)], by the draws; `elbo_symmetrised` that of q averaged over the K! labellings, where K is at
      most 6 and the prior treats components alike. log p(x) = ELBO + KL(q || posterior).
    - The log of the mean weight of fresh draws, p(x, u) / q(u) with q averaged over the labellings, is a lower bound of log p(x) in
      expectation; where its tail and its efficiency allow, and MAP-EM finds no mode that q misses, it is called an estimate of log p(x).
    - It knows the neighbourhood of modes: where the posterior is skewed or has tails, k-hat says so.

    References
    ----------
    - Zhang, L., Carpenter, B., Gelman, A. & Vehtari, A. (2022). Pathfinder: parallel quasi-Newton variational inference. Journal of
      Machine Learning Research 23(306), 1-49.
    - Byrd, R. H., Nocedal, J. & Schnabel, R. B. (1994). Representations of quasi-Newton matrices and their use in limited memory
      methods. Mathematical Programming 63, 129-156.

    Examples
    --------
    >>> import numpy as np
    >>> problem = Problem(np.array([1.0, 1.2, 1.1, 0.9, 7.9, 8.0, 8.3, 8.1]), "gaussian", n_components=2)
    >>> fit = Pathfinder(restarts=4).fit(problem)
    >>> fit.status.value
    'converged'
    """

    kind: ClassVar[str] = "pathfinder"
    estimate: ClassVar[Estimate] = "approximation"
    revision: ClassVar[int] = 4
    packages: ClassVar[tuple[str, ...]] = ("numpy", "scipy", "numba")
    compiles: ClassVar[bool] = False

    restarts: Annotated[int, Ge(1)] = 20
    init: Init = "random_rows"
    history: Annotated[int, Ge(1)] = 20
    elbo_draws: Annotated[int, Ge(4)] = 25
    draws: Annotated[int, Ge(2)] = 1000
    tol: Annotated[float, Gt(0)] = 1e-6
    max_iter: Annotated[int, Ge(1)] = 1000
    batch_size: Annotated[int, Ge(1)] | None = None

    def __post_init__(self) -> None:
        check_options(self)

    def refuses(self, problem: Problem) -> str | None:
        """No prior, or one without the start that is asked for; or a part that is no part."""
        if self.batch_size is not None:
            seen = int((~np.isnan(problem.data.x).all(axis=1) & (problem.data.counts > 0.0)).sum())
            if self.batch_size >= seen:
                return f"batch_size: {self.batch_size} is not below the {seen} rows; leave it out, or lower it"
            if self.batch_size < problem.n_components:
                return f"batch_size: {self.batch_size} is below the {problem.n_components} components; raise it"
        return problem.no_prior if problem.prior is None else unbegun(problem, self.init)

    def fit(self, problem: Problem, context: Context | None = None) -> Fit:
        """Climb from every start, choose each path's normal, and draw from the mixture of different modes.

        Raises
        ------
        ValueError
            If the method refuses the problem.
        FloatingPointError
            If no path has a normal with a finite ELBO.
        """
        import threadpoolctl

        from workbench.inference.pathfinder.part import by_part, drawn
        from workbench.inference.target import CompiledTarget

        context = context or Context.default(problem)
        if (reason := self.refuses(problem)) is not None:
            raise ValueError(reason)
        seeds = [context.start_seed(i) for i in range(self.restarts)]
        with context.clock("compile"):  # or read from the code cache
            part = problem if self.batch_size is None else drawn(problem, self.batch_size, context.noise_seed(self.restarts + 2))
            target, climbing = (CompiledTarget.of(each, context.threads) for each in (problem, part))
            climbing.value_and_gradient(begin(part, "random_rows", seeds[:1])[0])
        one = threadpoolctl.threadpool_limits(1, user_api="blas")  # small products only wait for each other on several
        with context.clock("run"), np.errstate(all="ignore"), one:
            start, names = begin(part, self.init, seeds)
            context.progress("climbing", math.nan)
            found, elbo = self._paths(target, start, context) if part is problem else by_part(self, target, climbing, start, context)
            if not np.isfinite(elbo).any():
                raise FloatingPointError(Status.NOT_FINITE.value)
            reported = self._reported(target, found, elbo, context)
            restarts = _restarts(target, found, elbo, seeds, names)
        return Fit.approximation_of(
            **reported,
            kind=self.kind,
            family=problem.family,
            objective_name="elbo",
            seconds=context.clock.seconds,
            options=dataclasses.asdict(self),
            restarts=restarts,
            trace=_trace(found),
        )

    def _paths(self, target: CompiledTarget, start: np.ndarray, context: Context) -> tuple[list[Found], np.ndarray]:
        """Every path with its normal, and the ELBO of that by fresh draws."""
        from workbench.inference.pathfinder.paths import best_on, climbed, fresh_elbo

        found, elbo = [], []
        for i, path in enumerate(climbed(target, start, self.history, self.tol, self.max_iter)):
            context.progress("choosing", i / self.restarts)
            rng = np.random.default_rng(context.noise_seed(i))
            found.append(best_on(target, path, self.history, self.elbo_draws, rng))
            elbo.append(fresh_elbo(target, found[-1].normal, TELLING, rng))
        return found, np.array(elbo)

    def _reported(self, target: CompiledTarget, found: list[Found], elbo: np.ndarray, context: Context) -> dict[str, Any]:
        """What is drawn from q, with its densities over the natural parameters, and what the weights say of log p(x)."""
        from workbench.inference.densities import densities
        from workbench.inference.evidence.symmetry import Symmetry
        from workbench.inference.pathfinder.mixed import Mixed

        best = int(np.nanargmax(np.where(np.isfinite(elbo), elbo, np.nan)))
        q = Mixed.of(Symmetry.of(target.prior), found, elbo)
        rng = np.random.default_rng(context.noise_seed(self.restarts))
        u = rng.permutation(q.density.sample(rng, self.draws))  # parts in no order
        mixture, log_jacobian = target.prior.unflatten(u)
        log_likelihood, log_posterior = densities(target.problem, mixture, context.threads)
        each = {"log_q": q.density.log_density(u) - log_jacobian, "log_likelihood": log_likelihood, "log_posterior": log_posterior}
        return {
            "draws": mixture.reshaped(1, self.draws),
            **{name: values.reshape(1, self.draws) for name, values in each.items()},
            "status": found[best].path.status,
            "reported": best,
            "evidence": self._evidence(target, q, u, np.asarray(log_posterior + log_jacobian), context),
            "approximation": {"shares": q.density.weights, "means": q.density.means, "scale_trils": q.density.scale_trils},
            "messages": tuple(_remarks(q, found)),
        }

    def _evidence(self, target: CompiledTarget, q: Mixed, u: np.ndarray, log_density: np.ndarray, context: Context) -> tuple[Evidence, ...]:
        from workbench.inference.evidence import approximated

        symmetrised = q.symmetrised(u, log_density)
        weighed = approximated(target.problem, q.density, context, noise=self.restarts + 1, advice=Advice.of(self, target.problem).richer())
        return (*([] if symmetrised is None else [symmetrised]), *weighed)


def _remarks(q: Mixed, found: list[Found]) -> list[str]:
    said = []
    if found[0].before is not None:
        said.append(
            f"of {len(found)} paths on part of the rows {len({id(each.path) for each in found})}, with different ends, went on to all rows"
        )
    shares = q.density.weights
    if shares.size > 1:
        listed = ", ".join(f"{share:.2g}" for share in shares)
        said.append(f"q is a mixture of normals at {shares.size} modes, with shares {listed}")
    return said


def _restarts(target: CompiledTarget, found: list[Found], elbo: np.ndarray, seeds: list[int], names: tuple[str, ...]) -> Restarts:
    """How every path ended: its mode, and the ELBO of its normal."""
    ends, which = np.unique([each.path.u[-1] for each in found], axis=0, return_inverse=True)
    modes = target.prior.unflatten(ends)[0]
    mixture, log_likelihood = modes.take(which), np.asarray(target.log_likelihood(modes))[which]
    return Restarts(
        start_seed=np.array(seeds),
        init=names,
        iterations=np.array([each.steps for each in found]),
        objective=elbo,
        log_likelihood=log_likelihood,
        log_posterior=np.asarray(log_likelihood + target.prior.log_density(mixture)),
        gain_left=np.full(elbo.size, np.nan),
        status=tuple(each.path.status for each in found),
        mixture=mixture,
    )


def _trace(found: list[Found]) -> Trace:
    """The ELBO along every path where a point has one."""
    rows = [(i, point) for i, each in enumerate(found) for point in np.flatnonzero(np.isfinite(each.elbo))]
    return Trace(
        restart=np.array([i for i, _ in rows], dtype=np.int64),
        iteration=np.array([found[i].steps - found[i].path.steps + point for i, point in rows], dtype=np.int64),
        seconds=np.array([found[i].seconds[point] for i, point in rows]),
        objective=np.array([found[i].elbo[point] for i, point in rows]),
    )
