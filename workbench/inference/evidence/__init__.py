"""Estimates of log p(x) that methods make at the end of their fit and store with it (``Fit.evidence``).

What a method calls, all by unconstrained coordinates and the compiled E step:

- :func:`sampled`, of draws from the posterior: ``bridge`` and ``importance``;
- :func:`approximated`, of a q that can be drawn from: ``importance``;
- :func:`at_optima`, of optima of MAP-EM: ``laplace``, and ``importance`` about them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from workbench.fit import Evidence
from workbench.inference.advice import Advice
from workbench.inference.evidence.importance import Limits
from workbench.inference.evidence.proposal import Conjugate, Proposal, StudentMixture
from workbench.inference.method import Context
from workbench.models import Mixture
from workbench.models.shapes import Coordinates, PerFit
from workbench.problem import Problem

if TYPE_CHECKING:
    from workbench.inference.evidence.conditionals import Conditionals
    from workbench.inference.evidence.laplace import Mode
    from workbench.inference.evidence.places import Place
    from workbench.inference.evidence.symmetry import Symmetry
    from workbench.inference.target import CompiledTarget

MOST_DRAWS, BY_SQUARE, AT_LEAST = 8_000, 24_000, 2_400
"""Draws of all chains that a bridge uses; of more, evenly spaced ones. Where proposals are averages over labels, so many by the square of
the components, but no fewer than the last: each is seen as every component."""
STARTS = 64
"""Runs of EM by which modes are looked for where no chain has been."""
STARTS_EMPTY = 16
"""The same of mixtures of fewer components."""
MOST_DIM = 200
"""Coordinates up to which modes are looked for: a Hessian takes twice as many gradients."""
ONE_Q = Limits(pareto_k=0.5, efficiency=0.5)
"""Of weights from one q."""
ABOUT_MODES = Limits(pareto_k=0.5, efficiency=0.3)
"""Of weights from t densities about modes. MAP-EM with 30 restarts and 10 seeds each: Old Faithful K = 3 (efficiency 0.00 to 0.10, k-hat
0.38 to 0.81) is 4.9 stated errors too low on average, galaxies K = 4 (0.00 to 0.04, 0.64 to 1.26) 5.1."""
MOST_ABOUT_MODES = 10_000
"""Draws from p(theta | x, z) about modes."""
ABOUT_PLACES = 0.4
"""Share of the draws that are about modes and places with empty components, beside those of an approximation."""
SECOND = 300_000_000
"""Cells of data times components that the compiled E step sees in about a second."""


def sampled(
    problem: Problem,
    draws: Mixture,
    context: Context,
    *,
    noise: int,
    log_posterior: PerFit | None = None,
    advice: Advice | None = None,
) -> tuple[Evidence, ...]:
    """Bridge and importance sampling by draws from the posterior.

    Parameters
    ----------
    draws : batch (chain, draw), labelled as they were drawn
    context : of the fit
    noise : number of the context's noise seed that the proposals are drawn by
    log_posterior : ndarray (chain, draw), log p(x, theta) over natural parameters, where it is known already
    advice : what can be changed about the method that made the draws; without it they were made elsewhere

    Notes
    -----
    The posterior is divided into its K! equal parts and the draws are aligned with a reference: log p(x) = log K! + the log
    integral over one part, exactly, for any K (:mod:`workbench.inference.evidence.symmetry`). ``bridge`` is trusted if R-hat of
    the log density and of numbers that no relabelling changes is at most 1.05, the proposal overlaps with the posterior, modes
    where no chain has been hold at most a tenth of it (up to that they are part of the error), and importance sampling does not
    contradict; ``importance`` if k-hat is at most 0.7 and 35 % of the draws or more are effective.

    Proposals are averages of p(theta | x, z) over labels z that are drawn given some of the draws, where that is in closed form: priors
    that are conjugate, up to four components, whole counts. Else they are mixtures of t densities fitted to the draws, and 45 % of
    the draws must be effective.

    Modes are looked for by runs of MAP-EM from the context's starts, with as many components and, where theta given the labels is in
    closed form, with fewer: places with empty components (:mod:`workbench.inference.evidence.places`). Above 200 coordinates their
    Hessians would take too long: then nothing is trusted, and the note says so.
    """
    from workbench.inference.evidence.bridge import estimates
    from workbench.inference.evidence.laplace import modes
    from workbench.inference.evidence.symmetry import Symmetry

    if not context.estimates:
        return ()
    advice = advice or Advice("", (), problem)
    with _at_work(problem, context) as target:
        thin = max(1, math.ceil(draws.weights[..., 0].size / _most_draws(target)))
        u, log_jacobian = target.prior.flatten(draws.take((slice(None), slice(None, None, thin))))
        if (reason := _unusable(u, advice)) is not None:
            return (Evidence("bridge", math.nan, math.nan, False, reason),)
        if log_posterior is None:
            log_density = np.asarray(target.log_density(u.reshape(-1, target.dim))).reshape(u.shape[:2])
        else:
            log_density = np.asarray(log_posterior)[:, ::thin] + log_jacobian
        starts = [context.start_seed(i) for i in range(STARTS)] if target.dim <= MOST_DIM else []
        known = modes(target, Symmetry.of(target.prior), _ends(problem, starts)) if starts else []
        try:
            rng = np.random.default_rng(context.noise_seed(noise))
            empty = _emptied(target, context) if starts else []
            found = estimates(target, u, log_density, rng, advice, known, empty)
            return found if starts else tuple(_unsought(each, target.dim, advice) for each in found)
        except np.linalg.LinAlgError:
            reason = f"the draws have no covariance that is positive definite in working precision; {advice.more('draws', kinds=['smc'])}"
            return (Evidence("bridge", math.nan, math.nan, False, reason),)


def approximated(problem: Problem, proposal: Proposal, context: Context, *, noise: int, advice: str) -> tuple[Evidence, ...]:
    """Importance sampling from an approximation of the posterior, averaged over the labellings.

    Parameters
    ----------
    proposal : q over unconstrained coordinates; of variational Bayes ``Conjugate(problem.prior, q)``
    context, noise : of the fit, and the number of the noise seed
    advice : what to do where the weights' tail is too heavy

    Notes
    -----
    Whatever q is, the log of a mean weight is a lower bound of log p(x) in expectation, and tighter than the ELBO (Burda, Grosse &
    Salakhutdinov 2016). It is called an estimate of log p(x) only with k-hat of at most 0.5, half of the draws effective, and no mode
    of the posterior, up to a hundredth of it, that q misses: modes are looked for by runs of MAP-EM from the context's starts.
    """
    from workbench.inference.evidence.importance import affordable, importance, seen
    from workbench.inference.evidence.symmetry import Symmetry

    if not context.estimates:
        return ()
    with _at_work(problem, context) as target:
        rng, symmetry = np.random.default_rng(context.noise_seed(noise)), Symmetry.of(target.prior)
        found, log_q = importance(target, symmetry, proposal, rng, affordable(target), ONE_Q, advice)
        return (seen(found, target, log_q, sought(target, symmetry, context), advice) if found.trusted else found,)


def sought(target: CompiledTarget, symmetry: Symmetry, context: Context) -> list[Mode] | None:
    """Modes that MAP-EM finds from the context's starts; None where their Hessians would take more than seconds."""
    from workbench.inference.evidence.laplace import modes

    if not _climbable(target.problem):
        return None
    return modes(target, symmetry, _ends(target.problem, [context.start_seed(i) for i in range(STARTS)]))


