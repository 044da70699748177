"""The first rows: labels drawn one by one with the parameters integrated out, so that no component has to be found by chance."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from workbench.data import Dataset
from workbench.models import Family, Mixture, Prior, Statistics


@dataclass(frozen=True, eq=False)
class Labelled:
    """Rows with labels, by their statistics alone; a batch (particle,).

    Attributes
    ----------
    statistics : of the rows so far; None before there is any
    log_normaliser : ndarray (particle,), of the prior updated by them
    """

    family: Family
    prior: Prior
    statistics: Statistics | None
    log_normaliser: np.ndarray

    @classmethod
    def nothing(cls, family: Family, prior: Prior, count: int) -> Labelled:
        return cls(family, prior, None, np.full(count, float(prior.log_normaliser())))

    @classmethod
    def of(cls, family: Family, prior: Prior, statistics: Statistics) -> Labelled:
        return cls(family, prior, statistics, np.asarray(prior.posterior(statistics).log_normaliser()))

    def take(self, index: np.ndarray) -> Labelled:
        statistics = None if self.statistics is None else self.statistics.take(index)
        return dataclasses.replace(self, statistics=statistics, log_normaliser=self.log_normaliser[index])

    def joined(self, row: Dataset, terms_of: Mixture, rng: np.random.Generator) -> tuple[Labelled, np.ndarray]:
        """One more row, its label drawn from p(z_n | x_n, labels and rows so far), and log p(x_n | labels and rows so far).

        p(x_n, z_n = k | ...) is a ratio of normalisers of the updated prior, with the row in component k and without it.
        """
        count = self.log_normaliser.size
        each = terms_of.terms().statistics(row.x, np.eye(self.prior.n_components)[:, None, :])  # batch k: the row in component k
        with_row = [self._merged(each.take(np.full(count, k))) for k in range(self.prior.n_components)]
        normalisers = np.stack([np.asarray(self.prior.posterior(own).log_normaliser()) for own in with_row], axis=1)
        gains = normalisers - self.log_normaliser[:, None]
        top = gains.max(axis=1, keepdims=True)
        below = np.cumsum(np.exp(gains - top), axis=1)
        label = (rng.random((count, 1)) * below[:, -1:] >= below[:, :-1]).sum(axis=1)
        chosen = self._merged(each.take(label))
        found = dataclasses.replace(self, statistics=chosen, log_normaliser=normalisers[np.arange(count), label])
        return found, top[:, 0] + np.log(below[:, -1]) + self.family.log_base(row)

    def _merged(self, row: Statistics) -> Statistics:
        return row if self.statistics is None else self.statistics.merge(row)

    def parameters(self, rng: np.random.Generator) -> Mixture:
        """A draw of theta given the labels, for every particle."""
        assert self.statistics is not None
        return self.prior.posterior(self.statistics).sample(rng, self.log_normaliser.shape)
