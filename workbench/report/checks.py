"""Diagnostics: what to look at, with its advice, then every number that was checked, methods side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from workbench.inference.advice import listed
from workbench.report.blocks import Field, Grid, Head
from workbench.report.numerals import DASH, amount, exact, fraction, is_number
from workbench.report.slices import records
from workbench.report.wording import figure, is_wrong

if TYPE_CHECKING:
    from workbench.report.slices import Slice

MEANINGS = {
    "unseen_optimum": "Estimated probability that one more restart finds an optimum not seen yet (Good & Turing).",
    "unseen_optimum_lower": "Lower end of its 95 % interval.",
    "unseen_optimum_upper": "Upper end of its 95 % interval.",
    "share_at_best": "Of the restarts, those at the best regular optimum.",
    "share_singular": "Of the restarts, those at a singular end.",
    "share_collapsed": "Of the restarts, those stopped since a component collapsed.",
    "share_lost_component": "Of the restarts, those that lost a component: no row is left to it.",
    "share_at_max_iter": "Of the restarts, those stopped before they had converged.",
    "saddle_points": "Optima in the table that are no maxima.",
    "local_maximum": "Whether the observed information at the point is positive definite.",
    "missing_information": "Largest eigenvalue of the missing-information fraction: by this factor EM's steps shrink; at 1 the data do not determine all parameters.",
    "parameters_on_boundary": "Probabilities of 0 or 1 and rates of 0: no standard error.",
    "standard_errors": "From the observed information, where the point is a maximum.",
    "imputations": "Whether there is a table of what missing cells may be.",
    "leave_one_out": "Whether a point has a leave-one-out density.",
    "free_parameters": "Against the free probabilities of all rows that can differ.",
    "pareto_k": "Of the weights p/q over the draws: above the threshold q is too far from the posterior to be corrected.",
    "pareto_k_loo": "The largest of the rows' leave-one-out weights: above the threshold elpd_loo may be too high.",
    "elbo_mcse": "In nats.",
    "elbo_rise": "How far the last windows of steps are above the best before them, in nats; the threshold is two standard errors of that.",
    "divergences": "Draws whose trajectory went wrong.",
    "share_at_max_treedepth": "Of the draws, those cut short by the longest trajectory.",
    "e_bfmi": "How far the energy moves from draw to draw.",
    "relabelled_share": "Of the draws, those whose labels were permuted to align them.",
    "relabelling_loss": "In nats: how far the responsibilities of aligned draws are from their mean; `relabelling: stephens` makes it least.",
    "basins_disagreement": "Largest difference between two chains in the share of draws that climb to one optimum, in its standard error.",
    "basins_elsewhere": "Of the draws, those that climb to optima at which no restart ended.",
    "basins_above_best": "How far, in nats, the highest optimum that draws climb to is above the best that restarts found.",
    "basins_irregular": "Of the draws, those that climb to a singular or spurious end.",
    "unused_components": "Components to which less than one row is expected to belong.",
    "prior_dominated_components": "Components whose rows, over the draws, have fewer cells than a component has parameters, or are too few for a full covariance.",
    "replicated_distance": "How far, in standard deviations, data made by the fit are from the data in their worst feature.",
    "smc_spread": "Of the islands' estimates of the evidence, their standard deviation as a share of the mean.",
    "largest_island_share": "Of the draws, those of the island of the largest evidence: near 1 the others have found next to nothing.",
    "rhat": "Between chains against within: 1 where they agree.",
    "ess_bulk": "Independent draws that tell as much of the middle.",
    "ess_tail": "Independent draws that tell as much of the 5 % tails.",
}
SHARES = ("share_", "unseen_", "relabelled_", "basins_elsewhere", "basins_irregular")
NAMES = {
    "rhat": "R-hat",
    "ess": "ESS",
    "e_bfmi": "E-BFMI",
    "pareto_k": "Pareto k-hat",
    "pareto_k_loo": "Pareto k-hat of leave-one-out",
    "elbo_mcse": "Monte-Carlo error of the ELBO",
    "elbo_rise": "Rise of the ELBO",
}
WORDY = ("status", "message")
APART = ("calibration_", "coverage_")
"""What the section on calibration shows."""


def grids(cell: Slice) -> Iterator[Grid]:
    rows = [row for row in records(cell.tables["diagnostics"]) if not row["quantity"].startswith(APART)]
    yield from advised(rows)
    yield from every(cell, [row for row in rows if row["quantity"] not in WORDY])


def advised(rows: list[dict[str, Any]]) -> Iterator[Grid]:
    """What is beyond its threshold first, then what comes with advice or is said in words; methods with the same share a row."""
    told: dict[tuple[str, ...], list[str]] = {}
    for row in sorted(rows, key=lambda row: not is_wrong(row["verdict"])):
        if is_wrong(row["verdict"]) or row["advice"] or row["quantity"] == "message":
            key = ("quantity", "value", "threshold", "verdict", "advice")
            told.setdefault(tuple(str(row[column]) for column in key), []).append(row["method"])
    lines = []
    for (quantity, value, threshold, verdict, advice), methods in told.items():
        texts = (written(quantity, value), exact(threshold), verdict, advice)
        fields = tuple(Field(text or DASH, numeric=i < 2 and is_number(text)) for i, text in enumerate(texts))
        lines.append((Head(spelt(quantity), listed(methods), methods[0] if len(methods) == 1 else ""), fields))
    if lines:
        heads = tuple(Head(name) for name in ("value", "threshold", "verdict", "advice"))
        notes = ("A warning is beyond its threshold, a note is not judged.", f"{DASH}: no threshold, or nothing to advise.")
        yield Grid("Warnings and notes", heads, tuple(lines), notes, "diagnostics", compact=True)


def every(cell: Slice, rows: list[dict[str, Any]]) -> Iterator[Grid]:
    """Quantities down, methods across."""
    found = {(row["quantity"], row["method"]): row for row in rows}
    methods = [method for method in cell.methods if any(row["method"] == method for row in rows)]
    lines = []
    for quantity in dict.fromkeys(row["quantity"] for row in rows):
        own = [found.get((quantity, method)) for method in methods]
        limit = next((exact(row["threshold"]) for row in own if row and row["threshold"]), "")
        note = " ".join(filter(None, (meaning(quantity), f"Threshold {limit}." if limit else "")))
        lines.append((Head(spelt(quantity), note), tuple(Field(judged(row)) for row in own)))
    if lines:
        notes = (f"{DASH}: not checked for this method.",) if len(methods) > 1 else ()
        yield Grid("Every check", tuple(Head(method, method=method) for method in methods), tuple(lines), notes, "diagnostics")


def judged(row: dict[str, Any] | None) -> str:
    """A value, marked where it is beyond its threshold."""
    if row is None:
        return DASH
    return (written(row["quantity"], row["value"]) or DASH) + (" (warning)" if is_wrong(row["verdict"]) else "")


def written(quantity: str, value: str) -> str:
    if not is_number(value):
        return value
    return (fraction if quantity.startswith(SHARES) else amount)(figure(value))


def spelt(quantity: str) -> str:
    """`ess_bulk_log_posterior` as `ESS bulk log posterior`; what is in brackets are the user's names."""
    words, bracket, names = quantity.partition("[")
    first, *others = words.split("_")
    return (NAMES.get(words) or " ".join([NAMES.get(first, first), *others])) + (f" [{names}" if bracket else "")


def meaning(quantity: str) -> str:
    """Of the quantity, or of what its name begins with."""
    if quantity in MEANINGS:
        return MEANINGS[quantity]
    return next((text for name, text in MEANINGS.items() if quantity.startswith(f"{name}_")), "")
