"""What a point hides: the rows whose responsibility the draws leave open, and how many of those the point is sure of."""

from __future__ import annotations

from typing import Any

import made
import pandas as pd

from workbench.report.findings import findings
from workbench.report.hidden import grids, hidden
from workbench.report.slices import slices


class Cell:
    """A cell with one point and one sample, three rows, two components."""

    single = False

    def __init__(self, sds: list[float], points: list[float]) -> None:
        means = [0.8, 0.6, 0.99]
        rows = []
        for n, (mean, sd, point) in enumerate(zip(means, sds, points, strict=True)):
            for k in (0, 1):
                rows.append({"method": "nuts", "row": n, "component": k, "mean": abs(k - mean), "sd": sd})
                rows.append({"method": "em", "row": n, "component": k, "mean": abs(k - point), "sd": float("nan")})
        self.table = pd.DataFrame(rows)

    def estimates(self, *names: str) -> list[str]:
        return [{"point": "em", "sample": "nuts"}[name] for name in names if name in ("point", "sample")]

    def rows(self, table: str, method: str) -> Any:
        if table == "assignments":
            return pd.DataFrame({"row": [0, 1, 2], "id": ["a", "", ""]})
        return self.table[self.table["method"] == method]


def test_open_rows_are_listed_and_those_the_point_is_sure_of_counted() -> None:
    cell: Any = Cell([0.3, 0.12, 0.01], [0.97, 0.5, 1.0])
    (grid,) = grids(cell)
    assert [head.text for head, _ in grid.rows] == ["a", "row 1"]
    assert [field.text for field in grid.rows[0][1]] == ["0", "0.800", "0.300", "0.970"]
    (finding,) = hidden(cell)
    assert finding.startswith("em is sure of 1 row (a responsibility within 0.05 of 0 or 1) that nuts leaves open")


def test_nothing_is_said_where_nothing_is_open() -> None:
    cell: Any = Cell([0.03, 0.02, 0.01], [0.97, 0.5, 1.0])
    assert not list(grids(cell))
    assert not list(hidden(cell))


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
