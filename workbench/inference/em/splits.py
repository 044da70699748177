"""Split and merge: two components become one, another becomes two, and EM goes on from there (Ueda, Nakano, Ghahramani & Hinton 2000)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from workbench.inference.em.climb import Climb
from workbench.inference.em.scheme import Steps
from workbench.inference.em.starts import from_responsibilities
from workbench.models import Mixture
from workbench.models.mixture import gathered
from workbench.models.shapes import Flags

BETTER = 1e-6
"""Nats an observation by which a moved end must be better: below, it is the same optimum (statistics, section 3)."""


BLEND = 0.005
"""Share of equal responsibilities in a move: a probability of 0 would stay one for ever, whatever was split or merged."""


@dataclass(frozen=True)
class Moves:
    """Moves tried, and moves that found a better optimum."""

    tried: int
    won: int

    def sentences(self) -> tuple[str, ...]:
        return (f"split_merge: {self.won} of {self.tried} moves found a better optimum",) if self.tried else ()


def escaped(steps: Steps, ends: Climb, polish: Callable[[Mixture], Climb], tries: int, seeds: Sequence[int]) -> tuple[Climb, Moves]:
    """Try ``tries`` moves from every polished end, each followed to its own optimum, and keep what is better and regular.

    Restart i draws its moves from ``seeds[i]`` alone.
    """
    rngs = [np.random.default_rng(seed) for seed in seeds]
    tolerance, won, tried = BETTER * steps.data.n_observed_rows, 0, 0
    regular = np.array(_regular(steps, ends))
    for _ in range(tries):
        movable = [i for i in range(len(rngs)) if ends.status[i].at_optimum and np.isfinite(ends.objective[i])]
        if not movable:
            break
        moved = polish(gathered([_moved(steps, ends.mixture.take(i), rngs[i]) for i in movable]))
        good = _regular(steps, moved)
        better = good & (~regular[movable] | (moved.objective > ends.objective[movable] + tolerance))
        tried, won = tried + len(movable), won + int(better.sum())
        ends = replaced(ends, np.array(movable)[better], moved, np.flatnonzero(better))
        regular[np.array(movable)[better]] = True
    return ends, Moves(tried, won)


def _moved(steps: Steps, mixture: Mixture, rng: np.random.Generator) -> Mixture:
    """One move from a mixture: likely candidates are alike to be merged, and heavy to be split."""
    shares = np.asarray(mixture.responsibilities(steps.data.x))
    counts = steps.data.counts
    norms = np.sqrt((counts[:, None] * shares**2).sum(axis=0))
    alike = np.triu((shares * counts[:, None]).T @ shares / np.maximum(np.outer(norms, norms), 1e-300), 1) + np.triu(
        np.full((norms.size,) * 2, 1e-12), 1
    )
    i, j = np.divmod(int(rng.choice(alike.size, p=(alike / alike.sum()).ravel())), norms.size)
    mass = np.maximum(counts @ shares, 1e-12)
    mass[[i, j]] = 0.0
    k = int(rng.choice(mass.size, p=mass / mass.sum()))
    half = _half(steps.data.x / steps.data.spread, shares[:, k] * counts, rng)
    shares[:, i] += shares[:, j]
    shares[:, j] = shares[:, k] * half
    shares[:, k] *= 1.0 - half
    shares = (1.0 - BLEND) * shares + BLEND / shares.shape[1]
    return from_responsibilities(steps, shares[None])


def _half(x: np.ndarray, mass: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Which rows (N,) of standardised ``x`` are nearer to the second of two rows drawn from a component, by cells that all have."""
    total = mass.sum()
    one, two = x[rng.choice(mass.size, size=2, p=mass / total)] if total > 0 else x[rng.choice(mass.size, size=2)]
    nearer = np.nansum((x - two) ** 2 - (x - one) ** 2, axis=1) < 0
    return np.where(nearer, 0.95, 0.05)  # no row is given away altogether: an empty cell of a discrete family would be absorbing


def _regular(steps: Steps, ends: Climb) -> Flags:
    good = np.array([status.at_optimum for status in ends.status]) & ~ends.ran_off
    if steps.prior is not None:
        return good
    regularity = ends.mixture.components.regularity(ends.mixture.weights, steps.data)
    return np.asarray(good & ~np.asarray(regularity.singular) & ~np.asarray(regularity.spurious))


def replaced(ends: Climb, rows: np.ndarray, other: Climb, chosen: np.ndarray) -> Climb:
    """``ends`` with ``rows`` taken from ``chosen`` of ``other``."""
    index = np.arange(len(ends.status))
    index[rows] = len(ends.status) + chosen
    both = [*ends.status, *other.status]

    def of(name: str) -> np.ndarray:
        return np.concatenate([getattr(ends, name), getattr(other, name)])[index]

    return dataclasses.replace(
        ends,
        mixture=gathered([ends.mixture, other.mixture]).take(index),
        objective=of("objective"),
        log_likelihood=of("log_likelihood"),
        status=tuple(both[i] for i in index),
    )
