"""P(K | x): how probable each number of components of a sweep is, and what other scores prefer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from workbench.inference.advice import listed
from workbench.report.blocks import Field, Grid, Head, Panel, Plate
from workbench.report.figures.probabilities import Bar, bars
from workbench.report.numerals import DASH, estimated, fraction, nats
from workbench.report.slices import Row, records
from workbench.report.wording import capital, figure

if TYPE_CHECKING:
    from workbench.report.slices import Slice

KEY = "model.n_components"
NAMES = {"bic": "BIC", "icl": "ICL", "elpd_loo": "leave-one-out", "held_out_lpd": "held-out rows"}
OF_ANY = ("elpd_loo", "held_out_lpd")
"""Scores that points, approximations and samples have, so that a table has to say whose they are."""
HEADS = ("log evidence (nats)", "by", "P(K | x)", "interval", "by BIC, rough", "preferred by")
NOTES = (
    "P(K | x) is for a uniform prior over the K of this sweep; its interval holds 95 % of what the errors of the log evidences leave open, where there are any. It "
    "depends on the prior of the parameters: the default one looks at the data and changes with K.",
    "By BIC: exp(−BIC/2), normalised. BIC leaves out everything that does not grow with N, the prior among it, and is off by nats: a rough "
    "figure.",
)
AMONG_KNOWN = (
    "“Of the known” are shares among those K whose log evidence is known, given that it is one of them: a K that is not known may have any "
    "share beside them, but for the ends that its ELBO gives."
)


def rows(cells: list[Slice]) -> list[tuple[Slice, Row]]:
    """Each cell with its row of model_probabilities.csv; none where K is not swept."""
    found = [(cell, records(cell.tables["model_probabilities"])) for cell in cells]
    return [(cell, Row(own[0])) for cell, own in found if own]


def groups(cells: list[Slice]) -> list[list[tuple[Slice, Row]]]:
    """The rows among which probabilities add up to one: those that differ in K alone."""
    found: dict[tuple[str, ...], list[tuple[Slice, Row]]] = {}
    for cell, row in rows(cells):
        others = tuple(f"{key} = {value}" for key, value in cell.values.items() if key != KEY)
        found.setdefault(others, []).append((cell, row))
    return list(found.values())


def decided(cells: list[Slice]) -> bool:
    """Whether K is swept and every P(K | x) is known."""
    found = groups(cells)
    return bool(found) and all(known_group(group) for group in found)


def known_group(group: list[tuple[Slice, Row]]) -> bool:
    return len(group) > 1 and all(math.isfinite(row.number("probability")) for _, row in group)


def grids(cells: list[Slice]) -> Iterator[Grid]:
    """A table a group: log evidence, its estimator, probability, what BIC makes of it, and what prefers this K."""
    for group in groups(cells):
        if all(math.isnan(row.number("log_evidence")) and math.isnan(row.number("bound")) for _, row in group):
            continue
        lines = [(Head(f"K = {cell.values[KEY]}", row.text("note")), fields(row)) for cell, row in group]
        held = [i for i in range(len(HEADS)) if any(each[i].text != DASH for _, each in lines)]
        kept = tuple((head, tuple(each[i] for i in held)) for head, each in lines)
        yield Grid(within(group), tuple(Head(HEADS[i]) for i in held), kept, (*NOTES, *missing(group)), "model_probabilities")


def plates(cells: list[Slice]) -> Iterator[Plate]:
    """Bars for each group."""
    panels = []
    for i, group in enumerate(groups(cells)):
        found = [bar(cell, row) for cell, row in group]
        if any(math.isfinite(number) for each in found for number in (each.probability, each.lower, each.upper)):
            stem = f"probabilities-{i}"
            panels.append(Panel(within(group) or "P(K | x)", stem, bars(stem, found, KEY)))
    if panels:
        text = "P(K | x) for a uniform prior over the K of the sweep; lines hold 95 % of what the errors of the log evidences leave open."
        if any(math.isfinite(row.number("bic_probability")) for group in groups(cells) for _, row in group):
            text += " Crosses: exp(−BIC/2), normalised, a rough figure."
        text += (
            " Pale bars span what is possible where a log evidence is not trusted."
            if any("possible" in each.svg for each in panels)
            else ""
        )
        yield Plate(tuple(panels), text, "model_probabilities")


def bar(cell: Slice, row: Row) -> Bar:
    numbers = [row.number(column) for column in ("probability", "lower", "upper", "bic_probability")]
    return Bar(str(cell.values[KEY]), *numbers)


def within(group: list[tuple[Slice, Row]]) -> str:
    """The other swept keys of a group, as its title."""
    return ", ".join(f"{key} = {value}" for key, value in group[0][0].values.items() if key != KEY)


def fields(row: Row) -> tuple[Field, ...]:
    if math.isfinite(row.number("log_evidence")):
        value, source = estimated(row.number("log_evidence"), row.number("mcse")), by(row)
    elif math.isfinite(row.number("bound")):
        value, source = f"above {nats(row.number('bound'))}", f"ELBO of {row.text('bound_method')}"
    else:
        value, source = DASH, DASH
    told = told_share(row)
    rough = row.number("bic_probability")
    liked = listed([spelt(each, row) for each in row.text("preferred_by").split(", ") if each])
    return (
        *(Field(value), Field(source, numeric=False), Field(told), Field(between(row))),
        *(Field(fraction(rough)), Field(liked or DASH, numeric=False)),
    )


def told_share(row: Row) -> str:
    """A probability, or the share among those K that are known."""
    if math.isfinite(row.number("probability")):
        return fraction(row.number("probability"))
    among = row.number("among_known")
    return f"{fraction(among)} of the known" if math.isfinite(among) else "not known"


def by(row: Row) -> str:
    """`bridge of gibbs`; of a method of the estimator's own name that alone."""
    estimator, method = row.text("estimator"), row.text("method")
    return estimator if estimator == method else f"{estimator} of {method}"


