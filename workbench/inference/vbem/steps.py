"""Variational Bayes on a batch of fits: q(labels) given q(theta), and q(theta) given q(labels), in turn (Bishop 2006, section 10.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from workbench.inference.em.scheme import EXACT, LEAP, Iteration, Scheme, Steps
from workbench.inference.mixing import Mixing
from workbench.models import Prior, Statistics
from workbench.models.families.gaussian.triangular import diagonal
from workbench.models.shapes import Flags
from workbench.problem import Problem

MEMORY = 5
"""Differences that Anderson's method keeps."""
RIDGE = 1e-10
"""Relative ridge of its least squares."""


@dataclass(frozen=True, eq=False)
class VariationalSteps(Steps):
    """The steps of one problem. q(theta) is the prior updated by expected statistics, so that those are all there is to know of it."""

    likelihood: bool = False

    @property
    def own_prior(self) -> Prior:
        assert self.prior is not None  # refused before
        return self.prior

    def posterior(self, statistics: Statistics) -> Prior:
        """q(theta), the optimum given q(labels) (Bishop 2006, eqs 10.57-10.63), of the prior's form."""
        return self.own_prior.posterior(statistics)

    def believe(self, statistics: Statistics) -> Iteration:
        """q(labels), the optimum given the q(theta) of ``statistics`` (restart,), with the ELBO of the two.

        E log p(x, z | theta) - E log q(z) is then sum_n log sum_k exp E log p(x_n, z_n = k | theta), and what is left of the ELBO
        is minus KL(q(theta) || p(theta)). The iteration's mixture is the centre of q(theta).
        """
        with np.errstate(all="ignore"):
            q = self.posterior(statistics)
            expectation = self.engine.expect_terms(q.expected_terms(), self.data)
            elbo = np.asarray(expectation.log_likelihood - q.divergence(self.own_prior))
            return Iteration(q.centre(), expectation, elbo, np.full(elbo.size, EXACT))


class Ascent:
    """Coordinate ascent of a batch, perhaps with mixed steps; it knows the statistics of every fit's q(theta), of those that left too.

    Parameters
    ----------
    statistics : (restart,), of the first q(labels)
    mixed : whether steps are mended by the few before them (Anderson's method), dropped where the ELBO would fall
    """

    def __init__(self, steps: VariationalSteps, statistics: Statistics, mixed: bool) -> None:
        self.steps, self.statistics = steps, statistics
        self.numbers = np.arange(statistics.counts.shape[0])
        self.left: list[tuple[np.ndarray, Statistics]] = []
        self.history = Mixing(self.numbers.size, flat(statistics).shape[1], MEMORY, RIDGE) if mixed else None
        self.units = units(steps.problem) if mixed else np.ones(0)

    def scheme(self) -> Scheme:
        """Iterations without end; of fits that leave, the statistics are kept."""
        now = self.steps.believe(self.statistics)
        while True:
            keep = yield now
            if keep is not None:
                now = self._leave(keep, now)
            now = self._moved(now)

    def ends(self) -> Statistics:
        """Of the q(theta) where each fit has stopped, or is."""
        return numbered([*self.left, (self.numbers, self.statistics)])

    def _leave(self, keep: np.ndarray, now: Iteration) -> Iteration:
        self.left.append((self.numbers[~keep], self.statistics.take(~keep)))
        self.numbers, self.statistics = self.numbers[keep], self.statistics.take(keep)
        self.history = None if self.history is None else self.history.take(keep)
        return now.take(keep)

    def _moved(self, now: Iteration) -> Iteration:
        image = now.expectation.statistics
        if self.history is None:
            self.statistics = image
            return self.steps.believe(image)
        here, there = flat(self.statistics), flat(image)
        point = shaped(self.history.mended(there - here, there, 1.0 / self.units), image).possible()
        wanted = self.history.filled
        self.statistics, after, accepted = self._safeguarded(point, image, now.objective, wanted)
        self.history.forget(~accepted & wanted)
        return after

    def _safeguarded(self, point: Statistics, image: Statistics, floor: np.ndarray, wanted: Flags) -> tuple[Statistics, Iteration, Flags]:
        """``point`` where it is ``wanted`` and its ELBO not below ``floor``, else the plain step; and who was accepted."""
        tried, accepted = np.flatnonzero(wanted), np.zeros(floor.size, bool)
        parts = []
        if tried.size:
            there = self.steps.believe(point.take(tried)).led(LEAP)
            good = there.objective >= floor[tried]
            accepted[tried] = good
            parts.append((tried[good], there.take(good)))
        rest = np.flatnonzero(~accepted)
        if rest.size:
            parts.append((rest, self.steps.believe(image.take(rest))))
        both = numbered([(np.flatnonzero(accepted), point.take(accepted)), (rest, image.take(rest))])
        return both, Iteration.numbered(parts), accepted


def numbered(parts: list[tuple[np.ndarray, Statistics]]) -> Statistics:
    """One batch of several parts, each with the numbers of its fits, in the order of the numbers."""
    order = np.argsort(np.concatenate([numbers for numbers, _ in parts]), kind="stable")
    return type(parts[0][1]).joined([part for _, part in parts]).take(order)


def flat(statistics: Statistics) -> np.ndarray:
    """All numbers of statistics (restart,) as (restart, dim)."""
    return np.concatenate([array.reshape(array.shape[0], -1) for array in _arrays(statistics)], axis=1)


def shaped(numbers: np.ndarray, like: Statistics) -> Statistics:
    """Statistics of such numbers (restart, dim)."""
    parts = iter(np.split(numbers, np.cumsum([array[0].size for array in _arrays(like)])[:-1], axis=1))

    def filled(old: Statistics) -> Statistics:
        return old.rebuilt([filled(each) if isinstance(each, Statistics) else next(parts).reshape(each.shape) for each in old.arrays()])

    return filled(like)


def units(problem: Problem) -> np.ndarray:
    """The size of each number (dim,), by the statistics of all rows under one component: least squares are to depend on no unit."""
    whole = problem.family.statistics(problem.data, np.ones((1, problem.data.n_rows, 1)))
    return np.concatenate([np.repeat(unit, problem.n_components, axis=1).ravel() for unit in _units(whole)])


def _units(whole: Statistics) -> Iterator[np.ndarray]:
    """Means by standard deviations, scatters by their squares times N, what is counted by N; each (1, 1, ...)."""
    total, named = float(whole.counts.sum()), whole.named()
    for name, array in named.items():
        if isinstance(array, Statistics):
            yield from _units(array)
        elif name in ("means", "scatters"):
            scatters = named["scatters"]
            matrix = scatters.ndim == named["means"].ndim + 1
            sd = np.sqrt((diagonal(scatters) if matrix else scatters) / total)
            sd = np.where(sd > 0.0, sd, 1.0)
            yield sd if name == "means" else total * (sd[..., :, None] * sd[..., None, :] if matrix else sd**2)
        else:
            yield np.full_like(array, total)


def _arrays(statistics: Statistics) -> Iterator[np.ndarray]:
    for each in statistics.arrays():
        if isinstance(each, Statistics):
            yield from _arrays(each)
        else:
            yield each
