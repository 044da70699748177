"""What the prior does to P(K | x): the same sweep under other priors, and the lines that keep a scale for all K."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from workbench.inference.advice import listed
from workbench.report.blocks import Block, Field, Grid, Head, Listing, Panel, Plate
from workbench.report.figures.probabilities import Bar, bars
from workbench.report.numerals import DASH, estimated, fraction, nats
from workbench.report.probabilities import AMONG_KNOWN, KEY, between, groups, leaders, told_share, within
from workbench.report.slices import Row, records
from workbench.report.wording import sentence

if TYPE_CHECKING:
    from workbench.report.slices import Slice

AS_GIVEN = "as given"
EVEN = 0.5
"""A lower end above which no other K has more."""
NOTE = (
    "Log evidence and P(K | x), were the prior another. The change is by particles that go from this run's draws to the posterior under the "
    "other prior along a path of priors, by labels with the parameters integrated out where that is closed; it counts where the way back says "
    "the same."
)
ABOVE = "“Above” is the ELBO of variational Bayes under that prior, which no log evidence is below."
OF_MEANS = (
    "mean_strength (of an independent prior mean_covariance) says how far from the data's centre means may lie: 1 against 0.01 costs "
    "(D/2) log 100 nats a component. The default scale shrinks as K grows, which rewards a larger K."
)
OF_ROWS = (
    "Of probabilities and rates the prior is so many imaginary rows in each component (a + b, the sum of alpha over levels, rate), with "
    "shape / rate and a / (a + b) the mean: twice as many draw components together, half as many let them differ. The default does not "
    "change with K, and of one probability its half is Jeffreys' prior."
)

Told = dict[str, dict[object, Row]]
"""By prior, by K."""


def notes(found: Told) -> tuple[str, ...]:
    """What the log evidences of a group are, and what its priors say."""
    of = OF_MEANS if any(prior.startswith(("mean_", "scale ")) for prior in found) else OF_ROWS
    return (NOTE, of, *([ABOVE] if any(map(partly, found.values())) else []))


def told(group: list[tuple[Slice, Row]]) -> Told:
    """Rows of prior_sensitivity.csv of one group."""
    found: Told = {}
    for cell, _ in group:
        for row in map(Row, records(cell.tables["prior_sensitivity"])):
            found.setdefault(row.text("prior"), {})[cell.values[KEY]] = row
    return found


def known(rows: dict[object, Row]) -> bool:
    return all(math.isfinite(row.number("probability")) for row in rows.values())


def partly(rows: dict[object, Row]) -> bool:
    """Whether something follows for some K, though the log evidence of another is not known."""
    return not known(rows) and any(math.isfinite(row.number(end)) for row in rows.values() for end in ("among_known", "lower", "upper"))


def blocks(cells: list[Slice]) -> Iterator[Block]:
    """For each group a figure of what is known, a table, and the lines to paste."""
    for i, group in enumerate(groups(cells)):
        found = told(group)
        if len(found) > 1 and any(math.isfinite(row.number("log_evidence")) for each in found.values() for row in each.values()):
            yield from plates(found, f"sensitivity-{i}", within(group))
            yield from grids(found, within(group))
        if lines := frozen(found.get(AS_GIVEN, {})):
            title = "To give every K the same scale, one of these lines under `model:`"
            yield Listing(f"{title} ({within(group)})" if within(group) else title, lines)


def plates(found: Told, stem: str, title: str) -> Iterator[Plate]:
    """P(K | x) under each prior, or what is possible."""
    panels = []
    for i, (prior, rows) in enumerate(found.items()):
        if known(rows) or partly(rows):
            each = [Bar(str(k), row.number("probability"), row.number("lower"), row.number("upper"), math.nan) for k, row in rows.items()]
            panels.append(Panel(prior, f"{stem}-{i}", bars(f"{stem}-{i}", each, KEY)))
    if len(panels) > 1:
        where = f" ({title})" if title else ""
        yield Plate(
            tuple(panels),
            f"P(K | x){where} under the prior as given and under others; lines hold 95 % of what the errors leave open."
            + (" Pale bars span what is possible where a log evidence is not known." if any(map(partly, found.values())) else ""),
            "prior_sensitivity",
        )


def grids(found: Told, title: str) -> Iterator[Grid]:
    """K down, priors across: P(K | x), and log evidences with their errors."""
    heads = tuple(Head(prior, shortened(rows)) for prior, rows in found.items())
    numbers = list(next(iter(found.values())))
    where = f", {title}" if title else ""
    for name, write, said in (("P(K | x)", share, reasons(found)), ("Log evidence (nats)", evidence, notes(found))):
        lines = tuple((Head(f"K = {k}"), tuple(write(rows[k]) for rows in found.values())) for k in numbers)
        yield Grid(f"{name}{where}", heads, lines, tuple(said), "prior_sensitivity")


def shortened(rows: dict[object, Row]) -> str:
    """The numbers of a prior, where they fit under its name."""
    text = next(iter(rows.values())).text("numbers")
    return text if len(text) < 40 and len({row.text("numbers") for row in rows.values()}) == 1 else ""


def share(row: Row) -> Field:
    told, interval = told_share(row), between(row)
    return Field(told + (f" ({interval})" if interval != DASH else ""), faint=not math.isfinite(row.number("probability")))


def evidence(row: Row) -> Field:
    if math.isfinite(row.number("log_evidence")):
        return Field(estimated(row.number("log_evidence"), row.number("mcse")))
    bound = row.number("bound")
    return Field(f"not known; above {nats(bound)}" if math.isfinite(bound) else "not known", faint=True)


def reasons(found: Told) -> Iterator[str]:
    """Why some are not known, each reason once."""
    by: dict[str, list[str]] = {}
    for prior, rows in found.items():
        for k, row in rows.items():
            if row.text("note"):
                by.setdefault(row.text("note"), []).append(f"K = {k} with {prior}")
    for note, where in by.items():
        yield f"Not known ({listed(where)}): {sentence(note)}"
    if any(map(partly, found.values())):
        yield AMONG_KNOWN
    each = {prior: [f"K = {k}" for k, row in rows.items() if row.text("by") == "smc"] for prior, rows in found.items() if prior != AS_GIVEN}
    if direct := [f"{listed(numbers)} with {prior}" for prior, numbers in each.items() if numbers]:
        yield f"By smc under the other prior itself, as no path is trusted: {'; '.join(direct)}."


def frozen(rows: dict[object, Row]) -> str:
    """The line of each K whose scale could be everyone's."""
    lines = [f"# as of K = {k}\nprior: {row.text('numbers')}" for k, row in rows.items() if row.text("numbers")]
    return "\n".join(lines)


