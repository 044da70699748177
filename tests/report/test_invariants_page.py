"""What no naming of components changes is on the page before anything that needs labels."""

from __future__ import annotations

import dataclasses
import itertools
import re
from typing import Any

import made
import numpy as np
import pandas as pd

from workbench.report.blocks import Grid, Plate
from workbench.report.figures.coclustering import Matrix, heat
from workbench.report.invariants import grids, plates, square
from workbench.report.sections import of_cell
from workbench.report.slices import Slice, slices

DATA = made.clusters()


def quantity(method: str, name: str, mean: float, order: float = float("nan"), feature: str = "", **values: object) -> dict[str, Any]:
    return {"method": method, "quantity": name, "order": order, "feature": feature, "level": "", "mean": mean} | values


def page() -> Slice:
    """A point and a sample: chains agree least about the larger mean, and a count has a worse R-hat yet."""
    tables = made.tables_of(DATA, methods={"em": ("em", "point"), "nuts": ("nuts", "sample")})
    draws = {"lower": 0.1, "upper": 0.3, "rhat": 1.002, "ess_bulk": 900.0}
    rows = [
        quantity("em", "weights", 0.25, 0.0),
        quantity("em", "log_posterior", -173.84),
        quantity("nuts", "weights", 0.2, 0.0, **draws),
        quantity("nuts", "means", 3.1, 1.0, "length_0", **draws | {"rhat": 1.234, "ess_bulk": 17.0}),
        quantity("nuts", "log_posterior", -201.25, lower=-212.04, upper=-190.5, rhat=1.004, ess_bulk=800.0),
        quantity("nuts", "occupied_components", 1.9, lower=1.0, upper=2.0, rhat=2.5, ess_bulk=3.0),
    ]
    numbers = DATA.rows[[4, 2, 9]]
    pairs = [
        {"method": method, "row": numbers[i], "row_2": numbers[j], "probability": 0.1 * (i + 2 * j)}
        for method in ("em", "nuts")
        for i, j in itertools.combinations(range(3), 2)
    ]
    return slices({**tables, "label_free": pd.DataFrame(rows), "coclustering": pd.DataFrame(pairs)}, [made.cell(DATA)])[0]


def test_quantities_stand_side_by_side_with_the_one_that_chains_agree_about_least() -> None:
    (grid,) = grids(page())
    found = {head.text: [field.text for field in fields] for head, fields in grid.rows}
    assert list(found)[:2] == ["log posterior", "occupied components"]  # what is no order statistic first
    assert found["log posterior"] == ["-173.8", "-201.2 [-212.0, -190.5]"]
    assert found["smallest weights"] == ["0.2500", "0.2000 [0.1000, 0.3000]"]
    assert found["largest means[length_0]"] == ["–", "3.100 [0.1000, 0.3000]"]
    assert found["largest R-hat"] == ["–", "1.234 (largest means[length_0])"]
    assert found["fewest effective draws"] == ["–", "17 (largest means[length_0])"]


def test_a_mean_outside_of_its_interval_is_explained() -> None:
    """Irises, K = 3: smallest mean 4.884 [4.907, 5.085], as an empty component's is the prior's."""
    cell = page()
    table = cell.tables["label_free"]
    inside, outside = (table.assign(mean=0.2, lower=0.1, upper=upper) for upper in (0.3, 0.15))
    found = [
        " ".join(next(grids(dataclasses.replace(cell, tables={**cell.tables, "label_free": each}))).notes) for each in (inside, outside)
    ]
    assert ["component is empty" in text for text in found] == [False, True]


def test_a_count_between_two_numbers_needs_no_explanation() -> None:
    tables = made.tables_of(DATA, methods={"nuts": ("nuts", "sample")})
    rows = [quantity("nuts", "occupied_components", 2.019, lower=2.0, upper=2.0), quantity("nuts", "entropy", 0.2, lower=0.1, upper=0.3)]
    tables["label_free"] = pd.DataFrame(rows)
    (grid,) = grids(slices(tables, [made.cell(DATA)])[0])
    assert not any("outside of its interval" in note for note in grid.notes)


def test_it_comes_before_all_that_needs_labels() -> None:
    sections = of_cell(page(), "")
    anchors = [section.anchor for section in sections]
    assert anchors.index("invariants") < min(anchors.index(name) for name in ("data", "responsibilities", "parameters"))
    first, second = sections[anchors.index("invariants")].blocks
    assert isinstance(first, Grid)
    assert isinstance(second, Plate)
    assert [panel.method for panel in second.panels] == ["em", "nuts"]
    assert "for 3 of 120 rows" in second.caption


def test_a_page_without_them_has_no_such_section() -> None:
    cell = slices(made.tables_of(DATA), [made.cell(DATA)])[0]
    assert not list(grids(cell))
    assert not list(plates(cell, ""))
    assert "invariants" not in [section.anchor for section in of_cell(cell, "")]


def test_the_matrix_is_whole_again() -> None:
    cell = page()
    matrix = square(cell.rows("coclustering", "nuts"))
    np.testing.assert_array_equal(matrix.rows, DATA.rows[[4, 2, 9]])
    np.testing.assert_allclose(matrix.values, [[1.0, 0.2, 0.4], [0.2, 1.0, 0.5], [0.4, 0.5, 1.0]])


def test_blocks_of_the_reference_are_named_where_there_is_room() -> None:
    values = np.eye(50)
    svg = heat("stem", Matrix(np.arange(50.0), values), [("0", 0.0, 30.0), ("1", 30.0, 31.0), ("2", 31.0, 50.0)])
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert {"0", "2", "component of the reference", "50 rows, in the same order", "probability of one component"} <= set(texts)
    assert texts.count("1") == 0
    assert svg.count("<image") >= 1
