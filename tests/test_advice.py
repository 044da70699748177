"""Advice in diagnostics.csv: it names what is wrong by the tables' own numbers, and options that the fit's method has."""

from __future__ import annotations

import dataclasses
import re

import numpy as np

from workbench.compare.assembly import assemble
from workbench.compare.cell import Cell
from workbench.data.builtin import load_built_in
from workbench.inference import EM, VBEM
from workbench.inference.method import Context
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
