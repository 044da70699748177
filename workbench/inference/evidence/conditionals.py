"""Conditionals: the proposal of dual importance sampling, theta given the data and drawn labels, in closed form (Lee & Robert 2016).

The posterior is the average of p(theta | x, z) over labels z from p(z | x). A q that averages it over some of them is of the posterior's
own kind: as skewed, and with its tails, where a density fitted to draws has neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from workbench.inference.evidence.places import Place
from workbench.inference.target import CompiledTarget
from workbench.models import Mixture, Prior, Statistics
from workbench.models.shapes import Coordinates, PerFit

if TYPE_CHECKING:
    from workbench.inference.gibbs.augmentation import Augmented

PARTS = 60
"""Label draws, each with its own p(theta | x, z)."""
FEWEST_PARTS = 6
AT_LEAST = 0.1
"""Share that all places divide alike."""
WIDE_EVERY, WIDE, WIDE_SHARE, ALL_WIDE = 3, 0.3, 0.3, 0.3
"""Every third part is there again, wider: by rows that count 0.3 times, of one component or of all. How much of the proposal is so, and
of that how much has all components wider."""
MOST_PERMUTED = 4
"""Components up to which all K! relabellings are summed."""
NUMBERS = 2_000_000
"""Numbers that a block of parts times points may have: more would leave the cache and the memory."""


@dataclass(frozen=True, eq=False)
class Conditionals:
    """q(theta) = sum_m shares_m p(theta | x, z_m), averaged over all K! labellings if ``exchangeable``.

    Attributes
    ----------
    prior : of the posterior, and its coordinates
    statistics : (m,), of the rows under each z_m
    shares : ndarray (m,)
    """

    prior: Prior
    statistics: Statistics
    shares: np.ndarray
    exchangeable: bool

    def log_density(self, u: Coordinates) -> PerFit:
        mixture, log_jacobian = self.prior.unflatten(u)
        total = np.full(u.shape[:-1], -np.inf)
        size = max(1, NUMBERS // max(1, u.size * self.prior.n_components))
        with np.errstate(divide="ignore"):
            logs = np.log(self.shares)
        for start in range(0, logs.size, size):
            block = slice(start, start + size)
            part = self.prior.posterior(self.statistics.take((block, None)))
            each = part.relabelled_log_density(mixture) if self.exchangeable else part.log_density(mixture)
            total = np.logaddexp(total, np.logaddexp.reduce(each + logs[block, None], axis=0))
        return np.asarray(total + log_jacobian)

    def sample(self, rng: np.random.Generator, size: int) -> Coordinates:
        chosen = rng.choice(self.shares.size, size=size, p=self.shares)
        return self.prior.flatten(self.prior.posterior(self.statistics.take(chosen)).sample(rng, (size,)))[0]

    def beside(self, other: Conditionals, share: float) -> Conditionals:
        """Both together, ``other`` with a share of the draws."""
        statistics = type(self.statistics).joined([self.statistics, other.statistics])
        return replace(self, statistics=statistics, shares=np.concatenate([(1.0 - share) * self.shares, share * other.shares]))

    def lost(self, u: Coordinates) -> np.ndarray:
        """Which draws the average over the labellings does not know: none."""
        return np.zeros(u.shape[0], bool)


@dataclass(frozen=True, eq=False)
class Labeller:
    """Draws labels for mixtures, and makes conditionals of them.

    Attributes
    ----------
    rows : that labels are drawn for
    exchangeable : whether the prior treats all components alike
    """

    prior: Prior
    rows: Augmented
    exchangeable: bool

    @classmethod
    def of(cls, target: CompiledTarget, exchangeable: bool) -> Labeller | None:
        """None where theta given the labels is in no closed form, labels cannot be drawn as counts are no whole numbers, or there are
        more relabellings than can be summed."""
        from workbench.inference.gibbs.augmentation import Augmented

        few = not exchangeable or target.prior.n_components <= MOST_PERMUTED
        return (
            cls(target.prior, Augmented.of(target.problem), exchangeable)
            if target.problem.data.counts_are_whole and few and target.prior.conjugate
            else None
        )

    def from_draws(self, u: Coordinates, rng: np.random.Generator) -> Conditionals:
        """By labels given some of the points (n, dim), evenly spaced, all alike."""
        chosen = np.unique(np.linspace(0.0, u.shape[0] - 1.0, PARTS).astype(int))
        narrow = self._statistics(self.prior.unflatten(u[chosen])[0], rng)
        return self._widened(narrow, np.full(chosen.size, 1.0 / chosen.size))

    def about(self, places: Sequence[Place], rng: np.random.Generator) -> Conditionals:
        """By labels drawn at places, each place as its mass, or a little more."""
        masses = np.array([place.log_mass for place in places])
        each = np.exp(masses - np.logaddexp.reduce(masses)) + AT_LEAST / masses.size
        parts = np.clip(np.ceil(PARTS * each / each.sum()), FEWEST_PARTS, PARTS).astype(int)
        narrow = [place.labelled(int(count), rng) for place, count in zip(places, parts, strict=True)]
        return self._widened(type(narrow[0]).joined(narrow), np.repeat(each / each.sum() / parts, parts))

    def _statistics(self, mixture: Mixture, rng: np.random.Generator) -> Statistics:
        from workbench.inference.gibbs.augmentation import labelled_statistics

        return labelled_statistics(mixture, self.rows, rng)

    def _widened(self, narrow: Statistics, shares: np.ndarray) -> Conditionals:
        """With wider parts beside them, of one component each or of all: a z that was not drawn, but for a few rows like one that was,
        is near enough to those."""
        some = narrow.take(slice(None, None, WIDE_EVERY))
        count = self.prior.n_components
        factors = np.vstack([np.full(count, WIDE), np.where(np.eye(count, dtype=bool), WIDE, 1.0)])[: None if count > 1 else 1]
        wide = [some.scaled(np.broadcast_to(factor, some.counts.shape)) for factor in factors]
        own = shares[::WIDE_EVERY] / shares[::WIDE_EVERY].sum()
        wider = [share * own for share in (ALL_WIDE, *[(1.0 - ALL_WIDE) / count] * (len(factors) - 1))]
        wider = np.concatenate(wider) / np.sum(wider)
        every = type(narrow).joined([narrow, *wide])
        return Conditionals(self.prior, every, np.concatenate([(1.0 - WIDE_SHARE) * shares, WIDE_SHARE * wider]), self.exchangeable)


__all__ = ["Conditionals", "Labeller"]
