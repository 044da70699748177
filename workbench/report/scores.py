"""The likelihood table: points and draws apart, quantities down, methods across."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from workbench.inference.advice import listed
from workbench.report.blocks import Field, Grid, Head
from workbench.report.numerals import DASH, amount, difference, estimated
from workbench.report.quantities import QUANTITIES, Quantity

if TYPE_CHECKING:
    from workbench.report.slices import Slice

DOUBT = "(?)"
DOUBTED = "a diagnostic denies the number: a Pareto k-hat of its rows is above 0.7, and it may be too high, or its chains disagree"
GROUPS = {"Points": ("point",), "Draws: approximations and samples": ("approximation", "sample")}


def likelihoods(cell: Slice) -> Iterator[Grid]:
    """One grid for points and one for draws, which are not ranked against each other: quantities down, methods across."""
    for title, estimates in GROUPS.items():
        methods = [method for method in cell.methods if cell.row(method).text("estimate") in estimates]
        if methods:
            yield likelihood(cell, title, methods, "point" in estimates)


def likelihood(cell: Slice, title: str, methods: list[str], point: bool) -> Grid:
    columns = tuple(Head(method, kind_note(cell, method), method) for method in methods)
    rows, absent, holes = [], [], False
    for quantity in QUANTITIES:
        meaning = quantity.point if point else quantity.draws
        fields = tuple(scored(cell, method, quantity) for method in methods)
        if meaning and any(field.text != DASH for field in fields):
            rows.append((Head(quantity.name, meaning), fields))
            holes = holes or any(field.text == DASH for field in fields)
        elif meaning:
            absent.append(quantity.name)
    rows.append((Head("status", "Why it stopped."), tuple(Field(cell.row(m).text("status") or DASH, numeric=False) for m in methods)))
    doubted = any(DOUBT in field.text for _, fields in rows for field in fields)
    notes = (*(() if point else expected(cell)), *hole_notes(absent, holes), *((f"{DOUBT}: {DOUBTED}.",) if doubted else ()))
    return Grid(title, columns, tuple(rows), notes, "likelihoods")


@dataclasses.dataclass(frozen=True)
class Drop:
    """How far mean log likelihoods over draws lie below the best point; `p` is its number of free parameters."""

    best: str
    p: float
    below: dict[str, float]


def drops(cell: Slice) -> Drop | None:
    """None without a point, or without draws to put beside it."""
    scores = {method: cell.row(method).number("log_likelihood") for method in cell.fitted}
    points = [method for method in cell.estimates("point") if math.isfinite(scores[method])]
    if not points:
        return None
    best = max(points, key=lambda method: scores[method])
    below = {m: scores[best] - scores[m] for m in cell.estimates("approximation", "sample") if math.isfinite(scores[m])}
    p = cell.row(best).number("n_parameters")
    return Drop(best, p, below) if below and math.isfinite(p) else None


def expected(cell: Slice) -> Iterator[str]:
    """The p/2 that an average over any posterior loses, beside what the draws lose."""
    drop = drops(cell)
    if drop is not None:
        parts = listed([f"{difference(value)} ({method})" for method, value in drop.below.items()])
        yield f"The mean log likelihood lies {parts} nats below the point of {drop.best}; about p/2 = {drop.p / 2:g} is expected of draws from any posterior."


def kind_note(cell: Slice, method: str) -> str:
    row = cell.row(method)
    kind, estimate = row.text("kind"), row.text("estimate")
    return estimate if kind in ("", method) else f"{kind}, {estimate}"


def scored(cell: Slice, method: str, quantity: Quantity) -> Field:
    row = cell.row(method)
    value = row.number(quantity.column)
    error = row.number(quantity.error) if quantity.error else math.nan
    if not math.isfinite(error):
        return marked(quantity.write(value), cell.doubtful(method, quantity.column))
    text = f"{value:.1f} ± {amount(error, 2)}" if quantity.common and math.isfinite(value) else estimated(value, error)
    return marked(text, cell.doubtful(method, quantity.column))


def marked(text: str, doubtful: bool) -> Field:
    """A number; one that a diagnostic denies is in grey, with a question mark."""
    return Field(f"{text} {DOUBT}" if doubtful and text != DASH else text, faint=doubtful)


def hole_notes(absent: list[str], holes: bool) -> Iterator[str]:
    """Why something is not there."""
    if holes:
        yield f"{DASH} stands where a method failed, cannot have the number, or the number was not asked for."
    if absent:
        yield f"No method here has a number for {listed(absent)}."
