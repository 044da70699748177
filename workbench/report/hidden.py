"""What a point estimate hides: rows whose responsibilities the posterior of the parameters leaves open."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from workbench.report.blocks import Field, Grid, Head
from workbench.report.numerals import count, counted, responsibility
from workbench.report.slices import records
from workbench.report.trust import denied, standing_for_the_posterior

if TYPE_CHECKING:
    import pandas as pd

    from workbench.report.slices import Slice

MOST = 8
OPEN = 0.1
"""Standard deviation of a responsibility over the posterior from which a row is open."""
SURE = 0.95
NOTE = (
    "The responsibility p(z = k | x) of the row, its mean and standard deviation over the draws' parameters, for the component where "
    "that is largest; beside it what the point says of the same component, which knows of no such uncertainty."
)


def grids(cell: Slice) -> Iterator[Grid]:
    """The rows that are most open, with what the first point says of them."""
    found = opened(cell)
    if found is None:
        return
    draws, point, table = found
    worst = records(table.sort_values("sd", ascending=False, kind="stable").head(MOST))
    ids = {row["row"]: row["id"] for row in records(cell.rows("assignments", draws))}
    rows = tuple(
        (
            Head(ids.get(row["row"]) or f"row {count(row['row'])}"),
            tuple(
                Field(text)
                for text in (count(row["component"]), responsibility(row["mean"]), f"{row['sd']:.3f}", responsibility(row["point"]))
            ),
        )
        for row in worst
    )
    heads = (Head("component"), Head(f"{draws}: mean", method=draws), Head(f"{draws}: sd", method=draws), Head(point, method=point))
    notes = (NOTE, *((f"The chains of {draws} disagree: how open a row is cannot be told from them.",) if denied(cell, draws) else ()))
    yield Grid("Rows whose label the posterior leaves open", heads, rows, notes, "responsibilities")


def hidden(cell: Slice) -> Iterator[str]:
    """A finding: rows of which the point is sure and the draws are not."""
    found = opened(cell)
    if found is None or denied(cell, found[0]):
        return
    draws, point, table = found
    sure = table[(table["point"] >= SURE) | (table["point"] <= 1.0 - SURE)]
    if len(sure):
        yield (
            f"{point} is sure of {counted(len(sure), 'row')} (a responsibility within {1.0 - SURE:.2f} of 0 or 1) that {draws} leaves open: "
            f"over its draws that responsibility has a standard deviation of {OPEN:g} or more."
        )


def opened(cell: Slice) -> tuple[str, str, pd.DataFrame] | None:
    """The method whose draws stand for the posterior, a point, and the open rows, each with its most uncertain component."""
    draws, points = standing_for_the_posterior(cell), cell.estimates("point")
    if cell.single or draws is None or not points:
        return None
    mine, theirs = (cell.rows("responsibilities", method).set_index(["row", "component"]) for method in (draws, points[0]))
    if mine.empty or theirs.empty or not math.isfinite(mine["sd"].max()):
        return None
    table = mine[["mean", "sd"]].join(theirs["mean"].rename("point"), how="inner").reset_index()
    table = table.loc[table.groupby("row")["sd"].idxmax()]
    table = table[table["sd"] >= OPEN]
    return None if table.empty else (draws, points[0], table)
