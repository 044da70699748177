"""A part of the rows that stands for all: paths climb on it to its modes, and on from each of those on all rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from workbench.inference.em.apart import normals
from workbench.inference.evidence.symmetry import Symmetry
from workbench.inference.method import Context
from workbench.inference.pathfinder.mixed import same
from workbench.inference.pathfinder.normal import LowRankNormal, along
from workbench.inference.pathfinder.paths import Found, Path, best_on, climbed, fresh_elbo
from workbench.inference.target import CompiledTarget
from workbench.models.shapes import Coordinates, PerFit
from workbench.problem import Problem

if TYPE_CHECKING:
    from workbench.inference.pathfinder import Pathfinder

FEWER, TELLING = 4, 20
"""Draws by which the ELBO of each normal is told, and by which modes are compared: every one is dear, and log p - log q varies little, as
many rows make posteriors normal, and the coordinates are round."""
MOST_CELLS = 10_000_000_000
"""Points times cells of the part times components that the Hessians at its modes may see: half a minute."""


def drawn(problem: Problem, size: int, seed: int) -> Problem:
    """That many of the rows that count and have an observed cell, at random without replacement, under the same prior.

    They stand for all: each counts as many times more as all rows' counts are more than theirs.
    """
    data = problem.data
    seen = data.take(np.flatnonzero(~np.isnan(data.x).all(axis=1) & (data.counts > 0.0)))
    rows = seen.take(np.sort(np.random.default_rng(seed).permutation(seen.n_rows)[:size]))
    counts = rows.counts * (seen.counts.sum() / rows.counts.sum())
    return Problem(replace(rows, counts=counts), problem.family, problem.n_components, problem.prior)


def by_part(
    options: Pathfinder, target: CompiledTarget, part: CompiledTarget, start: Coordinates, context: Context
) -> tuple[list[Found], np.ndarray]:
    """Paths from all starts (start, dim), on the part and then on all rows, with the ELBO of each path's normal by fresh draws.

    Paths that end at one mode of the part, labels aside, go on as one.
    """
    before = climbed(part, start, options.history, options.tol, options.max_iter)
    leader, mode = different(Symmetry.of(target.prior), before, options.history)
    found: list[Found] = []
    elbo: list[float] = []
    for i, about in zip(leader, rounded(target, part, [before[i] for i in leader], options.history), strict=True):
        context.progress("on all rows", len(found) / len(leader))
        rng = np.random.default_rng(context.noise_seed(i))
        (path,) = climbed(about, np.zeros((1, target.dim)), options.history, options.tol, options.max_iter)
        found.append(about.found(best_on(about, path, options.history, min(options.elbo_draws, FEWER), rng)))
        elbo.append(fresh_elbo(target, found[-1].normal, TELLING, rng))
    return [replace(found[j], before=way) for j, way in zip(mode, before, strict=True)], np.array(elbo)[mode]


@dataclass(frozen=True, eq=False)
class Rounded:
    """The density of v, u = centre + factor v: near a mode, of about the normal whose covariance is factor factor', it is round."""

    target: CompiledTarget
    centre: np.ndarray
    factor: np.ndarray

    @property
    def problem(self) -> Problem:
        return self.target.problem

    @property
    def dim(self) -> int:
        return self.target.dim

    @property
    def log_volume(self) -> float:
        return float(np.linalg.slogdet(self.factor)[1])

    def log_density(self, v: Coordinates) -> PerFit:
        return np.asarray(self.target.log_density(self.back(v)) + self.log_volume)

    def value_and_gradient(self, v: Coordinates) -> tuple[PerFit, Coordinates]:
        value, slope = self.target.value_and_gradient(self.back(v))
        return np.asarray(value + self.log_volume), slope @ self.factor

    def back(self, v: Coordinates) -> Coordinates:
        """u of v, (point, dim)."""
        return np.asarray(self.centre + v @ self.factor.T)

    def found(self, there: Found) -> Found:
        """A path and its normal, in u."""
        path = there.path
        slope = np.linalg.solve(self.factor.T, path.slope.T).T
        path = replace(path, u=self.back(path.u), value=path.value - self.log_volume, slope=slope)
        if there.normal is None:
            return replace(there, path=path)
        root = np.linalg.qr((self.factor @ there.normal.root()).T, mode="r").T
        root = root * np.sign(np.diagonal(root))
        size = self.dim
        normal = LowRankNormal(self.back(there.normal.mean[None])[0], np.ones(size), np.eye(size), root)
        return replace(there, path=path, normal=normal)


def different(symmetry: Symmetry, paths: list[Path], history: int) -> tuple[list[int], np.ndarray]:
    """The best path to each different mode, labels aside, the best first; and for every path which of them it shares the mode of."""
    ends = [Found(path, at_end(path, history), path.steps, path.value) for path in paths]
    leader: list[int] = []
    mode = np.zeros(len(paths), dtype=np.int64)
    for i in np.argsort([-path.value[-1] for path in paths], kind="stable"):
        alike = [j for j, first in enumerate(leader) if same(symmetry, ends[first], ends[i])]
        mode[i] = alike[0] if alike else len(leader)
        if not alike:
            leader.append(int(i))
    return leader, mode


def at_end(path: Path, history: int) -> LowRankNormal | None:
    """The normal at a path's last point; None where no step has shown a curvature."""
    *_, last = (None, *along(path.u, path.slope, history))
    return last


def rounded(target: CompiledTarget, part: CompiledTarget, paths: list[Path], history: int) -> list[Rounded]:
    """The posterior of all rows about the end of each path on the part, round by the part's curvature there: by its Hessian, or where
    that takes long by what the path's steps have shown.

    The part's mode is some sqrt(N / n) standard deviations of the posterior from that of all rows, and the curvature within a share of
    about 1 / sqrt(n) of theirs: a few steps on all rows lead from the one to the other.
    """
    ends = np.stack([path.u[-1] for path in paths])
    cells = part.problem.data.x.size * part.problem.n_components
    if 2 * part.dim * len(paths) * cells <= MOST_CELLS:
        factors = np.tile(np.eye(part.dim), (len(paths), 1, 1))
        begun = np.isfinite([path.value[-1] for path in paths])
        if begun.any():
            factors[begun] = normals(part, ends[begun])[1]
    else:
        shown = [at_end(path, history) for path in paths]
        factors = np.stack([np.eye(part.dim) if normal is None else normal.root() for normal in shown])
    return [Rounded(target, end, factor) for end, factor in zip(ends, factors, strict=True)]
