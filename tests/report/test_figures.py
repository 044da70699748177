"""What figures are drawn from, and what their captions say of it."""

from __future__ import annotations

import math
import re
from typing import Any

import made
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from workbench.report import agreement, checks, plates
from workbench.report.figures import canvas
from workbench.report.figures.canvas import TICK_ROOM, round_ticks, stretched
from workbench.report.figures.probs import short
from workbench.report.figures.progress import progress
from workbench.report.figures.restarts import ends, window
from workbench.report.figures.sweep import curve
from workbench.report.palette import Look
from workbench.report.scores import likelihoods
from workbench.report.slices import Slice, slices

DATA = made.clusters()


def sliced(tables: dict[str, pd.DataFrame]) -> Slice:
    return slices(tables, [made.cell(DATA)])[0]


@pytest.mark.parametrize("linear", [1e-4, 8e-4, 0.0012, 0.03, 0.4])
@pytest.mark.parametrize("times", [1.0, 3.0, 50.0, 1e3, 1e5])
def test_ticks_keep_clear_of_each_other(linear: float, times: float) -> None:
    last = linear * times
    ticks = np.array(round_ticks(linear, last))

    def place(values: np.ndarray) -> np.ndarray:
        return np.where(values <= linear, values / linear, 1 + np.log10(np.maximum(values, linear) / linear))

    assert ticks[0] == 0.0
    assert len(ticks) >= 2
    assert np.diff(place(ticks)).min() >= TICK_ROOM * place(np.array([last]))[0] * (1 - 1e-12)
    assert ticks[-1] <= last * (1 + 1e-9)


def test_ticks_of_iterations_are_whole() -> None:
    assert round_ticks(1.0, 1000.0, whole=True) == [0.0, 1.0, 10.0, 100.0, 1000.0]
    assert round_ticks(1.0, 4.0, whole=True) == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(("first", "last", "scale"), [(1200.0, 12_000.0, "linear"), (1.0, 31.0, "symlog"), (1.0, 1.0, "symlog")])
def test_an_axis_is_linear_where_all_is_seen_late(first: float, last: float, scale: str) -> None:
    """What comes into sight at iteration 1,200 of 12,000 would have a tenth of a logarithmic axis."""
    axes = Figure().add_subplot()
    stretched(axes, first, last, whole=True)
    assert axes.get_xscale() == scale
    assert axes.get_xlim() == (0.0, last)
    ticks = axes.get_xticks()
    assert len(ticks) >= 2
    assert (ticks == ticks.round()).all()


def test_an_objective_that_falls_is_shown_to_its_end() -> None:
    """The log evidence of `smc` as rows enter: its end is the result."""
    trace = pd.DataFrame({"iteration": np.arange(1, 301), "objective": np.linspace(-2.0, -1354.9, 300)})
    svg = progress("a", {"smc": trace}, {"smc": Look(0)}, "iteration", "log_evidence")
    ticks = [float(text.replace("\N{MINUS SIGN}", "-")) for text in re.findall(r">([\N{MINUS SIGN}\d.]+)</text>", svg)]
    assert min(ticks) <= -1250.0


def test_an_objective_that_is_nowhere_finite_leaves_empty_axes() -> None:
    trace = pd.DataFrame({"iteration": [0.0, 1.0], "objective": [np.nan, -np.inf]})
    assert "<svg" in progress("a", {"em": trace}, {"em": Look(0)}, "iteration", "log_likelihood")


def test_late_traces_fill_their_axis() -> None:
    """ELBO of a method that looks every 100 iterations, seen from 1,000 on: most of the axis is where the line is."""
    trace = pd.DataFrame({"iteration": np.arange(0, 10_100, 100), "objective": np.r_[np.full(10, -1e6), np.linspace(-3.0, -1.0, 91)]})
    svg = progress("a", {"advi": trace}, {"advi": Look(0)}, "iteration", "elbo")
    assert ">10000</text>" in svg
    assert ">1000</text>" not in svg


def restarts(stopped: list[float], polished: list[float], optimum: list[float]) -> tuple[pd.DataFrame, pd.DataFrame]:
    runs = [
        {"method": "em", "restart": r, "objective_name": "log_likelihood", "objective": a, "polished_objective": b, "optimum": o}
        for r, (a, b, o) in enumerate(zip(stopped, polished, optimum, strict=True))
    ]
    found = [
        {"method": "em", "optimum": o, "objective": max(b for b, p in zip(polished, optimum, strict=True) if p == o)} for o in set(optimum)
    ]
    cell = sliced({"likelihoods": pd.DataFrame([{"method": "em"}]), "restarts": pd.DataFrame(runs), "optima": pd.DataFrame(found)})
    return cell.tables["restarts"], cell.tables["optima"]


