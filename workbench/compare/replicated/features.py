"""Features of data: numbers that a model of them should give back - quantiles, spreads, tails, shares of levels, associations."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.data import Dataset
from workbench.models import Family
from workbench.models.shapes import Rows

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
FAR = 2.0
"""Standard deviations of the data from their mean beyond which a value is in a tail."""
MOST_LEVELS = 10
"""Levels of a feature, the most frequent first, whose shares are looked at."""
MOST_PAIRS = 60
"""Pairs of features, the most associated first, that are looked at."""


@dataclass(frozen=True)
class Name:
    """What a feature is called in the tables: the quantity, and the columns and level that it is of."""

    quantity: str
    feature: str
    feature_2: str | None = None
    level: str | None = None


class Features:
    """The features of a data set, to be taken of it and of data made like it.

    What depends on the data, the bounds of tails and which levels and pairs there are, is fixed by the observed rows.

    Parameters
    ----------
    data : the observed rows, each with its count
    family : tells quantities, counts and levels apart
    """

    def __init__(self, data: Dataset, family: Family) -> None:
        self.data, self.scales = data, family.scales(data)
        x = expanded(data)
        mean, sd = np.nanmean(x, axis=0), np.nanstd(x, axis=0)
        self.bounds = mean - FAR * sd, mean + FAR * sd
        self.numeric = [d for d, scale in enumerate(self.scales) if scale != "level" and sd[d] > 0]
        self.levels = [self._frequent(x, d) if scale == "level" else () for d, scale in enumerate(self.scales)]
        self.binary = [d for d, scale in enumerate(self.scales) if scale == "level" and set(np.unique(seen(x[:, d]))) == {0.0, 1.0}]
        self.correlated = sorted([*self.numeric, *self.binary])
        self.pairs = self._pairs(x)

    def _frequent(self, x: Rows, d: int) -> tuple[float, ...]:
        values, times = np.unique(seen(x[:, d]), return_counts=True)
        chosen = values[np.argsort(-times, kind="stable")][:MOST_LEVELS]
        named = self._named(d)
        return tuple(sorted(chosen))[1:] if values.size == 2 and not named else tuple(sorted(chosen))  # of 0 and 1 one share is enough

    def _named(self, d: int) -> bool:
        return self.data.levels is not None and self.data.levels[d] is not None

    def _pairs(self, x: Rows) -> list[tuple[int, int]]:
        pairs = list(itertools.combinations(range(x.shape[1]), 2))
        if len(pairs) <= MOST_PAIRS:
            return pairs
        with np.errstate(all="ignore"):
            strength = np.nan_to_num([abs(self._association(x, pair)) for pair in pairs])
        return sorted(pairs[i] for i in np.argsort(-strength, kind="stable")[:MOST_PAIRS])

    @property
    def considered(self) -> int:
        """How many features were looked through: the pairs that were left out too, as those that stay were chosen by the data."""
        d = len(self.scales)
        return len(self.names()) - len(self.pairs) + d * (d - 1) // 2

    def names(self) -> list[Name]:
        """In the order of the values."""
        features = self.data.features
        found = []
        for d, scale in enumerate(self.scales):
            if scale == "level":
                found += [Name("share", features[d], level=self._spelt(d, level)) for level in self.levels[d]]
            else:
                found += [Name(quantity, features[d]) for quantity, _ in self._of_column(np.zeros(1), d)]
        return found + [Name(self._kind(pair), features[pair[0]], features[pair[1]]) for pair in self.pairs]

    def _spelt(self, d: int, level: float) -> str:
        named = None if self.data.levels is None else self.data.levels[d]
        return f"{level:g}" if named is None else named[int(level)]

    def _kind(self, pair: tuple[int, int]) -> str:
        return "correlation" if set(pair) <= set(self.correlated) else "association"

    def values(self, x: Rows) -> np.ndarray:
        """Of complete or incomplete rows, one each, (feature,); nan where there is nothing to take it of."""
        found: list[float] = []
        with np.errstate(all="ignore"):
            for d, scale in enumerate(self.scales):
                column = seen(x[:, d])
                if column.size == 0:
                    found += [np.nan] * (len(self.levels[d]) if scale == "level" else len(list(self._of_column(np.zeros(1), d))))
                elif scale == "level":
                    found += [float((column == level).mean()) for level in self.levels[d]]
                else:
                    found += [value for _, value in self._of_column(column, d)]
            found += [self._association(x, pair) for pair in self.pairs]
        return np.array(found)

    def _of_column(self, column: np.ndarray, d: int) -> Iterator[tuple[str, float]]:
        mean, sd = column.mean(), column.std()
        if self.scales[d] == "count":
            yield "mean", mean
            yield "variance over mean", sd**2 / mean if mean > 0 else np.nan
            yield "share of zeros", (column == 0).mean()
            yield "95 % quantile", float(np.quantile(column, 0.95))
            yield "maximum", column.max()
            return
        for level, value in zip(QUANTILES, np.quantile(column, QUANTILES), strict=True):
            yield f"{100 * level:g} % quantile", value
        yield "standard deviation", sd
        yield "skewness", ((column - mean) ** 3).mean() / sd**3 if sd > 0 else np.nan
        yield "excess kurtosis", ((column - mean) ** 4).mean() / sd**4 - 3.0 if sd > 0 else np.nan
        yield "lower tail share", (column < self.bounds[0][d]).mean()
        yield "upper tail share", (column > self.bounds[1][d]).mean()

    def _association(self, x: Rows, pair: tuple[int, int]) -> float:
        """Pearson's correlation of quantities and of zeros and ones; else Cramer's V, or of a level and a quantity the correlation
        ratio, both between 0 and 1."""
        both = x[:, list(pair)]
        a, b = both[~np.isnan(both).any(axis=1)].T
        if a.size < 2:
            return np.nan
        if set(pair) <= set(self.correlated):
            a, b = a - a.mean(), b - b.mean()
            return float((a @ b) / np.sqrt((a @ a) * (b @ b)))
        if "level" == self.scales[pair[0]] == self.scales[pair[1]]:
            return _cramer(a, b)
        return _ratio(a, b) if self.scales[pair[0]] == "level" else _ratio(b, a)


def seen(column: np.ndarray) -> np.ndarray:
    """The observed values of a column."""
    return np.asarray(column[~np.isnan(column)])


def _cramer(a: np.ndarray, b: np.ndarray) -> float:
    (_, i), (_, j) = (np.unique(each, return_inverse=True) for each in (a, b))
    table = np.zeros((i.max() + 1, j.max() + 1))
    np.add.at(table, (i, j), 1.0)
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / a.size
    fewer = min(table.shape) - 1
    return float(np.sqrt(((table - expected) ** 2 / expected).sum() / (a.size * fewer))) if fewer else np.nan


def _ratio(levels: np.ndarray, values: np.ndarray) -> float:
    """The correlation ratio eta: the share of the standard deviation that is between levels."""
    _, which = np.unique(levels, return_inverse=True)
    sizes = np.bincount(which)
    means = np.bincount(which, weights=values) / sizes
    total = values.var()
    return float(np.sqrt((sizes * (means - values.mean()) ** 2).sum() / values.size / total)) if total > 0 else np.nan


def expanded(data: Dataset) -> Any:
    """Every row as often as it counts."""
    return np.repeat(data.x, data.counts.astype(int), axis=0)
