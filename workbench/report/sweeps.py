"""What the cells of a sweep show together: scores by swept value."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from workbench.report.blocks import Field, Grid, Head, Panel, Plate
from workbench.report.figures.sweep import BENT, curve
from workbench.report.findings import ALIKE
from workbench.report.numerals import DASH, counted, difference, listed, nats
from workbench.report.probabilities import findings as probable
from workbench.report.sensitivity import findings as sensitive
from workbench.report.wording import capital

if TYPE_CHECKING:
    from workbench.report.slices import Slice

# score: its name, whether more is better, what to know of it
SCORES = {
    "held_out_lpd": ("held-out log predictive density", True, "Higher is better; the same rows in every cell."),
    "bic": ("BIC", False, "Lower is better; points only."),
    "elpd_loo": ("leave-one-out log density", True, "Higher is better."),
    "log_evidence": ("log evidence", True, "Higher is better; it depends on the prior."),
    "elbo": ("ELBO", True, "A bound of the log evidence, not the evidence: a gap that differs between cells can mislead."),
}
PREDICTIVE = ("held-out log predictive density", "leave-one-out log density")


def scores(cells: list[Slice], column: str) -> dict[str, list[float]]:
    """By method, the score in each cell; methods without any are left out."""
    methods = dict.fromkeys(method for cell in cells for method in cell.methods)
    found = {method: [cell.row(method).number(column) if method in cell.methods else math.nan for cell in cells] for method in methods}
    return {method: values for method, values in found.items() if any(map(math.isfinite, values))}


def findings(cells: list[Slice]) -> Iterator[str]:
    """Failures, then which cell each score prefers."""
    lost = [f"{method} at {cell.title}" for cell in cells for method in cell.methods if method not in cell.fitted]
    if lost:
        yield f"{counted(len(lost), 'fit')} gave no result, with the reason in the section of the cell: {listed(lost[:8])}{' and others' if len(lost) > 8 else ''}."
    yield from probable(cells)
    yield from sensitive(cells)
    for column, (name, more, _) in SCORES.items():
        table = scores(cells, column)
        if column in ("bic", "held_out_lpd") or not any(c in ("bic", "held_out_lpd") and scores(cells, c) for c in SCORES):
            yield from preferred(cells, table, name, more)


def preferred(cells: list[Slice], table: dict[str, list[float]], name: str, more: bool) -> Iterator[str]:
    """`BIC prefers n_components = 3 (em, em_map)`, with the lead over the next."""
    choices: dict[int, list[str]] = {}
    leads: dict[str, float] = {}
    for method, values in table.items():
        finite = sorted((i for i in range(len(values)) if math.isfinite(values[i])), key=lambda i: -values[i] if more else values[i])
        choices.setdefault(finite[0], []).append(method)
        if len(finite) > 1:
            leads[method] = abs(values[finite[0]] - values[finite[1]])
    close = [m for m in table if name in PREDICTIVE and leads.get(m, ALIKE) < ALIKE]
    for i, methods in choices.items():
        each = [
            f"{m} {nats(table[m][i])}" + (f", {difference(leads[m])} ahead of the next" if m in leads else "")
            for m in methods
            if m not in close
        ]
        if each:
            yield f"{capital(name)} prefers {cells[i].title} ({'; '.join(each)})."
    if close:
        yield f"{capital(name)} decides nothing for {listed(close)}: the two best cells are less than {ALIKE:g} nats apart."


def favourite(cells: list[Slice]) -> int:
    """The cell whose chapter is open at first: the one that the first method with a score prefers."""
    for column, (_, more, _) in SCORES.items():
        for values in scores(cells, column).values():
            finite = [i for i, value in enumerate(values) if math.isfinite(value)]
            return max(finite, key=lambda i: values[i] if more else -values[i])
    return 0


def keys(cells: list[Slice]) -> tuple[str, list[str]]:
    """The name of the axis and a short name for each cell."""
    names = list(cells[0].values)
    if len(names) == 1:
        return names[0], [str(cell.values[names[0]]) for cell in cells]
    return "", [", ".join(str(value) for value in cell.values.values()) for cell in cells]


def plates(cells: list[Slice]) -> Iterator[Plate]:
    """A curve for each score that some method has."""
    key, names = keys(cells)
    panels, words = [], []
    for column, (name, more, note) in SCORES.items():
        table = scores(cells, column)
        if table:
            panels.append(
                Panel(
                    name,
                    f"sweep-{column}",
                    curve(f"sweep-{column}", names, table, cells[0].looks, name, key or listed(list(cells[0].values)), more=more),
                )
            )
            words.append(f"{capital(name)}: {note[:1].lower()}{note[1:]}")
    if panels:
        yield Plate(
            tuple(panels),
            f"Scores by swept value, as distances from the best; an axis longer than {BENT:.0f} is bent. {' '.join(words)} A gap in a line is a cell without that number.",
            "likelihoods",
        )


def grids(cells: list[Slice]) -> Iterator[Grid]:
    """The same numbers, cells down and methods across."""
    for column, (name, _, note) in SCORES.items():
        table = scores(cells, column)
        if table:
            rows = tuple((Head(cell.title), tuple(Field(nats(values[i])) for values in table.values())) for i, cell in enumerate(cells))
            holes = any(field.text == DASH for _, fields in rows for field in fields)
            notes = (note, f"{DASH}: the method has no such number in that cell; its status says why.") if holes else (note,)
            yield Grid(capital(name), tuple(Head(method, method=method) for method in table), rows, notes, "likelihoods")
