"""Findings about restarts: where they ended."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from workbench.fit import Status, maximised
from workbench.inference.advice import listed
from workbench.report.numerals import count, difference, nats
from workbench.report.slices import Row, records
from workbench.report.wording import spoken, unit

if TYPE_CHECKING:
    import pandas as pd

    from workbench.report.slices import Slice

VISIBLE = 1e-3
"""A difference in nats that the page's three decimals show."""
STRANGE = {"singular": "a component collapsed, or is left with too few rows", "spurious": "a component of a few rows nearly in a line"}


@dataclasses.dataclass(frozen=True)
class Ended:
    """The restarts of one method and their optima, as the tables have them.

    Attributes
    ----------
    objective_name : what was climbed
    total : number of restarts
    wanders : whether the method settles around a solution and converges to none
    regular, strange : rows of the optima
    unplaced : restarts that ended at none
    """

    method: str
    objective_name: str
    total: int
    wanders: bool
    regular: list[Row]
    strange: dict[str, list[Row]]
    unplaced: int

    @property
    def at(self) -> str:
        return "near" if self.wanders else "at"

    @property
    def best(self) -> float:
        """The best regular optimum's objective, or nan."""
        return self.regular[0].number("objective") if self.regular else math.nan

    @property
    def hits(self) -> int:
        return int(self.regular[0]["restarts"]) if self.regular else 0


def ended_of(cell: Slice, method: str) -> Ended | None:
    """None of what has one restart, or no optima."""
    restarts, optima = cell.rows("restarts", method), cell.rows("optima", method)
    if len(restarts) < 2 or optima.empty:
        return None
    rows = [Row(row) for row in records(optima)]
    strange = {kind: [row for row in rows if row[kind] is True] for kind in STRANGE}
    regular = [row for row in rows if not any(row[kind] is True for kind in STRANGE)]
    unplaced = len(restarts) - int(optima["restarts"].sum())
    return Ended(method, restarts["objective_name"].iloc[0], len(restarts), wanders(restarts), regular, strange, unplaced)


def wanders(restarts: pd.DataFrame) -> bool:
    """Whether the method settles around a solution and converges to none."""
    return bool((restarts["status"] == Status.RAN.value).any())


def ended(cell: Slice) -> Iterator[str]:
    """Where the restarts of each method ended; methods that reach the same height share a finding."""
    known = {method: ended_of(cell, method) for method in cell.methods}
    groups = alike([each for each in known.values() if each is not None])
    told = {each.method for group in groups for each in group[1:]}
    for method in cell.methods:
        each = known[method]
        if each is None:
            restarts = cell.rows("restarts", method)
            if len(restarts) > 1:
                yield ended_between(method, restarts)
        elif method not in told:
            group = next(group for group in groups if each in group)
            yield from together(group) if len(group) > 1 else alone(each)
            for one in group:
                yield from unsettled(cell, one)


def alike(every: list[Ended]) -> list[list[Ended]]:
    """Methods in groups that climb to one best value of the same function; what settles around a solution stands alone."""
    groups: list[list[Ended]] = []
    for each in every:
        same = (
            group
            for group in groups
            if not (each.wanders or group[0].wanders) and climbed(each) == climbed(group[0]) and abs(each.best - group[0].best) < VISIBLE
        )
        found = next(same, None)
        if found is None:
            groups.append([each])
        else:
            found.append(each)
    return groups


def climbed(each: Ended) -> str:
    """The function whose maxima the ends are."""
    return maximised(each.objective_name) or each.objective_name


def together(group: list[Ended]) -> Iterator[str]:
    """Several methods with one best value: who reaches it how often."""
    first, names = group[0], listed([each.method for each in group])
    name = "log likelihood" if climbed(first) == "likelihood" else spoken(first.objective_name)
    totals = {each.total for each in group}
    if all(each.hits == each.total for each in group):
        yield f"All restarts of {names} ended at the same best {name}, {nats(first.best)}."
        return
    ranked = sorted(group, key=lambda each: -each.hits / each.total)
    of = {each.method: "" if len(totals) == 1 else f" of {count(each.total)}" for each in ranked}
    hits = listed([f"{count(each.hits)}{of[each.method]} of {each.method}" for each in ranked])
    start = f"Of {count(first.total)} restarts each, {hits}" if len(totals) == 1 else f"Restarts that reached it: {hits}"
    yield f"{names} found the same best {name}, {nats(first.best)}. {start}{' reached it' if len(totals) == 1 else ''}."
    yield from below(group)
    for each in group:
        rest = [*strangers(each), *smaller(each), *nowhere(each)]
        if rest:
            yield f"Of the restarts of {each.method} {' '.join(rest)}"


