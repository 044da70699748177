"""One reference a cell: bounds are measured by the estimate that may be believed most, and estimates survive the disk."""

from __future__ import annotations

import dataclasses
import math

import pytest

from workbench.compare.assembly import assemble
from workbench.compare.cell import Cell
from workbench.compare.evidence import best_estimate, evidence_rows, known_estimates, reference
from workbench.data.builtin import load_built_in
from workbench.datatree import from_tree, to_tree
from workbench.fit import Evidence
from workbench.inference import EM
from workbench.problem import Problem


def test_exact_is_believed_first_then_the_smallest_error_and_never_a_bound() -> None:
    bound = Evidence("elbo", -9.0, 0.0, trusted=False)
    loose, close = Evidence("smc", -10.0, 0.3), Evidence("bridge", -10.1, 0.01)
    assert best_estimate((bound,)) is None
    assert best_estimate((bound, loose, close)) is close
    assert best_estimate((close, Evidence("exact", -10.2, 0.0))) == Evidence("exact", -10.2, 0.0)
    assert best_estimate((Evidence("smc", -10.0, math.nan),)) is None


def test_kl_of_a_bound_is_what_it_is_below_the_cells_reference() -> None:
    problem = Problem(load_built_in("old_faithful"), "gaussian", 2)
    point = dataclasses.replace(EM(restarts=5, objective="posterior").fit(problem), evidence=())
    known = (
        Evidence("elbo_labels", -1180.0, 0.0, trusted=False),
        Evidence("bridge", -1177.7, 0.01),
        Evidence("smc", -1190.0, 3.0, False, "spread"),
    )
    draws = dataclasses.replace(point, estimate="sample", evidence=known)
    tables = assemble([Cell({}, problem, fits={"em_map": point, "nuts": draws})])
    rows = tables["evidence"].set_index(["method", "estimator"])
    assert rows.loc[("em_map", "bic"), "log_evidence"] == pytest.approx(-tables["likelihoods"]["bic"].iloc[0] / 2.0)
    assert rows.loc[("nuts", "elbo_labels"), "kl"] == pytest.approx(2.3)
    assert rows.loc[("nuts", "elbo_labels"), "reference"] == "bridge"
    assert rows["kl"].notna().sum() == 1
    assert tables["likelihoods"]["log_evidence"].iloc[1] == -1177.7


def test_an_approximation_is_not_measured_by_its_own_importance_sampling() -> None:
    own = (Evidence("elbo", -11.0, 0.01, False), Evidence("importance", -10.0, 0.001))
    other = (Evidence("bridge", -10.01, 0.02),)
    assert reference({"advi": own}) is None
    assert reference({"advi": own, "nuts": other}) is other[0]


def test_an_estimate_that_another_is_far_above_has_missed_something_and_is_no_reference() -> None:
    low, high = Evidence("bridge", -29.9, 0.01), Evidence("smc", -21.9, 0.1)
    assert reference({"gibbs": (low,), "smc": (high,)}) is high
    near = Evidence("bridge", -22.0, 0.01)
    assert reference({"gibbs": (near,), "smc": (high,)}) is near


def test_a_difference_that_does_not_matter_opposes_nothing() -> None:
    """Sixteen islands' error is one of fifteen degrees of freedom: four of them are met now and then."""
    own = (Evidence("elbo", -1427.51, 0.0001, False), Evidence("importance", -1427.50047, 0.0001))
    known = {"vbem": own, "smc": (Evidence("smc", -1427.4960, 0.0011),)}
    rows = {(row["method"], row["estimator"]): row["standing"] for row in evidence_rows(known)}
    assert rows[("vbem", "importance")] == "trusted"
    far = {**known, "smc": (Evidence("smc", -1427.4860, 0.0011),)}
    assert {row["standing"] for row in evidence_rows(far) if row["estimator"] == "importance"} == {"opposed"}


def test_every_estimate_has_a_standing_and_a_bound_names_the_reference_and_its_method() -> None:
    vbem = (Evidence("elbo", -24.0, 0.01, False), Evidence("importance", -22.0, 0.01))
    low, high, lost = Evidence("bridge", -29.9, 0.01), Evidence("bridge", -21.9, 0.1), Evidence("laplace", -22.4, 0.0, False, "rough")
    known = {"em": (lost, Evidence("bic", -20.0, math.nan, False)), "vbem": vbem, "gibbs": (low,), "nuts": (high,)}
    rows = list(evidence_rows(known))
    assert [row["standing"] for row in rows] == ["denied", "rough", "bound", "trusted", "opposed", "reference"]
    assert (rows[2]["reference"], rows[2]["reference_method"]) == ("bridge", "nuts")
    assert known_estimates(rows) == known


def test_what_lies_below_an_elbo_is_no_reference() -> None:
    vbem, gibbs = (Evidence("elbo", -24.0, 0.01, False),), (Evidence("bridge", -29.9, 0.01),)
    assert reference({"vbem": vbem, "gibbs": gibbs}) is None
    assert [row["standing"] for row in evidence_rows({"vbem": vbem, "gibbs": gibbs})] == ["bound", "opposed"]


def test_estimates_survive_the_disk() -> None:
    problem = Problem(load_built_in("old_faithful"), "gaussian", 2)
    given = (Evidence("smc", -1177.7, 0.2, False, "the chains disagree; raise particles"), Evidence("elbo_labels", -1180.0, math.nan))
    fit = dataclasses.replace(EM(restarts=5, objective="posterior").fit(problem), evidence=given)
    again = from_tree(to_tree(problem, fit, "em"))
    assert again.evidence[0] == given[0]
    assert math.isnan(again.evidence[1].mcse)
