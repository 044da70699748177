"""What the cells of a sweep show together: scores by swept value."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from workbench.inference.advice import listed
from workbench.report.blocks import Grid, Head, Panel, Plate
from workbench.report.figures.sweep import BENT, curve
from workbench.report.findings import ALIKE
from workbench.report.numerals import DASH, counted, difference, estimated, nats
from workbench.report.probabilities import decided, groups
from workbench.report.probabilities import findings as probable
from workbench.report.scores import DOUBT, DOUBTED, marked
from workbench.report.sensitivity import findings as sensitive
from workbench.report.slices import Row, records
from workbench.report.wording import capital

if TYPE_CHECKING:
    from workbench.report.slices import Slice

NO_NUMBER = "the method has no such number in that cell; its status says why"


@dataclass(frozen=True)
class Score:
    """A column of likelihoods.csv, or, where `source` says so, of the ELBO's row in evidence.csv."""

    name: str
    more_is_better: bool
    note: str
    error: str = ""  # column of its Monte-Carlo error
    hole: str = NO_NUMBER  # what an empty cell means
    ideal: float | None = None  # what a score of no fault has, where there is such a number
    source: Literal["likelihoods", "evidence"] = "likelihoods"
    predictive: bool = False  # of rows: differences below ALIKE nats are none


SCORES = {
    "held_out_lpd": Score("held-out log predictive density", True, "Higher is better; the same rows in every cell.", predictive=True),
    "bic": Score("BIC", False, "Lower is better; points only."),
    "elpd_loo": Score(
        "leave-one-out log density",
        True,
        "Higher is better.",
        hole="the method has no such number in that cell, or k-hat denies it",
        predictive=True,
    ),
    "log_evidence": Score(
        "log evidence",
        True,
        "Higher is better; it depends on the prior.",
        error="log_evidence_mcse",
        hole="the method has no estimate there, or none that is trusted; the section of the cell says why",
    ),
    "elbo": Score(
        "ELBO", True, "A bound of the log evidence, not the evidence: a gap that differs between cells can mislead.", error="elbo_mcse"
    ),
    "kl": Score(
        "KL(q ‖ posterior)",
        False,
        "What an approximation costs in nats: the reference of each cell less the ELBO.",
        error="kl_mcse",
        hole="the method has no ELBO there, or the cell no log evidence that is trusted",
        ideal=0.0,
        source="evidence",
    ),
}
LEADING = ("held_out_lpd", "bic")
"""Whose preference is told where a method has one; others' only where none has."""

CLEAR = 2.0
"""Errors of a difference beyond which it is one."""


def scores(cells: list[Slice], column: str) -> dict[str, list[float]]:
    """By method, the score in each cell; methods without any are left out."""
    methods = dict.fromkeys(method for cell in cells for method in cell.methods)
    source = SCORES[column].source
    found = {method: [value(cell, method, column, source) for cell in cells] for method in methods}
    return {method: values for method, values in found.items() if any(map(math.isfinite, values))}


def value(cell: Slice, method: str, column: str, source: str) -> float:
    """A number of likelihoods.csv, or of the ELBO's row in evidence.csv; nan where there is none."""
    if method not in cell.methods or not column:
        return math.nan
    if source == "likelihoods":
        return cell.row(method).number(column)
    return next((row[column] for row in records(cell.rows("evidence", method)) if row["estimator"] == "elbo"), math.nan)


def sure(cells: list[Slice], column: str) -> dict[str, list[float]]:
    """The scores less those that a diagnostic denies: what is drawn, and what preferences are told by."""
    found = {
        method: [math.nan if cell.doubtful(method, column) else told for cell, told in zip(cells, values, strict=True)]
        for method, values in scores(cells, column).items()
    }
    return {method: values for method, values in found.items() if any(map(math.isfinite, values))}


def error(cell: Slice, method: str, column: str) -> float:
    """Monte-Carlo error of a score; nan where it has none."""
    return value(cell, method, SCORES[column].error, SCORES[column].source)


def findings(cells: list[Slice]) -> Iterator[str]:
    """Failures, then which cell each score prefers."""
    lost = [f"{method} at {cell.title}" for cell in cells for method in cell.methods if method not in cell.fitted]
    if lost:
        yield f"{counted(len(lost), 'fit')} gave no result, with the reason in the section of the cell: {listed(lost[:8])}{' and others' if len(lost) > 8 else ''}."
    yield from probable(cells)
    yield from sensitive(cells)
    tables = {column: sure(cells, column) for column in SCORES}
    led = any(tables[column] for column in LEADING)
    for column, table in tables.items():
        said = column == "bic" and decided(cells)  # P(K | x) says what BIC prefers
        if column in LEADING if led else column != "kl":  # what an approximation costs prefers no cell
            yield from () if said else preferred(cells, table, SCORES[column])
    yield from cost(cells)
    yield from misled(cells)


def cost(cells: list[Slice]) -> Iterator[str]:
    """`What approximations cost over n_components = 1, 2 and 3, KL in nats: vbem < 0.01, 0.71 and 3.8.`"""
    table = scores(cells, "kl")
    known = [i for i in range(len(cells)) if any(math.isfinite(values[i]) for values in table.values())]
    if len(known) < 2:
        return
    key, names = keys(cells)
    name, each = (key, "{}") if key else (f"({', '.join(cells[0].values)})", "({})")
    where = f"{name} = {listed([each.format(names[i]) for i in known])}"
    costs = [f"{method} {listed([gap(values[i]) for i in known])}" for method, values in table.items()]
    yield f"What approximations cost over {where}, KL from the posterior in nats: {'; '.join(costs)}."


