"""Do chains agree? Numbers that no naming of components changes come first: they are the same however labels switch."""

from __future__ import annotations

import dataclasses

import numpy as np

from workbench.compare.assembly import assemble
from workbench.compare.cell import Cell
from workbench.inference import Exact
from workbench.problem import Problem

EIGHT = np.array([-5.1, -4.9, -5.3, -4.7, 4.8, 5.2, 5.05, 4.95])


def mixing(problem: Problem, fit: object) -> dict[str, float]:
    table = assemble([Cell({}, problem, fits={"draws": fit})])["diagnostics"]  # type: ignore[dict-item]
    return {row.quantity: float(row.value) for row in table.itertuples() if row.quantity.startswith(("rhat", "ess"))}


def test_renaming_the_components_of_each_draw_changes_only_what_is_as_drawn() -> None:
    problem = Problem(EIGHT, "gaussian", 3)
    fit = Exact(chains=2, draws=100).fit(problem)
    assert fit.draws is not None
    names = np.random.default_rng(0).permuted(np.tile(np.arange(3), (2, 100, 1)), axis=-1)
    names[0] = np.arange(3)  # one chain keeps its names, the other mixes them
    renamed = dataclasses.replace(fit, draws=fit.draws.relabelled(names))
    before, after = mixing(problem, fit), mixing(problem, renamed)
    free = [name for name in before if name.endswith(("label_free_quantities", "log_posterior"))]
    assert len(free) == 6
    np.testing.assert_allclose([before[name] for name in free], [after[name] for name in free], rtol=1e-5)
    assert before["rhat_parameters_as_drawn"] != after["rhat_parameters_as_drawn"]


def test_chains_that_differ_in_their_largest_mean_alone_disagree() -> None:
    problem = Problem(EIGHT, "gaussian", 2)
    fit = Exact(chains=2, draws=100).fit(problem)
    assert fit.draws is not None
    flat = fit.draws.reshaped(200)
    order = np.argsort(flat.parameters()["means"].max(axis=(-1, -2)))
    apart = dataclasses.replace(fit, draws=flat.take(order).reshaped(2, 100))
    assert mixing(problem, fit)["rhat_label_free_quantities"] < 1.05
    assert mixing(problem, apart)["rhat_label_free_quantities"] > 1.5
