"""Starts: where restart i begins, from a seed of its own, so that methods share starts and batching changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from workbench.inference.em.steps import m_step
from workbench.models import Mixture, Prior
from workbench.models.mixture import stacked
from workbench.models.shapes import Coordinates
from workbench.problem import Problem

NEAR = 4.0
"""The logit that stands for an infinite one: probabilities of 0.018 and 0.982."""

Start = Callable[[Problem, Prior | None, np.random.Generator], Mixture]


def random_rows(problem: Problem, prior: Prior | None, rng: np.random.Generator) -> Mixture:
    """K distinct rows as centres, the spread of all data around each, equal weights."""
    distinct = np.unique(problem.data.x, axis=0)
    replace = distinct.shape[0] < problem.n_components
    return _around(problem, distinct[rng.choice(distinct.shape[0], problem.n_components, replace=replace)])


def random_responsibilities(problem: Problem, prior: Prior | None, rng: np.random.Generator) -> Mixture:
    """Dirichlet(1) responsibilities for each row, then one M step."""
    shares = rng.dirichlet(np.ones(problem.n_components), size=problem.data.n_rows)
    statistics = problem.family.statistics(problem.data, shares)
    blank = Mixture(statistics.counts, problem.family.maximise(statistics))
    return m_step(statistics, prior, blank)


def kmeans_plus_plus(problem: Problem, prior: Prior | None, rng: np.random.Generator) -> Mixture:
    """Centres far from each other: each drawn in proportion to its squared standardised distance (Arthur & Vassilvitskii 2007)."""
    x = np.where(np.isnan(problem.data.x), np.nanmean(problem.data.x, axis=0), problem.data.x)
    spread = x.std(axis=0)
    z = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    chosen = [int(rng.choice(x.shape[0], p=problem.data.counts / problem.data.counts.sum()))]
    distance = np.full(x.shape[0], np.inf)
    while len(chosen) < problem.n_components:
        distance = np.minimum(distance, ((z - z[chosen[-1]]) ** 2).sum(axis=1))
        mass = distance * problem.data.counts
        chosen.append(int(rng.choice(x.shape[0], p=mass / mass.sum() if mass.sum() > 0 else None)))
    return _around(problem, x[chosen])


STARTS: dict[str, Start] = {
    "random_rows": random_rows,
    "random_responsibilities": random_responsibilities,
    "kmeans++": kmeans_plus_plus,
}


def starts(problem: Problem, prior: Prior | None, init: str | Mapping[str, Any], seeds: list[int]) -> tuple[Mixture, tuple[str, ...]]:
    """One start a seed, as a batch, with the kind of each.

    ``mixed`` takes random rows for even restarts and random responsibilities for odd ones; a mapping of parameters
    (``weights``, ``means``, ...) is the start of every restart.
    """
    if not isinstance(init, str):
        given = problem.family.mixture(init)
        return stacked([given] * len(seeds)), ("given",) * len(seeds)
    halves = ("random_rows", "random_responsibilities")
    names = tuple(halves[i % 2] if init == "mixed" else init for i in range(len(seeds)))
    each = [STARTS[name](problem, prior, np.random.default_rng(seed)) for name, seed in zip(names, seeds, strict=True)]
    return stacked(each), names


def interior(problem: Problem, mixture: Mixture) -> Coordinates:
    """Unconstrained coordinates of starts for methods that work in them; a probability of 0 or 1, which has none, starts near it."""
    u, _ = problem.coordinates.flatten(mixture)
    return np.asarray(np.nan_to_num(u, nan=0.0, posinf=NEAR, neginf=-NEAR))


def _around(problem: Problem, centres: np.ndarray) -> Mixture:
    weights = np.full(problem.n_components, 1.0 / problem.n_components)
    return Mixture(weights, problem.family.around(centres, problem.data))
