"""Figures of one cell: which panels there are, and the caption that says what to see in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from workbench.report.blocks import Panel, Plate
from workbench.report.figures import intervals, responsibilities
from workbench.report.figures import progress as steps
from workbench.report.figures import restarts as ways
from workbench.report.numerals import LEVEL, POINT_LEVEL, count, counted, fraction
from workbench.report.wording import spoken

if TYPE_CHECKING:
    import pandas as pd
    from jaxtyping import Float

    from workbench.report.slices import Slice

MOST_FORESTS = 9


def restarts(cell: Slice, prefix: str) -> Iterator[Plate]:
    """A panel for each method with several restarts."""
    panels, cut = [], False
    for method in cell.methods:
        table = cell.rows("restarts", method)
        if len(table) < 2 or table["objective"].isna().all():
            continue
        name = table["objective_name"].iloc[0]
        trace = cell.rows("trace", method)
        trace = trace[trace["objective_name"] == name]
        cut = cut or trace["restart"].nunique() > ways.MOST_WAYS
        ends = ways.ends(table, cell.rows("optima", method))
        stem = f"{prefix}restarts-{method}"
        panels.append(Panel(method, stem, ways.ways(stem, trace, ends, cell.looks[method], name), method))
    if panels:
        caption = (
            "Each thin line is a restart on its way up, the coloured one is the restart that is reported. At the right, where each ended: dots on one height "
            "are one optimum. The axis shows the last part of the climb only; marks at its edge lie beyond it. Triangles are singular ends, diamonds spurious "
            "ones, crosses ended at no optimum; none of these can be best."
        )
        more = f" Of the lines the first {ways.MOST_WAYS} are drawn." if cut else ""
        yield Plate(tuple(panels), caption + more, "restarts, trace and optima")


def shared(cell: Slice, prefix: str) -> Iterator[Plate]:
    """Responsibilities: the rows that the methods see most differently, then all rows."""
    share = responsibilities.shares(cell.tables["responsibilities"], cell.fitted)
    if share is None or share.values.shape[-1] < 2:
        return
    panels, text = [], "A column is a row of the data, a colour is a component, from component 0 at the bottom."
    if len(share.methods) > 1:
        first = np.argsort(-share.quarrel, kind="stable")[: responsibilities.MOST_CLOSE]
        stem = f"{prefix}responsibilities-first"
        panels.append(Panel("Disagreements first", stem, responsibilities.bands(stem, share, first, row_names(cell, share.rows[first]))))
        text += f" First panel: the {counted(len(first), 'row')} that the methods see most differently, worst at the left"
        text += f" (after them {most(float(share.quarrel[first[-1]]))})." if len(first) < len(share.rows) else "."
    order = share.order
    if len(order) > responsibilities.MOST_ROWS:
        order = order[np.linspace(0, len(order) - 1, responsibilities.MOST_ROWS).astype(int)]
        text += f" Of {count(len(share.rows))} rows every {count(len(share.rows) / len(order))}th or so is shown in the picture of all."
    stem = f"{prefix}responsibilities-all"
    panels.append(Panel("All rows", stem, responsibilities.bands(stem, share, order, [])))
    text += f" All rows are sorted by {share.methods[0]}'s responsibilities: soft edges are rows between components, and speckles are rows that another method sees differently."
    yield Plate(tuple(panels), text, "responsibilities")


def most(quarrel: float) -> str:
    """How far the remaining rows differ."""
    return f"no row differs by more than {fraction(quarrel)}" if quarrel >= 1e-4 else "no row differs by as much as 0.0001"


def row_names(cell: Slice, rows: Float[np.ndarray, " n"]) -> list[str]:
    """The user's own names of rows where there are some, their numbers otherwise."""
    ids = cell.data.ids
    if ids is None:
        return [count(row) for row in rows]
    place = {int(row): i for i, row in enumerate(cell.data.rows)}
    return [ids[place[int(row)]] if int(row) in place else count(row) for row in rows]


def progress(cell: Slice, prefix: str) -> Iterator[Plate]:
    """Traces of the reported restarts, a pair of panels for each objective."""
    table = cell.tables["trace"]
    panels = []
    for name in dict.fromkeys(table["objective_name"]):
        traces = {method: reported(cell, method, name) for method in cell.methods}
        traces = {method: trace for method, trace in traces.items() if len(trace) and trace["objective"].notna().any()}
        if not traces:
            continue
        for column, words in {"iteration": "by iteration", "seconds": "by second"}.items():
            stem = f"{prefix}trace-{name}-{column}"
            panels.append(Panel(f"{spoken(name)} {words}", stem, steps.progress(stem, traces, cell.looks, column, name)))
    if panels:
        caption = (
            "The restart that each method reports, from its start; where the first steps are far lower, they lie below the axis. An iteration of one method is not the work of an "
            "iteration of another: seconds are what compares them. Objectives with different names have different panels, since they are different functions."
        )
        yield Plate(tuple(panels), caption, "trace")


def reported(cell: Slice, method: str, objective_name: str) -> pd.DataFrame:
    """The trace of a method's reported restart; of the first one where none is."""
    trace = cell.rows("trace", method)
    trace = trace[trace["objective_name"] == objective_name]
    if trace.empty:
        return trace
    best = ways.ends(cell.rows("restarts", method), cell.rows("optima", method)).reported
    return trace[trace["restart"] == (best if best in set(trace["restart"]) else trace["restart"].iloc[0])]


def forests(cell: Slice, prefix: str) -> Iterator[Plate]:
    """Weights, and each feature's other parameters, where several methods or an interval or a truth can be compared."""
    table = cell.tables["parameters"]
    table = table[table["row"].isna() & ((table["feature_2"] == "") | (table["feature"] == table["feature_2"]))]
    table = table[~table["parameter"].str.startswith("probs")]
    groups = list(table.groupby(["parameter", "feature", "level"], sort=False))
    panels = []
    for i, ((parameter, feature, level), rows) in enumerate(groups[:MOST_FORESTS]):
        name = " ".join(part for part in (str(parameter), str(feature), str(level)) if part)
        stem = f"{prefix}parameters-{i}"
        panels.append(Panel(name, stem, intervals.forest(stem, rows, cell.looks, name)))
    if panels:
        caption = (
            f"A mark is a point with the {POINT_LEVEL} interval of its observed information, or the mean over draws with the interval that "
            f"holds the middle {LEVEL} of them. A mark outside another method's bar is a difference worth a look. Of covariances the diagonal is drawn."
        )
        caption += f" The first {MOST_FORESTS} of {len(groups)} groups are drawn." if len(groups) > MOST_FORESTS else ""
        caption += " Dotted lines are the truth that the data were made from." if table["truth"].notna().any() else ""
        yield Plate(tuple(panels), caption, "parameters")
