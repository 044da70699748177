"""Fit: what every inference method gives back, and its form on disk, an ArviZ ``xarray.DataTree``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal

import numpy as np

from workbench.models import Family, Mixture

Estimate = Literal["point", "approximation", "sample"]


LIKELIHOODS = ("log_likelihood", "bound", "annealed_bound")
"""Objectives whose polished optima are those of the likelihood."""


def maximised(objective_name: str) -> Literal["likelihood", "posterior", ""]:
    """Of what the polished optima of an objective are maxima."""
    if objective_name in LIKELIHOODS:
        return "likelihood"
    return "posterior" if objective_name == "log_posterior" else ""


class Status(Enum):
    """How a fit or a restart ended; the values are sentences that say what happened and what to do next."""

    CONVERGED = "converged"
    MAX_ITER = "stopped at max_iter before it converged; raise max_iter or tol"
    FOLLOWED = "stopped at max_iter before it converged, and its end was followed to the optimum; raise max_iter or tol to see it get there"
    SHORT = "stopped where its objective hardly changed, more than a nat short of the optimum that its end was followed to; lower tol"
    HELD = (
        "stopped at a probability of 0 or 1, a rate or a weight of 0, from which the objective rises but which no step of EM leaves; its "
        "end was followed from inside"
    )
    SINGULAR = "ran into a singular solution, where the likelihood has no bound; use em with objective: posterior, or fewer components"
    SINGULAR_BEYOND = (
        "stopped before it reached a singular solution, into which EM climbs from its end; use em with objective: posterior, or fewer "
        "components"
    )
    LOST_COMPONENT = "lost a component: no row is left to it; use fewer components, or another start"
    NOT_FINITE = "the objective is not finite; look at the data's scale and at the prior"
    FELL = "the objective fell beyond rounding, which it never may; please report it with the config"
    NO_REGULAR_OPTIMUM = (
        "every restart ended at a singular or spurious optimum, so there is no best point; use em with objective: posterior, or fewer "
        "components"
    )
    SINGULAR_DATA = (
        "every restart ended at a singular optimum, as every fit of these data must: the messages say why; leave out the columns at fault, "
        "or give `prior:` by hand and use em with objective: posterior"
    )
    NO_DENSITY = (
        "the best partition has a part too small for a covariance of its own, so it cannot be read as a mixture; use a simpler "
        "covariance (tied, diagonal or spherical), or fewer components"
    )
    NOT_SETTLED = "the ELBO was still rising when the iterations ran out; raise max_iter"
    SAMPLED = "sampled"
    RAN = "ran its iterations, as it should: it settles around a solution and converges to none"

    @property
    def good(self) -> bool:
        return self in (Status.CONVERGED, Status.FOLLOWED, Status.SHORT, Status.HELD, Status.SAMPLED, Status.RAN)

    @property
    def capped(self) -> bool:
        """Whether a restart stopped at max_iter."""
        return self in (Status.MAX_ITER, Status.FOLLOWED, Status.NOT_SETTLED)

    @property
    def at_optimum(self) -> bool:
        """Whether a restart that ended so is at an optimum, be it singular; the others went wrong and are at none."""
        return self not in (Status.NOT_FINITE, Status.FELL)


@dataclass(frozen=True, eq=False)
class Trace:
    """The objective of every iteration of every restart; 1-D arrays of one length, ordered by restart, then iteration.

    Attributes
    ----------
    restart, iteration : int64
    seconds : float64, since the fit began
    objective : float64, belongs to the parameters of that iteration
    log_likelihood : float64 beside it, or None where the method has none
    entered : float64, rows that count in that iteration, those that count in part with it; None where all always do
    """

    restart: np.ndarray
    iteration: np.ndarray
    seconds: np.ndarray
    objective: np.ndarray
    log_likelihood: np.ndarray | None = None
    entered: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Path:
    """Parameters by iteration, of the reported restart and some others; the mixtures' batch is the row."""

    restart: np.ndarray
    iteration: np.ndarray
    mixture: Mixture