def _emptied(target: CompiledTarget, context: Context) -> list[Place]:
    """Places with empty components; none where the prior tells components apart, or theta given the labels is in no closed form."""
    from workbench.inference.evidence.conditionals import Labeller
    from workbench.inference.evidence.places import emptied, fewer
    from workbench.inference.evidence.symmetry import Symmetry
    from workbench.inference.target import CompiledTarget

    symmetry, found = Symmetry.of(target.prior), []
    if not symmetry.exchangeable or Labeller.of(target, exchangeable=True) is None:
        return []
    for count in range(1, symmetry.n_components):
        smaller = CompiledTarget(fewer(target.problem, count).target(), target.engine)
        starts = [context.start_seed(i) for i in range(STARTS_EMPTY)]
        found += emptied(target.prior, smaller, _ends(smaller.problem, starts))
    return found


def _climbable(problem: Problem) -> bool:
    """Whether Hessians of a dozen modes are a matter of seconds."""
    dim = problem.coordinates.dim
    return dim <= MOST_DIM and 100 * dim * problem.data.x.size * problem.n_components <= 10 * SECOND


def at_optima(problem: Problem, ends: Mixture, context: Context, *, noise: int) -> tuple[Evidence, ...]:
    """Laplace's approximation about ends of MAP-EM, and importance sampling about the same modes.

    Parameters
    ----------
    ends : batch (restart,); those that are one optimum count once, and all K! relabellings of it
    context, noise : of the fit, and the number of the noise seed

    Notes
    -----
    Nothing is estimated where the Hessians would take more than seconds. The importance sampler is the cheap one: it is left out
    where it would take more than a second. It draws from p(theta | x, z) averaged over labels z that are drawn about the modes, and at
    places with empty components, or where that is in no closed form from t densities about the modes; it is trusted if k-hat is at
    most 0.5, half of its draws (of t densities 30 %) are effective and runs of EM from the context's starts find no other mode, up to a
    hundredth of the posterior.
    """
    from workbench.inference.em.starts import interior
    from workbench.inference.evidence.importance import DRAWS
    from workbench.inference.evidence.laplace import laplace, modes
    from workbench.inference.evidence.symmetry import Symmetry

    cells = problem.data.x.size * problem.n_components
    if not context.estimates or not _climbable(problem):
        return ()
    with _at_work(problem, context) as target:
        symmetry = Symmetry.of(target.prior)
        found = modes(target, symmetry, interior(target.prior, ends))
        if not found or DRAWS * cells > SECOND:
            return (laplace(found),)
        rng = np.random.default_rng(context.noise_seed(noise))
        return laplace(found), _about_modes(target, symmetry, found, context, rng)


