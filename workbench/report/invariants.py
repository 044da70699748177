"""What no naming of components changes: label-free quantities side by side, and who shares a component with whom."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.compare.invariants import COUNTS, spelt, worst
from workbench.compare.settled import leading
from workbench.report.blocks import Field, Grid, Head, Panel, Plate
from workbench.report.figures.coclustering import Matrix, heat
from workbench.report.numerals import DASH, LEVEL, amount, chance, count
from workbench.report.slices import Row, records

if TYPE_CHECKING:
    import pandas as pd

    from workbench.report.slices import Slice


MOST = 40
"""Quantities that are shown."""
NAMES = {"coclustering": "co-clustering"}
MEANINGS = {
    "log_likelihood": "In nats.",
    "log_posterior": "Log likelihood plus log prior density, in nats, up to the constant log p(x).",
    "log_determinant": "Of the covariance within components, pooled by the weights.",
    "occupied_components": "Components that are the likeliest of some row.",
    "entropy": "Of labels, in nats: summed over the rows, of each draw's own responsibilities.",
    "coclustering": "Probability that two different rows, taken at random, share a component.",
}
ORDERED = (
    "Smallest, 2nd smallest and so on: each draw's values are sorted over its components, so that it does not matter what these are "
    "called. Where components overlap the smallest is not always one and the same component."
)
OUTSIDE = (
    "A mean outside of its interval: in a few draws a component is empty, its parameters are drawn from the prior, and these reach far out."
)
INDEPENDENT = "R-hat and effective draws are of chains; an approximation's draws are independent."


def grids(cell: Slice) -> Iterator[Grid]:
    """Quantities down, methods across; under them the worst R-hat and the fewest effective draws, with their quantities' names."""
    table = cell.tables["label_free"]
    methods = [method for method in cell.methods if method in set(table["method"])]
    found: dict[str, dict[str, Row]] = {}
    for row in map(Row, records(table.iloc[np.argsort(table["order"].notna(), kind="stable")])):
        found.setdefault(name(cell, row), {})[row.text("method")] = row
    rows = []
    for text, own in list(found.items())[:MOST]:
        quantity = next(iter(own.values())).text("quantity")
        rows.append((Head(text, MEANINGS.get(quantity, "")), tuple(Field(written(own.get(method))) for method in methods)))
    if not rows:
        return
    rows += [*mixed(cell, methods)]
    notes = [f"Of a point its value; of draws, means and between brackets the equal-tailed {LEVEL} interval."]
    notes += [ORDERED] if table["order"].notna().any() else []
    notes += [OUTSIDE] if outside(table) else []
    notes += [INDEPENDENT] if table["rhat"].notna().any() else []
    notes += [f"{count(len(found) - MOST)} more in the table."] if len(found) > MOST else []
    heads = tuple(Head(method, method=method) for method in methods)
    yield Grid("Whatever components are called", heads, tuple(rows), tuple(notes), "label_free")


def outside(table: pd.DataFrame) -> bool:
    """Whether some mean is outside of its interval; that of a count may well be, between two numbers."""
    own = table[~table["quantity"].isin(COUNTS)]
    return bool(((own["mean"] < own["lower"]) | (own["mean"] > own["upper"])).any())


def name(cell: Slice, row: Row) -> str:
    """`largest weights`, `log posterior`."""
    quantity = row.text("quantity")
    plain = row | {"quantity": NAMES.get(quantity, quantity)}
    return spelt(plain, int(cell.row(row.text("method")).number("n_components")))


def tenths(value: float) -> str:
    """Nats of which an interval leaves the hundredths open."""
    return f"{value:.1f}" if abs(value) >= 1.0 else amount(value, 2)


WRITERS = {"log_likelihood": tenths, "log_posterior": tenths, "entropy": tenths, "weights": chance, "probs": chance, "coclustering": chance}


def written(row: Row | None) -> str:
    if row is None:
        return DASH
    write = WRITERS.get(row.text("quantity"), amount)
    between = f" [{write(row.number('lower'))}, {write(row.number('upper'))}]" if math.isfinite(row.number("lower")) else ""
    return write(row.number("mean")) + between


def mixed(cell: Slice, methods: list[str]) -> Iterator[tuple[Head, tuple[Field, ...]]]:
    """How well chains agree about the quantity that they agree about least."""
    for column, title, note in (("rhat", "largest R-hat", "1 where chains agree."), ("ess_bulk", "fewest effective draws", "")):
        own = [worst([Row(row) for row in records(cell.rows("label_free", method))], column) for method in methods]
        if any(own):
            write = (lambda value: f"{value:.3f}") if column == "rhat" else count
            texts = [f"{write(row[column])} ({name(cell, Row(row))})" if row else DASH for row in own]
            yield Head(title, f"{note} Of which quantity stands beside it; counts apart.".strip()), tuple(Field(text) for text in texts)


def plates(cell: Slice, prefix: str) -> Iterator[Plate]:
    """A co-clustering matrix a method, rows in one order for all."""
    table = cell.tables["coclustering"]
    panels, shown = [], 0
    for method in cell.methods:
        own = table[table["method"] == method]
        if own.empty:
            continue
        matrix = square(own)
        shown = len(matrix.rows)
        stem = f"{prefix}coclustering-{method}"
        panels.append(Panel(method, stem, heat(stem, matrix, blocks(cell, matrix.rows)), method))
    if panels:
        of = count(cell.data.n_rows)
        rows = f"all {of} rows" if shown == cell.data.n_rows else f"{shown} of {of} rows, evenly spread over their order"
        yield Plate(
            tuple(panels),
            f"The probability that two rows share a component, for {rows}: bright squares are groups that stay together whatever they are "
            f"called, a haze between two is a group that the posterior sometimes takes for one. Rows are sorted by the labels of {leader(cell)}, "
            "whose components are named at the left. Of draws the mean of sum_k r_ik r_jk over up to 500; no draw is relabelled for it.",
            "coclustering",
        )


def square(table: pd.DataFrame) -> Matrix:
    """The whole matrix from its pairs."""
    rows = list(dict.fromkeys([*table["row"], *table["row_2"]]))
    place = {row: i for i, row in enumerate(rows)}
    values = np.eye(len(rows))
    first, second = (table[column].map(place).to_numpy() for column in ("row", "row_2"))
    values[first, second] = values[second, first] = table["probability"].to_numpy(dtype=float)
    return Matrix(np.array(rows), values)


def leader(cell: Slice) -> str:
    """The method whose labels sort the rows: the one with which all are aligned."""
    labelled = set(cell.tables["assignments"]["method"])
    first = leading([(cell.row(method).text("estimate"), method in labelled) for method in cell.methods])
    assert first is not None  # where there is a matrix there are labels
    return cell.methods[first]


def blocks(cell: Slice, rows: np.ndarray) -> list[tuple[str, float, float]]:
    """Component, first and last place of every run of rows with one label."""
    labels: dict[Any, Any] = {row["row"]: row["label"] for row in records(cell.rows("assignments", leader(cell)))}
    own = np.array([labels[row] for row in rows])
    starts = [0, *(np.flatnonzero(np.diff(own)) + 1).tolist(), own.size]
    return [(count(own[a]), float(a), float(b)) for a, b in itertools.pairwise(starts)]
