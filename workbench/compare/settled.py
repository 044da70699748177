"""Settled: every fit of a cell under one labelling, so that component k means the same thing in every table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from workbench.compare.cell import Cell
from workbench.compare.evaluation import RowView, row_view
from workbench.fit import Fit
from workbench.models import Mixture
from workbench.models.shapes import Responsibilities


@dataclass(frozen=True, eq=False)
class Settled:
    """A fit beside its rows' responsibilities and its aligned draws.

    Attributes
    ----------
    fit : as the method gave it
    rows : responsibilities over aligned draws
    draws : the draws that the rows used, relabelled; batch (draw,)
    """

    fit: Fit
    rows: RowView
    draws: Mixture


def settle(cell: Cell) -> Mapping[str, Settled]:
    """Align every fit that has draws with one reference: the first point, else the first fit, heaviest component first."""
    reference = _reference(cell)
    found = {}
    for label, fit in cell.fits.items():
        rows = row_view(cell.problem, fit, reference)
        if rows is not None and fit.draws is not None:
            flat = fit.draws.reshaped(int(np.prod(fit.draws.batch_shape))).take(rows.draws)
            found[label] = Settled(fit, rows, flat.relabelled(rows.permutations))
    return found


def _reference(cell: Cell) -> Responsibilities | None:
    fits = [fit for fit in cell.fits.values() if fit.draws is not None]
    if not fits:
        return None
    first = next((fit for fit in fits if fit.estimate == "point"), fits[0])
    view = row_view(cell.problem, first)
    if view is None:
        return None
    return np.asarray(view.mean[:, np.argsort(-(view.mean * cell.problem.data.counts[:, None]).sum(axis=0), kind="stable")])
