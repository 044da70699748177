"""Held-out rows, each with all its counts; their levels are those of the rows that are fitted."""

from __future__ import annotations

import numpy as np

from workbench.data.dataset import Dataset
from workbench.data.levels import UnseenLevelError, encoded_like, observed_levels
from workbench.data.table import SourceError


def split(data: Dataset, fraction: float, rng: np.random.Generator) -> tuple[Dataset, Dataset]:
    """Split rows at random into those that are fitted and those that are held out, each in the source's order.

    Parameters
    ----------
    fraction : share of the rows held out, above 0 and below 1; rounded to whole rows, at least one. A row goes with all its
        counts, so grouped data are split by groups

    Raises
    ------
    DataError
        If no row is left to fit, or a held-out row has a level that no fitted row has.
    """
    n_held_out = max(1, round(fraction * data.n_rows))
    if n_held_out >= data.n_rows:
        raise SourceError(f"{fraction:g} of {data.n_rows} rows leaves none to fit; hold out fewer", "held_out")
    order = rng.permutation(data.n_rows)
    train = observed_levels(data.take(np.sort(order[n_held_out:])))
    try:
        return train, encoded_like(data.take(np.sort(order[:n_held_out])), train)
    except UnseenLevelError as error:
        raise SourceError(f"{error}; or take another seed", "held_out") from None
