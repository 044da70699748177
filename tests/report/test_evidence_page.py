"""Evidence and bounds on the page: what may be believed, what bounds it, what is denied and why."""

from __future__ import annotations

import re
from typing import Any

import made
import pandas as pd
import pytest

from workbench.report.evidence import grids, plates, weighed
from workbench.report.figures.evidence import Rung, ladder, limits
from workbench.report.palette import GREY, Look
from workbench.report.slices import Slice, slices


def estimate(method: str, estimator: str, value: float, mcse: float, standing: str, **values: object) -> dict[str, Any]:
    return {"method": method, "estimator": estimator, "log_evidence": value, "mcse": mcse, "standing": standing} | values


def bound(method: str, value: float, **values: object) -> dict[str, Any]:
    kl = {"kl": -1168.08 - value, "kl_mcse": 0.011, "reference": "bridge", "reference_method": "gibbs"}
    return estimate(method, "elbo", value, 0.01, "bound", **kl) | values


ROWS = [
    estimate("em", "bic", -1161.1, float("nan"), "rough", note="a rough figure"),
    bound("advi", -1169.4),
    estimate("advi", "importance", -1168.3, 0.4, "denied", note="k-hat is 0.9; use nuts"),
    estimate("gibbs", "bridge", -1168.08, 0.004, "reference"),
    estimate("nuts", "bridge", -1168.079, 0.006, "trusted"),
    estimate("nuts", "importance", -1172.0, 0.01, "opposed"),
]


def sliced(rows: list[dict[str, Any]]) -> Slice:
    methods = dict.fromkeys(row["method"] for row in rows)
    likelihoods = pd.DataFrame([{"method": method, "estimate": "sample"} for method in methods])
    return slices({"evidence": pd.DataFrame(rows), "likelihoods": likelihoods}, [made.cell(made.clusters())])[0]


def test_what_may_be_believed_comes_first_and_what_is_denied_is_grey_with_its_reason() -> None:
    (grid,) = grids(sliced(ROWS))
    heads = [head.text for head, _ in grid.rows]
    assert heads == ["bridge of gibbs", "bridge of nuts", "importance of nuts", "importance of advi", "ELBO of advi", "−BIC/2 of em"]
    assert [fields[0].faint for _, fields in grid.rows] == [False, False, True, True, False, True]
    assert grid.rows[3][0].note == "k-hat is 0.9; use nuts."
    assert [field.text for field in grid.rows[4][1]] == ["-1169.400 ± 0.010", "1.320 ± 0.011", "a lower bound"]


def test_findings_name_the_evidence_who_agrees_and_the_price_of_each_approximation() -> None:
    assert list(weighed(sliced(ROWS))) == [
        "The log evidence is -1168.0800 ± 0.0040 nats by bridge of gibbs; bridge of nuts (-1168.0790 ± 0.0060) agrees.",
        "importance of nuts (-1172.000 ± 0.010) is 3.9 nats (364.0 combined errors) from it, and too low by its own errors: "
        "what it has not met is missing.",
        "advi's q is 1.320 ± 0.011 nats from the posterior (KL, by bridge of gibbs; ELBO -1169.400 ± 0.010).",
    ]


def test_without_a_reference_a_denial_is_told() -> None:
    cell = sliced([row for row in ROWS if row["standing"] not in ("reference", "trusted", "opposed")])
    (line,) = weighed(sliced([ROWS[0], ROWS[2]]))
    assert (
        line
        == "No estimate of the log evidence is trusted. Of the smallest error is importance of advi, -1168.30 ± 0.40: k-hat is 0.9; use nuts."
    )
    assert "no bound has a KL" in " ".join(next(grids(cell)).notes)


