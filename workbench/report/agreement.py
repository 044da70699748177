"""How far methods agree about the rows, with each other and with known classes: tables and findings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from workbench.inference.advice import listed
from workbench.report.blocks import Field, Grid, Head
from workbench.report.numerals import count, counted, fraction, responsibility
from workbench.report.slices import records

if TYPE_CHECKING:
    import pandas as pd

    from workbench.report.slices import Slice

MOST_PAIRS = 20
FEW_PAIRS = 10
"""Pairs up to which all are shown, in the methods' order."""
EQUAL = 5e-4
MOST_CONTESTED = 12
MOST_APART = 4
"""Methods that have a sentence each about how far they are from the first."""
WRITERS = {
    "mean_total_variation": ("mean total variation", fraction),
    "max_total_variation": ("largest", fraction),
    "rows_with_other_label": ("rows with another label", count),
    "adjusted_rand": ("adjusted Rand", fraction),
    "coclustering_difference": ("co-clustering difference", fraction),
}
BETWEEN = (
    "Total variation: half the sum of absolute differences of a row's responsibilities, after the best common alignment of labels; its mean over rows, and its largest. 0 is equal, 1 as different as can be.",
    "Adjusted Rand index of the labels: 1 is the same partition, 0 what chance would give.",
    "Co-clustering difference: by how much the two methods differ in the probability that two rows share a component, averaged over all pairs of rows. It needs no alignment.",
)
AGAINST = "The classes were never used in fitting. Adjusted Rand index: 1 is the same partition, 0 what chance would give."


def once(cell: Slice) -> tuple[str, ...]:
    """What a row is in these tables, where its count is something else."""
    return ("Every row counts once here, whatever its count.",) if cell.counted else ()


def grids(cell: Slice) -> Iterator[Grid]:
    """Pairs of methods, then methods beside known classes, which have labels but no responsibilities."""
    table = cell.tables["agreement"]
    classes = table["method_b"] == "classes"
    if not cell.single:
        pairs, left_out = between(cell)
        yield from grid("Agreement between methods", pairs, (*left_out, *BETWEEN, *once(cell)))
    yield from grid("Agreement with the known classes", table[classes], (AGAINST, *once(cell)))


