"""Findings are sentences made from the numbers of the tables."""

from __future__ import annotations

import math
from typing import Any

import made
import pandas as pd
import pytest

from workbench.fit import Status
from workbench.report.findings import findings
from workbench.report.scores import likelihoods
from workbench.report.slices import Slice, slices
from workbench.report.sweeps import findings as sweep_findings

DATA = made.clusters()


def point(method: str = "em", **values: object) -> dict[str, object]:
    return {
        "method": method,
        "kind": "em",
        "estimate": "point",
        "n_components": 2,
        "log_likelihood": -1130.264,
        "n_parameters": 11,
    } | values


def draws(method: str, estimate: str = "sample", **values: object) -> dict[str, object]:
    return {
        "method": method,
        "kind": method,
        "estimate": estimate,
        "n_components": 2,
        "log_likelihood": -1135.784,
        "n_parameters": 11,
    } | values


def said(**tables: list[dict[str, Any]]) -> str:
    """All findings of one cell with these tables."""
    return "\n".join(findings(sliced(**tables)))


def sliced(**tables: list[dict[str, Any]]) -> Slice:
    return slices({name: pd.DataFrame(rows) for name, rows in tables.items()}, [made.cell(DATA)])[0]


def optimum(number: int, objective: float, restarts: int, **flags: object) -> dict[str, object]:
    row = {"method": "em", "optimum": number, "objective": objective, "gap": -1130.264 - objective, "restarts": restarts}
    return row | {"share": restarts / 100, "singular": False, "spurious": False} | flags


def restarts(*counts: int) -> list[dict[str, object]]:
    """So many restarts at each optimum; the last count ends at none."""
    numbers = [float(i) for i, n in enumerate(counts[:-1]) for _ in range(n)] + [math.nan] * counts[-1]
    return [
        {"method": "em", "restart": r, "objective_name": "log_likelihood", "objective": -1130.264, "optimum": o}
        for r, o in enumerate(numbers)
    ]


def test_restarts() -> None:
    text = said(likelihoods=[point()], restarts=restarts(87, 13, 0), optima=[optimum(0, -1130.264, 87), optimum(1, -1135.36, 13)])
    assert "87 of 100 restarts of em ended at the best optimum, log likelihood -1130.264. 13 ended at a worse one, 5.1 nats lower." in text


def test_restarts_at_strange_ends() -> None:
    ends = [
        optimum(0, -1130.264, 80),
        optimum(1, -1100.0, 12, singular=True, gap=math.nan),
        optimum(2, -1120.0, 5, spurious=True, gap=math.nan),
    ]
    text = said(likelihoods=[point()], restarts=restarts(80, 12, 5, 3), optima=ends)
    assert (
        "12 at singular ones (a component collapsed, or is left with too few rows) and "
        "5 at spurious ones (a component of a few rows nearly in a line) never count as best." in text
    )
    assert text.endswith("3 ended at no optimum.")


def test_restarts_that_lost_a_component() -> None:
    """Optima of fewer components are regular, and said to be what they are."""
    ends = [optimum(0, -1130.264, 80, lost_components=0.0), optimum(1, -1135.36, 20, lost_components=1.0)]
    text = said(likelihoods=[point()], restarts=restarts(80, 20, 0), optima=ends)
    assert "20 ended at a worse one, 5.1 nats lower. 20 lost a component (no row is left to it): theirs are optima of fewer." in text
    assert "lost" not in said(
        likelihoods=[point()], restarts=restarts(80, 20, 0), optima=[optimum(0, -1130.264, 80), optimum(1, -1135.36, 20)]
    )


def test_a_maximum_below_another_point_is_said_to_be_none() -> None:
    both = [point(log_likelihood_best=-1130.264), point("em_map", log_likelihood=-1129.0, log_likelihood_best=-1129.0)]
    text = said(likelihoods=both, restarts=restarts(100, 0), optima=[optimum(0, -1130.264, 100)])
    assert "em_map has a point of log likelihood -1129.000, 1.3 nats above the best optimum of em. That one is not the highest" in text
    assert "not the highest" not in said(likelihoods=both[:1], restarts=restarts(100, 0), optima=[optimum(0, -1130.264, 100)])


