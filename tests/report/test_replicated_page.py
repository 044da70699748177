"""The page says what data made by the fits give back badly, and when nothing speaks against them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd

from workbench.report.replicates import grids, reproduced


def cell_of(distances: dict[str, dict[str, float]], threshold: float = 3.0) -> Any:
    """By feature and method."""
    rows = [
        {
            "method": method,
            "quantity": "5 % quantile",
            "feature": feature,
            "feature_2": None,
            "level": None,
            "observed": 2.0,
            "distance": value,
        }
        for feature, each in distances.items()
        for method, value in each.items()
    ]
    columns = ["method", "quantity", "feature", "feature_2", "level", "observed", "distance"]
    checks = pd.DataFrame({"quantity": ["pareto_k", "replicated_distance"], "threshold": [0.7, threshold]})
    return SimpleNamespace(tables={"replicated": pd.DataFrame(rows, columns=columns), "diagnostics": checks}, methods=["em", "nuts"])


def test_what_no_method_gives_back_is_named_first() -> None:
    cell = cell_of({"a": {"em": -5.0, "nuts": -4.0}, "b": {"em": 3.5, "nuts": 0.1}, "c": {"em": 0.5, "nuts": 0.5}})
    (finding,) = reproduced(cell)
    assert finding == "No method gives back the 5 % quantile of a: data made by every fit are more than 3 standard deviations away."
    (grid,) = grids(cell)
    assert [head.text for head, _ in grid.rows] == ["5 % quantile of a", "5 % quantile of b", "5 % quantile of c"]  # type: ignore[union-attr]
    assert [field.text for field in grid.rows[0][1]] == ["2", "−5.0", "−4.0"]  # type: ignore[union-attr]


def test_a_method_that_fails_alone_is_named_alone() -> None:
    (finding,) = reproduced(cell_of({"a": {"em": -5.0, "nuts": 1.0}, "b": {"em": 0.0, "nuts": 0.0}}))
    assert finding == "Data made by em do not give back the 5 % quantile of a: more than 3 standard deviations away."


def test_nothing_that_speaks_against_the_fits_is_said_too() -> None:
    (finding,) = reproduced(cell_of({"a": {"em": -1.0, "nuts": 1.0}}))
    assert finding.startswith("Data made by em and nuts give back all 1 feature of the data")
    assert not list(reproduced(cell_of({})))
    assert not list(grids(cell_of({})))


def test_the_threshold_is_that_of_the_diagnostics() -> None:
    (finding,) = reproduced(cell_of({"a": {"em": -4.0, "nuts": 1.0}}, threshold=4.25))
    assert finding.endswith("within 4.2 standard deviations.")
