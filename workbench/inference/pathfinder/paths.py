"""Paths: L-BFGS from every start to a mode of the posterior, and on each the normal with the highest ELBO (Zhang et al. 2022)."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from workbench.fit import Status
from workbench.inference.lbfgs import Memory, dot
from workbench.inference.line_search import backtracked
from workbench.inference.pathfinder.normal import LowRankNormal, along
from workbench.models.shapes import Coordinates, PerFit
from workbench.problem import Problem

CELLS = 500_000_000
"""Draws times cells of data times components that the choice on one path may cost."""
FEWEST = 4
"""Draws of each normal at least."""


class Density(Protocol):
    """What paths climb: a log density of batches of points (point, dim)."""

    @property
    def problem(self) -> Problem: ...

    @property
    def dim(self) -> int: ...

    def log_density(self, u: Coordinates) -> PerFit: ...

    def value_and_gradient(self, u: Coordinates) -> tuple[PerFit, Coordinates]: ...


@dataclass(frozen=True, eq=False)
class Path:
    """One start's way uphill: its points (point, dim), log densities and gradients there, how it ended and when."""

    u: Coordinates
    value: np.ndarray
    slope: Coordinates
    status: Status
    seconds: np.ndarray

    @property
    def steps(self) -> int:
        return self.value.size - 1


@dataclass(frozen=True, eq=False)
class Found:
    """What is kept of a path.

    Attributes
    ----------
    path : the way itself
    normal : the one with the highest ELBO, None where no point had one that could be told
    point : its point on the path
    elbo : (point,), estimates along the path, nan where there is none
    before : the way to where the path begins, on a part of the rows; None if all of it is on all rows
    """

    path: Path
    normal: LowRankNormal | None
    point: int
    elbo: np.ndarray
    before: Path | None = None

    @property
    def steps(self) -> int:
        """Of the path, and before it."""
        return self.path.steps + (0 if self.before is None else self.before.steps)

    @property
    def seconds(self) -> np.ndarray:
        """(point,), spent on the way: what waits for other paths is not counted."""
        return self.path.seconds + (0.0 if self.before is None else self.before.seconds[-1])


@dataclass(frozen=True, eq=False)
class _Place:
    """Where a batch of paths stands."""

    u: Coordinates
    value: np.ndarray
    slope: Coordinates

    def take(self, index: Any) -> _Place:
        return _Place(self.u[index], self.value[index], self.slope[index])


def climbed(target: Density, start: Coordinates, history: int, tol: float, max_iter: int) -> list[Path]:
    """All starts (start, dim) uphill in one batch, each until a step gains less than ``tol`` nats or nothing lifts it any more."""
    count = start.shape[0]
    value, slope = target.value_and_gradient(start)
    first = _Place(start, np.asarray(value), slope)
    status = [Status.MAX_ITER if ok else Status.NOT_FINITE for ok in np.isfinite(value)]
    ways, here = [[first.take(i)] for i in range(count)], _Place(first.u.copy(), first.value.copy(), first.slope.copy())
    begun, seconds = time.perf_counter(), [[0.0] for _ in range(count)]
    active = np.flatnonzero(np.isfinite(value))
    memory = Memory(active.size, target.dim, history)
    for _ in range(max_iter):
        if not active.size:
            break
        there, stays = _moved(target, here.take(active), memory)
        gain = there.value - here.value[active]
        memory.note(there.u - here.u[active], here.slope[active] - there.slope)
        now = time.perf_counter() - begun
        for place, i in enumerate(active):
            if not stays[place]:
                ways[i].append(there.take(place))
                seconds[i].append(now)
        here.u[active], here.value[active], here.slope[active] = there.u, there.value, there.slope
        done = stays | (gain < tol)
        for i in active[done]:
            status[i] = Status.CONVERGED
        active, memory = active[~done], memory.take(~done)
    return [_path(way, status[i], seconds[i]) for i, way in enumerate(ways)]


def _path(way: list[_Place], status: Status, seconds: list[float]) -> Path:
    u, value, slope = (np.array([getattr(place, name) for place in way]) for name in ("u", "value", "slope"))
    return Path(u, value, slope, status, np.array(seconds))


def _moved(target: Density, here: _Place, memory: Memory) -> tuple[_Place, np.ndarray]:
    """One step of every path by what is remembered, or, where that leads nowhere, along the gradient; and who stays."""
    there, stays = _stepped(target, here, memory)
    again = stays & memory.filled
    if again.any():
        memory.forget(again)
        rest, still = _stepped(target, here.take(again), memory.take(again))
        for name in ("u", "value", "slope"):
            getattr(there, name)[again] = getattr(rest, name)
        stays[again] = still
    return there, stays


def _stepped(target: Density, here: _Place, memory: Memory) -> tuple[_Place, np.ndarray]:
    def evaluate(_: np.ndarray, u: Coordinates) -> tuple[np.ndarray, _Place]:
        value, slope = target.value_and_gradient(u)
        return np.asarray(value), _Place(u, np.asarray(value), slope)

    direction, length = memory.direction(here.slope)
    taken, parts = backtracked(evaluate, here.u, direction, dot(here.slope, direction), here.value, length)
    there = _Place(here.u.copy(), here.value.copy(), here.slope.copy())
    for numbers, found in parts:
        there.u[numbers], there.value[numbers], there.slope[numbers] = found.u, found.value, found.slope
    return there, taken == 0.0


def best_on(target: Density, path: Path, history: int, draws: int, rng: np.random.Generator) -> Found:
    """The normal with the highest ELBO on a path, by ``draws`` draws of each, fewer where the data are many."""
    normals = list(along(path.u, path.slope, history))
    told = [i for i, normal in enumerate(normals) if normal is not None]
    cells = target.problem.data.x.size * target.problem.n_components
    each = max(FEWEST, min(draws, CELLS // max(1, cells * len(told))))
    elbo = np.full(len(normals) + 1, np.nan)
    if told:
        drawn = [normals[i].sample(rng, each) for i in told]  # type: ignore[union-attr]
        value = target.log_density(np.concatenate([u for u, _ in drawn])).reshape(len(told), each)
        elbo[np.array(told) + 1] = (value - np.stack([log_q for _, log_q in drawn])).mean(axis=1)
    usable = np.flatnonzero(np.isfinite(elbo))
    if not usable.size:
        return Found(path, None, -1, elbo)
    point = int(usable[np.argmax(elbo[usable])])
    return Found(path, normals[point - 1], point, elbo)


def fresh_elbo(target: Density, normal: LowRankNormal | None, draws: int, rng: np.random.Generator) -> float:
    """The ELBO by fresh draws: that of the choice was the highest of many, and so too high."""
    if normal is None:
        return math.nan
    u, log_q = normal.sample(rng, draws)
    return float((target.log_density(u) - log_q).mean())
