"""P(K | x) over a sweep: from log evidences with their errors; where one is not known, only what follows all the same."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from workbench.compare.assembly import assemble
from workbench.compare.cell import Cell, Failure
from workbench.compare.probabilities import intervals, model_probability_rows, probabilities
from workbench.inference import EM, Exact
from workbench.problem import Problem

EIGHT = np.array([-5.1, -4.9, -5.3, -4.7, 4.8, 5.2, 5.05, 4.95])
KEY = "model.n_components"


def estimate(k: int, method: str, estimator: str, value: float, mcse: float, trusted: bool = True, note: str = "") -> dict[str, Any]:
    row = {KEY: k, "method": method, "estimator": estimator, "log_evidence": value, "mcse": mcse}
    return row | {"trusted": trusted, "note": note}


def table(evidence: list[dict[str, Any]], **scores: dict[int, dict[str, float]]) -> list[dict[str, Any]]:
    """Rows of the sweep over the K that the estimates name; scores by method, K and column."""
    numbers = sorted({row[KEY] for row in evidence})
    methods = dict.fromkeys([*(row["method"] for row in evidence), *scores])
    likelihoods = [{KEY: k, "method": method, **scores.get(method, {}).get(k, {})} for k in numbers for method in methods]
    return list(model_probability_rows([KEY], likelihoods, evidence))


def test_exact_probabilities_of_the_eight_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Statistics, section 1: under the default prior the log evidences are -28.70, -21.92, -19.44, -18.15, -17.48."""
    monkeypatch.setattr("workbench.compare.assembly.sensitivity_rows", lambda *_: [])  # nothing is looked at under others
    problems = [Problem(EIGHT, "gaussian", k) for k in (1, 2, 3, 4, 5)]
    method = Exact(chains=1, draws=50)
    cells = [Cell({KEY: p.n_components}, p, fits={"exact": method.fit(p), "em_map": EM(5, objective="posterior").fit(p)}) for p in problems]
    found = assemble(cells)["model_probabilities"]
    np.testing.assert_allclose(found["log_evidence"], [-28.70, -21.92, -19.44, -18.15, -17.48], atol=0.0051)
    shares = np.exp(found["log_evidence"] - found["log_evidence"].max())
    np.testing.assert_allclose(found["probability"], shares / shares.sum(), rtol=1e-12)
    np.testing.assert_allclose(found["lower"], found["probability"], rtol=1e-9)
    assert set(found["estimator"]) == {"exact"}
    rough = np.exp(-(found["bic"] - found["bic"].min()) / 2.0)
    np.testing.assert_allclose(found["bic_probability"], rough / rough.sum(), rtol=1e-12)
    assert found.loc[found["bic"].idxmin(), "preferred_by"].startswith("bic")


def test_intervals_are_those_of_the_errors() -> None:
    """With two K the log odds are normal: their ends are known."""
    ends = intervals([-100.0, -101.0], [0.3, 0.4])
    odds = 1.0 + 1.96 * 0.5 * np.array([-1.0, 1.0])
    np.testing.assert_allclose(ends[:, 0], 1.0 / (1.0 + np.exp(-odds)), atol=0.01)
    np.testing.assert_allclose(ends.sum(axis=1)[0] + ends.sum(axis=1)[1], 2.0, atol=1e-9)
    np.testing.assert_allclose(probabilities([-1e5, -1e5 - math.log(3.0)]), [0.75, 0.25])


def test_the_smallest_error_of_all_methods_is_used_and_named() -> None:
    rows = table(
        [estimate(1, "gibbs", "bridge", -10.0, 0.1), estimate(1, "nuts", "bridge", -10.1, 0.01), estimate(2, "gibbs", "bridge", -9.0, 0.1)]
    )
    assert [(row["method"], row["estimator"], row["mcse"]) for row in rows] == [("nuts", "bridge", 0.01), ("gibbs", "bridge", 0.1)]
    assert [row["gap"] for row in rows] == pytest.approx([1.1, 0.0])


def test_one_unknown_evidence_leaves_one_sided_ends() -> None:
    """K = 2 is not trusted, but its ELBO is three nats above what K = 1 has."""
    denied = estimate(2, "nuts", "bridge", -6.0, 0.1, trusted=False, note="the chains disagree; use smc")
    rows = table([estimate(1, "nuts", "bridge", -10.0, 0.001), denied, estimate(2, "vbem", "elbo", -7.0, 0.0, trusted=False)])
    assert all("probability" not in row for row in rows)
    assert rows[1]["lower"] == pytest.approx(1.0 / (1.0 + math.exp(-3.0)), abs=1e-3)
    assert rows[0]["upper"] == pytest.approx(1.0 - rows[1]["lower"], abs=1e-3)
    assert "upper" not in rows[1]
    assert "lower" not in rows[0]
    assert rows[1]["note"] == "not trusted: bridge of nuts: the chains disagree; use smc"
    assert (rows[1]["bound"], rows[1]["bound_method"], rows[1]["bound_estimator"]) == (-7.0, "vbem", "elbo")


