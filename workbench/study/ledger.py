"""``decomposition.csv``: the ledger of every fit that kept its path."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.compare.assembly import frame
from workbench.compare.cell import Cell
from workbench.study.decomposition import decomposition

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("method", "restart", "iteration", "half_step", "expected_complete", "entropy", "bound", "kl", "log_likelihood", "log_prior")


def ledger(cells: Sequence[Cell]) -> pd.DataFrame:
    """One row a half step of the reported restart; swept keys are the first columns."""
    rows = [
        {**cell.values, "method": label, "restart": fit.reported, **dataclasses.asdict(step)}
        for cell in cells
        for label, fit in cell.fits.items()
        for step in decomposition(fit)
    ]
    swept = list(cells[0].values) if cells else []
    return frame(rows, COLUMNS, swept)