def findings(cells: list[Slice]) -> Iterator[str]:
    """Whether the most probable K is the same under every prior that is known, as far as errors let it be told."""
    for group in groups(cells):
        every = told(group)
        best = {prior: leaders(rows) for prior, rows in every.items() if known(rows)}
        where = f" ({within(group)})" if within(group) else ""
        if AS_GIVEN in best and len(best) > 1:
            yield _decided({prior: found[0] for prior, found in best.items() if len(found) == 1}, where) + _open(best)
        for prior, rows in every.items():
            if prior != AS_GIVEN and partly(rows):
                yield from _left_out(prior, rows, where)


def _left_out(prior: str, rows: dict[object, Row], where: str) -> Iterator[str]:
    """What is known of the K under a prior under which some are not, and that those may change it."""
    lost = listed([f"K = {k}" for k, row in rows.items() if not math.isfinite(row.number("log_evidence"))])
    shares = {k: row.number("among_known") for k, row in rows.items() if math.isfinite(row.number("among_known"))}
    if not shares:
        return
    first = max(shares, key=lambda k: shares[k])
    likely = [k for k, row in rows.items() if row.number("lower") > EVEN and not math.isfinite(row.number("log_evidence"))]
    if likely:
        yield f"With {prior}{where} K = {likely[0]} is the most probable, by the ELBO of variational Bayes alone; its log evidence is not known."
    else:
        yield (
            f"With {prior}{where} the log evidence of {lost} is not known, and any share may be due there; "
            f"among the others K = {first} is the most probable ({fraction(shares[first])} of theirs)."
        )


def _decided(best: dict[str, object], where: str) -> str:
    """What the priors prefer under which one K is the most probable beyond the errors."""
    by: dict[object, list[str]] = {}
    for prior, k in best.items():
        by.setdefault(k, []).append(prior)
    if len(by) == 1:
        every = "every prior that is known" if len(best) > 1 else "the prior " + next(iter(best))
        return f"K = {next(iter(by))} is the most probable under {every}{where}" + (f": {listed(list(best))}." if len(best) > 1 else ".")
    parts = [f"K = {k} with {listed([_spoken(prior) for prior in priors])}" for k, priors in by.items()]
    return f"The prior decides how many components are most probable{where}: {'; '.join(parts)}." if parts else ""


def _open(best: dict[str, list[object]]) -> str:
    """The priors under which errors leave several K to be the most probable."""
    parts = [
        f"with {_spoken(prior)} the errors leave open whether it is {' or '.join(f'K = {k}' for k in found)}"
        for prior, found in best.items()
        if len(found) > 1
    ]
    if not parts:
        return ""
    whole = f"{listed(parts)}."
    return f" {whole[:1].upper()}{whole[1:]}" if len(parts) < len(best) else f"Which K is the most probable: {whole}"


def _spoken(prior: str) -> str:
    return f"the prior {prior}" if prior == AS_GIVEN else prior
