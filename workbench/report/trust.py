"""Which draws may be believed: what the page says of samples, and which one it takes where one has to stand for the posterior."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from workbench.inference.advice import listed
from workbench.inference.evidence.bridge import RHAT
from workbench.report.wording import figure, is_wrong

if TYPE_CHECKING:
    from workbench.report.slices import Slice

MIXING = ("rhat_log_posterior", "rhat_label_free_quantities")
"""R-hats that no naming of components changes."""
WEIGHERS = ("exact", "smc")
"""Kinds whose draws know what each mode weighs, where their log evidence may be believed, the surest first; chains know only where they
have been."""


def rhat(cell: Slice, method: str) -> float:
    """The larger label-free R-hat of a method's chains, infinite where a warning has no number; nan where none was checked."""
    rows = cell.rows("diagnostics", method)
    rows = rows[rows["quantity"].isin(MIXING)]
    found = [
        math.inf if is_wrong(verdict) and not value else figure(value)
        for value, verdict in zip(rows["value"], rows["verdict"], strict=True)
    ]
    return max((value for value in found if not math.isnan(value)), default=math.nan)


def denied(cell: Slice, method: str) -> bool:
    """Whether the chains of a method are in different places, so that nothing they say of the posterior is to be trusted.

    They are from the R-hat on from which bridge sampling denies its estimate.
    """
    return rhat(cell, method) > RHAT


def verdict(cell: Slice, method: str) -> str:
    """What to make of the draws of a sample, as a sentence; empty where nothing speaks against them."""
    rows = cell.rows("diagnostics", method)
    wrong = {quantity for quantity, told in zip(rows["quantity"], rows["verdict"], strict=True) if is_wrong(told)}
    if denied(cell, method):
        return "Not to be trusted: its chains are in different places, and their draws do not add up."
    care = ["its chains do not quite agree yet"] if wrong.intersection(MIXING) else []
    care += ["where trajectories go wrong the draws leave a part of the posterior out"] if "divergences" in wrong else []
    if not care and any(quantity.startswith("ess_") for quantity in wrong):
        care = ["its effective draws are few"]
    return f"With care: {listed(care)}." if care else ""


def standing_for_the_posterior(cell: Slice) -> str | None:
    """The method whose draws are taken where one has to do: a sample whose chains agree, first one that knows what modes weigh, before
    an approximation; where no sample is to be trusted, and there is no approximation, the one whose chains disagree least."""
    samples, others = cell.estimates("sample"), cell.estimates("approximation")
    good = [method for method in samples if not denied(cell, method)]
    if good:
        return min(good, key=lambda method: not knows(cell, method))
    if others:
        return others[0]
    return min(samples, key=lambda method: rhat(cell, method), default=None)


def knows(cell: Slice, method: str) -> bool:
    """Whether a sample is of a kind that weighs modes, and its own log evidence may be believed."""
    kind = cell.row(method).text("kind")
    own = cell.rows("evidence", method)
    return kind in WEIGHERS and bool(own[own["estimator"] == kind]["standing"].isin(["reference", "trusted"]).any())