def gap(kl: float) -> str:
    """To what it tells; a dash where it is not known. Errors may leave one below 0, which is to be seen."""
    return DASH if not math.isfinite(kl) else "< 0.01" if abs(kl) < 0.01 else difference(kl)


def misled(cells: list[Slice]) -> Iterator[str]:
    """Approximations whose ELBO prefers another K than log evidences that are all trusted, both by more than their errors leave open."""
    if len(groups(cells)) != 1 or not decided(cells):
        return
    rows = [Row(records(cell.tables["model_probabilities"])[0]) for cell in cells]
    wanted = max(range(len(cells)), key=lambda i: rows[i].number("probability"))
    known = [(row.number("log_evidence"), row.number("mcse")) for row in rows]
    astray: dict[int, list[str]] = {}
    for method, values in scores(cells, "elbo").items():
        if not all(map(math.isfinite, values)):
            continue
        best = max(range(len(values)), key=lambda i: values[i])
        own = [(told, error(cell, method, "elbo")) for cell, told in zip(cells, values, strict=True)]
        if best != wanted and above(own[best], own[wanted]) and above(known[wanted], known[best]):
            astray.setdefault(best, []).append(method)
    for best, methods in astray.items():
        yield (
            f"By {'its ELBO' if len(methods) == 1 else 'their ELBOs'} {listed(methods)} would choose {cells[best].title}, the log evidence "
            f"{cells[wanted].title}: what an approximation costs changes with K."
        )


def above(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether a value with its error is above another by more than two errors of their difference; an error that is not told is none."""
    errors = [own for _, own in (one, other) if math.isfinite(own)]
    return one[0] - other[0] > CLEAR * math.hypot(*errors)


def preferred(cells: list[Slice], table: dict[str, list[float]], score: Score) -> Iterator[str]:
    """`BIC prefers n_components = 3 (em, em_map)`, with the lead over the next."""
    choices: dict[int, list[str]] = {}
    leads: dict[str, float] = {}
    for method, values in table.items():
        finite = sorted(
            (i for i in range(len(values)) if math.isfinite(values[i])), key=lambda i: -values[i] if score.more_is_better else values[i]
        )
        choices.setdefault(finite[0], []).append(method)
        if len(finite) > 1:
            leads[method] = abs(values[finite[0]] - values[finite[1]])
    close = [m for m in table if score.predictive and leads.get(m, ALIKE) < ALIKE]
    for i, methods in choices.items():
        each = [
            f"{m} {nats(table[m][i])}" + (f", {difference(leads[m])} ahead of the next" if m in leads else "")
            for m in methods
            if m not in close
        ]
        if each:
            yield f"{capital(score.name)} prefers {cells[i].title} ({'; '.join(each)})."
    if close:
        yield f"{capital(score.name)} decides nothing for {listed(close)}: the two best cells are less than {ALIKE:g} nats apart."


def favourite(cells: list[Slice]) -> int:
    """The cell whose chapter is open at first: the one that the first method with a score prefers."""
    for column, score in SCORES.items():
        for values in sure(cells, column).values():
            finite = [i for i, told in enumerate(values) if math.isfinite(told)]
            return max(finite, key=lambda i: values[i] if score.more_is_better else -values[i])
    return 0


def keys(cells: list[Slice]) -> tuple[str, list[str]]:
    """The name of the axis and a short name for each cell."""
    names = list(cells[0].values)
    if len(names) == 1:
        return names[0], [str(cell.values[names[0]]) for cell in cells]
    return "", [", ".join(str(value) for value in cell.values.values()) for cell in cells]


def plates(cells: list[Slice]) -> Iterator[Plate]:
    """A curve for each score that some method has."""
    panels, words = [], []
    for column, score in SCORES.items():
        table = sure(cells, column)
        if table:
            panels.append(Panel(score.name, f"sweep-{column}", _curve(cells, column, table)))
            words.append(f"{capital(score.name)}: {score.note[:1].lower()}{score.note[1:]}")
    if panels:
        yield Plate(
            tuple(panels),
            f"Scores by swept value, as distances from the best, KLs from 0; an axis longer than {BENT:.0f} is bent. {' '.join(words)} A gap in a line is a cell without that number, or one that a diagnostic denies.",
            "likelihoods",
        )


def _curve(cells: list[Slice], column: str, table: dict[str, list[float]]) -> str:
    key, names = keys(cells)
    score, axis = SCORES[column], key or listed(list(cells[0].values))
    others = [list(cell.values.values())[:-1] for cell in cells]  # only the last key's values are an order
    apart = [i for i in range(1, len(cells)) if others[i] != others[i - 1]]
    return curve(
        f"sweep-{column}", names, table, cells[0].looks, score.name, axis, more=score.more_is_better, ideal=score.ideal, apart=apart
    )


def grids(cells: list[Slice]) -> Iterator[Grid]:
    """The same numbers, cells down and methods across."""
    for column, score in SCORES.items():
        table = scores(cells, column)
        if table:
            rows = tuple(
                (
                    Head(cell.title),
                    tuple(
                        marked(estimated(values[i], error(cell, method, column)), cell.doubtful(method, column))
                        for method, values in table.items()
                    ),
                )
                for i, cell in enumerate(cells)
            )
            holes = any(field.text == DASH for _, fields in rows for field in fields)
            doubted = any(DOUBT in field.text for _, fields in rows for field in fields)
            notes = (score.note, *((f"{DASH}: {score.hole}.",) if holes else ()), *((f"{DOUBT}: {DOUBTED}.",) if doubted else ()))
            yield Grid(capital(score.name), tuple(Head(method, method=method) for method in table), rows, notes, score.source)