def below(group: list[Ended]) -> Iterator[str]:
    """Worse optima of methods with one best value, in one sentence."""
    others = [each.regular[1:] for each in group]
    gaps = [row.number("gap") for rows in others for row in rows]
    if gaps:
        most = max(map(len, others))
        where = "a worse optimum" if most == 1 else f"up to {most} worse optima"
        low, high = difference(min(gaps)), difference(max(gaps))
        far = low if low == high else f"{low} to {high}"
        yield f"Other restarts of theirs ended at {where}, {far} {unit(group[0].objective_name)} lower.".replace("  ", " ")


def alone(each: Ended) -> Iterator[str]:
    if not each.regular:
        start = f"None of the {each.total} restarts of {each.method} ended {each.at} a regular optimum."
    else:
        hits = "All" if each.hits == each.total else f"{count(each.hits)} of"
        start = f"{hits} {count(each.total)} restarts of {each.method} ended {each.at} the best optimum, {spoken(each.objective_name)} {nats(each.best)}."
    yield " ".join([start, *worse(each), *strangers(each), *smaller(each), *nowhere(each)])


def worse(each: Ended) -> Iterator[str]:
    """Regular optima below the best."""
    lower = f"{unit(each.objective_name)} lower".strip()
    others = each.regular[1:]
    gaps = [row.number("gap") for row in others]
    ends = count(sum(row.number("restarts") for row in others))
    if len(others) == 1:
        yield f"{ends} ended {each.at} a worse one, {difference(gaps[0])} {lower}."
    elif others:
        yield f"{ends} ended {each.at} {len(others)} worse ones, {difference(min(gaps))} to {difference(max(gaps))} {lower}."


def strangers(each: Ended) -> Iterator[str]:
    """Singular and spurious ends."""
    ends = {kind: sum(row.number("restarts") for row in rows) for kind, rows in each.strange.items() if rows}
    parts = [f"{count(number)} {each.at} {kind} ones ({STRANGE[kind]})" for kind, number in ends.items()]
    if parts:
        yield f"{listed(parts)} never count as best."


def smaller(each: Ended) -> Iterator[str]:
    """Regular optima of fewer components."""
    these = [row for row in each.regular if row.number("lost_components") > 0]
    if these:
        ends = count(sum(row.number("restarts") for row in these))
        yield f"{ends} lost a component (no row is left to it): theirs are optima of fewer."


def nowhere(each: Ended) -> Iterator[str]:
    if each.unplaced > 0:
        yield f"{count(each.unplaced)} ended {each.at} no optimum."


def unsettled(cell: Slice, each: Ended) -> Iterator[str]:
    """Of a method that converges to nothing, how far its point is from the optimum that it settles around."""
    restarts = cell.rows("restarts", each.method)
    row = restarts[restarts["restart"] == cell.reported(each.method)]
    if not each.wanders or row.empty:
        return
    end, optimum = float(row["objective"].iloc[0]), float(row["polished_objective"].iloc[0])
    if math.isfinite(end) and math.isfinite(optimum):
        far = f"{difference(optimum - end)} {unit(each.objective_name)}".strip()
        yield (
            f"The reported end of {each.method}, {spoken(each.objective_name)} {nats(end)}, is {far} below the optimum of its own basin, {nats(optimum)}: "
            "this method settles around an optimum and converges to none."
        )


def ended_between(method: str, restarts: pd.DataFrame) -> str:
    values = restarts["objective"].dropna()
    name = spoken(restarts["objective_name"].iloc[0])
    if values.empty:
        return f"None of the {len(restarts)} restarts of {method} has a final {name}."
    low, high = nats(values.min()), nats(values.max())
    where = f"at {name} {high}" if low == high else f"between {name} {low} and {high}. The best is reported"
    where += ", its ELBO estimated anew from the draws that are kept" if name == "ELBO" else ""
    return f"The {len(restarts)} restarts of {method} ended {where}."
