"""One distribution of the path, and the move that leaves it as it is: Gibbs, mended by an acceptance step where rows count in part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.data import Dataset
from workbench.models import Mixture, Prior
from workbench.models.mixture import gathered


def log_likelihood(mixture: Mixture, rows: Dataset, threads: int) -> np.ndarray:
    """Of a batch (particle,); -inf where a particle gives a row no density."""
    from workbench.fast import expectation

    found = np.asarray(expectation.expect(mixture, rows, threads=threads).log_likelihood)
    return np.where(np.isnan(found), -np.inf, found)


@dataclass(frozen=True, eq=False)
class Stage:
    """p(theta) p(rows | theta) p(entering | theta)^power.

    Attributes
    ----------
    rows : those that are in, or None
    entering : those that count in part, or None where power is 1 and all are in
    """

    prior: Prior
    rows: Dataset | None
    entering: Dataset | None
    power: float
    threads: int

    def moved(self, mixture: Mixture, entering: np.ndarray, rng: np.random.Generator) -> tuple[Mixture, np.ndarray]:
        """The next state of every particle; ``entering``, the log likelihood of the rows that enter, goes with it.

        Rows that are in have labels drawn in full. Those that enter have them drawn from w_k p_k(x)^power, and theta from the prior
        updated by power times their statistics: which is Gibbs for sum_k w_k p_k(x)^power in place of (sum_k w_k p_k(x))^power. With
        labels integrated out it is reversible (where the update has no closed form by a move there and back), so that the ratio of the
        two at the old and the new state is what to accept it by.
        """
        if self.entering is None:
            return self._drawn(mixture, rng), entering
        before = self._of_proposal(mixture, self.entering)
        found = self._drawn(mixture, rng)
        after, there = self._of_proposal(found, self.entering), log_likelihood(found, self.entering, self.threads)
        with np.errstate(invalid="ignore"):
            gain = (self.power * there - after) - (self.power * entering - before)
        accepted = np.log(rng.random(gain.shape)) < gain
        count = gain.size
        both = gathered([mixture, found]).take(np.where(accepted, count, 0) + np.arange(count))
        return both, np.where(accepted, there, entering)

    def _of_proposal(self, mixture: Mixture, entering: Dataset) -> np.ndarray:
        """The log likelihood of the rows that enter under sum_k w_k p_k(x)^power, but for a factor of theirs alone."""
        from workbench.fast import expectation

        terms = mixture.terms().tempered(self.power)
        return np.asarray(expectation.expect_terms(terms, entering, threads=self.threads).log_likelihood)

    def _drawn(self, mixture: Mixture, rng: np.random.Generator) -> Mixture:
        """Labels, then theta given the labels."""
        from workbench.fast import expectation

        parts = []
        for rows, power in ((self.rows, 1.0), (self.entering, self.power)):
            if rows is not None:
                seeds = rng.integers(0, 1 << 64, size=mixture.batch_shape, dtype=np.uint64)
                terms = mixture.terms().tempered(power)
                found = expectation.expect_terms(terms, rows, rule="draw", seeds=seeds, threads=self.threads).statistics
                parts.append((found.scaled(power) if power < 1.0 else found, found.counts))
        statistics = parts[0][0] if len(parts) == 1 else parts[0][0].merge(parts[1][0])
        labels = np.sum([counts for _, counts in parts], axis=0)
        return self.prior.drawn_there_and_back(labels, statistics, mixture, rng)