def test_no_regular_optimum() -> None:
    empty = point(log_likelihood=math.nan, status="no regular optimum; add rows")
    text = said(likelihoods=[empty], restarts=restarts(9, 0), optima=[optimum(0, -900.0, 9, singular=True)])
    assert text.startswith("em gave no result: no regular optimum; add rows.")
    assert "None of the 9 restarts of em ended at a regular optimum" in text


def test_expected_half_p_is_no_verdict() -> None:
    cell = sliced(likelihoods=[point(), draws("nuts")])
    assert not findings(cell)
    notes = " ".join(note for grid in likelihoods(cell) for note in grid.notes)
    assert (
        "The mean log likelihood lies 5.5 (nuts) nats below the point of em; about p/2 = 5.5 is expected of draws from any posterior."
        in notes
    )


def test_draws_far_below_the_point_are_said_to_be_elsewhere() -> None:
    text = said(likelihoods=[point(), draws("nuts"), draws("advi", "approximation", log_likelihood=-1158.0)])
    assert text == (
        "The draws of advi have a mean log likelihood 27.7 nats below the point of em, where p/2 = 5.5 is expected. "
        "They lie around another optimum, around several, or spread too widely."
    )


def test_points_and_draws_are_compared_by_held_out_rows_only() -> None:
    text = said(likelihoods=[point(held_out_lpd=-305.2), draws("nuts", held_out_lpd=-300.1)])
    assert text.startswith("On the held-out rows nuts predicts best, with a log predictive density of -300.100. Behind it em by 5.1 nats.")


def test_predictions_within_their_noise_have_no_winner() -> None:
    text = said(likelihoods=[point(held_out_lpd=-301.2), draws("nuts", held_out_lpd=-300.1)])
    assert text.startswith(
        "On the held-out rows all methods predict alike. The log predictive densities are nuts -300.100 and em -301.200;"
    )
    assert "best" not in text
    mixed = [point(held_out_lpd=-301.2), draws("nuts", held_out_lpd=-300.1), draws("advi", "approximation", held_out_lpd=-310.0)]
    assert "Behind it em by 1.1 and advi by 9.9 nats. Those less than 4 behind cannot be told from it." in said(likelihoods=mixed)


def test_sampler() -> None:
    rows = [
        {"method": "nuts", "quantity": "divergences", "value": 0, "threshold": 0, "verdict": "ok", "advice": ""},
        {"method": "nuts", "quantity": "rhat_aligned_parameters", "value": 1.003, "threshold": 1.01, "verdict": "ok", "advice": ""},
        {"method": "nuts", "quantity": "rhat_parameters_as_drawn", "value": 2.4, "threshold": None, "verdict": "note", "advice": ""},
    ]
    assert "nuts: no divergences and R-hat 1.003." in said(likelihoods=[draws("nuts")], diagnostics=rows)


def unseen(method: str, share: float, lower: float, upper: float, verdict: str) -> list[dict[str, Any]]:
    values = {"unseen_optimum": share, "unseen_optimum_lower": lower, "unseen_optimum_upper": upper}
    return [
        {"method": method, "quantity": name, "value": f"{value:.6g}", "threshold": "", "advice": "raise restarts"}
        | {"verdict": verdict if name == "unseen_optimum" else "note"}
        for name, value in values.items()
    ]


def test_unseen_optima_that_call_for_restarts() -> None:
    rows = unseen("em", 0.11, 0.04, 0.2, "warning")
    text = said(likelihoods=[point()], diagnostics=rows)
    assert (
        "One more restart of em would find an optimum not seen yet with an estimated probability of 0.110 (95 % interval 0.040 to 0.200). "
        "Raise restarts." in text
    )
    assert "Look at em" not in text
    assert "One more restart" not in said(likelihoods=[point(n_components=1)], diagnostics=rows)
    alone = said(likelihoods=[point()], diagnostics=unseen("em", 1.0, 1.0, 1.0, "warning"))
    assert "with a probability near 1: every restart ended at an optimum of its own." in alone


def test_unseen_optima_that_do_not() -> None:
    """Methods with enough restarts share a sentence, by their bounds."""
    shares = {"em": (0.0, 0.015), "squarem": (0.0, 0.015), "gradient": (0.005, 0.037)}
    rows = [row for method, (share, upper) in shares.items() for row in unseen(method, share, 0.0, upper, "ok")]
    text = said(likelihoods=[point(name) for name in shares], diagnostics=rows)
    assert (
        text == "The probability that one more restart finds an optimum not seen yet is at most 0.015 for em and squarem and at most 0.037 "
        "for gradient (95 % bound)."
    )


