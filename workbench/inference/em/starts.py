"""Starts: where restart i begins, from a seed of its own, so that methods share starts and batching changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from workbench.inference.em.climb import spread
from workbench.inference.em.engine import BOOK, Engine
from workbench.inference.em.partition import partition
from workbench.inference.em.scheme import Steps, plain
from workbench.inference.em.steps import m_step
from workbench.models import Mixture, Prior
from workbench.models.mixture import BLOCK, gathered, stacked
from workbench.models.shapes import Coordinates
from workbench.problem import Problem

Init = Literal["mixed", "random_rows", "random_responsibilities", "kmeans++", "kmeans", "em_short", "uniform", "prior"]

NEAR = 4.0
"""The logit that stands for an infinite one: probabilities of 0.018 and 0.982."""
SHORT_RUNS = 10
"""Runs of ``em_short`` of which the best goes on."""
SHORT_STEPS = 10
"""EM steps of each."""

Generators = Sequence[np.random.Generator]
Start = Callable[[Steps, Generators], Mixture]
"""One start a generator, as a batch (restart,)."""


def random_rows(steps: Steps, rngs: Generators) -> Mixture:
    """K distinct rows as centres, the spread of all data around each, equal weights."""
    distinct, count = np.unique(steps.data.x, axis=0), steps.problem.n_components
    replace = distinct.shape[0] < count
    chosen = np.stack([rng.choice(distinct.shape[0], count, replace=replace) for rng in rngs])
    return _around(steps.problem, distinct[chosen])


def random_responsibilities(steps: Steps, rngs: Generators) -> Mixture:
    """Dirichlet(1) responsibilities for each row, then one M step."""
    shape, flat = (steps.data.n_rows, steps.problem.n_components), np.ones(steps.problem.n_components)
    return _gathered(steps, rngs, lambda rng: rng.dirichlet(flat, size=shape[0]))


def uniform(steps: Steps, rngs: Generators) -> Mixture:
    """Equal responsibilities everywhere: all components alike, a saddle that EM cannot leave (for study)."""
    shape = (steps.data.n_rows, steps.problem.n_components)
    return _gathered(steps, rngs, lambda _: np.full(shape, 1.0 / shape[1]))


def kmeans_plus_plus(steps: Steps, rngs: Generators) -> Mixture:
    """Centres far from each other: each drawn in proportion to its squared standardised distance (Arthur & Vassilvitskii 2007)."""
    return _around(steps.problem, np.stack([_seeding(steps.problem, rng) for rng in rngs]))


def kmeans(steps: Steps, rngs: Generators) -> Mixture:
    """Lloyd's algorithm on standardised columns from k-means++ seeds, then one M step of its partition."""
    x = _filled(steps.problem)
    z = _standardised(x)
    shares = [partition(z, z[_seeds(steps.problem, z, rng)]) for rng in rngs]
    return gathered([_maximised(steps, share[None]) for share in shares])


def em_short(steps: Steps, rngs: Generators) -> Mixture:
    """The best of ten short runs of EM from random rows (Biernacki, Celeux & Govaert 2003)."""
    begin = gathered([random_rows(steps, [rng] * SHORT_RUNS) for rng in rngs])
    scheme = plain(begin, steps)
    last = next(scheme)
    for _ in range(SHORT_STEPS):
        last = next(scheme)
    collapsed = steps.engine.collapsed(last.mixture, spread(steps))
    objective = np.where(np.isfinite(last.objective) & ~collapsed, last.objective, -np.inf).reshape(len(rngs), SHORT_RUNS)
    return last.mixture.take(np.arange(len(rngs)) * SHORT_RUNS + objective.argmax(axis=1))


def from_prior(steps: Steps, rngs: Generators) -> Mixture:
    """A mixture drawn from the prior."""
    prior = steps.problem.prior
    assert prior is not None  # refused before
    return stacked([prior.sample(rng) for rng in rngs])


STARTS: dict[str, Start] = {
    "random_rows": random_rows,
    "random_responsibilities": random_responsibilities,
    "kmeans++": kmeans_plus_plus,
    "kmeans": kmeans,
    "em_short": em_short,
    "uniform": uniform,
    "prior": from_prior,
}
DETERMINISTIC = ("uniform",)
"""Kinds of start that are the same for every restart."""


