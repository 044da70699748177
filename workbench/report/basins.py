"""Basins: how much of each sample climbs to which optimum of EM, as the tables have it, and a grid of it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from workbench.report.blocks import Field, Grid, Head
from workbench.report.numerals import count, fraction, nats
from workbench.report.wording import axis, spoken

if TYPE_CHECKING:
    import pandas as pd

    from workbench.report.slices import Slice

MOST = 6
"""Optima that are listed, of those found and of those missed."""
OF_NOTE = 0.01
"""Share of some sample's draws from which an optimum is listed whatever its place."""
NOTE = (
    "Some draws of every chain are followed by EM to where it ends. Share of them that end at the optimum; between brackets the least "
    "and the largest of the chains."
)
MISSED = "Missed: an optimum to which draws climb, and at which no restart ended."
CHAINS = "A chain that never leaves a basin says nothing of what others weigh; exact draws and smc do."


@dataclasses.dataclass(frozen=True, eq=False)
class Weighed:
    """What one sample puts into the basins of one method's optima.

    Attributes
    ----------
    shares : ndarray (chain, place + 1): optima that restarts found, optima that they missed, and the rest
    heights : objectives of the optima (place,)
    missed : how many of those restarts missed
    draws : followed of each chain
    """

    sample: str
    shares: np.ndarray
    heights: np.ndarray
    missed: int
    draws: float

    @property
    def mean(self) -> np.ndarray:
        return np.asarray(self.shares.mean(axis=0))

    @property
    def found(self) -> int:
        """How many optima restarts found."""
        return int(self.heights.size) - self.missed

    @property
    def error(self) -> np.ndarray:
        """Standard error by the chains' spread, or of as many independent draws if that is larger."""
        mean, chains = self.mean, self.shares.shape[0]
        binomial = np.sqrt(np.maximum(mean * (1.0 - mean), 0.0) / (chains * self.draws))
        return np.asarray(binomial if chains == 1 else np.maximum(binomial, self.shares.std(axis=0, ddof=1) / math.sqrt(chains)))

    def between(self, i: int) -> tuple[str, str]:
        """The least and the largest share of the chains."""
        own = self.shares[:, i]
        return fraction(float(own.min())), fraction(float(own.max()))


def weighed(cell: Slice) -> tuple[str, list[Weighed]] | None:
    """The method whose optima are climbed to, of the posterior if there is one, and each sample's shares; None where there are none."""
    table = cell.tables["basins"]
    climbed = list(dict.fromkeys(table["climbs"]))
    if not climbed:
        return None
    point = min(climbed, key=lambda method: cell.objective_name(method) != "log_posterior")
    return point, [_sample(str(sample), rows) for sample, rows in table[table["climbs"] == point].groupby("method", sort=False)]


def _sample(sample: str, rows: pd.DataFrame) -> Weighed:
    """Of the rows of one sample; those of one place have the same numbers in every chain."""
    known = rows.assign(optimum=rows["optimum"].fillna(math.inf), missed=rows["missed"].fillna(math.inf))
    wide = known.pivot_table(index="chain", columns=["optimum", "missed"], values="share").sort_index(axis=1)
    places = known[known["chain"] == known["chain"].iloc[0]].sort_values(["optimum", "missed"])
    heights = places["objective"].to_numpy(dtype=float)[:-1]
    return Weighed(sample, wide.to_numpy(dtype=float), heights, int(rows["missed"].nunique()), float(rows["draws"].iloc[0]))


def grids(cell: Slice) -> Iterator[Grid]:
    """Optima down, samples across."""
    if (found := weighed(cell)) is None:
        return
    point, samples = found
    if one_basin(samples):
        return
    first = samples[0]
    shown = _noted(samples, range(first.found), always=0)
    lost = _noted(samples, range(first.found, first.heights.size), always=int(np.nanargmax(first.heights)))
    others = [i for i in range(first.found) if i not in shown]
    rows = [_row(count(i), i, samples) for i in shown]
    if others:
        sums = [float(each.mean[others].sum()) for each in samples]
        rows.append((Head("other optima found"), (Field(""), *(Field(fraction(share)) for share in sums))))
    rows += [_row("missed", i, samples) for i in lost]
    rest = [i for i in range(first.found, first.heights.size + 1) if i not in lost]
    sums = [float(each.mean[rest].sum()) for each in samples]
    texts = [_share(each, -1) for each in samples] if len(rest) == 1 else [fraction(share) for share in sums]
    rows.append((Head("none of these"), (Field(""), *map(Field, texts))))
    heads = (Head(axis(cell.objective_name(point))), *(Head(each.sample, method=each.sample) for each in samples))
    notes = (NOTE, *((MISSED,) if lost else ()), CHAINS)
    yield Grid(f"Which optimum of {point} do draws climb to?", heads, tuple(rows), notes, "basins")


def _noted(samples: list[Weighed], places: range, always: int) -> list[int]:
    """The places with the largest shares, in their order, and one whatever its share."""
    most = np.max([each.mean for each in samples], axis=0)
    most[always] = np.inf
    ranked = sorted((i for i in places if most[i] >= OF_NOTE), key=lambda i: -most[i])
    return sorted(ranked[:MOST])


def one_basin(samples: list[Weighed]) -> bool:
    """Whether restarts and draws know of one optimum only."""
    return samples[0].heights.size < 2 and all(each.mean[-1] == 0.0 for each in samples)


def _row(head: str, i: int, samples: list[Weighed]) -> tuple[Head, tuple[Field, ...]]:
    return Head(head), (Field(nats(float(samples[0].heights[i]))), *(Field(_share(each, i)) for each in samples))


def _share(each: Weighed, i: int) -> str:
    between = f" [{', '.join(each.between(i))}]" if each.shares.shape[0] > 1 else ""
    return fraction(float(each.mean[i])) + between


def place(cell: Slice, each: Weighed, i: int, point: str) -> str:
    """A place as a sentence has it."""
    if i < each.found:
        return f"optimum {i} of {point}"
    if i < each.heights.size:
        return f"an optimum that {point} missed ({spoken(cell.objective_name(point))} {nats(float(each.heights[i]))})"
    return f"no listed optimum of {point}"
