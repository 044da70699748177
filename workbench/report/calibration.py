"""Calibration: ranks of the truth among draws, coverage of intervals, and what they say of each method."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from workbench.inference.advice import listed
from workbench.report.blocks import Field, Grid, Head, Panel, Plate
from workbench.report.checks import APART, advised, spelt
from workbench.report.figures.ranks import departures
from workbench.report.numerals import DASH, count, counted, fraction
from workbench.report.slices import records
from workbench.report.wording import figure, is_wrong, sentence

if TYPE_CHECKING:
    from workbench.report.slices import Slice

RANKS, INTERVALS = APART
RUN = ("calibration_without_fit", "calibration_few_effective_draws")
"""Checks of the calibration itself, not of a quantity."""
CAPTION = (
    "Data sets were drawn from the prior and the model, each fitted, and the truth ranked among nearly independent draws of each fit. If these come from the "
    "posterior, every rank is as likely as any other and the line stays in the band, which all lines of a right method leave together in at most one calibration "
    "of a hundred. A line above 0 at the left and below it at the right: the draws are too narrow. The other way round: too wide. All above 0: the draws are too high; "
    "all below: too low. The log likelihood and the co-clustering of two rows look at the data: a method that ignores the data fails there alone."
)
TESTS = (
    "The smallest p value of four tests (chi-square of the histogram, the band, mean and mean square of the normal scores), times four and the number of quantities; "
    "a warning below 0.01, which a right method has in at most one calibration of a hundred."
)
HELD = (
    "Share of the data sets whose 95 % interval holds the truth, with its binomial error, and how many have an interval. Components are numbered by their true weights, "
    "the heaviest first; fits are aligned to the truth. Intervals come from the observed information, and are right when every component has many rows and lies apart from the others."
)


def plates(cell: Slice, prefix: str) -> Iterator[Plate]:
    """A panel for each quantity, methods on top of each other."""
    table = cell.tables["calibration_ecdf"]
    panels = []
    for i, (quantity, rows) in enumerate(table.groupby("quantity", sort=False)):
        stem = f"{prefix}calibration-{i}"
        panels.append(Panel(spelt(str(quantity)), stem, departures(stem, rows, cell.looks)))
    if panels:
        yield Plate(tuple(panels), CAPTION, "calibration_ecdf")


def grids(cell: Slice) -> Iterator[Grid]:
    """What is wrong in words, every p value, every coverage."""
    rows = [row for row in records(cell.tables["diagnostics"]) if row["quantity"].startswith(APART)]
    yield from of_ranks(cell, [row for row in rows if row["quantity"].startswith(RANKS) and row["quantity"] not in RUN])
    yield from of_intervals(cell, {(row["quantity"], row["method"]): row for row in rows})
    for grid in advised(
        [{**row, "quantity": bare(row["quantity"])} for row in rows if row["advice"] and not row["quantity"].startswith(INTERVALS)]
    ):
        yield dataclasses.replace(grid, title="What is wrong")


def of_ranks(cell: Slice, rows: list[dict[str, Any]]) -> Iterator[Grid]:
    methods = [method for method in cell.methods if any(row["method"] == method for row in rows)]
    found = {(row["quantity"], row["method"]): row for row in rows}
    lines = []
    for quantity in dict.fromkeys(row["quantity"] for row in rows):
        fields = tuple(Field(probable(found.get((quantity, method)))) for method in methods)
        lines.append((Head(spelt(bare(quantity))), fields))
    if lines:
        yield Grid("Uniform ranks: p values", tuple(Head(m, method=m) for m in methods), tuple(lines), (TESTS,), "diagnostics")


def probable(row: dict[str, Any] | None) -> str:
    """A p value, marked where it is a warning."""
    if row is None:
        return DASH
    p = figure(row["value"])
    text = "< 0.001" if p < 0.001 else fraction(p)
    return text + (" (warning)" if is_wrong(row["verdict"]) else "")


def of_intervals(cell: Slice, checked: dict[tuple[str, str], dict[str, Any]]) -> Iterator[Grid]:
    table = cell.tables["coverage"]
    methods = [method for method in cell.methods if method in set(table["method"])]
    found = {(row["quantity"], row["method"]): row for row in records(table)}
    lines = []
    for quantity in dict.fromkeys(table["quantity"]):
        fields = []
        for method in methods:
            row, verdict = found.get((quantity, method)), checked.get((f"{INTERVALS}{quantity}", method))
            fields.append(Field(held(row) + (" (warning)" if verdict and is_wrong(verdict["verdict"]) else "")))
        lines.append((Head(spelt(quantity)), tuple(fields)))
    if lines:
        yield Grid("Coverage of 95 % intervals", tuple(Head(m, method=m) for m in methods), tuple(lines), (HELD,), "coverage")


def held(row: dict[str, Any] | None) -> str:
    if row is None or not row["intervals"]:
        return DASH
    return f"{fraction(row['coverage'])} ± {row['error']:.3f} of {count(row['intervals'])}"


def calibrated(cell: Slice) -> Iterator[str]:
    """One sentence a method."""
    table = cell.tables["calibration"]
    for method in cell.methods:
        own = [row for row in records(cell.rows("diagnostics", method)) if row["quantity"].startswith(APART)]
        size = counted(table.loc[table["method"] == method, "replicate"].nunique(), "data set")
        ranks = [row for row in own if row["quantity"].startswith(RANKS) and row["quantity"] not in RUN]
        wrong = [spelt(bare(row["quantity"])) for row in ranks if is_wrong(row["verdict"])]
        if wrong:
            yield f"{method} is not calibrated. On {size} drawn from the model the ranks of the truth among its draws are not uniform in {listed(wrong)} ({count(len(wrong))} of {counted(len(ranks), 'quantity', 'quantities')})."
        elif ranks and all(row["verdict"] == "ok" for row in ranks):
            yield f"{method} is calibrated as far as {size} drawn from the model can tell: the truth has uniform ranks among its draws, in all {counted(len(ranks), 'quantity', 'quantities')}."
        for row in own:
            if row["quantity"] in RUN and is_wrong(row["verdict"]):
                yield f"{_of_the_run(row, method)}: {sentence(row['advice'])}"
        shares = sorted((row for row in records(cell.rows("coverage", method)) if row["intervals"]), key=lambda row: row["coverage"])
        if shares:
            low, high, most = shares[0], shares[-1], max(row["intervals"] for row in shares)
            span = f"{fraction(low['coverage'])} ({spelt(low['quantity'])}) to {fraction(high['coverage'])} ({spelt(high['quantity'])})"
            yield f"The 95 % intervals of {method} hold the truth in {span} of the data sets drawn from the model that have one: {count(most)} of {size}."


def _of_the_run(row: dict[str, Any], method: str) -> str:
    """What a check of the calibration itself has found."""
    value = figure(row["value"])
    if row["quantity"] == RUN[0]:
        return f"The calibration of {method} is without {counted(int(value), 'data set')} that had no fit"
    return (
        f"In {100.0 * value:.0f} % of the data sets that {method} was calibrated on, ranks are among more draws than its chains are worth"
    )


def bare(quantity: str) -> str:
    return quantity.removeprefix(RANKS).removeprefix(INTERVALS)