def starts(
    problem: Problem, prior: Prior | None, init: str | Mapping[str, Any], seeds: list[int], engine: Engine | None = None
) -> tuple[Mixture, tuple[str, ...]]:
    """One start a seed, as a batch, with the kind of each.

    ``mixed`` takes random rows for even restarts and random responsibilities for odd ones; a mapping of parameters
    (``weights``, ``means``, ...) is the start of every restart. ``prior`` is the problem's for MAP, None for maximum likelihood.
    """
    if not isinstance(init, str):
        given = problem.family.mixture(init)
        return stacked([given] * len(seeds)), ("given",) * len(seeds)
    halves = ("random_rows", "random_responsibilities")
    names = tuple(halves[i % 2] if init == "mixed" else init for i in range(len(seeds)))
    steps = Steps(problem, prior, engine or BOOK)
    parts, order = [], []
    for name in dict.fromkeys(names):
        mine = [i for i, other in enumerate(names) if other == name]
        parts.append(STARTS[name](steps, [np.random.default_rng(seeds[i]) for i in mine]))
        order += mine
    return gathered(parts).take(np.argsort(order)), names


def interior(problem: Problem, mixture: Mixture) -> Coordinates:
    """Unconstrained coordinates of starts for methods that work in them; a probability of 0 or 1, which has none, starts near it."""
    u, _ = problem.coordinates.flatten(mixture)
    return np.asarray(np.nan_to_num(u, nan=0.0, posinf=NEAR, neginf=-NEAR))


def misfit(init: Mapping[str, Any], problem: Problem) -> str | None:
    """Why given parameters cannot be a start, or None."""
    names = list(problem.family.dims)
    if sorted(init) != sorted(names):
        return f"init gives {', '.join(init)}; give exactly {', '.join(names)}"
    wanted = {name: array.shape for name, array in _shapes(problem)}
    for name in names:
        if np.shape(init[name]) != wanted[name]:
            return f"init.{name} has shape {np.shape(init[name])}; give {wanted[name]}"
    total = float(np.sum(init["weights"]))
    if abs(total - 1.0) > 1e-6:
        return f"init.weights sum to {total:g}; give weights that sum to 1"
    with np.errstate(all="ignore"):
        possible = np.isfinite(problem.log_likelihood(problem.family.mixture(init)))
    if not possible:
        return "init gives some row no density; give weights and probabilities inside (0, 1), covariances that are positive definite"
    return None


def _shapes(problem: Problem) -> Iterator[tuple[str, np.ndarray]]:
    """Every parameter as some mixture of the problem has it."""
    yield from random_rows(Steps(problem), [np.random.default_rng(0)]).take(0).parameters().items()


def _around(problem: Problem, centres: np.ndarray) -> Mixture:
    """Starts around ``centres`` (restart, K, D)."""
    weights = np.full(centres.shape[:2], 1.0 / problem.n_components)
    return Mixture(weights, problem.family.around(centres, problem.data))


def _gathered(steps: Steps, rngs: Generators, shares: Callable[[np.random.Generator], np.ndarray]) -> Mixture:
    """The M step of every generator's responsibilities (N, K), as many at a time as stay in cache."""
    size = max(1, BLOCK // (steps.data.x.size * steps.problem.n_components))
    batches = (rngs[i : i + size] for i in range(0, len(rngs), size))
    return gathered([_maximised(steps, np.stack([shares(rng) for rng in batch])) for batch in batches])


def _maximised(steps: Steps, responsibilities: np.ndarray) -> Mixture:
    """The M step of complete responsibilities (restart, N, K), before there are parameters."""
    statistics = steps.problem.family.statistics(steps.data, responsibilities)
    return m_step(statistics, steps.prior, Mixture(statistics.counts, steps.problem.family.maximise(statistics)))


def _seeding(problem: Problem, rng: np.random.Generator) -> np.ndarray:
    x = _filled(problem)
    return np.asarray(x[_seeds(problem, _standardised(x), rng)])


def _filled(problem: Problem) -> np.ndarray:
    """Rows with column means where nothing was observed, for distances alone."""
    x = problem.data.x
    if problem.data.complete:
        return x
    observed = ~np.isnan(x)
    seen = np.maximum(observed.sum(axis=0), 1)
    return np.where(observed, x, np.where(observed, x, 0.0).sum(axis=0) / seen)


def _standardised(x: np.ndarray) -> np.ndarray:
    spread = x.std(axis=0)
    return np.asarray((x - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0))


def _seeds(problem: Problem, z: np.ndarray, rng: np.random.Generator) -> list[int]:
    """Row numbers by k-means++ on standardised rows ``z``, rows by their counts."""
    counts = problem.data.counts
    chosen = [int(rng.choice(z.shape[0], p=counts / counts.sum()))]
    distance = np.full(z.shape[0], np.inf)
    while len(chosen) < problem.n_components:
        distance = np.minimum(distance, ((z - z[chosen[-1]]) ** 2).sum(axis=1))
        mass = distance * counts
        chosen.append(int(rng.choice(z.shape[0], p=mass / mass.sum() if mass.sum() > 0 else None)))
    return chosen