def _about_modes(target: CompiledTarget, symmetry: Symmetry, found: list[Mode], context: Context, rng: np.random.Generator) -> Evidence:
    """Importance sampling about modes, which are those that an end of MAP-EM has climbed to."""
    from workbench.inference.evidence.conditionals import Labeller
    from workbench.inference.evidence.importance import DRAWS, importance, seen
    from workbench.inference.evidence.laplace import about
    from workbench.inference.evidence.places import Place
    from workbench.inference.evidence.symmetry import Region

    labeller, advice = Labeller.of(target, symmetry.exchangeable), Advice("", (), target.problem).richer()
    if labeller is None:
        region = Region.about(symmetry, found[0].u)
        proposal = about([mode.within(region) for mode in found])
        estimate, log_q = importance(target, symmetry, proposal, rng, DRAWS, ABOUT_MODES, advice)
    else:
        q = labeller.about([*(Place.about(target, mode) for mode in found), *_emptied(target, context)], rng)
        estimate, log_q = by_labels(target, q, rng), q.log_density
    return seen(estimate, target, log_q, sought(target, symmetry, context), advice) if estimate.trusted else estimate


def with_labels(target: CompiledTarget, draws: Coordinates, context: Context, rng: np.random.Generator) -> Evidence | None:
    """Importance sampling from p(theta | x, z), labels z drawn given draws of an approximation, about modes, and with empty components.

    Parameters
    ----------
    draws : (n, dim), of the approximation

    Returns
    -------
    None where there is no such proposal, or modes would take too long to find.
    """
    from workbench.inference.evidence.conditionals import Labeller
    from workbench.inference.evidence.places import Place
    from workbench.inference.evidence.symmetry import Symmetry

    symmetry = Symmetry.of(target.prior)
    labeller = Labeller.of(target, symmetry.exchangeable)
    known = None if labeller is None else sought(target, symmetry, context)
    if labeller is None or known is None:
        return None
    places = [*(Place.about(target, mode) for mode in known), *_emptied(target, context)]
    q = labeller.from_draws(draws, rng)
    return by_labels(target, q.beside(labeller.about(places, rng), ABOUT_PLACES) if places else q, rng)


def by_labels(target: CompiledTarget, q: Conditionals, rng: np.random.Generator) -> Evidence:
    """Importance sampling from an average of p(theta | x, z)."""
    from workbench.inference.evidence.importance import weighed

    u = q.sample(rng, min(MOST_ABOUT_MODES, max(AT_LEAST, BY_SQUARE // target.prior.n_components**2)))
    return weighed(target.log_density(u) - q.log_density(u), ONE_Q, Advice("", (), target.problem).richer())


@contextmanager
def _at_work(problem: Problem, context: Context) -> Iterator[CompiledTarget]:
    """The posterior, with one thread of BLAS, as small matrix products only wait for each other on several, and without warnings of
    what is judged afterwards."""
    import threadpoolctl

    from workbench.inference.target import CompiledTarget

    context.progress("estimating the evidence", math.nan)
    with threadpoolctl.threadpool_limits(1, user_api="blas"), np.errstate(all="ignore"):
        yield CompiledTarget.of(problem, context.threads)


def _ends(problem: Problem, seeds: list[int]) -> Coordinates:
    from workbench.inference.em.begin import begin

    return begin(problem, "em", seeds)[0]


def _most_draws(target: CompiledTarget) -> int:
    from workbench.inference.evidence.conditionals import Labeller

    if Labeller.of(target, exchangeable=True) is None:
        return MOST_DRAWS
    return min(MOST_DRAWS, max(AT_LEAST, BY_SQUARE // target.prior.n_components**2))


def _unsought(found: Evidence, dim: int, advice: Advice) -> Evidence:
    """An estimate beside which modes have not been looked for."""
    why = f"modes where no draw has been were not looked for, as {dim} coordinates are above {MOST_DIM}; {_other(advice)}"
    return dataclasses.replace(found, trusted=False, note="; ".join(filter(None, (found.note, why))))


def _other(advice: Advice) -> str:
    """Where log p(x) can be had that no draws of a posterior are bridged for."""
    return advice.instead("smc") or "its own estimate needs no such draws"


def _unusable(u: np.ndarray, advice: Advice) -> str | None:
    """Why draws (chain, draw, dim) are no material for a bridge, or None."""
    if not np.isfinite(u).all():
        return f"some draws have a weight or probability of 0 or 1, which has no finite coordinate; {_other(advice)}"
    if u.shape[0] * (u.shape[1] // 2) < 2 * (u.shape[2] + 2) or u.shape[1] < 8:
        few = f"{u.shape[0]} x {u.shape[1]} draws of {u.shape[2]} coordinates are too few to fit a proposal to half of them"
        return f"{few}; {advice.more('draws')}"
    return None


__all__ = ["Conjugate", "Proposal", "StudentMixture", "approximated", "at_optima", "sampled"]
