"""Figures of one cell: which panels there are, and the caption that says what to see in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
    panels, names, cut = [], set(), False
    for method in cell.methods:
        table = cell.rows("restarts", method)
        if len(table) < 2 or table["objective"].isna().all():
            continue
        name = table["objective_name"].iloc[0]
        trace = cell.rows("trace", method)
        trace = trace[trace["objective_name"] == name]
        cut = cut or trace["restart"].nunique() > ways.MOST_WAYS
        ends = ways.ends(table, cell.rows("optima", method), cell.reported(method))
        stem = f"{prefix}restarts-{method}"
        panels.append(Panel(method, stem, ways.ways(stem, trace, ends, cell.looks[method], name), method))
        names.add(name)
    if panels:
        text = (
            "Each thin line is a restart on its way up; the coloured one is the restart that is reported. At the right is where each ended: circles at one height "
            "are one optimum, as the tables of optima list them. Ends of points are polished, that is followed to working precision, from inside where a probability of 0 or 1 "
            "held EM below a maximum, and split-and-merge moves come after the lines; so a mark may lie above the end of its line. The axis shows the last part of the climb; marks at its edge lie beyond it. "
            "Triangles are singular ends, diamonds spurious ones, crosses ended at no optimum; none of these can be best."
        )
        text += f" Of the lines the first {ways.MOST_WAYS} are drawn." if cut else ""
        yield Plate(tuple(panels), text + annealing(names), "restarts, trace and optima")


def annealing(objective_names: Iterable[str]) -> str:
    """Why the annealed bound falls."""
    if "annealed_bound" not in objective_names:
        return ""
    return (
        " The annealed bound, beta E log p(x, z) + H(q), is climbed at a fixed beta. Each temperature has its own: where beta rises, the curve jumps, and down "
        "where E log p(x, z) is negative. That is no failure. At beta = 1, the last stretch, it is the log likelihood."
    )


def shared(cell: Slice, prefix: str) -> Iterator[Plate]:
    """Responsibilities: the rows that the methods see most differently, where a picture can show it, then all rows."""
    share = responsibilities.shares(cell.tables["responsibilities"], cell.fitted)
    if share is None or share.values.shape[-1] < 2:
        return
    panels, text = [], "A column is a row of the data, a colour is a component, from component 0 at the bottom."
    text += " Each row is one column, whatever its count." if cell.counted else ""
    apart = share.quarrel
    first = np.argsort(-apart, kind="stable")[: min(responsibilities.MOST_CLOSE, int((apart >= responsibilities.VISIBLE).sum()))]
    if len(first):
        stem = f"{prefix}responsibilities-first"
        panels.append(Panel("Disagreements first", stem, responsibilities.bands(stem, share, first, row_names(cell, share.rows[first]))))
        text += f" First panel: the {counted(len(first), 'row')} that the methods see most differently, worst at the left"
        rest = np.delete(apart, first)
        more = int((rest >= responsibilities.VISIBLE).sum())
        if more:
            text += (
                f" ({counted(more, 'more row', 'more rows')} {'differs' if more == 1 else 'differ'} by up to {fraction(float(rest.max()))})"
            )
        elif len(rest):
            text += f" (of the others none differs by more than {fraction(float(rest.max()))})"
        text += "."
    elif len(share.methods) > 1:
        text += f" The methods see no row differently: the largest difference is {fraction(float(apart.max()))}."
    order = share.order
    if len(order) > responsibilities.MOST_ROWS:
        order = order[np.linspace(0, len(order) - 1, responsibilities.MOST_ROWS).astype(int)]
        text += f" Of {count(len(share.rows))} rows {count(len(order))}, evenly spread over their order, are shown in the picture of all."
    stem = f"{prefix}responsibilities-all"
    panels.append(Panel("All rows", stem, responsibilities.bands(stem, share, order, [])))
    text += f" All rows are sorted by {share.methods[0]}'s responsibilities: soft edges are rows between components"
    text += ", and speckles are rows that another method sees differently." if len(first) else "."
    yield Plate(tuple(panels), text, "responsibilities")


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
    panels, drawn = [], set()
    for name in dict.fromkeys(table["objective_name"]):
        traces = {method: reported(cell, method, name) for method in cell.methods}
        traces = {method: trace for method, trace in traces.items() if len(trace) and trace["objective"].notna().any()}
        if not traces:
            continue
        drawn.add(name)
        for column, words in {"iteration": "by iteration", "seconds": "by second"}.items():
            stem = f"{prefix}trace-{name}-{column}"
            panels.append(Panel(f"{spoken(name)} {words}", stem, steps.progress(stem, traces, cell.looks, column, name)))
    if panels:
        text = (
            "The restart that each method reports, from its start; first steps that are far lower lie below the axis. An iteration of one method is not the work of an "
            "iteration of another: seconds are what compares them. Seconds are the method's own, all its restarts among them. "
            "Objectives with different names have different panels, since they are different functions. A method climbs its own objective only: the log likelihood of one that climbs another may fall."
        )
        yield Plate(tuple(panels), text + annealing(drawn), "trace")


def reported(cell: Slice, method: str, objective_name: str) -> pd.DataFrame:
    """The trace of a method's reported restart; of the first one where none is."""
    trace = cell.rows("trace", method)
    trace = trace[trace["objective_name"] == objective_name]
    if trace.empty:
        return trace
    best = ways.ends(cell.rows("restarts", method), cell.rows("optima", method), cell.reported(method)).reported
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
