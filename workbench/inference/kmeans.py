"""k-means by Lloyd's algorithm: the limit of spherical classification EM, with its partition read as a mixture."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt

from workbench.inference.em.climb import Stop, climb
from workbench.inference.em.kind import Kind
from workbench.inference.em.point import Ascent
from workbench.inference.em.polish import POLISH
from workbench.inference.em.scheme import EXACT, Iteration, Scheme, Steps
from workbench.inference.em.steps import hard
from workbench.inference.method import Context
from workbench.models import Expectation, Mixture
from workbench.models.families.gaussian import independent
from workbench.models.families.gaussian.independent import DiagonalStatistics
from workbench.models.mixture import rows_per_block
from workbench.models.shapes import LogDensity, LogJoint, Means, Responsibilities, Rows
from workbench.models.terms import log_sum_exp
from workbench.problem import Problem


@dataclass(frozen=True)
class KMeans(Kind):
    """k-means: every row to its nearest centre, every centre to the mean of its rows (Lloyd 1982), in the data's own units.

    Climbs minus the sum of squared distances. It is classification EM of a spherical mixture with equal weights as the common
    variance goes to 0 (Bishop 2006, section 9.3.2). To be compared with the others it is read as a mixture of the model's
    family: weights, means and covariances of its parts. A cell that was not observed adds no distance.

    Parameters
    ----------
    restarts : number of starts
    init : ``kmeans++`` or ``random_rows``
    tol : a restart stops when its sum of squares changes by less, relative to it
    max_iter : iterations after which a restart stops without having converged

    Notes
    -----
    - E step: z_n = argmin_k |x_n - mean_k|^2 over the observed cells, of several equal ones the first.
    - M step: weights, means and covariances of the parts; only the means matter to what follows.
    - Never falls: `negative_sum_of_squares` = - sum_n min_k |x_n - mean_k|^2. The log likelihood of the mixture, traced beside it,
      may.
    - Units matter: a column in larger numbers weighs more. Every other kind here does not care.

    References
    ----------
    - Lloyd, S. P. (1982). Least squares quantization in PCM. IEEE Transactions on Information Theory 28, 129-137.
    - Bishop, C. M. (2006). Pattern Recognition and Machine Learning. Springer, sections 9.1 and 9.3.2.
    """

    kind: ClassVar[str] = "kmeans"
    has_errors: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = ("numpy", "scipy")

    restarts: Annotated[int, Ge(1)] = 100
    init: Literal["kmeans++", "random_rows"] = "kmeans++"
    tol: Annotated[float, Gt(0)] = 1e-12
    max_iter: Annotated[int, Ge(1)] = 1_000

    def refuses(self, problem: Problem) -> str | None:
        if problem.family.name != "gaussian":
            return f"kmeans needs columns with distances, and the family is {problem.family.name}; use hard_em"
        return None

    def ascent(self, problem: Problem, context: Context) -> Ascent:
        """Every restart to a partition that its own centres give again."""
        steps = Steps(problem, likelihood=False)

        def scheme(start: Mixture, restarts: Sequence[int], show: bool) -> Scheme:
            return lloyd(start, steps, show)

        return Ascent(
            steps=steps,
            scheme=scheme,
            stop=Stop(tol=self.tol, max_iter=self.max_iter, relative=True),
            objective_name="negative_sum_of_squares",
            polish=lambda ends: climb(lloyd(ends, steps, False), ends.weights.shape[0], steps, POLISH),
        )


def lloyd(start: Mixture, steps: Steps, show: bool) -> Scheme:
    """Lloyd's algorithm on the means of ``start``; every iteration is the mixture of the partition before it."""
    mixture = start
    while True:
        iteration, centres = _evaluated(mixture, steps, show)
        keep = yield iteration
        if keep is not None:
            iteration, centres = iteration.take(keep), centres[keep]
        # Under one covariance matrix the M step would expect missing cells; Lloyd's centres are means of what was seen.
        read = steps.maximise(iteration)
        mixture = Mixture(read.weights, replace(read.components, means=centres))  # type: ignore[call-arg]


def _evaluated(mixture: Mixture, steps: Steps, show: bool) -> tuple[Iteration, Means]:
    """Rows to their nearest means: minus the sum of squares, the partition's statistics, the mixture's log likelihood; and the
    means of the parts' observed cells, which are the next centres."""
    data, terms = steps.data, mixture.terms()
    centres: Means = mixture.parameters()["means"]
    parts, cells, squares, shares = [], [], np.zeros(mixture.batch_shape), []
    size = rows_per_block(mixture.weights.size * data.n_features)
    with np.errstate(all="ignore"):
        for x, counts in data.blocks(size):
            joint = terms.log_joint(x)
            nearness = minus_squares(x, centres)
            q = hard(nearness, nearness[..., 0])
            parts.append(_expectation(terms.statistics(x, q * counts[:, None]), joint, q, counts))
            cells.append(independent.statistics(x, q * counts[:, None]))
            squares += (nearness.max(axis=-1) * counts).sum(axis=-1)
            shares.append(q)
    total, seen = functools.reduce(Expectation.merge, parts), functools.reduce(DiagonalStatistics.merge, cells)
    found = Iteration(mixture, total, squares, np.full(squares.size, EXACT), assign=hard)
    if show:
        found = replace(found, shares=np.concatenate(shares, axis=1))
    return found, np.where(seen.seen > 0, seen.means, centres)


def minus_squares(x: Rows, centres: Means) -> LogJoint:
    """Minus the squared distances (*batch, N, K) over the observed cells."""
    found = np.zeros((*centres.shape[:-2], x.shape[0], centres.shape[-2]))
    for d in range(x.shape[1]):
        deviation = x[:, d, None] - centres[..., None, :, d]
        found -= np.where(np.isnan(deviation), 0.0, deviation**2)
    return found


def _expectation(statistics: object, log_joint: LogJoint, q: Responsibilities, counts: np.ndarray) -> Expectation:
    density: LogDensity = log_sum_exp(log_joint)
    complete = np.where(q > 0, log_joint, 0.0).sum(axis=-1)
    return Expectation(
        statistics,  # type: ignore[arg-type]
        (density * counts).sum(axis=-1),
        (complete * counts).sum(axis=-1),
        np.zeros(density.shape[:-1]),
    )
