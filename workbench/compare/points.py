"""Diagnostics of points: local maximum or saddle, what the data determine, and how the refits of leave-one-out ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from workbench.compare.curvature import Curvature, why_no_errors
from workbench.compare.verdict import check, verdict
from workbench.fit import LeaveOneOutRefits
from workbench.models.information import Information
from workbench.problem import Problem

Row = dict[str, Any]

SADDLE = "a saddle point: the objective is flat there to first order and still rises in another direction"


def of_curvature(problem: Problem, curved: Curvature, kind: str) -> Iterator[Row]:
    """Whether the point is a local maximum, how many optima are none, EM's rate there, and why an error is missing."""
    if curved.optima:
        found = len(curved.saddles)
        yield check(
            "saddle_points",
            found,
            None,
            None,
            "ends that EM was followed to and left at, and no maxima; optima.csv says which" if found else "",
        )
    point = curved.point
    if point is None:
        if curved.reason:
            yield word("standard_errors", "none", None, curved.reason)
        return
    answer = {True: "yes", False: "no", None: "undecided"}[point.is_maximum]
    yield word("local_maximum", answer, point.is_maximum, _off_a_saddle(kind) if point.is_maximum is False else why_no_errors(curved))
    yield from _missing_information(point)
    errors = curved.standard_errors
    if errors is None:
        yield word("standard_errors", "none", None, why_no_errors(curved))
        return
    places = problem.family.addresses(problem.data, problem.n_components)  # padding has none
    fixed = sum(
        bool(np.isnan(errors[place.parameter][place.index])) for place in places if problem.n_components > 1 or place.parameter != "weights"
    )
    if fixed:
        yield check("parameters_on_boundary", fixed, None, None, "probabilities of 0 or 1 and rates of 0 have no standard error")


def _missing_information(point: Information) -> Iterator[Row]:
    """The largest fraction of it, at a maximum or where it is 1."""
    if not point.shares.size or not (point.is_maximum or point.flat):
        return
    means = "the data do not determine all parameters" if point.flat else "near such a point EM's steps shrink by this factor"
    yield check("missing_information", float(np.clip(1.0 - point.shares[0], 0.0, 1.0)), None, None, means)


def _off_a_saddle(kind: str) -> str:
    """What else there is to try, at any kind that climbs."""
    return f"{SADDLE}; raise restarts, choose another init, or {'set split_merge' if kind == 'em' else 'use em with split_merge'}"


def _off_the_boundary(problem: Problem, climbed: str) -> str:
    """The default prior has its modes at 0 and 1 as the likelihood has; shapes above 1 have not."""
    blocks = getattr(problem.family, "blocks", None)
    named = [(f"{block.family.name}.", block.family) for block in blocks] if blocks else [("", problem.family)]
    keys = [f"prior.{block}{key}" for block, family in named for key in family.shapes_with_no_mode]
    raised = f"{' and '.join(keys)} above 1, which leaves nothing impossible"
    return f"raise {raised}" if climbed == "posterior" else f"use em with objective: posterior and {raised}"


def of_refits(problem: Problem, without: LeaveOneOutRefits | None, climbed: str, reason: str) -> Iterator[Row]:
    """How the refits without each row ended."""
    if without is None:
        if reason:
            yield word("leave_one_out", "none", None, reason)
        return
    if without.folds:
        yield check("leave_one_out_folds", without.folds, None, None, "there are too many rows to leave out each by itself")
    if without.lost:
        yield check(
            "refits_with_fewer_components",
            without.lost,
            None,
            None,
            "without these rows a component has nothing left to hold it, and the refit is a maximum of the components that remain",
        )
    checks = (
        (
            "rows_without_density",
            without.impossible,
            f"elpd_loo is minus infinity: left out, these rows are impossible; {_off_the_boundary(problem, climbed)}",
        ),
        (
            "refits_collapsed",
            without.singular,
            "elpd_loo is empty: without some row a component has nothing to hold it; lower n_components"
            + ("" if climbed == "posterior" else ", or use em with objective: posterior"),
        ),
        (
            "refits_unfinished",
            without.unfinished,
            "these refits were stopped before they had reached a local maximum, so elpd_loo is approximate; compare by `held_out` rows",
        ),
    )
    for quantity, count, advice in checks:
        if count:
            yield check(quantity, count, 0.0, False, advice)


def word(quantity: str, value: str, good: bool | None, advice: str) -> Row:
    """A check whose value is a word."""
    return {"quantity": quantity, "value": value, "threshold": None, "verdict": verdict(good), "advice": "" if good else advice}