@dataclass(frozen=True, eq=False)
class Ledger:
    """log p(x | theta) = L(q, theta) + KL(q || p(z | x, theta)), half step by half step of the reported restart (Neal & Hinton 1998).

    1-D arrays of one length, in nats; the method's own q.

    Attributes
    ----------
    iteration : int64, from 0, the start's own E step
    half_step : ``E`` (q moves, theta stays) or ``M`` (theta moves, q stays)
    expected_complete : E_q log p(x, z | theta), Bishop's Q
    entropy : H(q)
    kl : KL(q || p(z | x, theta)), computed by itself and not as a difference
    log_likelihood : log p(x | theta) at this half step's theta
    log_prior : log prior density of theta, nan without a prior
    """

    iteration: np.ndarray
    half_step: np.ndarray
    expected_complete: np.ndarray
    entropy: np.ndarray
    kl: np.ndarray
    log_likelihood: np.ndarray
    log_prior: np.ndarray

    @property
    def bound(self) -> np.ndarray:
        """L(q, theta), the sum of the two before it."""
        return np.asarray(self.expected_complete + self.entropy)


@dataclass(frozen=True, eq=False)
class Restarts:
    """How every restart ended; arrays (restart,), mixtures with that batch.

    Attributes
    ----------
    start_seed : the seed of its start: ``numpy.random.default_rng(start_seed)``
    init : the kind of start
    gain_left : Aitken's estimate of what was left to gain, nan where it does not apply
    mixture : where the restart stopped, or None
    polished : the same optimum followed to working precision, or None for methods that have no such thing
    polished_objective : (restart,), nan where there is none
    singular, spurious : (restart,), of the polished solution (statistics, section 3)
    """

    start_seed: np.ndarray
    init: tuple[str, ...]
    iterations: np.ndarray
    objective: np.ndarray
    log_likelihood: np.ndarray
    log_posterior: np.ndarray
    gain_left: np.ndarray
    status: tuple[Status, ...]
    mixture: Mixture | None = None
    polished: Mixture | None = None
    polished_objective: np.ndarray | None = None
    singular: np.ndarray | None = None
    spurious: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class LeaveOneOutRefits:
    """What each row's density is under the fit without it.

    Attributes
    ----------
    elpd : ndarray (N,), log p(x_n | fit with one unit less of row n), or averaged over the folds that its units are in;
        0 for rows without an observed cell, nan where a refit has no optimum
    refits : how many there were
    folds : 0 when each row was left out by itself
    singular : refits that ran into a singular solution, or lost a component that needs rows of its own; their elpd is nan
    lost : refits that lost a component where nothing is singular about it: local maxima of fewer components
    unfinished : refits that were stopped before they had converged, or still lay at a boundary from which the objective rises
    impossible : distinct rows that have no density at all without themselves, by a probability of 0: their elpd is -inf
    iterations : the most that a refit took
    """

    elpd: np.ndarray
    refits: int
    folds: int
    singular: int
    lost: int
    impossible: int
    unfinished: int
    iterations: int


