"""Starts: where restart i begins, from a seed of its own, so that methods share starts and batching changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from workbench.inference.em.engine import BOOK, Engine
from workbench.inference.em.partition import partition
from workbench.inference.em.scheme import Steps, plain
from workbench.inference.em.steps import m_step
from workbench.models import Mixture, Prior
from workbench.models.mixture import fits_per_block, gathered, numbered, stacked
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
    rows, count = steps.data.distinct()[0].x, steps.problem.n_components
    distinct = rows[~np.isnan(rows).all(axis=1)]  # a row without a cell is no centre
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
    z = _standardised(x, steps.data.counts)
    shares = [partition(z, steps.data.counts, z[_seeds(steps.problem, z, rng)]) for rng in rngs]
    return gathered([from_responsibilities(steps, share[None]) for share in shares])


def em_short(steps: Steps, rngs: Generators) -> Mixture:
    """The best of ten short runs of EM from random rows (Biernacki, Celeux & Govaert 2003)."""
    begin = gathered([random_rows(steps, [rng] * SHORT_RUNS) for rng in rngs])
    scheme = plain(begin, steps)
    last = next(scheme)
    for _ in range(SHORT_STEPS):
        last = next(scheme)
    collapsed = steps.engine.collapsed(last.mixture, steps.data.spread)
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
    parts = []
    for name in dict.fromkeys(names):
        mine = [i for i, other in enumerate(names) if other == name]
        parts.append((np.array(mine), STARTS[name](steps, [np.random.default_rng(seeds[i]) for i in mine])))
    return numbered(parts), names


def interior(chart: Prior, mixture: Mixture) -> Coordinates:
    """Unconstrained coordinates of starts for methods that work in them; a probability of 0 or 1, which has none, starts near it."""
    u, _ = chart.flatten(mixture)
    return np.asarray(np.nan_to_num(u, nan=0.0, posinf=NEAR, neginf=-NEAR))


def misfit(init: Mapping[str, Any], problem: Problem) -> str | None:
    """Why given parameters cannot be a start, or None."""
    dims = problem.family.dims
    if sorted(init) != sorted(dims):
        return f"init gives {', '.join(init) or 'nothing'}; give exactly {', '.join(dims)}"
    wanted = {name: array.shape for name, array in _shapes(problem)}
    for name in dims:
        if (reason := _unfit(name, init[name], wanted[name], dims[name])) is not None:
            return f"init.{name} {reason}"
    if (reason := problem.family.outside(problem.family.mixture(init), problem.data)) is not None:
        return f"in the start that init gives, {reason}"
    with np.errstate(all="ignore"):
        possible = np.isfinite(problem.log_likelihood(problem.family.mixture(init)))
    if not possible:
        return "init gives some row no density; give weights and probabilities inside (0, 1)"
    return None


def _unfit(name: str, value: Any, shape: tuple[int, ...], dims: tuple[str, ...]) -> str | None:
    """What is wrong with a given parameter: its numbers, its shape, sums that should be 1, a matrix that is not symmetric."""
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        return f"is no table of numbers; give numbers of shape {shape}"
    if array.shape != shape:
        return f"has shape {array.shape}; give {shape}"
    if not np.isfinite(array).all():
        return "has entries that are not finite; give numbers"
    if name == "weights" or dims[-1].endswith("level"):
        off = array.sum(axis=-1)[np.abs(array.sum(axis=-1) - 1.0) > 1e-6]
        return f"sum to {off.flat[0]:g}; give shares that sum to 1" if off.size else None
    if dims[-1].endswith("feature_2") and not np.allclose(array, np.swapaxes(array, -1, -2), rtol=1e-9, atol=0.0):
        return "is not symmetric; give covariance matrices"
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
    size = fits_per_block(steps.data.x.size * steps.problem.n_components)
    batches = (rngs[i : i + size] for i in range(0, len(rngs), size))
    return gathered([from_responsibilities(steps, np.stack([shares(rng) for rng in batch])) for batch in batches])


def from_responsibilities(steps: Steps, responsibilities: np.ndarray) -> Mixture:
    """The M step of complete responsibilities (restart, N, K), before there are parameters."""
    statistics = steps.problem.family.statistics(steps.data, responsibilities)
    return m_step(statistics, steps.prior, Mixture(statistics.counts, steps.problem.family.maximise(statistics)))


def _seeding(problem: Problem, rng: np.random.Generator) -> np.ndarray:
    x = _filled(problem)
    return np.asarray(x[_seeds(problem, _standardised(x, problem.data.counts), rng)])


def _filled(problem: Problem) -> np.ndarray:
    """Rows with column means where nothing was observed, for distances alone."""
    x = problem.data.x
    if problem.data.complete:
        return x
    return np.where(np.isnan(x), problem.data.column_moments[0], x)


def _standardised(x: np.ndarray, counts: np.ndarray) -> np.ndarray:
    centred = x - np.average(x, axis=0, weights=counts)
    spread = np.sqrt(np.average(centred**2, axis=0, weights=counts))
    return np.asarray(centred / np.where(spread > 0, spread, 1.0))


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
