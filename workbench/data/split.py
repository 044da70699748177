"""Held-out rows."""

from __future__ import annotations

import numpy as np

from workbench.data.dataset import Dataset
from workbench.data.table import SourceError


def split(data: Dataset, fraction: float, rng: np.random.Generator) -> tuple[Dataset, Dataset]:
    """Split rows at random into those that are fitted and those that are held out, each in the source's order.

    Parameters
    ----------
    fraction : share of the rows held out, above 0 and below 1; rounded to whole rows, at least one

    Raises
    ------
    DataError
        If no row is left to fit.
    """
    n_held_out = max(1, round(fraction * data.n_rows))
    if n_held_out >= data.n_rows:
        raise SourceError(f"{fraction:g} of {data.n_rows} rows leaves none to fit; hold out fewer", "held_out")
    order = rng.permutation(data.n_rows)
    return data.take(np.sort(order[n_held_out:])), data.take(np.sort(order[:n_held_out]))