def test_warnings_say_what_to_do() -> None:
    rows = [
        {
            "method": "nuts",
            "quantity": "rhat_aligned_parameters",
            "value": 1.05,
            "threshold": 1.01,
            "verdict": "warning",
            "advice": "run longer chains",
        }
    ]
    assert "Look at nuts: R-hat aligned parameters is 1.050 (threshold 1.01). Run longer chains." in said(
        likelihoods=[draws("nuts")], diagnostics=rows
    )


def check(method: str, quantity: str, value: float | str, threshold: float | str = "", verdict: str = "warning") -> dict[str, Any]:
    row = {"method": method, "quantity": quantity, "value": str(value), "threshold": str(threshold), "verdict": verdict}
    return row | {"advice": f"settle {quantity}" if verdict == "warning" else ""}


def test_of_each_method_the_gravest_warning_is_told_and_what_denies_draws_comes_first() -> None:
    rows = [
        check("advi", "elbo_mcse", 0.101, 0.1),
        check("em", "share_at_max_iter", 0.2, 0.0),
        check("nuts", "ess_bulk_log_posterior", 4, 400),
        check("nuts", "rhat_log_posterior", 1.5, 1.01),
        check("nuts", "rhat_label_free_quantities", 1.98, 1.01),
        check("smc", "rhat_log_posterior", 1.02, 1.01),
        check("gibbs", "rhat_log_posterior", 1.06, 1.01),
        check("gibbs", "replicated_distance", 9.0, 3.5),  # told beside the data that fits make
    ]
    estimates = [point(), draws("advi", "approximation"), draws("nuts"), draws("smc"), draws("gibbs")]
    lines = [
        line for line in said(likelihoods=estimates, diagnostics=rows).split("\n") if line.startswith("Look at") or "more warning" in line
    ]
    assert lines == [
        "Look at nuts: R-hat label free quantities is 1.980 (threshold 1.01). Settle rhat_label_free_quantities.",
        "Look at gibbs and smc: R-hat log posterior is 1.060 and 1.020 (threshold 1.01). Settle rhat_log_posterior.",
        "Look at em: share at max iter is 0.200 (threshold 0). Settle share_at_max_iter.",
        "Look at advi: Monte-Carlo error of the ELBO is 0.1010 (threshold 0.1). Settle elbo_mcse.",
        "2 more warnings stand under Diagnostics.",
    ]


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        (
            [check("nuts", "rhat_label_free_quantities", 1.976, 1.01)],
            "Not to be trusted: its chains are in different places, and their draws do not add up.",
        ),
        ([check("nuts", "rhat_log_posterior", 1.02, 1.01)], "With care: its chains do not quite agree yet."),
        (
            [check("nuts", "rhat_log_posterior", 1.002, 1.01, "ok"), check("nuts", "divergences", 3, 0)],
            "With care: where trajectories go wrong",
        ),
        (
            [check("nuts", "rhat_log_posterior", 1.002, 1.01, "ok"), check("nuts", "ess_bulk_log_posterior", 90, 400)],
            "With care: its effective draws are few.",
        ),
        (
            [check("nuts", "rhat_log_posterior", 1.04, 1.01), check("nuts", "divergences", 19, 0)],
            "With care: its chains do not quite agree yet and where trajectories go wrong",
        ),
        ([check("nuts", "rhat_log_posterior", 1.002, 1.01, "ok")], ""),
    ],
)
def test_a_sample_has_a_verdict(rows: list[dict[str, Any]], wanted: str) -> None:
    told = next(line for line in said(likelihoods=[draws("nuts")], diagnostics=rows).split("\n") if line.startswith("nuts: "))
    assert wanted in told
    assert wanted or told == "nuts: R-hat 1.002."


def test_leave_one_out_of_chains_that_disagree_is_doubted() -> None:
    rows = [check("nuts", "pareto_k_loo", 0.5, 0.7, "ok"), check("nuts", "rhat_log_posterior", 1.98, 1.01)]
    assert sliced(likelihoods=[draws("nuts", elpd_loo=-931.0)], diagnostics=rows).doubtful("nuts", "elpd_loo")
    rows[1] = check("nuts", "rhat_log_posterior", 1.003, 1.01, "ok")
    assert not sliced(likelihoods=[draws("nuts", elpd_loo=-931.0)], diagnostics=rows).doubtful("nuts", "elpd_loo")