def test_of_denied_estimates_the_one_of_the_smallest_error_that_can_be_right_is_told() -> None:
    """Irises, K = 3: Laplace, without an error of its own, was 1.3 nats low; an approximation's own importance misses what q misses."""
    rows = [
        estimate("em", "laplace", -318.565, 0.0, "denied", note="to second order"),
        estimate("advi", "importance", -317.33, 0.02, "denied", note="few draws"),
        bound("advi", -320.4, kl=float("nan")),
        estimate("gibbs", "bridge", -317.2, 0.11, "denied", note="the chains disagree; use smc"),
        estimate("smc", "smc", -316.81, 0.33, "denied", note="islands differ"),
        estimate("gibbs", "importance", -317.246, 0.038, "denied", note="only 532 draws are effective; raise draws"),
    ]
    likelihoods = pd.DataFrame(
        [
            {"method": method, "estimate": kind, "log_likelihood": -200.0}
            for method, kind in (("em", "point"), ("advi", "approximation"), ("gibbs", "sample"), ("smc", "sample"))
        ]
    )
    (cell,) = slices({"evidence": pd.DataFrame(rows), "likelihoods": likelihoods}, [made.cell(made.clusters())])
    assert list(weighed(cell)) == [
        "No estimate of the log evidence is trusted. Of the smallest error is importance of gibbs, -317.246 ± 0.038: only 532 draws are "
        "effective; raise draws. The 2 others that rest on no approximation are between -317.2 and -316.8."
    ]
    (alone,) = weighed(sliced(rows[:1]))
    assert "Of the smallest error is Laplace of em" in alone


def test_bic_alone_is_no_section() -> None:
    assert not list(grids(sliced(ROWS[:1])))
    assert not list(plates(sliced(ROWS[:1]), ""))


def test_the_figure_has_every_estimate_and_what_is_off_its_axis_stands_at_the_edge() -> None:
    (plate,) = plates(sliced([*ROWS, estimate("smc", "smc", -1400.0, 3.0, "denied")]), "cell0-")
    (panel,) = plate.panels
    assert panel.stem == "cell0-evidence"
    words = re.findall(r"<text[^>]*>([^<]*)</text>", panel.svg)
    assert {"bridge of gibbs", "ELBO of advi", "1.320 ± 0.011", "← -1400.0", "-1161.1 →"} <= set(words)
    assert GREY in panel.svg


@pytest.mark.parametrize("standing", ["denied", "bound", "reference"])
def test_one_estimate_without_error_has_an_axis(standing: str) -> None:
    rung = Rung("exact", "exact", -21.9, 0.0, standing)
    low, high = limits([rung])
    assert low < -21.9 < high
    assert "<svg" in ladder("one", [rung], {"exact": Look(0)})


def test_a_bound_far_below_does_not_stretch_the_axis() -> None:
    rungs = [Rung("a", "a", -100.0, 0.1, "reference"), Rung("b", "b", -110.0, 0.1, "bound"), Rung("c", "c", -900.0, 0.1, "bound")]
    low, high = limits(rungs)
    assert -113.0 < low < -110.0
    assert -99.8 < high < -97.0


def test_denied_estimates_near_the_bounds_are_on_the_axis() -> None:
    """Eight estimates within two nats of each other stood as bare numbers at the edge, since a bound below them set the axis."""
    bounds = [Rung("b", "b", -933.2, 0.1, "bound"), Rung("c", "b", -936.4, 0.1, "bound")]
    near = [Rung("d", "d", -931.2, 0.2, "denied"), Rung("e", "e", -935.0, 0.2, "denied")]
    far = [Rung("f", "f", -958.0, 0.7, "denied"), Rung("g", "g", -900.0, 0.1, "denied"), Rung("h", "h", -925.0, 0.0, "rough")]
    low, high = limits([*bounds, *near, *far])
    assert -940.0 < low < -936.4
    assert -930.9 < high < -928.0
    svg = ladder("near", [*bounds, *near, *far], {name: Look(0) for name in "bdefgh"})
    assert not {"-931.2 →", "-935.0 →"}.intersection(re.findall(r"<text[^>]*>([^<]*)</text>", svg))
