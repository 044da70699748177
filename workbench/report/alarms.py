"""Findings about warnings: of each method the gravest, methods with the same one in one sentence."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from workbench.inference.advice import listed
from workbench.report.checks import APART, spelt, written
from workbench.report.numerals import counted, exact
from workbench.report.slices import records
from workbench.report.wording import capital, figure, is_wrong, sentence

if TYPE_CHECKING:
    from workbench.report.slices import Slice

MOST = 6
"""Sentences."""
DENYING = ("status", "rhat_", "divergences", "smc_spread")
"""How warnings begin that deny the draws, and with them all that is said of the posterior."""
TOLD = ("unseen_optimum", "share_singular", "basins_disagreement", "basins_elsewhere", "basins_above_best", "replicated_distance")
"""Warnings that the findings about restarts, basins and made data have told."""


def warned(cell: Slice) -> Iterator[str]:
    """Of each method the gravest of the diagnostics beyond their threshold that no other finding tells of."""
    wrong = [row for row in records(cell.tables["diagnostics"]) if is_wrong(row["verdict"]) and not told(cell, row)]
    worst: dict[str, dict[str, Any]] = {}
    for row in sorted(wrong, key=severity):
        worst.setdefault(row["method"], row)
    alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in worst.values():
        alike.setdefault(tuple(str(row[column]) for column in ("quantity", "threshold", "advice")), []).append(row)
    for rows in itertools.islice(alike.values(), MOST):
        yield alarm(rows)
    said = sum(len(rows) for rows in itertools.islice(alike.values(), MOST))
    if more := len(wrong) - said:
        yield f"{counted(more, 'more warning stands', 'more warnings stand')} under Diagnostics."


def told(cell: Slice, row: Mapping[str, Any]) -> bool:
    """Whether another finding says it: `failed` why a method without a fit has none."""
    lost = row["quantity"] == "status" and row["method"] not in cell.fitted
    return lost or row["quantity"] in TOLD or row["quantity"].startswith(APART)


def alarm(rows: list[dict[str, Any]]) -> str:
    """One warning of one method or several, with its advice."""
    first, methods = rows[0], listed([row["method"] for row in rows])
    limit = f" (threshold {exact(first['threshold'])})" if first["threshold"] else ""
    values = list(dict.fromkeys(written(row["quantity"], row["value"]) or "beyond all bounds" for row in rows))
    advice = first["advice"] or first["verdict"]
    if values == [advice]:
        return f"Look at {methods}: {sentence(advice)}"
    return f"Look at {methods}: {spelt(first['quantity'])} is {listed(values)}{limit}. {capital(sentence(advice))}"


def severity(row: Mapping[str, Any]) -> tuple[bool, float]:
    """What sorts warnings: those that deny the draws first, then those that are most times beyond their threshold."""
    quantity, value, limit = row["quantity"], figure(row["value"]), figure(row["threshold"])
    if not math.isfinite(value):
        beyond = 1.0 if row["value"] else math.inf  # words; or a number too large to be written
    elif quantity.startswith("rhat_") and limit > 1.0:
        beyond = (value - 1.0) / (limit - 1.0)
    elif limit > 0.0:
        beyond = limit / value if value < limit and value > 0.0 else value / limit
    else:
        beyond = 1.0 + abs(value)
    return not (quantity.startswith(DENYING) or quantity == "pareto_k"), -beyond
