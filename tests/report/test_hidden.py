"""What a point hides: the rows whose responsibility the draws leave open, and how many of those the point is sure of."""

from __future__ import annotations

import made
import pandas as pd
import pytest

from workbench.report.findings import findings
from workbench.report.hidden import grids, hidden
from workbench.report.slices import Slice, slices


def cell_of(sds: list[float], points: list[float], samples: dict[str, float] | None = None, q: bool = False) -> Slice:
    """A cell with one point, samples by their label-free R-hat, perhaps an approximation; three rows, two components."""
    samples = {"nuts": 1.0} if samples is None else samples
    drawn = [*samples, *(["advi"] if q else [])]
    rows, means = [], [0.8, 0.6, 0.99]
    for (n, mean), sd, point in zip(enumerate(means), sds, points, strict=True):
        for k in (0, 1):
            rows += [{"method": method, "row": n, "component": k, "mean": abs(k - mean), "sd": sd} for method in drawn]
            rows.append({"method": "em", "row": n, "component": k, "mean": abs(k - point), "sd": float("nan")})
    estimates = {"em": "point", **dict.fromkeys(samples, "sample"), **({"advi": "approximation"} if q else {})}
    ids = [{"method": method, "row": n, "id": name} for method in estimates for n, name in enumerate(["a", "", ""])]
    tables = {
        "likelihoods": [{"method": name, "kind": name, "estimate": kind, "log_likelihood": -10.0} for name, kind in estimates.items()],
        "responsibilities": rows,
        "assignments": ids,
        "components": [{"method": method, "component": k} for method in estimates for k in (0, 1)],
        "diagnostics": [
            {"method": method, "quantity": "rhat_label_free_quantities", "value": rhat, "verdict": "ok" if rhat <= 1.01 else "warning"}
            for method, rhat in samples.items()
        ],
    }
    return slices({name: pd.DataFrame(own) for name, own in tables.items()}, [made.cell(made.clusters())])[0]


def test_open_rows_are_listed_and_those_the_point_is_sure_of_counted() -> None:
    cell = cell_of([0.3, 0.12, 0.01], [0.97, 0.5, 1.0])
    (grid,) = grids(cell)
    assert [head.text for head, _ in grid.rows] == ["a", "row 1"]
    assert [field.text for field in grid.rows[0][1]] == ["0", "0.800", "0.300", "0.970"]
    (finding,) = hidden(cell)
    assert finding.startswith("em is sure of 1 row (a responsibility within 0.05 of 0 or 1) that nuts leaves open")


def test_nothing_is_said_where_nothing_is_open() -> None:
    cell = cell_of([0.03, 0.02, 0.01], [0.97, 0.5, 1.0])
    assert not list(grids(cell))
    assert not list(hidden(cell))


@pytest.mark.parametrize(
    ("samples", "q", "wanted"),
    [
        ({"nuts": 1.98, "gibbs": 1.002}, True, "gibbs"),
        ({"nuts": 1.98}, True, "advi"),
        ({"nuts": 1.98, "gibbs": 1.3}, False, "gibbs"),
        ({"nuts": 1.02, "gibbs": 1.002}, False, "nuts"),
    ],
)
def test_chains_that_disagree_do_not_stand_for_the_posterior(samples: dict[str, float], q: bool, wanted: str) -> None:
    cell = cell_of([0.3, 0.12, 0.01], [0.97, 0.5, 1.0], samples, q)
    (grid,) = grids(cell)
    assert grid.columns[1].method == wanted
    doubted = samples.get(wanted, 1.0) > 1.05
    assert ("disagree" in " ".join(grid.notes)) is doubted
    assert len(list(hidden(cell))) == (0 if doubted else 1)


def test_it_is_among_the_findings() -> None:
    rows = [
        {"method": method, "row": 0, "component": k, "mean": mean if k == 0 else 1.0 - mean, "sd": sd}
        for method, mean, sd in (("em", 0.98, float("nan")), ("gibbs", 0.8, 0.2))
        for k in (0, 1)
    ]
    likelihoods = [
        {"method": method, "kind": method, "estimate": estimate, "n_components": 2, "log_likelihood": -10.0, "n_parameters": 11}
        for method, estimate in (("em", "point"), ("gibbs", "sample"))
    ]
    components = pd.DataFrame({"method": ["em", "em", "gibbs", "gibbs"], "component": [0, 1, 0, 1]})
    tables = {"likelihoods": pd.DataFrame(likelihoods), "responsibilities": pd.DataFrame(rows), "components": components}
    (cell,) = slices(tables, [made.cell(made.clusters())])
    assert any("em is sure of 1 row" in finding for finding in findings(cell))
