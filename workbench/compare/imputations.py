"""``imputations.csv``: what every cell that was not observed may be, given what was observed of its row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from workbench.compare.settled import Settled
from workbench.models import Mixture
from workbench.models.families.categorical import CategoricalComponents
from workbench.models.families.product.components import ProductComponents
from workbench.problem import Problem

DRAWS = 200
"""Draws that an imputation is averaged over at most, evenly spaced."""
CELLS = 100_000
"""Missing cells above which the table is left out: it would be larger than the data."""


def imputation_rows(label: str, problem: Problem, settled: Settled) -> Iterator[dict[str, Any]]:
    """Mean and sd of each missing cell over labels and draws; of a feature with levels the probability of each.

    The sd is that of the cell itself, given the model: at a point without, over draws with the parameters' own uncertainty.
    """
    data = problem.data
    missing = np.argwhere(np.isnan(data.x))
    if not missing.size or len(missing) > CELLS:
        return
    incomplete, place = np.unique(missing[:, 0], return_inverse=True)
    x, features = data.x[incomplete], np.array(data.features, dtype=object)
    draws = _thinned(settled.draws)
    means, sds = zip(*(draws.take(i).imputations(x) for i in range(draws.weights.shape[0])), strict=True)
    mean, sd = np.mean(means, axis=0), np.sqrt(np.mean(np.square(sds), axis=0) + np.var(means, axis=0))
    levels = data.levels or (None,) * data.n_features
    plain = np.array([levels[d] is None for d in missing[:, 1]])
    at = (place[plain], missing[plain, 1])
    rows, names = data.rows[missing[:, 0]], features[missing[:, 1]]
    if plain.any():
        yield {"method": label, "row": rows[plain], "feature": names[plain], "mean": mean[at], "sd": sd[at]}
    if not plain.all():
        shares = np.mean([_level_shares(draws.take(i), x) for i in range(draws.weights.shape[0])], axis=0)  # (row, feature, level)
        for n, d in zip(np.flatnonzero(~plain), missing[~plain, 1], strict=True):
            names_of = levels[d] or ()
            p = shares[place[n], d, : len(names_of)]
            known = {"method": label, "row": int(rows[n]), "feature": names[n]}
            yield {**known, "level": np.array(names_of, dtype=object), "mean": p, "sd": np.sqrt(p * (1.0 - p))}


def _thinned(draws: Mixture) -> Mixture:
    count = draws.weights.shape[0]
    return draws.take(np.unique(np.linspace(0, count - 1, min(count, DRAWS)).astype(int)))


def _level_shares(mixture: Mixture, x: np.ndarray) -> np.ndarray:
    """Probability of every level of every cell (row, feature, level), over the labels."""
    components = mixture.components
    assert isinstance(components, CategoricalComponents | ProductComponents)  # no other family has levels
    return np.asarray(np.einsum("nk,nkdl->ndl", mixture.responsibilities(x), components.level_probabilities(x)))
