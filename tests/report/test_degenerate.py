"""Runs that went wrong, and data at the edge, still give a good page."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import made
import numpy as np
import pandas as pd
import pytest

from workbench import report
from workbench.data.dataset import Dataset
from workbench.report.page import coded

pytestmark = pytest.mark.slow  # half a minute of pages


def page(folder: Path, tables: dict[str, pd.DataFrame], data: Dataset) -> str:
    return report.write(folder, tables, [made.cell(data)], made.PROVENANCE).read_text(encoding="utf-8")


def heads(text: str) -> list[str]:
    return [piece.split("</h3>")[0] for piece in text.split("<h3>")[1:]]


def test_all_methods_failed(tmp_path: Path) -> None:
    rows = [{"method": method, "kind": kind, "estimate": estimate, "status": "no memory"} for method, (kind, estimate) in made.TINY.items()]
    text = page(tmp_path, {"likelihoods": pd.DataFrame(rows)}, made.clusters())
    assert heads(text) == ["Findings", "Likelihoods and other scores", "Provenance"]
    assert "nuts gave no result: no memory." in text


def test_no_tables_at_all(tmp_path: Path) -> None:
    assert heads(page(tmp_path, {}, made.clusters())) == ["Provenance"]


def test_one_method(tmp_path: Path) -> None:
    text = page(tmp_path, made.tables_of(made.clusters(), methods={"em": ("em", "point")}), made.clusters())
    assert "Disagreements first" not in text
    assert "Draws: approximations" not in text


def test_one_component(tmp_path: Path) -> None:
    text = page(tmp_path, made.tables_of(made.clusters(), 1), made.clusters())
    assert "Agreement between methods" not in text
    assert "Responsibilities of" not in text


@pytest.mark.parametrize("n_features", [1, 3, 10])
def test_any_number_of_features(tmp_path: Path, n_features: int) -> None:
    data = made.clusters(n_features=n_features)
    text = page(tmp_path, made.tables_of(data), data)
    assert "Data and fits" in heads(text)
    assert ("first 4 of 10 features" in text) == (n_features == 10)


def test_binary_features(tmp_path: Path) -> None:
    data = Dataset.of(np.random.default_rng(0).integers(2, size=(90, 5)).astype(float))
    assert "Probability of a 1 in each feature" in page(tmp_path, made.tables_of(data, 3, family="bernoulli"), data)


def test_no_restarts(tmp_path: Path) -> None:
    tables = made.tables_of(made.clusters(), restarts=1)
    assert "Restarts" not in heads(page(tmp_path, tables, made.clusters()))


def test_no_regular_optimum(tmp_path: Path) -> None:
    tables = made.tables_of(made.clusters())
    tables["optima"]["singular"] = True
    tables["likelihoods"].loc[:1, "log_likelihood"] = np.nan
    tables["likelihoods"].loc[:1, "status"] = "every restart is singular"
    for name in ("components", "responsibilities", "parameters", "assignments"):
        tables[name] = tables[name][~tables[name]["method"].isin(["em", "em_map"])]
    text = page(tmp_path, tables, made.clusters())
    assert "em gave no result: every restart is singular." in text
    assert "singular" in text.split(">Restarts</h3>")[1]


def test_missing_cells(tmp_path: Path) -> None:
    data = made.clusters()
    x = data.x.copy()
    x[::5, 0] = np.nan
    text = page(tmp_path, made.tables_of(data), dataclasses.replace(data, x=x))
    assert "one of its features was not observed" in text


def test_many_rows_are_drawn_by_a_subsample_that_is_owned_up_to(tmp_path: Path) -> None:
    data = made.clusters(n_rows=20_000)
    text = page(tmp_path, made.tables_of(data, restarts=1), data)
    assert "Of 20\N{NARROW NO-BREAK SPACE}000 rows 4000, drawn at random, are shown." in text
    assert len(text) < 1_500_000


def test_long_labels_and_markup_in_names(tmp_path: Path) -> None:
    bad = '<script>alert("1")</script>'
    data = dataclasses.replace(
        made.clusters(), features=(bad, "$a$ | `b`"), name="<img src=x onerror=y>", ids=tuple(f"<i>{n}" for n in range(120))
    )
    label = "a" * 70
    tables = made.tables_of(data, methods={label: ("em", "point"), "nuts": ("nuts", "sample")})
    text = page(tmp_path, tables, data)
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert label in text
    for written in (text, markdown):
        assert "<script>" not in written
        assert "<img src=x" not in written
        assert "<i>1" not in written
    assert "$a$" in text


def test_what_stands_between_backticks_is_code() -> None:
    assert coded("run `smc: {chains: 64}` <b>") == "run <code>smc: {chains: 64}</code> &lt;b&gt;"
    assert coded("one ` alone") == "one ` alone"


def test_eleven_methods(tmp_path: Path) -> None:
    text = page(tmp_path, made.tables_of(made.clusters(), methods={f"m{i}": ("em", "point") for i in range(11)}), made.clusters())
    assert "m0 and m10" in text
    assert "m1 and m2" not in text
    swatches = re.search(r'<p class="key">(.*?)</p>', text, flags=re.DOTALL)
    assert swatches
    assert len(set(re.findall(r"--method-\d+", swatches[1]))) == 10


def test_equal_methods_stand_in_one_row_of_many_pairs(tmp_path: Path) -> None:
    kinds = {**{f"m{i}": ("em", "point") for i in range(5)}, "nuts": ("nuts", "sample")}
    text = page(tmp_path, made.tables_of(made.clusters(), methods=kinds), made.clusters())
    assert "m0 stands for m1, m2, m3 and m4 too: its responsibilities are theirs to 0.001." in text
    assert "m0 and nuts" in text
    assert "m1 and nuts" not in text


def test_singular_ends_are_named_however_many_regular_ones_there_are(tmp_path: Path) -> None:
    tables = made.tables_of(made.clusters(), methods={"em": ("em", "point")}, restarts=2)
    ends = [{"method": "em", "optimum": i, "objective": -i, "gap": i, "restarts": 1, "share": 0.01, "singular": i >= 30} for i in range(40)]
    tables["optima"] = pd.DataFrame(ends).assign(spurious=False)
    table = page(tmp_path, tables, made.clusters()).split(">Optima</h3>")[1].split("</table>")[0]
    assert table.count(">regular<") == 8
    assert table.count(">singular<") == 4


def test_a_covariance_is_listed_once(tmp_path: Path) -> None:
    text = page(tmp_path, made.tables_of(made.clusters()), made.clusters())
    assert "covariances[0, length_<wbr>0, length_<wbr>1]" in text
    assert "covariances[0, length_<wbr>1, length_<wbr>0]" not in text
