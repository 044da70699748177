"""SMC: the option class; the path, its moves and the islands are in the files beside it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Gt, Lt

from workbench.fit import Estimate, Fit, Status
from workbench.inference.advice import Advice
from workbench.inference.densities import densities
from workbench.inference.evidence import sampled
from workbench.inference.method import Context
from workbench.inference.options import check_options
from workbench.problem import Problem


@dataclass(frozen=True)
class SMC:
    """Sequential Monte Carlo: particles drawn from the prior, which rows reweigh, resample and move as they enter (Chopin 2002).

    For posteriors with several modes and for log p(x): particles begin everywhere, and basins keep the weight that they are due.

    Parameters
    ----------
    chains : islands of particles, which share nothing; their spread is the error of log p(x), told by four or more
    draws : particles of each island
    ess : effective share of the particles that a step of the path may leave; nearer to 1 is slower and more precise
    sweeps : sweeps of Gibbs after each step at most; fewer where the particles have forgotten where they began

    Notes
    -----
    - Rows are in a random order, of each island its own, and so are the steps: an order in which a rare part is missed, that all islands
      had in common, their spread would not tell. The first 300 units enter one by one with their labels, drawn from
      p(z_n | x_n, labels and rows so far) with the parameters integrated out (Kong, Liu & Wong 1994), where the prior is conjugate; there
      no component has to be found by chance among draws of a vague prior.
    - Path from there on: p(theta) p(rows so far | theta) p(entering rows | theta)^b, labels summed out; half as many rows enter at a
      time as are in, with b from 0 to 1 in steps that leave `ess` of the particles effective. Rows that count c times enter
      unit by unit. Powers of all rows at once are no good path here: raised under the sum over components they have a transition at
      which one component becomes two (Old Faithful, K = 2: 17 nats too low), and no Gibbs sampler otherwise.
    - Moves: Gibbs, labels given theta, then theta from the updated prior. While b < 1 a random share b of the entering rows has labels
      too, and the new theta is accepted by the ratio of p(entering | theta)^b and p(share | theta) at both ends: of half of the moves,
      however many rows there are.
    - Systematic resampling at every step, within islands. Sweeps end when the evenness of the weights, the log prior density and the
      log likelihood of the entering rows correlate by less than 0.5 with what they were.
    - log p(x) = log mean over islands of the product of mean weights, each without bias but for its choice of steps; its error by the
      islands' spread, times the standard deviation of Student's t for as many (Student 1908). Where their evidences differ by a
      standard deviation above sqrt(n / 16) / 2 of their mean with n islands, at most 1, it is shown and not
      trusted; nor where importance sampling by the draws and by modes that EM finds is above it by more than four errors: what all
      islands miss (a component that only many rows together pay for, under a vague prior), their spread does not know. Bridge sampling
      by the same draws beside it.
    - Draws: the particles at the end, islands in proportion to their evidence, one after the other, cut into chains. Kin stand side by
      side, so that R-hat and effective sample sizes see how few ancestors there are.
    - Missing cells: independent features leave them out. Full and tied covariances draw them given the label, theta and the cells that
      were seen, as `gibbs` does; such rows enter last, fifteen of a hundred units at a time, and no proposal knows of them until they
      count in full. `counts` are whole numbers; a row that counts c times is c labels, and c rows where cells are drawn.
    - Time: about 2 N / 10**8 seconds a sweep and particle, and 50 to 300 steps: seconds for a few hundred rows, six minutes of one core
      and 230 MB for 100,000 rows of two features, K = 3 (8 islands: within 0.16 nats of a bridge by `gibbs`). Where clusters overlap in
      several features, as three of the irises do, orders differ much: islands' evidences spread by 0.7 to 1.8 of their mean over seeds
      with 256 draws, and 64 islands of those are trusted with some seeds only; with 1,024 draws they spread by 0.5.

    References
    ----------
    - Chopin, N. (2002). A sequential particle filter method for static models. Biometrika 89, 539-552.
    - Kong, A., Liu, J. S. & Wong, W. H. (1994). Sequential imputations and Bayesian missing data problems. Journal of the American
      Statistical Association 89, 278-288.
    - Neal, R. M. (2001). Annealed importance sampling. Statistics and Computing 11, 125-139.
    - Del Moral, P., Doucet, A. & Jasra, A. (2006). Sequential Monte Carlo samplers. Journal of the Royal Statistical Society B 68,
      411-436.
    - Student (1908). The probable error of a mean. Biometrika 6, 1-25.
    - Kitagawa, G. (1996). Monte Carlo filter and smoother for non-Gaussian nonlinear state space models. Journal of Computational and
      Graphical Statistics 5, 1-25 (systematic resampling).

    Examples
    --------
    >>> import numpy as np
    >>> problem = Problem(np.array([-5.1, -4.9, -5.3, -4.7, 4.8, 5.2, 5.05, 4.95]), "gaussian", n_components=2)
    >>> fit = SMC(chains=4, draws=100).fit(problem)
    >>> fit.evidence[0].estimator, fit.draws.batch_shape
    ('smc', (4, 100))
    """

    kind: ClassVar[str] = "smc"
    estimate: ClassVar[Estimate] = "sample"
    revision: ClassVar[int] = 7
    packages: ClassVar[tuple[str, ...]] = ("numpy", "scipy", "numba")
    compiles: ClassVar[bool] = False

    chains: Annotated[int, Ge(2)] = 16
    draws: Annotated[int, Ge(2)] = 256
    ess: Annotated[float, Gt(0), Lt(1)] = 0.9
    sweeps: Annotated[int, Ge(1)] = 5

    def __post_init__(self) -> None:
        check_options(self)

    def refuses(self, problem: Problem) -> str | None:
        """No prior, or counts that are no numbers of rows."""
        if problem.prior is None:
            return problem.no_prior
        if not problem.data.counts_are_whole:
            return "smc draws a label for each row and the counts are not whole numbers; use nuts"
        return None

    def fit(self, problem: Problem, context: Context | None = None) -> Fit:
        """Take all islands through the path side by side.

        Raises
        ------
        ValueError
            If the problem is refused.
        FloatingPointError
            If all particles of an island give a row no density.
        """
        from workbench.inference.smc.archipelago import travelled
        from workbench.inference.smc.islands import evidence_of, unless_opposed

        context = context or Context.default(problem)
        if (reason := self.refuses(problem)) is not None:
            raise ValueError(reason)
        with context.clock("run"), np.errstate(all="ignore"):  # far draws from the prior may well be impossible: then they are -inf
            islands = travelled(problem, self, context)
            draws = islands.draws
            log_likelihood, log_posterior = densities(problem, draws, context.threads)
            others = sampled(problem, draws, context, noise=1, log_posterior=log_posterior, advice=Advice.of(self, problem))
        return Fit.sample(
            draws,
            kind=self.kind,
            family=problem.family,
            log_likelihood=log_likelihood,
            log_posterior=log_posterior,
            objective_name="log_evidence",
            status=Status.SAMPLED,
            seconds=context.clock.seconds,
            options=dataclasses.asdict(self),
            evidence=(unless_opposed(evidence_of(islands.log_evidences), others), *others),
            trace=islands.trace,
            messages=islands.remarks,
        )
