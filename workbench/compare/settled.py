"""Settled: every fit of a cell under one labelling, so that component k means the same thing in every table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from workbench.compare.cell import Cell
from workbench.compare.evaluation import RowView, row_view
from workbench.compare.relabelling import Relabelling
from workbench.fit import Fit
from workbench.models import Mixture
from workbench.models.shapes import Responsibilities
from workbench.problem import Problem


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
    reference = common_reference(cell.problem, list(cell.fits.values()), cell.relabelling)
    found = {}
    for label, fit in cell.fits.items():
        rows = row_view(cell.problem, fit, reference, cell.relabelling)
        if rows is not None and fit.draws is not None:
            flat = fit.draws.reshaped(int(np.prod(fit.draws.batch_shape))).take(rows.draws)
            found[label] = Settled(fit, rows, flat.relabelled(rows.permutations))
    return found


def common_reference(problem: Problem, fits: Sequence[Fit], relabelling: Relabelling = "assignment") -> Responsibilities | None:
    """Responsibilities (N, K) that every fit of a problem is aligned with; of fits in the config's order."""
    first = leading([(fit.estimate, fit.draws is not None) for fit in fits])
    view = None if first is None else row_view(problem, fits[first], relabelling=relabelling)
    if view is None:
        return None
    return np.asarray(view.mean[:, np.argsort(-(view.mean * problem.data.counts[:, None]).sum(axis=0), kind="stable")])


def leading(fits: Sequence[tuple[str, bool]]) -> int | None:
    """Which of some fits, told by (estimate, whether it has draws), the others are aligned with: the first point, else the first."""
    usable = [i for i, (_, has_draws) in enumerate(fits) if has_draws]
    return next((i for i in usable if fits[i][0] == "point"), usable[0] if usable else None)
