"""``imputations.csv``: what every cell that was not observed may be, given what was observed of its row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.compare.points import word
from workbench.compare.settled import Settled
from workbench.compare.verdict import Row
from workbench.data import Dataset
from workbench.fit import Fit
from workbench.models import Mixture
from workbench.models.families.categorical.components import CategoricalComponents
from workbench.models.families.product.components import ProductComponents
from workbench.models.mixture import rows_per_block
from workbench.problem import Problem

if TYPE_CHECKING:
    import pandas as pd

DRAWS = 200
"""Draws that an imputation is averaged over at most, evenly spaced."""
CELLS = 100_000
"""Missing cells above which a run writes no table of them: it would be larger than the data."""


def imputations(problem: Problem, fit: Fit, data: Any = None) -> pd.DataFrame:
    """What every missing cell may be under a fit, given what was observed of its row.

    Mean and standard deviation over the labels, and over the draws of a fit that has some (at most 200, evenly spaced); of a
    feature with levels the probability of each. The sd is that of the cell itself, given the model: at a point without, over
    draws with the parameters' own uncertainty.

    Parameters
    ----------
    data : Dataset, DataFrame or array with the problem's columns; by default the rows that were fitted

    Returns
    -------
    imputations : a row for each missing cell, or for each of its levels, with ``row, feature, level, mean, sd``; ``level`` is
        empty where the feature holds numbers

    Raises
    ------
    ValueError
        If the fit found no point.
    DataError
        If a column is missing, or not numeric; UnseenLevelError if a cell holds a level that no fitted row has.
    """
    from workbench.compare.assembly import frame

    if fit.draws is None:
        raise ValueError(f"this fit has nothing to impute with: {fit.status.value}")
    flat = fit.draws.reshaped(int(np.prod(fit.draws.batch_shape)))
    rows = problem.data if data is None else problem.rows(data)
    return frame(list(_blocks(rows, flat)), ["row", "feature", "level", "mean", "sd"])


def imputation_rows(label: str, problem: Problem, settled: Settled) -> Iterator[dict[str, Any]]:
    """``imputations.csv`` of a fit, unless there are more than ``CELLS`` cells, of which :func:`left_out` tells."""
    if not np.isnan(problem.data.x).sum() > CELLS:
        for block in _blocks(problem.data, settled.draws):
            yield {"method": label, **block}


def left_out(problem: Problem) -> Iterator[Row]:
    """Say why ``imputations.csv`` is empty, where it is for the number of cells."""
    missing = int(np.isnan(problem.data.x).sum())
    if missing > CELLS:
        reason = f"{missing:,} cells were not observed; above {CELLS:,} imputations.csv stays empty; workbench.imputations has them"
        yield word("imputations", "none", None, reason)


def _blocks(data: Dataset, draws: Mixture) -> Iterator[dict[str, Any]]:
    """The missing cells of ``data``, some rows at a time; of a block first those of numbers, then those of levels."""
    draws = _thinned(draws)
    incomplete = np.flatnonzero(np.isnan(data.x).any(axis=1))
    size = rows_per_block(draws.n_components * data.n_features * max(1, *data.n_levels))
    for start in range(0, incomplete.size, size):
        yield from _block(data.take(incomplete[start : start + size]), draws)


def _block(data: Dataset, draws: Mixture) -> Iterator[dict[str, Any]]:
    missing = np.argwhere(np.isnan(data.x))
    levels = data.levels or (None,) * data.n_features
    plain = np.array([levels[d] is None for d in missing[:, 1]])
    rows, names = data.rows[missing[:, 0]], np.array(data.features, dtype=object)[missing[:, 1]]
    each = [draws.take(i) for i in range(draws.weights.shape[0])]
    if plain.any():
        means, sds = (np.stack(values) for values in zip(*(_cells(one, data, missing[plain]) for one in each), strict=True))
        spread = np.sqrt(np.mean(sds**2, axis=0) + np.var(means, axis=0))
        yield {"row": rows[plain], "feature": names[plain], "mean": means.mean(axis=0), "sd": spread}
    if not plain.all():
        shares = np.mean([_level_shares(one, data.x) for one in each], axis=0)  # (row, feature, level)
        for n, (row, d) in zip(np.flatnonzero(~plain), missing[~plain], strict=True):
            names_of = levels[d] or ()
            p = shares[row, d, : len(names_of)]
            known = {"row": int(rows[n]), "feature": names[n]}
            yield {**known, "level": np.array(names_of, dtype=object), "mean": p, "sd": np.sqrt(p * (1.0 - p))}


def _cells(mixture: Mixture, data: Dataset, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean, sd = mixture.imputations(data)
    return mean[tuple(cells.T)], sd[tuple(cells.T)]


def _thinned(draws: Mixture) -> Mixture:
    count = draws.weights.shape[0]
    return draws.take(np.unique(np.linspace(0, count - 1, min(count, DRAWS)).astype(int)))


def _level_shares(mixture: Mixture, x: np.ndarray) -> np.ndarray:
    """Probability of every level of every cell (row, feature, level), over the labels."""
    components = mixture.components
    assert isinstance(components, CategoricalComponents | ProductComponents)  # no other family has levels
    return np.asarray(np.einsum("nk,nkdl->ndl", mixture.responsibilities(x), components.level_probabilities(x)))
