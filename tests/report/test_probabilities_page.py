"""P(K | x) on the page of a sweep: a table, a finding, and where it is not known what still follows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import made
import pandas as pd

from workbench.report import sweeps, write
from workbench.report.probabilities import findings, grids, plates
from workbench.report.slices import Slice, slices

KEY = "model.n_components"
DATA = made.clusters()


def row(k: int, **values: object) -> dict[str, Any]:
    given = {KEY: k, "method": "nuts", "estimator": "bridge", "log_evidence": -10.0, "mcse": 0.01, "probability": 0.5, "lower": 0.45}
    return given | {"upper": 0.55, "preferred_by": "", "note": ""} | values


def cells_of(*rows: dict[str, Any], swept: tuple[str, ...] = (KEY,)) -> list[Slice]:
    likelihoods = [{**{key: each[key] for key in swept}, "method": "nuts", "estimate": "sample"} for each in rows]
    cells = [made.cell(DATA, **{key.replace(".", "__"): each[key] for key in swept}) for each in rows]
    return slices({"model_probabilities": pd.DataFrame(list(rows)), "likelihoods": pd.DataFrame(likelihoods)}, cells)


def texts(cells: list[Slice]) -> list[list[str]]:
    return [[field.text for field in fields] for grid in grids(cells) for _, fields in grid.rows]


def test_the_table_names_its_estimates_and_its_errors() -> None:
    cells = cells_of(row(1, bic_probability=0.0004), row(2, preferred_by="bic, elpd_loo (by less than 4 nats)", bic_probability=0.9996))
    assert texts(cells) == [
        ["-10.000 ± 0.010", "bridge of nuts", "0.500", "0.450 to 0.550", "< 0.001", "–"],
        ["-10.000 ± 0.010", "bridge of nuts", "0.500", "0.450 to 0.550", "> 0.999", "BIC and leave-one-out (by less than 4 nats)"],
    ]


def test_the_finding_says_what_else_prefers_another_k_and_when_the_sweep_is_too_short() -> None:
    (line,) = findings(cells_of(row(1, preferred_by="bic"), row(2, probability=0.7, lower=0.6, upper=0.8), row(3, probability=0.1)))
    assert line == "P(K | x) is highest for K = 2: 0.700, between 0.600 and 0.800 by the errors of the log evidences. BIC prefers K = 1."
    (line,) = findings(cells_of(row(1, preferred_by="bic, icl"), row(2, probability=0.7, lower=0.7, upper=0.7001, preferred_by="elpd_loo")))
    assert line.endswith("may have more. BIC and ICL prefer K = 1 and leave-one-out prefers K = 2.")
    assert "between" not in line
    (line,) = findings(cells_of(row(1), row(2, probability=0.7, lower=0.7, upper=0.7, mcse=0.0)))
    assert line == "P(K | x) is highest for K = 2: 0.700; it is the largest K of the sweep, and larger ones may have more."


def test_a_score_of_any_method_says_whose_it_is() -> None:
    liked = {"preferred_by": "bic, elpd_loo (by less than 4 nats)", "elpd_loo_method": "smc", "bic_method": "em"}
    assert texts(cells_of(row(1), row(2, **liked)))[1][-1] == "BIC and leave-one-out of smc (by less than 4 nats)"
    (line,) = findings(cells_of(row(1), row(2, preferred_by="held_out_lpd", held_out_lpd_method="nuts")))
    assert line.endswith("Held-out rows of nuts prefer K = 2.")


def test_the_finding_says_whom_the_errors_do_not_tell_apart() -> None:
    (line,) = findings(cells_of(row(1, probability=0.51, lower=0.25, upper=0.75), row(2, probability=0.49, lower=0.25, upper=0.75)))
    assert "K = 1: 0.510, between 0.250 and 0.750 by the errors of the log evidences, which do not tell it from K = 2" in line


def test_where_it_is_not_known_the_page_says_why_and_what_follows() -> None:
    unknown = {"probability": None, "lower": None, "upper": None}
    lost = row(2, **unknown) | {
        "method": None,
        "estimator": None,
        "log_evidence": None,
        "mcse": None,
        "note": "not trusted: chains disagree",
    }
    lost |= {"lower": 0.95, "bound": -7.0, "bound_method": "vbem"}
    cells = cells_of(row(1, **unknown) | {"upper": 0.05}, lost)
    (grid,) = grids(cells)
    assert grid.rows[1][0].note == "not trusted: chains disagree"
    assert texts(cells)[1] == ["above -7.000", "ELBO of vbem", "not known", "at least 0.950"]
    assert texts(cells)[0][2:] == ["not known", "at most 0.050"]
    three = cells_of(row(1, **unknown) | {"upper": 0.05, "among_known": 0.6}, row(3, **unknown) | {"upper": 0.04, "among_known": 0.4}, lost)
    assert [each[2] for each in texts(three)] == ["0.600 of the known", "0.400 of the known", "not known"]
    assert any("given that it is one of them" in note for note in next(iter(grids(three))).notes)
    assert any("No estimate of the log evidence of K = 2 is trusted" in note for note in grid.notes)
    (line,) = findings(cells)
    assert "at least 0.950 for that K: the ELBO of vbem there is -7.000 nats" in line


def test_the_figure_has_bars_or_what_is_possible() -> None:
    (plate,) = plates(cells_of(row(1, bic_probability=0.2), row(2, bic_probability=0.8)))
    assert "Pale" not in plate.caption
    assert ">by BIC, rough<" in plate.panels[0].svg
    unknown = {"probability": None, "lower": None, "upper": None}
    (plate,) = plates(cells_of(row(1, **unknown) | {"upper": 0.05}, row(2, **unknown) | {"lower": 0.95}))
    assert "Pale" in plate.caption
    assert not list(plates(cells_of(row(1, **unknown), row(2, **unknown))))


def test_every_combination_of_other_keys_has_a_table() -> None:
    cells = cells_of(*(row(k) | {"seed": seed} for seed in (1, 2) for k in (1, 2)), swept=("seed", KEY))
    assert [grid.title for grid in grids(cells)] == ["seed = 1", "seed = 2"]
    assert [line.split(" is ")[0] for line in findings(cells)] == ["P(K | x) with seed = 1", "P(K | x) with seed = 2"]


def test_a_sweep_over_k_has_the_section(tmp_path: Path) -> None:
    tables: dict[str, list[pd.DataFrame]] = {}
    for k in (1, 2):
        for name, table in made.tables_of(DATA, k).items():
            tables.setdefault(name, []).append(table.assign(**{KEY: k}))
    whole = {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}
    write(
        tmp_path,
        whole | {"model_probabilities": pd.DataFrame([row(1), row(2)])},
        [made.cell(DATA, model__n_components=k) for k in (1, 2)],
        made.PROVENANCE,
    )
    assert "<h3>How many components? P(K | x)</h3>" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_sweep_says_what_approximations_cost_and_whom_their_elbos_mislead() -> None:
    rows = [row(1, probability=0.2, lower=0.1, upper=0.3, preferred_by="bic"), row(2, probability=0.8, lower=0.7, upper=0.9)]
    rows[0]["log_evidence"] = -11.4
    likelihoods = [{KEY: k, "method": "advi", "estimate": "approximation", "elbo": elbo} for k, elbo in ((1, -10.0), (2, -13.0))]
    evidence = [
        {KEY: k, "method": "advi", "estimator": estimator, "log_evidence": 0.0, "kl": kl, "kl_mcse": 0.01}
        for k, kl in ((1, 0.004), (2, 3.81))
        for estimator in ("elbo_symmetrised", "elbo")
    ]
    tables = {"model_probabilities": rows, "likelihoods": likelihoods, "evidence": evidence}
    cells = slices({name: pd.DataFrame(each) for name, each in tables.items()}, [made.cell(DATA, model__n_components=k) for k in (1, 2)])
    lines = list(sweeps.findings(cells))
    assert "What approximations cost over model.n_components = 1 and 2, KL from the posterior in nats: advi < 0.01 and 3.8." in lines
    assert (
        "By its ELBO advi would choose model.n_components = 1, the log evidence model.n_components = 2: what an approximation costs changes with K."
    ) in lines
    unsure = {**tables, "likelihoods": [each | {"elbo_mcse": 2.0} for each in likelihoods]}
    others = slices({name: pd.DataFrame(each) for name, each in unsure.items()}, [made.cell(DATA, model__n_components=k) for k in (1, 2)])
    assert not any("would choose" in line for line in sweeps.findings(others)), "its lead is 3 nats with an error of 2.8"
    assert not any(line.startswith("BIC prefers") for line in lines), "said beside P(K | x)"
    costs = next(grid for grid in sweeps.grids(cells) if grid.title == "KL(q ‖ posterior)")
    assert [[field.text for field in fields] for _, fields in costs.rows] == [["0.004 ± 0.010"], ["3.810 ± 0.010"]]


def test_a_denied_leave_one_out_is_in_the_table_but_prefers_no_cell() -> None:
    """Old Faithful, vbem at K = 5: seven nats above all samples, with a k-hat of 1.07."""
    scores = [
        {KEY: k, "method": "vbem", "estimate": "approximation", "elpd_loo": value}
        for k, value in ((1, -1294.2), (2, -1141.6), (5, -1131.3))
    ]
    checks = [{KEY: k, "method": "vbem", "quantity": "pareto_k_loo", "verdict": v} for k, v in ((1, "ok"), (2, "ok"), (5, "warning"))]
    tables = {"likelihoods": pd.DataFrame(scores), "diagnostics": pd.DataFrame(checks)}
    cells = slices(tables, [made.cell(DATA, model__n_components=k) for k in (1, 2, 5)])
    (grid,) = sweeps.grids(cells)
    assert [field.text for _, fields in grid.rows for field in fields] == ["-1294.200", "-1141.600", "-1131.300 (?)"]
    assert any(
        line.startswith("Leave-one-out log density prefers model.n_components = 2 (vbem -1141.600") for line in sweeps.findings(cells)
    )
    assert sweeps.favourite(cells) == 1
    (plate,) = sweeps.plates(cells)
    assert "-1131" not in plate.panels[0].svg
    assert "-1141.6" in plate.panels[0].svg


def test_what_approximations_cost_names_the_cells_of_two_keys() -> None:
    both = [{"model.covariance": c, KEY: k} for c in ("tied", "full") for k in (2, 3)]
    likelihoods = [{**values, "method": "vbem", "estimate": "approximation", "elbo": -10.0} for values in both]
    evidence = [{**values, "method": "vbem", "estimator": "elbo", "log_evidence": -10.0, "kl": 1.5, "kl_mcse": 0.01} for values in both]
    cells = [made.cell(DATA, model__covariance=c, model__n_components=k) for c in ("tied", "full") for k in (2, 3)]
    found = list(sweeps.findings(slices({"likelihoods": pd.DataFrame(likelihoods), "evidence": pd.DataFrame(evidence)}, cells)))
    where = "(model.covariance, model.n_components) = (tied, 2), (tied, 3), (full, 2) and (full, 3)"
    assert f"What approximations cost over {where}, KL from the posterior in nats: vbem 1.5, 1.5, 1.5 and 1.5." in found
