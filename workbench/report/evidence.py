"""Evidence and bounds of one cell: every estimate of log p(x), what it stands for, and the price of each approximation in nats."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from workbench.inference.advice import listed
from workbench.report.blocks import Field, Grid, Head, Panel, Plate
from workbench.report.figures.evidence import Rung, ladder
from workbench.report.numerals import DASH, estimated
from workbench.report.slices import Row, records
from workbench.report.wording import sentence

if TYPE_CHECKING:
    from workbench.report.slices import Slice

BOUNDS = {
    "elbo": "ELBO",
    "elbo_symmetrised": "symmetrised ELBO",
    "elbo_labels": "ELBO with labels in q",
}
NAMES = {**BOUNDS, "bic": "−BIC/2", "exact": "exact", "smc": "SMC", "laplace": "Laplace"}
STANDINGS = {
    "reference": "the reference",
    "trusted": "trusted",
    "opposed": "too low: a trusted one or an ELBO is far above",
    "denied": "not trusted",
    "bound": "a lower bound",
    "rough": "rough",
}
AGREE = 2.5
"""Combined errors up to which two estimates agree."""
FAINT = ("denied", "opposed", "rough")


def rows(cell: Slice) -> list[Row]:
    """Rows of evidence.csv, what is believed most first; none where all there is is BIC, which stands among the scores."""
    found = [Row(row) for row in records(cell.tables["evidence"]) if math.isfinite(row["log_evidence"])]
    if all(row.text("standing") == "rough" for row in found):
        return []
    order = list(STANDINGS)
    return sorted(found, key=lambda row: order.index(row.text("standing")) if row.text("standing") in order else len(order))


def name(row: Row) -> str:
    """`bridge of gibbs`; of a method of the estimator's own name that alone."""
    estimator, method = row.text("estimator"), row.text("method")
    return method if estimator == method else f"{NAMES.get(estimator, estimator)} of {method}"


def reference(cell: Slice) -> Row | None:
    """The estimate that bounds are measured by."""
    return next((row for row in rows(cell) if row.text("standing") == "reference"), None)


def grids(cell: Slice) -> Iterator[Grid]:
    """Every estimate and bound with its error, what it stands for, and the KL of each bound."""
    found = rows(cell)
    if not found:
        return
    heads = (Head("log evidence, or its bound (nats)"), Head("KL(q ‖ posterior) (nats)"), Head("stands as"))
    lines = tuple(
        (Head(name(row), sentence(row.text("note")) if row.text("note") else "", row.text("method")), fields(row)) for row in found
    )
    yield Grid("", heads, lines, tuple(notes(cell)), "evidence")


def fields(row: Row) -> tuple[Field, ...]:
    standing = row.text("standing")
    faint = standing in FAINT
    value = estimated(row.number("log_evidence"), row.number("mcse"))
    kl = estimated(row.number("kl"), row.number("kl_mcse")) if math.isfinite(row.number("kl")) else DASH
    return Field(value, faint=faint), Field(kl), Field(STANDINGS.get(standing, standing or DASH), numeric=False, faint=faint)


def notes(cell: Slice) -> Iterator[str]:
    """What the columns are, and what is missing."""
    known = reference(cell)
    if known is None:
        yield "No estimate here may stand for the log evidence, so that no bound has a KL: the notes say why, and what to run."
    else:
        yield (
            f"KL: the log evidence by {name(known)} less the ELBO, what the approximation costs. An ELBO is a lower bound; symmetrised, "
            "with q averaged over the K! relabellings, it is higher by at most log K!, and with labels in q it is lower."
        )
    if any(row.text("standing") == "denied" for row in rows(cell)):
        yield "Grey: denied by its own diagnostics, or rough; it decides nothing."
    yield "The log evidence depends on the prior."


def plates(cell: Slice, prefix: str) -> Iterator[Plate]:
    """The same as a ladder: nats along, an estimate a rung."""
    found = rows(cell)
    if not found:
        return
    rungs = [rung(row) for row in found]
    stem = f"{prefix}evidence"
    known = reference(cell)
    caption = (
        "Dots with error bars (two standard errors) may stand for the log evidence. Arrows are lower bounds, pointing where it must be"
    )
    caption += f"; the line is the reference, {name(known)}, and the numbers at the right are the KLs." if known is not None else "."
    caption += " Grey and hollow: not trusted, or rough. What lies beyond the axis stands at its edge with its value."
    yield Plate((Panel("Log evidence and its bounds", stem, ladder(stem, rungs, cell.looks), wide=True),), caption, "evidence")