def test_two_unknown_evidences_leave_no_lower_end() -> None:
    rows = table([estimate(1, "nuts", "bridge", -10.0, 0.01), *(estimate(k, "vbem", "elbo", -9.0, 0.0, False) for k in (2, 3))])
    assert rows[0]["upper"] == pytest.approx(1.0 / (1.0 + 2.0 * math.e), abs=0.01)
    assert all("lower" not in row for row in rows)
    assert all("upper" not in row for row in rows[1:])
    assert rows[1]["note"] == "no method here estimates the log evidence; add gibbs, nuts or exact"


def test_what_lies_below_an_elbo_is_no_evidence() -> None:
    rows = table([estimate(1, "nuts", "bridge", -10.0, 0.01), estimate(1, "vbem", "elbo", -9.0, 0.01, False)])
    assert "log_evidence" not in rows[0]
    assert rows[0]["note"].startswith("bridge of nuts is below the ELBO of vbem")


def test_scores_are_compared_by_one_method_over_all_k() -> None:
    evidence = [estimate(k, "nuts", "bridge", -10.0, 0.01) for k in (1, 2)]
    em = {1: {"bic": 30.0, "aic": 20.0, "elpd_loo": -9.0}, 2: {"bic": 25.0, "aic": 15.0, "elpd_loo": -2.0}}
    lone = {1: {"bic": 29.0, "elpd_loo": -5.0}}
    rows = table(evidence, lone=lone, em=em, nuts={1: {"elpd_loo": -8.0}, 2: {"elpd_loo": -7.0}})
    assert {(row["bic_method"], row["elpd_loo_method"]) for row in rows} == {("em", "nuts")}
    assert [row["preferred_by"] for row in rows] == ["", "bic, elpd_loo (by less than 4 nats)"]
    np.testing.assert_allclose([row["bic_probability"] for row in rows], probabilities([-15.0, -12.5]))


def test_other_swept_keys_make_groups_and_without_k_there_is_no_row() -> None:
    likelihoods = [{KEY: k, "seed": seed, "method": "nuts"} for seed in (1, 2) for k in (1, 2)]
    evidence = [{**estimate(k, "nuts", "bridge", -10.0 - k * seed, 0.0), "seed": seed} for seed in (1, 2) for k in (1, 2)]
    rows = list(model_probability_rows(["seed", KEY], likelihoods, evidence))
    first = 1.0 / (1.0 + math.exp(-1.0))
    assert [row["probability"] for row in rows] == pytest.approx([first, 1 - first, 1 / (1 + math.exp(-2)), 1 - 1 / (1 + math.exp(-2))])
    assert not list(model_probability_rows(["seed"], likelihoods, evidence))


def test_a_k_whose_every_method_failed_is_a_row_with_its_reason() -> None:
    problem = Problem(EIGHT, "gaussian", 2)
    lost = Cell({KEY: 3}, Problem(EIGHT, "gaussian", 3), failures={"exact": Failure("exact", "sample", "ran out of memory")})
    found = assemble([Cell({KEY: 2}, problem, fits={"exact": Exact(chains=1, draws=20).fit(problem)}), lost])["model_probabilities"]
    assert found[KEY].tolist() == [2, 3]
    assert found["probability"].isna().all()
    assert found["note"].tolist() == ["", "exact gave no fit: ran out of memory"]


@pytest.mark.parametrize(("k_hat", "said"), [(0.65, "elpd_loo"), (0.75, "elpd_loo (Pareto k-hat above 0.7)")])
def test_leave_one_out_with_a_high_k_hat_in_any_cell_prefers_nothing(k_hat: float, said: str) -> None:
    scores = {1: {"elpd_loo": -110.0, "pareto_k_max": k_hat}, 2: {"elpd_loo": -100.0, "pareto_k_max": 0.2}}
    rows = table([estimate(k, "nuts", "bridge", -10.0, 0.1) for k in (1, 2)], nuts=scores)
    assert [row["preferred_by"] for row in rows] == ["", said]
