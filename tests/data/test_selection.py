"""Columns, ids, classes, complete rows and held-out rows: what is fitted, and what no fit sees."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.data.builtin import BUILT_IN, FOLDER, BuiltIn, load_built_in
from workbench.data.readers import read_table
from workbench.data.selection import select
from workbench.data.split import split
from workbench.data.table import SourceError, Table
from workbench.experiment.config import load
from workbench.experiment.setting import Setting

TEXT = "plant,a,b,species,note\np1,1,2,x,u\np2,3,,y,v\np3,5,6,,w\np4,7,8,x,\n"


@pytest.fixture
def table(tmp_path: Path) -> Table:
    (tmp_path / "my.csv").write_text(TEXT)
    return read_table(tmp_path / "my.csv", "my.csv")


def test_columns_in_the_order_asked_for(table: Table) -> None:
    data = select(table, columns=["b", "a"])
    assert data.features == ("b", "a")
    assert data.x[0].tolist() == [2.0, 1.0]
    assert data.notes == ()


def test_the_default_takes_columns_of_numbers_and_says_which_it_left(table: Table) -> None:
    data = select(table, id="plant")
    assert data.features == ("a", "b")
    assert data.notes == ("Not numbers, so not used: species, note",)


def test_ids_and_classes_stay_with_their_rows(table: Table) -> None:
    data = select(table, columns=["a", "b"], id="plant", classes="species", complete_rows=True)
    assert data.ids == ("p1", "p3", "p4")
    assert data.classes == ("x", "", "x")
    assert data.rows.tolist() == [0, 2, 3]
    assert data.x.tolist() == [[1.0, 2.0], [5.0, 6.0], [7.0, 8.0]]
    assert data.notes == ("1 of 4 rows with an empty cell left out",)


def test_an_empty_cell_is_not_observed_and_its_row_stays(table: Table) -> None:
    data = select(table, columns=["a", "b"])
    assert data.n_rows == 4
    assert np.isnan(data.x[1, 1])
    assert not data.complete
    assert data.n_observed_rows == 4.0


def test_complete_rows_looks_at_the_chosen_columns_alone(table: Table) -> None:
    assert select(table, columns=["a"], complete_rows=True).n_rows == 4
    assert select(table, columns=["a"], complete_rows=True).notes == ()


def test_ids_and_classes_may_be_numbers() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "id": [7, 8, 9], "k": [1.0, np.nan, 2.5]})
    data = select(Table.of_frame(frame), id="id", classes="k")
    assert data.ids == ("7", "8", "9")
    assert data.classes == ("1", "", "2.5")


@pytest.mark.parametrize(
    ("options", "key", "index", "words"),
    [
        ({"columns": ["a", "c"]}, "columns", 1, "my.csv has no column 'c'; "),
        ({"columns": ["A"]}, "columns", 0, "did you mean a?"),
        ({"columns": ["a", "a"]}, "columns", 1, "'a' is there twice"),
        ({"columns": []}, "columns", None, "no column is named"),
        ({"columns": ["a", "species"]}, "columns", 1, "my.csv:2: species: 'x' is not a number"),
        ({"columns": ["a"], "id": "a"}, "columns", 0, "named as id, and such a column is never fitted"),
        ({"classes": "specis"}, "classes", None, "did you mean species?"),
        ({"id": "plants"}, "id", None, "did you mean plant?"),
    ],
)
def test_a_faulty_choice_is_named(options: dict[str, Any], key: str, index: int | None, words: str, table: Table) -> None:
    with pytest.raises(SourceError) as caught:
        select(table, **options)
    assert (caught.value.key, caught.value.index) == (key, index)
    assert words in str(caught.value)


def test_no_complete_row() -> None:
    frame = pd.DataFrame({"a": [1.0, np.nan], "b": [np.nan, 2.0]})
    with pytest.raises(SourceError, match="each of the 2 rows has an empty cell"):
        select(Table.of_frame(frame), complete_rows=True)


@pytest.mark.parametrize("built_in", BUILT_IN.values(), ids=lambda built_in: built_in.name)
def test_built_in_data_are_as_documented(built_in: BuiltIn) -> None:
    data = load_built_in(built_in.name, levels="words")
    assert (data.n_rows, data.features) == (built_in.n_rows, built_in.columns)
    assert (data.ids is None, data.classes is None) == (built_in.id is None, built_in.classes is None)
    assert not np.isinf(data.x).any()
    assert built_in.licence
    assert built_in.origin
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    row = re.search(rf"^\| {built_in.name} \| (\d+) \| ", text, re.MULTILINE)
    assert row is not None
    assert int(row[1]) == built_in.n_rows


def test_every_built_in_file_is_listed() -> None:
    assert {path.stem for path in FOLDER.glob("*.csv")} == set(BUILT_IN)


@pytest.mark.parametrize(
    ("name", "empty"),
    [
        ("old_faithful", 0),
        ("old_faithful_missing", 82),
        ("iris_missing", 90),
        ("house_votes", 392),
        ("digits_binary_missing", 11501),
        ("zoo", 0),
    ],
)
def test_built_in_empty_cells_are_as_documented(name: str, empty: int) -> None:
    assert int(np.isnan(load_built_in(name).x).sum()) == empty
    assert str(empty) in BUILT_IN[name].description or not empty


def test_built_in_classes_and_ids() -> None:
    iris, zoo = load_built_in("iris"), load_built_in("zoo")
    assert iris.classes is not None
    assert zoo.ids is not None
    assert sorted({name: iris.classes.count(name) for name in iris.classes}.items()) == [
        ("setosa", 50),
        ("versicolor", 50),
        ("virginica", 50),
    ]
    assert len(set(zoo.ids)) == zoo.n_rows
    assert load_built_in("house_votes", complete_rows=True).n_rows == 232


def test_an_unknown_built_in_name() -> None:
    with pytest.raises(SourceError, match=r"no built-in data set 'old_faithfull'; did you mean old_faithful\?"):
        load_built_in("old_faithfull")


def setting(seed: int = 1, **data: Any) -> Setting:
    config = {"data": {"name": "iris", "held_out": 0.2, **data}, "model": {"n_components": 3}, "methods": ["em"], "seed": seed}
    return load(config).cells()[0]


def test_held_out_rows_and_fitted_rows_are_all_rows_once() -> None:
    cell, whole = setting(), load_built_in("iris")
    assert cell.held_out is not None
    train = cell.problem.data
    assert (train.n_rows, cell.held_out.n_rows) == (120, 30)
    both = np.concatenate([train.rows, cell.held_out.rows])
    assert sorted(both.tolist()) == list(range(150))
    for part in (train, cell.held_out):
        assert (np.diff(part.rows) > 0).all()
        np.testing.assert_array_equal(part.x, whole.x[part.rows])
        assert whole.classes is not None
        assert part.classes == tuple(whole.classes[row] for row in part.rows)


def test_the_split_belongs_to_the_seed() -> None:
    rows = [setting(seed).problem.data.rows.tolist() for seed in (1, 1, 2)]
    assert rows[0] == rows[1]
    assert rows[0] != rows[2]
    swept = load({"data": {"name": "iris", "held_out": 0.2}, "model": {"n_components": 3}, "methods": ["em"], "sweep": {"seed": [1, 2]}})
    assert [cell.problem.data.rows.tolist() for cell in swept.cells()] == [rows[0], rows[2]]


def test_the_split_is_the_same_for_every_model_and_method() -> None:
    other = load(
        {"data": {"name": "iris", "held_out": 0.2}, "model": {"n_components": 2, "covariance": "diagonal"}, "methods": ["nuts"], "seed": 1}
    )
    assert other.cells()[0].problem.data.fingerprint == setting().problem.data.fingerprint


def test_the_default_prior_comes_from_the_fitted_rows_only() -> None:
    cell = setting()
    assert cell.problem.prior is not None
    numbers, train, n_components, n_features = cell.problem.prior.numbers(), cell.problem.data.x, 3, 4
    covariance = np.cov(train, rowvar=False, ddof=1)
    np.testing.assert_allclose(numbers["mean"], train.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(numbers["scale"], covariance * n_components ** (-2 / n_features), rtol=1e-12)
    assert (numbers["concentration"], numbers["mean_strength"], numbers["dof"]) == (1.0, 0.01, n_features + 2)
    whole = load_built_in("iris").x
    assert np.abs(np.array(numbers["mean"]) - whole.mean(axis=0)).max() > 1e-3


def test_complete_rows_come_before_the_split() -> None:
    cell = setting(name="iris_missing", complete_rows=True)
    assert cell.held_out is not None
    n_complete = load_built_in("iris_missing", complete_rows=True).n_rows
    assert cell.problem.data.n_rows + cell.held_out.n_rows == n_complete
    assert cell.problem.data.complete


@pytest.mark.parametrize(("fraction", "held_out"), [(0.001, 1), (0.2, 2), (0.5, 5), (0.94, 9)])
def test_whole_rows_are_held_out_and_one_at_least(fraction: float, held_out: int) -> None:
    frame = pd.DataFrame({"a": np.arange(10.0)})
    train, other = split(select(Table.of_frame(frame)), fraction, np.random.default_rng(0))
    assert (train.n_rows, other.n_rows) == (10 - held_out, held_out)


def test_no_row_left_to_fit() -> None:
    frame = pd.DataFrame({"a": np.arange(3.0)})
    with pytest.raises(SourceError, match=r"0\.9 of 3 rows leaves none to fit"):
        split(select(Table.of_frame(frame)), 0.9, np.random.default_rng(0))


def test_row_names_that_are_there_twice_are_noted() -> None:
    frame = pd.DataFrame({"a": np.arange(4.0), "who": ["x", "y", "x", "z"]})
    assert select(Table.of_frame(frame), columns=["a"], id="who").notes == (
        "1 of 4 rows are named in who as an earlier row is, or not at all",
    )


def test_decimal_commas_are_recognised() -> None:
    frame = pd.DataFrame({"a": ["1,5", "2,5", "3,0"]})
    with pytest.raises(SourceError, match="write decimals with a point"):
        select(Table.of_frame(frame))