def rung(row: Row) -> Rung:
    kl = estimated(row.number("kl"), row.number("kl_mcse")) if math.isfinite(row.number("kl")) else ""
    return Rung(name(row), row.text("method"), row.number("log_evidence"), row.number("mcse"), row.text("standing"), kl)


def weighed(cell: Slice) -> Iterator[str]:
    """Findings: the log evidence and who agrees, who does not, and what each approximation costs."""
    found, known = rows(cell), reference(cell)
    if known is not None:
        text = f"The log evidence is {value(known)} nats by {name(known)}"
        others = [row for row in found if row.text("standing") == "trusted"]
        agreeing = [f"{name(row)} ({value(row)})" for row in others if apart(row, known)[1] <= AGREE]
        yield f"{text}; {listed(agreeing)} {'agrees' if len(agreeing) == 1 else 'agree'}." if agreeing else f"{text}."
        for row in others:
            if apart(row, known)[1] > AGREE:
                yield f"{name(row)} ({value(row)}) is {distance(row, known)} from it: more than its errors mostly leave open."
        for row in found:
            if row.text("standing") == "opposed":
                yield f"{name(row)} ({value(row)}) is {distance(row, known)} from it, and too low by its own errors: what it has not met is missing."
    elif denied := [row for row in found if row.text("standing") == "denied"]:
        yield doubted(cell, denied)
    for row in found:
        if row.text("estimator") == "elbo" and math.isfinite(row.number("kl")):  # the bound that is named, not one with labels in q
            yield price(row)


def doubted(cell: Slice, denied: list[Row]) -> str:
    """Where nothing is trusted: the estimate of the smallest error, and what its note advises.

    Laplace's has an error that nobody knows, and importance sampling from an approximation one that leaves out what q misses; they are
    named where there is nothing else.
    """

    def doubt(row: Row) -> tuple[bool, bool, float]:
        own = row.text("estimator") == "importance" and row.text("method") in cell.estimates("approximation")
        error = row.number("mcse")
        return row.text("estimator") == "laplace", own, error if math.isfinite(error) else math.inf

    least = min(denied, key=doubt)
    ends = [row.number("log_evidence") for row in denied if row is not least and not any(doubt(row)[:2])]
    between = (
        f" The {len(ends)} others that rest on no approximation are between {min(ends):.1f} and {max(ends):.1f}." if len(ends) > 1 else ""
    )
    return (
        f"No estimate of the log evidence is trusted. Of the smallest error is {name(least)}, {value(least)}: "
        f"{sentence(least.text('note') or 'it is denied')}{between}"
    )


def apart(row: Row, known: Row) -> tuple[float, float]:
    """How far an estimate is from the reference, in nats and in combined errors."""
    gap, error = abs(row.number("log_evidence") - known.number("log_evidence")), math.hypot(row.number("mcse"), known.number("mcse"))
    return gap, gap / error if error > 0.0 else (math.inf if gap > 1e-9 * abs(known.number("log_evidence")) else 0.0)


def distance(row: Row, known: Row) -> str:
    gap, errors = apart(row, known)
    return f"{gap:.2g} nats ({errors:.1f} combined errors)" if math.isfinite(errors) else f"{gap:.2g} nats"


def price(row: Row) -> str:
    """`advi's q is 1.32 ± 0.01 nats from the posterior (KL, by bridge of gibbs; ELBO -1169.40 ± 0.01).`"""
    source = (
        row.text("reference")
        if row.text("reference_method") in ("", row.text("reference"))
        else f"{row.text('reference')} of {row.text('reference_method')}"
    )
    gap = estimated(row.number("kl"), row.number("kl_mcse"))
    return f"{row.text('method')}'s q is {gap} nats from the posterior (KL, by {source}; ELBO {value(row)})."


def value(row: Row) -> str:
    return estimated(row.number("log_evidence"), row.number("mcse"))