def between(cell: Slice) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Pairs of methods; of many those of methods that differ, the furthest apart first, and what is left out."""
    table = cell.tables["agreement"]
    pairs = table[table["method_b"] != "classes"]
    if len(pairs) <= FEW_PAIRS:
        return pairs, ()
    twins = equals(cell, pairs)
    taken = {method for others in twins.values() for method in others}
    apart = pairs[~(pairs["method_a"].isin(taken) | pairs["method_b"].isin(taken))]
    if apart.empty:
        return pairs[pairs["method_a"] == pairs["method_a"].iloc[0]], ("The others are as near to each other.",)
    notes = tuple(
        f"{first} stands for {listed(others)} too: its responsibilities are theirs to 0.001." for first, others in twins.items() if others
    )
    return apart.sort_values("mean_total_variation", ascending=False, kind="stable"), notes


def equals(cell: Slice, pairs: pd.DataFrame) -> dict[str, list[str]]:
    """Methods by the first one whose responsibilities are the same to three decimals."""
    near = pairs[pairs["max_total_variation"] < EQUAL]
    found: dict[str, list[str]] = {}
    for method in cell.methods:
        firsts = set(near.loc[near["method_b"] == method, "method_a"]) | set(near.loc[near["method_a"] == method, "method_b"])
        first = next((name for name in found if name in firsts), None)
        if first is None:
            found[method] = []
        else:
            found[first].append(method)
    return found


def grid(title: str, table: pd.DataFrame, notes: tuple[str, ...]) -> Iterator[Grid]:
    shown = {column: writer for column, writer in WRITERS.items() if table[column].notna().any()}
    rows = []
    for row in records(table.head(MOST_PAIRS)):
        fields = tuple(Field(write(row[column])) for column, (_, write) in shown.items())
        rows.append((Head(f"{row['method_a']} and {row['method_b']}"), fields))
    if len(table) > MOST_PAIRS:
        notes = (f"The {MOST_PAIRS} pairs of {len(table)} that are furthest apart; the others are in the table.", *notes)
    if rows and shown:
        yield Grid(title, tuple(Head(name) for name, _ in shown.values()), tuple(rows), notes, "agreement")


def contested(cell: Slice) -> Iterator[Grid]:
    """Rows to which the methods give different labels, those first of which the methods are surest."""
    table = cell.tables["assignments"]
    methods = [method for method in cell.methods if method in set(table["method"])]
    if len(methods) < 2:
        return
    labels = table.pivot(index="row", columns="method", values="label")[methods]
    sure = table.pivot(index="row", columns="method", values="responsibility")[methods].min(axis=1)
    rows = labels.index[(labels.nunique(axis=1) > 1) & labels.notna().all(axis=1)]
    if not len(rows):
        return
    first = sure[rows].sort_values(ascending=False, kind="stable").index[:MOST_CONTESTED]
    found = {(row["method"], row["row"]): row for row in records(table[table["row"].isin(first)])}
    lines = []
    for number in first:
        own = [found[method, number] for method in methods]
        fields = tuple(Field(f"{count(row['label'])} ({responsibility(row['responsibility'])})") for row in own)
        lines.append((Head(own[0]["id"] or f"row {count(number)}"), fields))
    notes = ["The label, and in brackets its responsibility."]
    if len(rows) > MOST_CONTESTED:
        notes.append(f"Of {count(len(rows))} such rows the {MOST_CONTESTED} of which the least sure method is surest.")
    heads = tuple(Head(m, method=m) for m in methods)
    yield Grid("Rows that get different labels", heads, tuple(lines), tuple(notes), "assignments")


def agreed(cell: Slice) -> Iterator[str]:
    """Which methods give the same labels as the first, and how far the others are from it."""
    table = cell.tables["agreement"]
    table = table[(table["method_b"] != "classes") & table["mean_total_variation"].notna()]
    if table.empty or cell.single:
        return
    hub = next(method for method in cell.methods if method in set(table["method_a"]) | set(table["method_b"]))
    mine = {other(row, hub): row for row in records(table) if hub in (row["method_a"], row["method_b"])}
    same = [method for method, row in mine.items() if not row["rows_with_other_label"]]
    if same:
        most = max(mine[method]["max_total_variation"] for method in same)
        whose = "" if len(same) == 1 else f" from {hub}'s"
        yield f"{listed([hub, *same])} give every row the same label. Their responsibilities differ{whose} by {at_most(most)} (total variation)."
    ranked = sorted((method for method in mine if method not in same), key=lambda method: -mine[method]["mean_total_variation"])
    for method in ranked[:MOST_APART]:
        row = mine[method]
        yield (
            f"{method} gives {count(row['rows_with_other_label'])} of {counted(len(cell.data.x), 'row')} another label than {hub}. "
            f"Its responsibilities differ from {hub}'s by {fraction(row['mean_total_variation'])} on average (total variation)."
        )
    if len(ranked) > MOST_APART:
        rest = listed(ranked[MOST_APART:])
        yield f"{rest} {'is' if len(ranked) == MOST_APART + 1 else 'are'} nearer to {hub}, though not in every label."


def other(row: Mapping[str, Any], method: str) -> str:
    """The other method of a pair."""
    return str(row["method_b"] if row["method_a"] == method else row["method_a"])


def at_most(value: float) -> str:
    text = fraction(value)
    return text.replace("< ", "less than ") if text.startswith("<") else f"at most {text}"


def classed(cell: Slice) -> Iterator[str]:
    """Known classes, never used in fitting."""
    table = cell.tables["agreement"]
    table = table[(table["method_b"] == "classes") & table["adjusted_rand"].notna()]
    shared: dict[str, list[str]] = {}
    for method, value in zip(table["method_a"], table["adjusted_rand"], strict=True):
        shared.setdefault(fraction(value), []).append(method)
    if shared:
        parts = [f"{value} for {listed(methods)}" for value, methods in shared.items()]
        yield f"Adjusted Rand index against the known classes (1 is equal, 0 is chance): {'; '.join(parts)}."