def test_a_reason_is_said_once() -> None:
    reason = "no regular optimum; add rows"
    rows = [{"method": "em", "quantity": "status", "value": reason, "threshold": "", "verdict": "warning", "advice": reason}]
    assert said(likelihoods=[point(log_likelihood=math.nan, status=reason)], diagnostics=rows).count(reason) == 1
    assert said(likelihoods=[point(status=reason)], diagnostics=rows).count(reason) == 1


def test_elbo_and_its_gap() -> None:
    likelihoods = [draws("advi", "approximation", elbo=-1183.21, elbo_mcse=0.04), draws("full", "approximation", elbo=-1170.0)]
    bound = {"method": "advi", "estimator": "elbo", "log_evidence": -1183.21, "mcse": 0.04, "standing": "bound"}
    bound |= {"kl": 15.2, "kl_mcse": 0.05, "reference": "bridge", "reference_method": "nuts"}
    evidence = [{**bound, "estimator": "elbo_labels", "log_evidence": -1185.0, "kl": 16.99}, bound]
    text = said(likelihoods=likelihoods, evidence=evidence)
    assert "advi's q is 15.200 ± 0.050 nats from the posterior (KL, by bridge of nuts; ELBO -1183.210 ± 0.040)." in text
    assert "The ELBO of full is 13.2 nats above that of advi" in text


def test_agreement() -> None:
    pair = {"method_a": "em", "method_b": "nuts", "mean_total_variation": 0.0041, "max_total_variation": 0.13, "rows_with_other_label": 3}
    known = {"method_a": "em", "method_b": "classes", "adjusted_rand": 0.9038}
    text = said(likelihoods=[point(), draws("nuts")], agreement=[pair, known], components=[{"method": "em", "component": 1}])
    assert "nuts gives 3 of 120 rows another label than em. Its responsibilities differ from em's by 0.004 on average" in text
    assert "Adjusted Rand index against the known classes (1 is equal, 0 is chance): 0.904 for em." in text


def test_methods_that_agree_share_a_sentence() -> None:
    pairs = [
        {"method_a": a, "method_b": b, "mean_total_variation": t / 10, "max_total_variation": t, "rows_with_other_label": n}
        for a, b, t, n in (("em", "map", 0.0004, 0), ("em", "nuts", 0.13, 0), ("em", "hard", 0.9, 40), ("map", "nuts", 0.2, 0))
    ]
    methods = [point(), point("map"), draws("nuts"), point("hard")]
    text = said(likelihoods=methods, agreement=pairs, components=[{"method": "em", "component": 1}])
    assert (
        "em, map and nuts give every row the same label. Their responsibilities differ from em's by at most 0.130 (total variation)."
        in text
    )
    assert "hard gives 40 of 120 rows another label than em." in text


def test_the_two_equal_entries_of_a_covariance_are_one_parameter() -> None:
    a, b = DATA.features
    rows = [
        {
            "method": "nuts",
            "parameter": "covariances",
            "component": 0,
            "feature": f,
            "feature_2": g,
            "lower": 0.0,
            "upper": 1.0,
            "truth": 0.5,
        }
        for f in (a, b)
        for g in (a, b)
    ]
    assert "hold the truth for 3 of 3 parameters." in said(likelihoods=[draws("nuts")], parameters=rows)


def test_truth() -> None:
    rows = [
        {"method": "nuts", "parameter": "weights", "component": k, "mean": 0.5, "lower": 0.4, "upper": 0.6, "truth": t}
        for k, t in enumerate((0.45, 0.7))
    ]
    assert "The 89 % intervals of nuts hold the truth for 1 of 2 parameters." in said(likelihoods=[draws("nuts")], parameters=rows)


@pytest.mark.parametrize(("column", "name", "wanted"), [("bic", "BIC", 2), ("held_out_lpd", "Held-out log predictive density", 3)])
def test_sweep_says_what_it_prefers(column: str, name: str, wanted: int) -> None:
    values = {1: 2450.5, 2: 2322.2, 3: 2455.0}
    frame = pd.DataFrame([point(**{column: value, "model.n_components": k}) for k, value in values.items()])
    cells = slices({"likelihoods": frame}, [made.cell(DATA, model__n_components=k) for k in values])
    lines = list(sweep_findings(cells))
    assert any(line.startswith(f"{name} prefers model.n_components = {wanted} (em ") for line in lines)
    assert any("4.5 ahead of the next)." in line if column == "held_out_lpd" else "128.3 ahead of the next)." in line for line in lines)


