"""Bounds of log p(x) from the best q, and importance sampling from the q of all optima that restarts found."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from workbench.fit import Evidence
from workbench.inference.evidence import sought, with_labels
from workbench.inference.evidence.importance import Limits, affordable, seen, weighed
from workbench.inference.evidence.symmetry import Symmetry
from workbench.inference.method import Context
from workbench.inference.target import CompiledTarget
from workbench.inference.vbem.ends import Ends
from workbench.inference.vbem.steps import VariationalSteps
from workbench.models import Mixture, Prior
from workbench.models.mixture import gathered
from workbench.models.shapes import Coordinates, PerFit
from workbench.models.terms import log_sum_exp

MOST_PERMUTED = 6
"""Components up to which all K! relabellings are summed."""
GAP, MOST = 15.0, 12
"""Nats below the best beyond which an optimum is no matter, and optima that are drawn from at most."""
SAME = 1e-3
"""Largest difference of a coordinate, and of two ELBOs, within which two ends are one optimum."""
WIDER = 0.6
"""Rows that a proposal's q is updated by, as a share: the posterior's tails are heavier than q's."""
TAILS = {0.2: 0.1, 0.05: 0.1, 0.0: 0.05}
"""Shares of the draws from still wider ones about the best optimum, the last of which is the prior: weights are then bounded."""
OF_OPTIMA = 200
"""Draws of optima that labels are drawn for."""
AT_LEAST = 0.1
"""Share of the other draws that all optima divide alike."""
LIMITS = Limits(pareto_k=0.7, efficiency=0.2)
"""Where fewer draws are effective, estimates that look well are those that missed what is rare and heavy."""
ADVICE = "use nuts, gibbs or smc"


def evidence(
    steps: VariationalSteps, ends: Ends, q: Prior, draws: Mixture, log_posterior: PerFit, context: Context, noise: int
) -> Iterator[Evidence]:
    """The objective itself; with up to six components also the ELBO of q averaged over the labellings, and importance sampling.

    ``noise`` numbers the noise seed of what is drawn beside ``draws``, of which the log p(x, theta) are known.

    A prior that tells components apart has a posterior that is not symmetric, of which the average is no approximation.
    """
    yield Evidence("elbo_labels", float(ends.polished.objective[ends.best]), 0.0, trusted=False)
    concentration = steps.own_prior.concentration
    if (concentration != concentration[0]).any() or concentration.size > MOST_PERMUTED:
        return
    ratios = (log_posterior - q.relabelled_log_density(draws)).ravel()
    yield Evidence("elbo_symmetrised", float(ratios.mean()), float(ratios.std(ddof=1) / math.sqrt(ratios.size)), trusted=False)
    if context.estimates:
        yield _importance(steps, ends, context, noise)


def _importance(steps: VariationalSteps, ends: Ends, context: Context, noise: int) -> Evidence:
    """From a mixture of every optimum's q, wider than it is and averaged over the labellings.

    From the best optimum alone, weights look well where others hold half of the posterior: nothing of those is ever drawn.
    """
    target, rng = CompiledTarget(steps.problem.target(), steps.engine), np.random.default_rng(context.noise_seed(noise))
    parts, shares = _proposal(steps, ends)
    counts = rng.multinomial(affordable(target), shares)
    draws = gathered([q.sample(rng, (int(count),)) for q, count in zip(parts, counts, strict=True)])
    if len(parts) > 1 and (better := _with_labels(steps, target, parts, shares, context, rng)) is not None:
        return better

    def log_q(mixture: Mixture) -> PerFit:
        each = np.stack([q.relabelled_log_density(mixture) for q in parts], axis=-1)
        return np.asarray(log_sum_exp(each + np.log(shares)))

    def log_q_of_coordinates(u: Coordinates) -> PerFit:
        mixture, log_jacobian = target.prior.unflatten(u)
        return np.asarray(log_q(mixture) + log_jacobian)

    with np.errstate(all="ignore"):  # a draw may well be impossible
        log_weights = target.log_posterior(draws) - log_q(draws)
        found = weighed(np.where(np.isfinite(log_weights), log_weights, -np.inf), LIMITS, ADVICE)
        if not found.trusted or len(parts) == 1:
            return found
        return seen(found, target, log_q_of_coordinates, sought(target, Symmetry.of(target.prior), context), ADVICE)


def _with_labels(
    steps: VariationalSteps, target: CompiledTarget, parts: list[Prior], shares: np.ndarray, context: Context, rng: np.random.Generator
) -> Evidence | None:
    """From p(theta | x, z), labels z drawn given draws of the optima's q: that has the posterior's own tails."""
    optima = shares[: -len(TAILS)] / shares[: -len(TAILS)].sum()
    counts = rng.multinomial(OF_OPTIMA, optima)
    draws = gathered([q.sample(rng, (int(count),)) for q, count in zip(parts, counts, strict=False)])
    with np.errstate(all="ignore"):  # of a component that nothing belongs to
        u = rng.permutation(steps.own_prior.flatten(draws)[0])
        return with_labels(target, u[np.isfinite(u).all(axis=-1)], context, rng)


def _proposal(steps: VariationalSteps, ends: Ends) -> tuple[list[Prior], np.ndarray]:
    """Distributions of q's own form, and the shares of the draws from each: of optima by their ELBO, or a little more."""
    chosen = different(steps, ends)
    if steps.problem.n_components == 1 and steps.own_prior.conjugate:
        return [steps.posterior(ends.settled.take(chosen[0]))], np.ones(1)  # which is the posterior, or nearly
    elbo = ends.polished.objective[chosen]
    each = np.exp(elbo - elbo.max())
    each = (1.0 - AT_LEAST) * each / each.sum() + AT_LEAST / each.size
    widths = [*((i, WIDER) for i in chosen), *((chosen[0], width) for width in TAILS)]
    parts = [steps.posterior(ends.settled.take(i).scaled(width)) for i, width in widths]
    return parts, np.concatenate([(1.0 - sum(TAILS.values())) * each, list(TAILS.values())])


def different(steps: VariationalSteps, ends: Ends) -> list[int]:
    """Restarts at different optima, but for labels, the best first: by the ELBO and by numbers that no relabelling changes."""
    elbo = np.where(np.isfinite(ends.polished.objective), ends.polished.objective, -np.inf)
    elbo[[not status.at_optimum for status in ends.run.status]] = -np.inf
    with np.errstate(all="ignore"):
        u = Symmetry.of(steps.own_prior).ordered(steps.own_prior.flatten(ends.polished.mixture)[0])
    kept: list[int] = []
    for i in np.argsort(-elbo, kind="stable"):
        if len(kept) == MOST or not elbo[i] >= elbo.max() - GAP:
            break
        if not any(abs(elbo[i] - elbo[j]) < SAME and np.abs(u[i] - u[j]).max() < SAME for j in kept):
            kept.append(int(i))
    return kept
