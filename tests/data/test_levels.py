"""Levels and counts: words become codes with names, in natural order; what was not fitted is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.data import DataError, Dataset
from workbench.data.builtin import load_built_in
from workbench.data.levels import UnseenLevelError, encoded_like, observed_levels, with_levels
from workbench.data.readers import read_table
from workbench.data.selection import select
from workbench.data.split import split

MIXED = pd.DataFrame({"word": ["b", "a", None, "b"], "number": [10, 9, 2, 9], "size": [0.5, 1.5, np.nan, 2.5]})


def test_words_and_whole_numbers_become_levels_in_natural_order() -> None:
    data = Dataset.of(MIXED, levels=["word", "number"])
    assert data.levels == (("a", "b"), ("2", "9", "10"), None)
    assert data.n_levels == (2, 3, 0)
    np.testing.assert_array_equal(data.x, [[1, 2, 0.5], [0, 1, 1.5], [np.nan, 0, np.nan], [1, 1, 2.5]])


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        (["b10", "b9", "B1", "a"], ("a", "B1", "b9", "b10")),
        (["10", "9", "-1", "x"], ("-1", "9", "10", "x")),
        (["1", "1.0", "2."], ("1", "2")),
        (["007", "7"], ("007", "7")),
        (["", "NA", "nan", "yes"], ("yes",)),
    ],
)
def test_level_names(cells: list[str], wanted: tuple[str, ...]) -> None:
    assert Dataset.of(np.array(cells)[:, None], ["c"], levels=True).levels == (wanted,)


def test_a_file_reads_the_same_levels_whatever_its_format(tmp_path: Path) -> None:
    frame = pd.DataFrame({"c": ["u", "v", None, "u"], "n": [1, 2, 2, 1], "times": [2, 1, 0, 3]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    found = [select(read_table(tmp_path / name), levels=True, counts="times") for name in ("a.csv", "a.parquet")]
    assert found[0].levels == found[1].levels == (("u", "v"), ("1", "2"))
    assert found[0].fingerprint == found[1].fingerprint
    assert found[0].features == ("c", "n")
    assert found[0].counts.tolist() == [2.0, 1.0, 3.0]
    assert found[0].notes[-1] == "3 rows stand for 6 (counts in times)"


def test_the_fingerprint_covers_level_names() -> None:
    one, two = (Dataset.of(np.array(words)[:, None], ["c"], levels=True) for words in (["a", "b"], ["a", "c"]))
    np.testing.assert_array_equal(one.x, two.x)
    assert one.fingerprint != two.fingerprint
    assert one.fingerprint != Dataset.of(one.x, ["c"]).fingerprint


def test_an_unseen_level_is_a_named_error() -> None:
    fitted = Dataset.of(MIXED, levels=["word", "number"])
    new = Dataset.of(MIXED.assign(word=["a", "c", "a", "b"]), levels=["word", "number"])
    with pytest.raises(UnseenLevelError, match=r"row 1: column 'word' holds level 'c', which no fitted row has; there are a, b") as caught:
        encoded_like(new, fitted)
    assert (caught.value.column, caught.value.level, caught.value.known) == ("word", "c", ("a", "b"))
    with pytest.raises(UnseenLevelError, match="'word' holds level 'c'"):
        Dataset.of(MIXED.assign(word="c"), levels=dict(zip(fitted.features, fitted.levels or (), strict=True)))


def test_new_rows_take_the_fitted_codes() -> None:
    fitted = Dataset.of(np.array(["a", "b", "c"])[:, None], ["c"], levels=True)
    new = Dataset.of(np.array(["c", "", "b"])[:, None], ["c"], levels=True)
    assert new.levels == (("b", "c"),)
    np.testing.assert_array_equal(encoded_like(new, fitted).x[:, 0], [2.0, np.nan, 1.0])
    assert encoded_like(new, fitted).levels == fitted.levels
    numbers = encoded_like(Dataset.of(np.array([[2.0], [1.0]]), ["n"]), Dataset.of(np.array([[1.0], [2.0], [3.0]]), ["n"], levels=True))
    np.testing.assert_array_equal(numbers.x[:, 0], [1.0, 0.0])


def test_levels_without_rows_are_dropped() -> None:
    data = Dataset.of(np.array(["a", "b", "c", "c"])[:, None], ["c"], levels=True)
    fewer = observed_levels(data.take([0, 2, 3]))
    assert fewer.levels == (("a", "c"),)
    np.testing.assert_array_equal(fewer.x[:, 0], [0.0, 1.0, 1.0])
    assert observed_levels(data).levels == data.levels


def test_held_out_rows_have_the_levels_of_the_fitted_ones() -> None:
    data = Dataset.of(np.array(["a", "b"] * 20)[:, None], ["c"], levels=True)
    train, other = split(data, 0.25, np.random.default_rng(0))
    assert train.levels == other.levels == (("a", "b"),)
    assert (train.n_rows, other.n_rows) == (30, 10)


def test_numbers_that_are_not_whole_are_no_levels() -> None:
    with pytest.raises(DataError, match=r"data, row 1: column 'size' holds 1\.5 and levels are words or whole numbers"):
        Dataset.of(MIXED[["size"]].assign(size=[1.0, 1.5, 2.0, 3.0]), levels=["size"])
    with pytest.raises(DataError, match=r"column 'x0' holds 0\.5"):
        with_levels(Dataset.of(np.array([0.5, 1.0])), ["x0"])


def test_words_without_levels_are_refused_with_a_way_out() -> None:
    with pytest.raises(DataError, match=r"'word' holds 'b'.*family: categorical"):
        Dataset.of(MIXED, levels=["number"])
    with pytest.raises(DataError, match="there is no column 'wrod' to hold levels"):
        Dataset.of(MIXED, levels=["wrod"])


def test_columns_go_with_their_levels() -> None:
    data = Dataset.of(MIXED, levels=["word"]).only(["size", "word"])
    assert data.features == ("size", "word")
    assert data.levels == (None, ("a", "b"))
    assert np.isnan(data.x[2]).all()
    with pytest.raises(DataError, match="there is no column 'q' among the features size, word"):
        data.only(["q"])


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ([1, -1], "the count of row 1 is -1"),
        ([1.5, 1], "the count of row 0 is 1.5"),
        ([1, np.nan], "the count of row 1 is nan"),
        ([1, np.inf], "the count of row 1 is inf"),
        ([1, 2, 3], r"counts have shape \(3,\) for 2 rows"),
        ([0, 0], "each of the 2 rows has a count of 0"),
    ],
)
def test_counts_are_whole_numbers(counts: list[float], words: str) -> None:
    with pytest.raises(DataError, match=words):
        Dataset.of(np.array([1.0, 2.0]), counts=counts)


def test_rows_seen_no_time_are_left_out_with_a_note() -> None:
    data = Dataset.of(np.array([1.0, 2.0, 3.0]), counts=[2, 0, 1], ids=["p", "q", "r"])
    assert data.x[:, 0].tolist() == [1.0, 3.0]
    assert data.ids == ("p", "r")
    assert data.rows.tolist() == [0, 2]
    assert data.notes == ("1 of 3 rows with a count of 0 left out",)
    assert data.n_observed_rows == 3.0


def test_the_grouped_death_notices_are_the_days() -> None:
    grouped, days = load_built_in("death_notices"), load_built_in("hasselblad")
    np.testing.assert_array_equal(np.repeat(grouped.x[:, 0], grouped.counts.astype(int)), days.x[:, 0])


def test_titanic_has_its_levels() -> None:
    data = load_built_in("titanic", levels=True)
    assert data.levels == (("1st", "2nd", "3rd", "crew"), ("female", "male"), ("adult", "child"), ("no", "yes"))
    counts = {name: int((data.x[:, 0] == code).sum()) for code, name in enumerate(data.levels[0] or ())}
    assert counts == {"1st": 325, "2nd": 285, "3rd": 706, "crew": 885}