def between(row: Row) -> str:
    """The interval of a probability, or the one end that is known of it; a dash where all is exact."""
    low, high = row.number("lower"), row.number("upper")
    if low == high:
        return DASH
    if math.isfinite(low) and math.isfinite(high):
        return fraction(low) if fraction(low) == fraction(high) else f"{fraction(low)} to {fraction(high)}"
    return f"at least {fraction(low)}" if math.isfinite(low) else f"at most {fraction(high)}" if math.isfinite(high) else DASH


def missing(group: list[tuple[Slice, Row]]) -> Iterator[str]:
    """Why no probability is known, and what still is."""
    unknown = [f"K = {cell.values[KEY]}" for cell, row in group if not math.isfinite(row.number("log_evidence"))]
    if unknown:
        yield (
            f"No estimate of the log evidence of {listed(unknown)} is trusted, so that no P(K | x) is known. “At most” and “at least” follow all the "
            "same, as ELBOs bound the log evidence from below."
        )
    if any(math.isfinite(row.number("among_known")) for _, row in group):
        yield AMONG_KNOWN


def spelt(score: str, row: Row) -> str:
    """`elpd_loo (by less than 4 nats)` in words, with the method that a score of any method is of."""
    column, bracket, rest = score.partition(" (")
    of = row.text(f"{column}_method") if column in OF_ANY else ""
    return f"{NAMES.get(column, column)}{' of ' if of else ''}{of}{bracket}{rest}"


def findings(cells: list[Slice]) -> Iterator[str]:
    """The most probable K of each group, or what is known where no probability is; and what else prefers another."""
    for group in groups(cells):
        where = f" with {within(group)}" if within(group) else ""
        if known_group(group):
            yield most_probable(group, where)
        else:
            yield from known(group, where)


def leaders(rows: Mapping[object, Row]) -> list[object]:
    """The most probable K, and those that the errors do not tell from it: their intervals reach into its own."""
    best = max(rows, key=lambda k: rows[k].number("probability"))
    return [best, *(k for k, row in rows.items() if k != best and row.number("upper") >= rows[best].number("lower"))]


def most_probable(group: list[tuple[Slice, Row]], where: str) -> str:
    """`P(K | x) is highest for K = 3: 0.62 (...). BIC prefers K = 2.`"""
    cell, row = max(group, key=lambda pair: pair[1].number("probability"))
    text = f"P(K | x){where} is highest for K = {cell.values[KEY]}: {fraction(row.number('probability'))}"
    if " to " in between(row):
        text += f", between {between(row).replace(' to ', ' and ')} by the errors of the log evidences"
    if rivals := [f"K = {k}" for k in leaders({own.values[KEY]: each for own, each in group}) if k != cell.values[KEY]]:
        text += f", which do not tell it from {listed(rivals)}"
    if cell.values[KEY] == max(figure(str(own.values[KEY])) for own, _ in group):
        text += "; it is the largest K of the sweep, and larger ones may have more"
    others: dict[object, list[str]] = {}
    for own, each in group:
        for score in filter(None, each.text("preferred_by").split(", ")):
            if "(" not in score:
                others.setdefault(own.values[KEY], []).append(spelt(score, each))
    several = {k: len(names) > 1 or names[0].startswith(NAMES["held_out_lpd"]) for k, names in others.items()}
    told = [f"{listed(names)} {'prefer' if several[k] else 'prefers'} K = {k}" for k, names in others.items()]
    return f"{text}. {capital(listed(told))}." if told else f"{text}."


def known(group: list[tuple[Slice, Row]], where: str) -> Iterator[str]:
    """What bounds say where some log evidence is not trusted."""
    for cell, row in group:
        if math.isfinite(row.number("lower")) and row.number("lower") > 0.5:
            yield (
                f"P(K | x){where} is not known, as no log evidence of K = {cell.values[KEY]} is trusted, but it is at least {fraction(row.number('lower'))} for "
                f"that K: the ELBO of {row.text('bound_method')} there is {nats(row.number('bound'))} nats, above what the others have."
            )
            return
    unknown = [f"K = {cell.values[KEY]}" for cell, row in group if not math.isfinite(row.number("log_evidence"))]
    if unknown and len(unknown) < len(group):
        yield f"P(K | x){where} is not known: no estimate of the log evidence of {listed(unknown)} is trusted."
