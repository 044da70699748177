"""One distribution of the path, and the move that leaves it as it is: Gibbs, mended by an acceptance step where rows count in part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from workbench.data import Dataset
from workbench.models import Family, Mixture, Prior, Product, Statistics
from workbench.models.mixture import gathered
from workbench.models.shapes import PerComponent

Parts = tuple[Dataset | None, Dataset | None]
"""Rows that are dealt with as they are, and rows with missing cells that are to be drawn."""
NONE: Parts = (None, None)


def log_likelihood(mixture: Mixture, rows: Parts, threads: int) -> np.ndarray:
    """Of a batch (particle,); -inf where a particle gives a row no density."""
    from workbench.fast import expectation

    total = np.zeros(mixture.batch_shape)
    for part in rows:
        if part is not None:
            total = total + np.asarray(expectation.expect(mixture, part, threads=threads).log_likelihood)
    return np.where(np.isnan(total), -np.inf, total)


@dataclass(frozen=True, eq=False)
class Stage:
    """p(theta) p(rows | theta) p(entering | theta)^power.

    Attributes
    ----------
    rows : those that are in
    entering : those that count in part; none where power is 1
    """

    family: Family
    prior: Prior
    rows: Parts
    entering: Parts
    power: float
    threads: int

    def moved(self, mixture: Mixture, inside: np.ndarray, rng: np.random.Generator) -> tuple[Mixture, np.ndarray]:
        """The next state of every particle; ``inside``, the log likelihood of the rows that enter, goes with it.

        Rows that are in have labels drawn in full, and their missing cells where the update needs them, and so has a random share of
        those that enter, each unit with a chance of ``power``: Gibbs for p(theta) p(rows | theta) p(share | theta). With labels integrated
        out it is reversible (where the update has no closed form by a move there and back), so that p(entering | theta)^power over
        p(share | theta) at the new state, by the same at the old, is what to accept it by. Its log varies by the number of coordinates, not
        of rows. (Labels of all rows that enter, each counting in part, aim beside: by more standard deviations the more rows there are.)
        Rows that enter with cells to be drawn have no part in the proposal.
        """
        if self.entering == NONE:
            return self._drawn(mixture, None, rng), inside
        share = self._share(rng)
        found = self._drawn(mixture, share, rng)
        before, after = (log_likelihood(each, (share, None), self.threads) for each in (mixture, found))
        there = log_likelihood(found, self.entering, self.threads)
        with np.errstate(invalid="ignore"):
            gain = (self.power * there - after) - (self.power * inside - before)
        accepted = np.log(rng.random(gain.shape)) < gain
        count = gain.size
        both = gathered([mixture, found]).take(np.where(accepted, count, 0) + np.arange(count))
        return both, np.where(accepted, there, inside)

    def _share(self, rng: np.random.Generator) -> Dataset | None:
        """Units of entering rows by chance, each with ``power``, that a proposal knows in full."""
        if (rows := self.entering[0]) is None:
            return None
        counts = rng.binomial(rows.counts.astype(np.int64), self.power)
        chosen = np.flatnonzero(counts)
        return replace(rows.take(chosen), counts=counts[chosen].astype(float)) if chosen.size else None

    def _drawn(self, mixture: Mixture, share: Dataset | None, rng: np.random.Generator) -> Mixture:
        """Labels and cells, then theta given them; from the prior where no row is in."""
        found = list(self.labelled(mixture, rng, share))
        if not found:
            return self.prior.sample(rng, mixture.batch_shape)
        (statistics, labels), *rest = found
        for more, others in rest:
            statistics, labels = statistics.merge(more), labels + others
        return self.prior.drawn_there_and_back(labels, statistics, mixture, rng)

    def labelled(
        self, mixture: Mixture, rng: np.random.Generator, share: Dataset | None = None
    ) -> Iterator[tuple[Statistics, PerComponent]]:
        """Statistics of rows, and of a share of those that enter, under drawn labels, and the numbers of labels."""
        from workbench.fast import expectation

        for rows in (self.rows[0], share):
            if rows is not None:
                drawn = expectation.expect(mixture, rows, rule="draw", seeds=_seeds(mixture, rng), threads=self.threads).statistics
                yield drawn, drawn.counts
        if self.rows[1] is not None:
            drawn = self._completed(mixture, self.rows[1], rng)
            yield drawn, drawn.counts

    def _completed(self, mixture: Mixture, rows: Dataset, rng: np.random.Generator) -> Statistics:
        """Of rows with cells to be drawn; beside other blocks of a product by the book's lines."""
        from workbench.fast import expectation
        from workbench.inference.gibbs.augmentation import Augmented, labelled_statistics

        if not isinstance(self.family, Product):
            return expectation.expect(mixture, rows, rule="draw", seeds=_seeds(mixture, rng), threads=self.threads).statistics
        each = np.repeat(np.arange(rows.n_rows), rows.counts.astype(int))
        return labelled_statistics(mixture, Augmented(self.family, rows.x[each], np.ones(each.size, np.int64)), rng)


def _seeds(mixture: Mixture, rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 1 << 64, size=mixture.batch_shape, dtype=np.uint64)