def test_marks_are_where_the_listed_optima_are() -> None:
    """Not where the restarts stopped: with moves after that, those differ by nats."""
    runs, optima = restarts([-1119.2, -1114.4, -1127.0], [-1114.44, -1114.44, -1119.21], [0, 0, 1])
    final = ends(runs, optima, 1.0)
    heights = dict(zip(optima["optimum"], optima["objective"], strict=True))
    assert final.objective.tolist() == [heights[o] for o in runs["optimum"]]
    assert final.reported == 1.0


def test_without_polished_ends_marks_are_where_restarts_stopped() -> None:
    runs, optima = restarts([-3.0, -2.0], [math.nan, math.nan], [0, 0])
    assert ends(runs, optima).objective.tolist() == [-3.0, -2.0]


def test_the_axis_holds_the_noise_of_the_last_steps() -> None:
    runs, optima = restarts([-10.0, -10.1], [math.nan] * 2, [0, 0])
    steps = np.arange(1001)
    noise = 0.5 * np.sin(steps)
    trace = pd.DataFrame({"restart": 0.0, "iteration": steps, "objective": -10.0 + np.where(steps > 100, noise, -500.0)})
    low, high = window(ends(runs, optima), trace)
    assert high >= -10.0 + 0.49
    assert low < -10.5


@pytest.mark.parametrize(("value", "text"), [(0.0, "0"), (1.0, "1"), (0.999, ">.99"), (0.001, "<.01"), (0.994, "0.99"), (0.5, "0.50")])
def test_probabilities_in_heat_maps(value: float, text: str) -> None:
    assert short(value) == text


def captions(cell: Slice) -> str:
    return " ".join(plate.caption for plate in plates.shared(cell, ""))


def titles(cell: Slice) -> list[str]:
    return [panel.title for plate in plates.shared(cell, "") for panel in plate.panels]


def test_no_disagreement_no_picture_of_it() -> None:
    tables = made.tables_of(DATA, methods={"em": ("em", "point"), "em_map": ("em", "point")})
    alike = sliced(tables)
    assert titles(alike) == ["All rows"]
    assert "The methods see no row differently: the largest difference is 0." in captions(alike)
    assert "speckles" not in captions(alike)
    mine = tables["responsibilities"]["method"] == "em_map"
    other = tables["responsibilities"].assign(mean=lambda t: t["mean"].where(~mine | (t["row"] > 6), 0.5))
    apart = sliced({**tables, "responsibilities": other})
    assert titles(apart) == ["Disagreements first", "All rows"]
    assert "First panel: the 7 rows" in captions(apart)


def test_why_the_annealed_bound_falls_is_said_where_it_is_drawn() -> None:
    tables = made.tables_of(DATA, methods={"em": ("em", "point"), "warm": ("annealed_em", "point")})
    for name in ("trace", "restarts"):
        warm = tables[name]["method"] == "warm"
        tables[name].loc[warm, "objective_name"] = "annealed_bound"
    words = "where beta rises, the curve jumps"
    cell = sliced(tables)
    assert all(words in next(maker(cell, "")).caption for maker in (plates.restarts, plates.progress))
    plain = sliced(made.tables_of(DATA, methods={"em": ("em", "point")}))
    assert not any(words in next(maker(plain, "")).caption for maker in (plates.restarts, plates.progress))


def test_numbers_of_agreement_are_explained_beside_them() -> None:
    cell = sliced(made.tables_of(DATA))
    notes = {grid.title: " ".join(grid.notes) for grid in agreement.grids(cell)}
    assert "differ in the probability that two rows share a component" in notes["Agreement between methods"]
    assert "0 what chance would give" in notes["Agreement with the known classes"]


def test_errors_over_rows_do_not_hide_differences_of_methods() -> None:
    rows = [{"method": m, "estimate": "point", "elpd_loo": v, "elpd_loo_se": 17.9} for m, v in (("em", -1142.35), ("em_map", -1142.45))]
    (grid,) = likelihoods(sliced({"likelihoods": pd.DataFrame(rows)}))
    texts = {head.text: [field.text for field in fields] for head, fields in grid.rows}
    assert texts["leave-one-out log density (nats)"] == ["-1142.3 ± 18", "-1142.5 ± 18"]


