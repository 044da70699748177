"""Verdict: a checked number as a row of ``diagnostics.csv``, but for its method."""

from __future__ import annotations

import math
from typing import Any

Row = dict[str, Any]


def check(quantity: str, value: float, threshold: float | None, good: bool | None, advice: str) -> Row:
    """A checked number; one that the draws are too few to give is empty, with a note."""
    if math.isnan(value):
        good, advice = None, "the draws or chains are too few to tell"
    return {
        "quantity": quantity,
        "value": f"{value:.6g}" if math.isfinite(value) else "",
        "threshold": threshold,
        "verdict": verdict(good),
        "advice": "" if good else advice,
    }


def verdict(good: bool | None) -> str:
    return {True: "ok", False: "warning", None: "note"}[good]
