"""Advice in diagnostics.csv: it names what is wrong by the tables' own numbers, and options that the fit's method has."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from workbench.compare.assembly import assemble
from workbench.compare.cell import Cell
from workbench.data.builtin import load_built_in
from workbench.datatree import from_tree, to_tree
from workbench.fit import Status
from workbench.inference import EM, METHODS, VBEM, Pathfinder
from workbench.inference.method import Context
from workbench.inference.pymc.ascent import Ascent, settled
from workbench.problem import Problem


def test_unused_components_are_named_as_the_tables_number_them() -> None:
    """Aligned with another fit, they are not at the places that they have in q."""
    problem = Problem(load_built_in("old_faithful"), "gaussian", 4)
    context = dataclasses.replace(Context.default(problem, seed=1), estimates=False)
    fits = {"em": EM(restarts=10, objective="posterior").fit(problem, context), "vbem": VBEM(restarts=10, draws=200).fit(problem, context)}
    tables = assemble([Cell({}, problem, fits=fits)])
    row = tables["diagnostics"].set_index("quantity").loc["unused_components"]
    named = {int(number) for number in re.findall(r"\d+", row["advice"].split("unused")[0])}
    components = tables["components"][tables["components"]["method"] == "vbem"].set_index("component")
    assert len(named) == int(row["value"]) > 0
    assert named == set(components["count"].nsmallest(len(named)).index)
    counts = np.asarray(fits["vbem"].approximation["expected_counts"])
    assert named != set(np.flatnonzero(counts < 1.0)), "the example is to show that numbers of q are not the tables'"


@pytest.mark.parametrize(("max_iter", "share"), [(3, 1.0), (1000, 0.0)])
def test_paths_that_were_cut_short_are_a_row(max_iter: int, share: float) -> None:
    problem = Problem(load_built_in("old_faithful"), "gaussian", 2)
    context = dataclasses.replace(Context.default(problem), estimates=False)
    table = assemble([Cell({}, problem, fits={"pathfinder": Pathfinder(restarts=4, max_iter=max_iter).fit(problem, context)})])
    row = table["diagnostics"].set_index("quantity").loc["share_at_max_iter"]
    assert (float(row["value"]), row["threshold"]) == (share, 0.0)
    assert row["verdict"] == ("warning" if share else "ok")
    assert ("max_iter" in row["advice"]) == bool(share)


@pytest.mark.slow  # the step compiles
@pytest.mark.parametrize(
    ("kind", "max_iter", "rises"), [("advi", 100, None), ("advi", 400, True), ("advi", 50_000, False), ("fullrank_advi", 50_000, False)]
)
def test_an_elbo_that_still_rises_is_a_number_beside_its_limit(kind: str, max_iter: int, rises: bool | None) -> None:
    """Of a single window nothing is known but that it is too little."""
    problem = Problem(load_built_in("old_faithful"), "gaussian", 2)
    context = dataclasses.replace(Context.default(problem), estimates=False)
    fit = METHODS[kind](restarts=2, window=100, max_iter=max_iter).fit(problem, context)  # type: ignore[call-arg]
    again = from_tree(to_tree(problem, fit, kind))
    table = assemble([Cell({}, problem, fits={kind: again})])["diagnostics"].set_index("quantity")
    row, share = table.loc["elbo_rise"], table.loc["share_at_max_iter"]
    assert row["verdict"] == share["verdict"] == ("ok" if rises is False else "warning")
    assert ("max_iter" in row["advice"]) == ("max_iter" in share["advice"]) == (rises is not False)
    if rises is None:
        assert row["value"] == ""
    else:
        assert (float(row["value"]) > row["threshold"]) == rises
        assert 0.0 < row["threshold"] < 100.0


def test_a_rise_is_that_by_which_a_rate_is_kept() -> None:
    """By hand: 10 and 9 against 5, with errors of 3 and 4 against 4 nats."""
    windows = ((0.1, -5.0, 1.0), (0.01, 4.0, 1.0), (0.01, 5.0, 4.0), (0.01, 15.0, 3.0), (0.01, 14.0, 4.0))
    ascent = Ascent(None, Status.CONVERGED, np.zeros(0), np.zeros(0), np.zeros(0), windows)  # type: ignore[arg-type]
    assert ascent.rise == (10.0, 10.0)
    assert settled([(4.0, 1.0), (5.0, 4.0), (15.0, 3.0), (14.0, 4.0)])
    assert not settled([(4.0, 1.0), (5.0, 4.0), (15.001, 3.0), (14.0, 4.0)])
    assert dataclasses.replace(ascent, windows=windows[:3]).rise == pytest.approx((9.0, 2.0 * np.hypot(1.0, 1.0)))
    assert np.isnan(dataclasses.replace(ascent, windows=windows[:1]).rise).all()