def test_a_leave_one_out_that_k_hat_denies_is_marked() -> None:
    rows = [
        {"method": m, "estimate": "approximation", "elpd_loo": v, "elpd_loo_se": 17.9} for m, v in (("vbem", -1131.3), ("advi", -1138.6))
    ]
    checks = [
        {"method": "vbem", "quantity": "pareto_k_loo", "verdict": "warning"},
        {"method": "advi", "quantity": "pareto_k_loo", "verdict": "ok"},
    ]
    (grid,) = likelihoods(sliced({"likelihoods": pd.DataFrame(rows), "diagnostics": pd.DataFrame(checks)}))
    fields = next(fields for head, fields in grid.rows if head.text == "leave-one-out log density (nats)")
    assert [(field.text, field.faint) for field in fields] == [("-1131.3 ± 18 (?)", True), ("-1138.6 ± 18", False)]
    assert any(note.startswith("(?): a diagnostic denies the number") for note in grid.notes)


def test_a_line_does_not_join_cells_of_different_groups() -> None:
    def strokes(apart: list[int]) -> int:
        svg = curve(
            "s",
            ["tied, 2", "tied, 3", "full, 2", "full, 3"],
            {"gibbs": [-4.0, -2.0, -3.0, -1.0]},
            {"gibbs": Look(0)},
            "BIC",
            "",
            apart=apart,
        )
        line = re.search(r'id="line2d_\d+">\s*<path d="([^"]*)"[^>]*stroke: #0072b2', svg)
        assert line is not None
        return line[1].count("M")

    assert (strokes([]), strokes([2])) == (1, 2)


def checked(*rows: tuple[str, str, object, str, str]) -> Slice:
    names = ("method", "quantity", "value", "verdict", "advice")
    table: list[dict[str, Any]] = [dict(zip(names, row, strict=True)) for row in rows]
    methods = dict.fromkeys(row[0] for row in rows)
    return sliced({"likelihoods": pd.DataFrame([{"method": m} for m in methods]), "diagnostics": pd.DataFrame(table)})


def test_diagnostics_warn_first_and_put_methods_side_by_side() -> None:
    cell = checked(
        ("em", "status", "converged", "ok", ""),
        ("em", "share_singular", 0, "ok", ""),
        ("hard", "share_singular", 0.11, "warning", "use a prior"),
        ("em", "local_maximum", "undecided", "note", "not flat"),
        ("hard", "local_maximum", "undecided", "note", "not flat"),
        ("em", "message", "moves: 3 of 20", "note", ""),
    )
    first, every = checks.grids(cell)
    assert [(head.text, head.note) for head, _ in first.rows] == [
        ("share singular", "hard"),
        ("local maximum", "em and hard"),
        ("message", "em"),
    ]
    assert [(head.text, [field.text for field in fields]) for head, fields in every.rows] == [
        ("share singular", ["0", "0.110 (warning)"]),
        ("local maximum", ["undecided", "undecided"]),
    ]


def test_scores_close_to_the_best_are_told_apart_beside_far_ones() -> None:
    """On a straight axis log evidences over K are a cliff and a line, when what matters is the nat between the last two."""

    def heights(values: list[float]) -> np.ndarray:
        svg = curve("s", ["1", "2", "3"], {"gibbs": values}, {"gibbs": Look(0)}, "log evidence", "K")
        line = re.search(r'id="line2d_\d+">\s*<path d="([^"]*)"[^>]*stroke: #0072b2', svg)
        assert line is not None
        return np.array([float(y) for y in re.findall(r"[ML] [\d.]+ ([\d.]+)", line[1])])

    far = np.diff(heights([-1309.0, -1168.5, -1167.5]))
    assert far[1] / far[0] == pytest.approx(np.arcsinh(1.0) / (np.arcsinh(141.5) - np.arcsinh(1.0)), rel=1e-3)
    near = np.diff(heights([-4.0, -2.0, -1.0]))
    assert near[1] / near[0] == pytest.approx(0.5, rel=1e-3)


def test_inlined_drawings_are_slim_and_their_words_are_whole() -> None:
    svg = canvas.panel("slim", 2.0, lambda axes: axes.set_xticks([0.123], ["0.12345"]))
    inlined = canvas.inlined(svg, "slim", "0.98765")
    assert ">0.12345<" in inlined
    assert 'aria-label="0.98765"' in inlined
    assert "font-family" not in inlined
    tags = re.findall(r"<[^>]*>", inlined)
    assert not [tag for tag in tags[1:] if re.search(r"\d\.\d{3}", tag)]
    assert len(inlined) < 0.7 * len(svg)
