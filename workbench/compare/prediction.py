"""Prediction: label, responsibilities and log density of rows under a fit, whatever method made it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.compare.evaluation import row_view
from workbench.compare.relabelling import Relabelling
from workbench.data import Dataset
from workbench.fit import Fit
from workbench.models import Mixture
from workbench.models.shapes import LogDensity, Responsibilities
from workbench.models.terms import log_sum_exp
from workbench.problem import Problem

if TYPE_CHECKING:
    import pandas as pd

NUMBERS = 1_000_000
"""Log densities (draws x rows) held at once."""


def predict(
    problem: Problem, fit: Fit, data: Any = None, *, reference: Responsibilities | None = None, relabelling: Relabelling = "assignment"
) -> pd.DataFrame:
    """What a fit says of rows, be they new or those that were fitted.

    Responsibilities are p(z_n = k | x_n, theta), of draws averaged after their labels were aligned, as in ``responsibilities.csv``;
    ``log_density`` is log p(x_n | theta), of draws the log of the mean of p(x_n | theta) over all of them, in nats (of a row
    without an observed cell 0). Known cells alone count, the others are integrated out.

    Parameters
    ----------
    data : Dataset, DataFrame or array with the problem's columns; by default the rows that were fitted
    reference : ndarray (N, K), responsibilities of the *fitted* rows that labels are aligned with, as :func:`workbench.compare.settled.
        common_reference` has them for several fits; by default labels are the fit's own, of draws those of the likeliest
    relabelling : how draws are aligned: each with the reference (``assignment``), or all with their own mean (``stephens``)

    Returns
    -------
    predictions : a row for each of the data's with ``row, id, label, responsibility, log_density, responsibility_0, ...``; of a row
        that is impossible under the fit, with a density of 0, only ``row`` and ``id``

    Raises
    ------
    ValueError
        If the fit found no point.
    DataError
        If a column is missing or not numeric, or a cell holds what the family cannot give; UnseenLevelError if it holds a level
        that no fitted row has.
    """
    from workbench.compare.assembly import frame

    view = row_view(problem, fit, reference, relabelling)
    if view is None or fit.draws is None:
        raise ValueError(f"this fit has nothing to predict with: {fit.status.value}")
    rows = problem.data if data is None else problem.rows(data)
    flat = fit.draws.reshaped(int(np.prod(fit.draws.batch_shape)))
    shares = _shares(flat.take(view.draws).relabelled(view.permutations), rows)
    known = np.isfinite(shares).all(axis=1)
    labels = np.where(known, np.where(known[:, None], shares, 0.0).argmax(axis=1), -1)
    names = [f"responsibility_{k}" for k in range(problem.n_components)]
    block = {
        "row": rows.rows,
        "id": None if rows.ids is None else np.array(rows.ids, dtype=object),
        "label": np.array([label if label >= 0 else None for label in labels.tolist()], dtype=object),
        "responsibility": shares.max(axis=1),
        "log_density": _log_densities(flat, rows),
        **dict(zip(names, shares.T, strict=True)),
    }
    return frame([block], list(block))


def _shares(draws: Mixture, rows: Dataset) -> Responsibilities:
    """Mean over draws (draw,) of the responsibilities (N, K)."""
    total = np.zeros((rows.n_rows, draws.n_components))
    for s in range(draws.weights.shape[0]):
        total += draws.take(s).responsibilities(rows.x)
    return np.asarray(total / draws.weights.shape[0])


def _log_densities(draws: Mixture, rows: Dataset) -> LogDensity:
    """log mean_s p(x_n | theta_s) over draws (draw,), some rows at a time."""
    n_draws = draws.weights.shape[0]
    blocks = rows.blocks(max(1, NUMBERS // n_draws))
    return np.concatenate([log_sum_exp(draws.log_density(x).T) - np.log(n_draws) for x, _ in blocks])
