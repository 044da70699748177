"""Tables of the page: selected rows of the run's tables, formatted."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from workbench.report.blocks import Block, Field, Grid, Head, Sentences
from workbench.report.numerals import DASH, LEVEL, POINT_LEVEL, amount, chance, count, counted, fraction, nats
from workbench.report.slices import records
from workbench.report.wording import axis

if TYPE_CHECKING:
    import pandas as pd

    from workbench.report.slices import Slice

MOST_OPTIMA = 8  # regular ones of a method
MOST_STRANGE = 4  # singular or spurious ones, which stand last in the table and are still to be named
MOST_PARAMETERS = 40
PROBABILITIES = ("weights", "probs")
"""Parameters between 0 and 1, by the start of their names."""
ENDS = "Ends of restarts are followed to working precision before they are told apart; two are one optimum when objective and parameters agree, whatever the order of the components."
STRANGE = (
    "Singular: a component has collapsed, or is left with fewer rows than its covariance needs; the likelihood has no bound there. "
    "Spurious: a maximum that rests on a few rows nearly in a line. Neither counts as best."
)
LOCAL = "Local maximum: the observed information is positive definite. A no is a saddle."


def optima(cell: Slice) -> Iterator[Block]:
    """The distinct ends of each method's restarts, best first, the singular and spurious ones last."""
    table = cell.tables["optima"]
    if table.empty:
        return
    strange = table["singular"].isin([True]).any() or table["spurious"].isin([True]).any()
    yield Sentences((ENDS, *((STRANGE,) if strange else ()), *((LOCAL,) if table["local_maximum"].notna().any() else ())))
    for method in cell.methods:
        if len(own := cell.rows("optima", method)):
            yield optima_of(cell, method, own)


def optima_of(cell: Slice, method: str, table: pd.DataFrame) -> Grid:
    heads = [axis(cell.objective_name(method)), "gap to the best", "restarts", "share", "kind of end"]
    optional = {"local_maximum": "local maximum", "posterior_share": f"share of {weigher(table)}'s draws"}
    extra = [column for column in optional if table[column].notna().any()]
    every = records(table)
    regular, strange = ([row for row in every if (end(row) == "regular") is wanted] for wanted in (True, False))
    shown = regular[:MOST_OPTIMA] + strange[:MOST_STRANGE]
    rows = []
    for row in shown:
        texts = [nats(row["objective"]), nats(row["gap"]), count(row["restarts"]), fraction(row["share"]), kind_of_end(row)]
        texts += [decided(row[column]) if column == "local_maximum" else fraction(row[column]) for column in extra]
        rows.append((Head(count(row["optimum"])), tuple(Field(text, numeric=i != 4) for i, text in enumerate(texts))))
    notes = [f"{len(every) - len(shown)} more in the table."] if len(every) > len(shown) else []
    if any(math.isnan(row["gap"]) for row in shown):
        notes.append(f"{DASH}: a gap is measured between regular optima only.")
    columns = tuple(Head(text) for text in (*heads, *(optional[column] for column in extra)))
    return Grid(f"Optima of {method}", columns, tuple(rows), tuple(notes), "optima")


def weigher(table: pd.DataFrame) -> str:
    """The sample that the posterior shares are taken from."""
    return next(filter(None, table["posterior_share_method"]), "")


def end(row: dict[str, Any]) -> str:
    return "singular" if row["singular"] is True else "spurious" if row["spurious"] is True else "regular"


def kind_of_end(row: dict[str, Any]) -> str:
    """With the components that are lost there, where that is nothing singular."""
    gone = row["lost_components"]
    return f"{end(row)}, {count(gone)} lost" if end(row) == "regular" and gone > 0 else end(row)


def decided(value: Any) -> str:
    return {True: "yes", False: "no"}.get(value, "undecided")


def parameters(cell: Slice) -> Iterator[Grid]:
    """Parameters down, methods across: the value, and under it the interval where there is one."""
    table = cell.tables["parameters"]
    table = table[table["row"].isna()]
    if table.empty:
        return
    keys = ["parameter", "component", "feature", "feature_2", "level"]
    names = unmirrored(list(dict.fromkeys(map(tuple, table[keys].fillna(-1).to_numpy().tolist()))))
    methods = [method for method in cell.methods if method in set(table["method"])]
    known = bool(table["truth"].notna().any())
    found = {}
    for row in records(table):
        found[row["method"], *(row[key] if row[key] == row[key] else -1 for key in keys)] = row
    rows = []
    for name in names[:MOST_PARAMETERS]:
        own = [found.get((method, *name)) for method in methods]
        fields = [Field(interval(row)) for row in own]
        if known:
            fields.insert(0, Field(next((amount(row["truth"]) for row in own if row), DASH)))
        rows.append((Head(named(name)), tuple(fields)))
    columns = tuple(Head(method, method=method) for method in methods)
    yield Grid(
        "By method",
        (Head("truth"), *columns) if known else columns,
        tuple(rows),
        tuple(parameter_notes(cell, methods, len(names))),
        "parameters",
    )


def unmirrored(names: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Of the two equal entries of a covariance the first."""
    seen: set[tuple[Any, ...]] = set()
    for parameter, component, first, second, level in names:
        if (parameter, component, second, first, level) not in seen or first == second:
            seen.add((parameter, component, first, second, level))
    return [name for name in names if name in seen]


def interval(row: dict[str, Any] | None) -> str:
    if row is None:
        return DASH
    write = chance if str(row["parameter"]).startswith(PROBABILITIES) else amount
    between = f" [{write(row['lower'])}, {write(row['upper'])}]" if math.isfinite(row["lower"]) else ""
    return write(row["mean"]) + between


def named(name: Sequence[object]) -> str:
    """`means[0, waiting]`."""
    parameter, component, *features = name
    index = [count(float(component))] if isinstance(component, float) and component >= 0 else []
    index += [str(feature) for feature in features if feature not in ("", -1)]
    return f"{parameter}[{', '.join(index)}]" if index else str(parameter)


def parameter_notes(cell: Slice, methods: list[str], n_parameters: int) -> Iterator[str]:
    estimates = [cell.row(method).text("estimate") for method in methods]
    if any(estimate != "point" for estimate in estimates):
        yield f"Of draws, means and between brackets the equal-tailed {LEVEL} interval."
    if "point" in estimates:
        yield (
            f"Of points, between brackets the {POINT_LEVEL} interval from the observed information, "
            "on the logit or log scale where the parameter has bounds; none where the point is no local maximum or on the boundary."
        )
    if n_parameters > MOST_PARAMETERS:
        yield f"The first {MOST_PARAMETERS} of {counted(n_parameters, 'parameter')}; the others are in the table."


def components(cell: Slice) -> Iterator[Grid]:
    """Sizes of the components, methods across."""
    table = cell.tables["components"]
    methods = [method for method in cell.methods if method in set(table["method"])]
    found = {(row["method"], row["component"]): row for row in records(table)}
    rows = []
    for k in sorted(set(table["component"])):
        own = [found.get((method, k)) for method in methods]
        fields = tuple(Field(f"{count(row['rows_assigned'])} ({fraction(row['weight'])})" if row else DASH) for row in own)
        rows.append((Head(f"component {count(k)}"), fields))
    if rows:
        note = f"Each of the {counted(len(cell.data.x), 'row')} is assigned to its likeliest component"
        notes = (note + (" and is one row here whatever its count; weights go by counts." if cell.counted else "."),)
        heads = tuple(Head(m, method=m) for m in methods)
        yield Grid("Rows assigned to each component (and its weight)", heads, tuple(rows), notes, "components")