def test_a_lead_within_its_noise_prefers_nothing() -> None:
    leads = {"em": {2: -300.0, 3: -299.0}, "nuts": {2: -310.0, 3: -299.0}}
    rows = [point(m, held_out_lpd=v, **{"model.n_components": k}) for m, values in leads.items() for k, v in values.items()]
    cells = slices({"likelihoods": pd.DataFrame(rows)}, [made.cell(DATA, model__n_components=k) for k in (2, 3)])
    assert list(sweep_findings(cells)) == [
        "Held-out log predictive density prefers model.n_components = 3 (nuts -299.000, 11.0 ahead of the next).",
        "Held-out log predictive density decides nothing for em: the two best cells are less than 4 nats apart.",
    ]


def test_only_maxima_of_the_likelihood_are_overtaken() -> None:
    """Not what wanders around one, nor what climbs something else; all that are stand in one sentence."""
    names = {"em": "log_likelihood", "incremental": "bound", "hard": "classification_log_likelihood", "sampled": "log_likelihood"}
    rows = [{**restarts(1, 0)[0], "method": m, "objective_name": o, "status": "converged"} for m, o in names.items()]
    rows[-1]["status"] = Status.RAN.value
    best = point("squarem", log_likelihood=-1129.0, log_likelihood_best=-1129.0)
    text = said(likelihoods=[best, *(point(m, log_likelihood_best=-1130.264) for m in names)], restarts=rows)
    assert (
        "squarem has a point of log likelihood -1129.000, 1.3 nats above the best optimum of em and 1.3 nats above the best optimum of "
        "incremental. None of those is the highest" in text
    )


def test_a_sum_of_squares_is_no_number_of_nats() -> None:
    rows = [{**row, "objective_name": "negative_sum_of_squares"} for row in restarts(87, 13, 0)]
    text = said(likelihoods=[point()], restarts=rows, optima=[optimum(0, -1130.264, 87), optimum(1, -1135.36, 13)])
    assert "13 ended at a worse one, 5.1 lower." in text


def test_what_converges_to_no_optimum_ends_near_it() -> None:
    rows = [{**row, "status": Status.RAN.value} for row in restarts(87, 13, 0)]
    rows[5] |= {"objective": -1134.4, "polished_objective": -1130.264}
    ends = [optimum(0, -1130.264, 87), optimum(1, -1135.36, 13)]
    text = said(likelihoods=[point()], restarts=rows, optima=ends, decomposition=[{"method": "em", "restart": 5}])
    assert (
        "The reported end of em, log likelihood -1134.400, is 4.1 nats below the optimum of its own basin, -1130.264: "
        "this method settles around an optimum and converges to none." in text
    )
    assert (
        "87 of 100 restarts of em ended near the best optimum, log likelihood -1130.264. 13 ended near a worse one, 5.1 nats lower." in text
    )


def test_methods_that_reach_one_best_value_share_a_finding() -> None:
    """Whatever they call the objective that is the log likelihood at its maxima; what wanders or climbs something else stands alone."""
    names = {"em": "log_likelihood", "split": "log_likelihood", "incremental": "bound", "hard": "classification_log_likelihood"}
    hits = {"em": 31, "split": 95, "incremental": 21, "hard": 1}
    rows = [{**row, "method": m, "objective_name": o} for m, o in names.items() for row in restarts(hits[m], 100 - hits[m], 0)]
    ends = [{**optimum(i, v, n), "method": m} for m, h in hits.items() for i, v, n in ((0, -1130.264, h), (1, -1135.36, 100 - h))]
    text = said(likelihoods=[point(m) for m in names], restarts=rows, optima=ends)
    assert text.splitlines() == [
        "em, split and incremental found the same best log likelihood, -1130.264. "
        "Of 100 restarts each, 95 of split, 31 of em and 21 of incremental reached it.",
        "Other restarts of theirs ended at a worse optimum, 5.1 nats lower.",
        "1 of 100 restarts of hard ended at the best optimum, classification log likelihood -1130.264. 99 ended at a worse one, 5.1 nats lower.",
    ]
