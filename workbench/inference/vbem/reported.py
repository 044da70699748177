"""What is reported of variational Bayes: draws of the best q with their densities, bounds and evidence, and how every restart ended."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from workbench.fit import Restarts
from workbench.inference.densities import densities
from workbench.inference.em.ends import of_end
from workbench.inference.method import Context
from workbench.inference.vbem.ends import Ends
from workbench.inference.vbem.evidence import evidence
from workbench.inference.vbem.steps import VariationalSteps
from workbench.models import Prior
from workbench.models.mixture import gathered
from workbench.problem import Problem

EACH = 100
"""Draws of every restart by which its mean log likelihood is told."""
CELLS = 200_000_000
"""Cells times components times draws that those of all restarts may cost; what is then less than a few draws is left empty."""
FEWEST = 5


def reported(steps: VariationalSteps, ends: Ends, n_draws: int, context: Context) -> dict[str, Any]:
    """The fields of the fit that depend on the climb."""
    best, problem = ends.best, steps.problem
    q = steps.posterior(ends.settled.take(best))
    drawn = _drawn(problem, q, np.random.default_rng(context.noise_seed(len(ends.seeds))), n_draws, context.threads)
    counts = np.asarray(ends.settled.counts[best])
    run = ends.run
    return {
        **drawn,
        "objective_name": "elbo",
        "status": of_end(ends.stopped[best], ends.polished.status[best]),
        "restarts": _restarts(steps, ends, context),
        "reported": best,
        "trace": dataclasses.replace(run.trace, log_likelihood=None),
        "path": ends.path(steps),
        "approximation": {"expected_counts": counts, **dict(_hyperparameters(q))},
        "evidence": tuple(evidence(steps, ends, q, drawn["draws"], drawn["log_posterior"], context, len(ends.seeds) + 1)),
    }


def _drawn(problem: Problem, q: Prior, rng: np.random.Generator, n_draws: int, threads: int) -> dict[str, Any]:
    """Independent draws in one chain, and their densities over the natural parameters."""
    draws = q.sample(rng, (n_draws,)).reshaped(1, n_draws)
    log_likelihood, log_posterior = densities(problem, draws, threads)
    return {"draws": draws, "log_q": q.log_density(draws), "log_likelihood": log_likelihood, "log_posterior": log_posterior}


def _restarts(steps: VariationalSteps, ends: Ends, context: Context) -> Restarts:
    """Where each stopped, and the same end followed to working precision; nothing is singular under a proper prior."""
    run, count = ends.run, len(ends.seeds)
    log_likelihood, log_posterior = _means(steps, ends, context)
    return Restarts(
        start_seed=np.array(ends.seeds),
        init=ends.init,
        iterations=run.iterations,
        objective=run.objective,
        log_likelihood=log_likelihood,
        log_posterior=log_posterior,
        gain_left=run.gain_left,
        status=ends.stopped,
        mixture=run.mixture,
        polished=ends.polished.mixture,
        polished_objective=ends.polished.objective,
        singular=np.zeros(count, bool),
        spurious=np.zeros(count, bool),
    )


def _means(steps: VariationalSteps, ends: Ends, context: Context) -> tuple[np.ndarray, np.ndarray]:
    """Log likelihood and log posterior of each restart, means over some draws of its q; nan where the data are too many for that."""
    count, problem = len(ends.seeds), steps.problem
    each = min(EACH, CELLS // (problem.data.x.size * problem.n_components * count))
    if each < FEWEST:
        return np.full(count, np.nan), np.full(count, np.nan)
    rngs = (np.random.default_rng(context.noise_seed(i)) for i in range(count))
    with np.errstate(all="ignore"):  # of a restart that went wrong
        draws = gathered([steps.posterior(ends.statistics.take(i)).sample(rng, (each,)) for i, rng in enumerate(rngs)])
        values = densities(problem, draws.reshaped(count, each), context.threads)
    return values[0].mean(axis=1), values[1].mean(axis=1)


def _hyperparameters(q: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Of q(weights, theta), by their names in a config; in a product BLOCK.NAME."""
    if isinstance(q, Prior):
        yield "concentration", q.concentration
        yield from _hyperparameters(q.components)
    elif hasattr(q, "blocks"):
        for family, block in zip(q.families, q.blocks, strict=True):
            yield from ((f"{family}.{name}", value) for name, value in _hyperparameters(block))
    else:
        arrays = {field.name: getattr(q, field.name) for field in dataclasses.fields(q)}
        yield from ((name, np.asarray(value)) for name, value in arrays.items() if isinstance(value, np.ndarray))