@dataclass(frozen=True)
class Evidence:
    """An estimate of log p(x), or a bound of it, in nats.

    Attributes
    ----------
    estimator : ``exact``, ``smc``, ``bridge``, ``importance``, ``laplace``, ``bic``; ``elbo``, ``elbo_symmetrised``, ``elbo_labels``
    log_evidence : its value; of an ELBO the bound
    mcse : Monte-Carlo standard error, 0 where nothing is drawn, nan where it cannot be told
    trusted : whether it may stand for log p(x): no bound may, nor an estimate whose own diagnostics deny it
    note : what denies it, and what to do; empty if trusted
    """

    estimator: str
    log_evidence: float
    mcse: float
    trusted: bool = True
    note: str = ""


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted mixture, whatever method made it.

    ``draws`` is what is reported and nothing else: one chain of one draw for a point, draws of the best q for an
    approximation, exchangeable chains for a sample; None when a point method found no regular optimum.

    Attributes
    ----------
    kind, estimate : the method's registry name, and what its draws are
    family : the components' family
    draws : Mixture with batch (chain, draw), or None
    log_likelihood, log_posterior, log_q : ndarray (chain, draw); densities over the natural parameters. ``log_posterior`` is
        the log likelihood plus the log prior density, nan where there is no prior; ``log_q`` for approximations only
    sample_stats : name -> ndarray (chain, draw)
    restarts, trace, path, ledger : of methods that have them
    left_out : of a point at a maximum, what the fit without each row says of it
    reported : the restart that is reported, or -1
    approximation : ``mean`` (dim,) and ``scale_tril`` (dim, dim) of a normal q in unconstrained coordinates, with ``elbo_rise`` and
        ``elbo_rise_limit`` (nats) where it was climbed to by noisy estimates, until they rose by no more; of one of the prior's
        form ``expected_counts`` (K,), and its hyperparameters by their names in a config, component axis first
    objective_name : what the method maximises
    evidence : estimates of log p(x) and bounds of it that the method gives
    seconds : ``compile`` and ``run``
    options : the method's options by their YAML names
    messages : warnings and remarks of the method and its libraries
    """

    kind: str
    estimate: Estimate
    family: Family
    draws: Mixture | None
    log_likelihood: np.ndarray
    log_posterior: np.ndarray
    objective_name: str
    status: Status
    seconds: Mapping[str, float]
    options: Mapping[str, Any]
    log_q: np.ndarray | None = None
    sample_stats: Mapping[str, np.ndarray] = field(default_factory=dict)
    restarts: Restarts | None = None
    reported: int = -1
    trace: Trace | None = None
    path: Path | None = None
    ledger: Ledger | None = None
    left_out: LeaveOneOutRefits | None = None
    approximation: Mapping[str, np.ndarray] = field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()
    messages: tuple[str, ...] = ()

    def __repr__(self) -> str:
        size = "nothing found" if self.draws is None else f"log_likelihood={float(np.mean(self.log_likelihood)):.3f}"
        size += "" if self.estimate == "point" else f" on average over {' x '.join(map(str, self.log_likelihood.shape))} draws"
        return f"Fit({self.kind}, {self.estimate}: {self.status.value}, {size})"

    @classmethod
    def point(cls, mixture: Mixture | None, **fields: Any) -> Fit:
        """A point estimate: one unbatched mixture, or None; densities are given as (1, 1) arrays, or nan."""
        draws = None if mixture is None else mixture.reshaped(1, 1)
        return cls(estimate="point", draws=draws, **fields)

    @classmethod
    def approximation_of(cls, draws: Mixture, log_q: np.ndarray, **fields: Any) -> Fit:
        """Draws from an approximation q of the posterior, batch (1, draw), with log q of each."""
        return cls(estimate="approximation", draws=draws, log_q=log_q, **fields)

    @classmethod
    def sample(cls, draws: Mixture, **fields: Any) -> Fit:
        """Draws from the posterior, batch (chain, draw)."""
        return cls(estimate="sample", draws=draws, **fields)

    @property
    def maximises(self) -> Literal["likelihood", "posterior", ""]:
        """What the point is a maximum of: climbed, or what was climbed becomes it; nothing for draws and for kinds that wander."""
        if self.estimate != "point" or self.status is Status.RAN:
            return ""
        return maximised(self.objective_name)

    @property
    def mixture(self) -> Mixture:
        """The point of a point fit, without batch axes.

        Raises
        ------
        ValueError
            If this is no point, or none was found.
        """
        if self.estimate != "point" or self.draws is None:
            lacking = self.status.value if self.draws is None else f"a {self.estimate} has draws; use those"
            raise ValueError(f"this fit has no single point: {lacking}")
        return self.draws.take((0, 0))
