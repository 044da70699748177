"""Files become tables, and whatever is wrong with one is named at its place."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workbench.data.dataset import DataError, Dataset
from workbench.data.readers import read_table
from workbench.data.selection import select
from workbench.data.table import SourceError

NAN = float("nan")


def read(folder: Path, content: str | bytes, name: str = "my.csv", **options: Any) -> Dataset:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return select(read_table(path, name), **options)


def refusal(folder: Path, content: str | bytes | None, name: str = "my.csv", **options: Any) -> SourceError:
    if content is not None:
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(SourceError) as caught:
        select(read_table(folder / name, name), **options)
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n3,\n",
        "a,b\r\n1,2\r\n3,\r\n",
        "\ufeffa,b\n1,2\n3,\n",
        '"a","b"\n"1","2"\n"3",""\n',
        "a, b\n 1 , 2\n3, \n",
        "a;b\n1;2\n3;\n",
        "a\tb\n1\t2\n3\tNA\n",
        "a|b\n1|2\n3|\n",
        "a,b\n\n1,2\n\n3,nan\n\n",
        "a,b\n1e0,+2.0\n3.,NaN",
    ],
    ids=["plain", "crlf", "bom", "quotes", "spaces", "semicolons", "tabs", "bars", "blank lines", "no last newline"],
)
def test_one_table_in_many_spellings(text: str, tmp_path: Path) -> None:
    data = read(tmp_path, text)
    assert data.features == ("a", "b")
    np.testing.assert_array_equal(data.x, [[1.0, 2.0], [3.0, NAN]])


@pytest.mark.parametrize("word", ["", "nan", "NaN", "NA", "na", '""'])
def test_words_for_not_observed(word: str, tmp_path: Path) -> None:
    np.testing.assert_array_equal(read(tmp_path, f"a,b\n1,2\n{word},3\n").x, [[1.0, 2.0], [NAN, 3.0]])


@pytest.mark.parametrize("end", ["", "\n\n"])
def test_a_blank_line_within_one_column_is_an_empty_cell(end: str, tmp_path: Path) -> None:
    np.testing.assert_array_equal(read(tmp_path, f"\na\n1\n\n3\n{end}").x, [[1.0], [NAN], [3.0]])


def test_quoted_commas_quotes_and_line_breaks(tmp_path: Path) -> None:
    data = read(tmp_path, '"a, in ""mm""",kind\n1,"x\ny"\n2,"u, v"\n', classes="kind")
    assert data.features == ('a, in "mm"',)
    assert data.classes == ("x\ny", "u, v")


@pytest.mark.parametrize(
    ("text", "columns", "key", "words"),
    [
        ("a,b\n1,2\n3,x\n4,5\n", None, "file", "my.csv:3: b: 'x' is not a number; mend the cell"),
        ("a,b\n1,2\n3,x\n4,5\n", ["a", "b"], "columns", "my.csv:3: b: 'x' is not a number"),
        ('a,b\n1,"2"\n\n"",x\n', ["b"], "columns", "my.csv:4: b: 'x' is not a number"),
        ('k,b\n"u\nv",2\nw,1_000\n', ["b"], "columns", "my.csv:4: b: '1_000' is not a number"),
        ("a,b\n1,2\n3,inf\n", None, "file", "my.csv:3: b: is infinite; leave the cell empty"),
        ("a,b\n-Infinity,2\n3,1\n", ["a"], "columns", "my.csv:2: a: is infinite"),
        ("a,b\n1,2\n3\n", None, "file", "my.csv:3: has 1 cells and the header 2; mend the row"),
        ("a,b\n1,2,3\n", None, "file", "my.csv:2: has 3 cells and the header 2"),
        ("a\n1\n2,3\n", None, "file", "my.csv:3: has 2 cells and the header 1"),
        ("a,b\n", None, "file", "my.csv: there are no data; give at least one row"),
        ("", None, "file", "my.csv: the file is empty"),
        ("\n\n", None, "file", "my.csv: the file is empty"),
        ("a,a\n1,2\n", None, "file", "my.csv: column 'a' is there twice"),
        (",b\n1,2\n", None, "file", "my.csv: column 1 has no name"),
        ("1,2\n3,4\n", None, "file", "my.csv:1: the first row holds numbers, not names"),
        ("a,b\nx,y\n", None, "file", "my.csv: no column holds numbers"),
        ("a b\n1 2\n3 4\n", None, "file", "my.csv: its columns are parted by spaces; write commas, semicolons or tabs between them"),
        ("sep=;\na;b\n1;2\n", None, "file", "my.csv:1: names the separator, not the columns; leave this line out"),
        ("a;b\n1,5;2\n2,5;3\n", None, "file", "my.csv:2: a: '1,5' has a decimal comma; write decimals with a point"),
        ("a;b\n1.234,5;2\n1.000,0;3\n", None, "file", "my.csv:2: a: '1.234,5' has a decimal comma"),
        ('a,b\n1,"2\n', None, "file", "my.csv:2: is not CSV"),
    ],
)
def test_a_fault_is_named_at_its_line_and_column(text: str, columns: list[str] | None, key: str, words: str, tmp_path: Path) -> None:
    error = refusal(tmp_path, text, columns=columns)
    assert str(error).startswith(words)
    assert "; " in str(error)
    assert error.key == key


def test_every_faulty_column_is_told(tmp_path: Path) -> None:
    error = refusal(tmp_path, "a,b,c\n1,x,inf\n2,3,4\ny,5,6\n", columns=["a", "b", "c"])
    told = [(each.index, str(each).partition(";")[0]) for each in (error, *error.others)]
    assert told == [(0, "my.csv:4: a: 'y' is not a number"), (1, "my.csv:2: b: 'x' is not a number"), (2, "my.csv:2: c: is infinite")]


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        ("a,b\nü,1\n".encode("latin-1"), "my.csv", "is not UTF-8 text"),
        ("a,b\n1,2\n".encode("utf-16"), "my.csv", "is not UTF-8 text"),
        (b"a,b\n1,2\n", "my.xlsx", "files of this kind cannot be read; there are .csv"),
        (b"nonsense", "my.parquet", "is not a Parquet file"),
        (b"", "my.parquet", "is not a Parquet file"),
        (b"nonsense", "my.npy", "cannot be read as NumPy arrays"),
        (b"", "my.npy", "cannot be read as NumPy arrays"),
        (b"nonsense", "my.npz", "cannot be read as NumPy arrays"),
        (None, "nowhere.csv", "there is no such file; give a path"),
        (None, "**.csv", "there is no such file"),
        (None, "[a.csv", "there is no such file"),
        (None, f"{'long' * 100}.csv", "cannot be read (File name too long)"),
    ],
)
def test_what_is_no_table_is_one_sentence(content: bytes | None, name: str, words: str, tmp_path: Path) -> None:
    error = refusal(tmp_path, content, name)
    assert str(error).startswith(f"{name}: {words}")
    assert error.key == "file"
    assert "\n" not in str(error)
    assert "allow_pickle=" not in str(error)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("a\n1\n")
    assert "did you mean mine.csv?" in str(refusal(tmp_path, None, "mine.parquet"))
    (tmp_path / "folder.csv").mkdir()
    assert "is a folder; give a file in it" in str(refusal(tmp_path, None, "folder.csv"))


def parquet(folder: Path, table: pa.Table, **options: Any) -> Dataset:
    pq.write_table(table, folder / "my.parquet")
    return select(read_table(folder / "my.parquet", "my.parquet"), **options)


def test_parquet_types(tmp_path: Path) -> None:
    columns = {
        "whole": [1, None, 3],
        "real": [0.5, NAN, None],
        "yes": [True, False, None],
        "kind": pa.array(["u", None, "v"]).dictionary_encode(),
        "id": [10, 20, 30],
    }
    data = parquet(tmp_path, pa.table(columns), id="id", classes="kind")
    assert data.features == ("whole", "real", "yes")
    np.testing.assert_array_equal(data.x, [[1.0, 0.5, 1.0], [NAN, NAN, 0.0], [3.0, NAN, NAN]])
    assert (data.ids, data.classes) == (("10", "20", "30"), ("u", "", "v"))


def test_parquet_keeps_every_bit_and_names_its_faults(tmp_path: Path) -> None:
    x = np.random.default_rng(1).standard_normal(50) * 1e-300
    np.testing.assert_array_equal(parquet(tmp_path, pa.table({"a": x})).x[:, 0], x)
    for table, words in (
        (pa.table({"a": ["x", "1"], "b": [1.0, 2.0]}), "my.parquet, row 0: a: 'x' is not a number"),
        (pa.table([[1.0], [2.0]], names=["a", "a"]), "my.parquet: column 'a' is there twice"),
        (pa.table({"a": pa.array([], pa.float64())}), "my.parquet: there are no data"),
        (pa.table({"a": [1.0, np.inf]}), "my.parquet, row 1: a: is infinite"),
    ):
        with pytest.raises(SourceError, match=words):
            parquet(tmp_path, table, columns=["a"])


def numpy_file(folder: Path, array: Any) -> Dataset:
    np.save(folder / "my.npy", array, allow_pickle=True)
    return select(read_table(folder / "my.npy", "my.npy"))


def test_npy_of_rows_and_of_rows_and_columns(tmp_path: Path) -> None:
    one = numpy_file(tmp_path, np.array([1, 2, 3]))
    two = numpy_file(tmp_path, np.array([[1.0, NAN], [3.0, 4.0], [5.0, 6.0]], order="F"))
    assert (one.features, one.x.tolist()) == (("x0",), [[1.0], [2.0], [3.0]])
    assert two.features == ("x0", "x1")
    np.testing.assert_array_equal(two.x, [[1.0, NAN], [3.0, 4.0], [5.0, 6.0]])


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((0, 2)), "there are no data"),
        (np.zeros((2, 2, 2)), "has 3 dimensions"),
        (np.array([1j]), "holds complex128"),
        (np.array([1, None], dtype=object), "cannot be read as NumPy arrays"),
        (np.array([[1.0, np.inf]]), "my.npy, row 0: x1: is infinite"),
    ],
)
def test_npy_that_is_no_table(array: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=words):
        numpy_file(tmp_path, array)


def archive(folder: Path, **arrays: Any) -> Dataset:
    np.savez(folder / "my.npz", **arrays)
    return select(read_table(folder / "my.npz", "my.npz"), classes="kind" if "kind" in arrays else None)


def test_npz_names_its_columns(tmp_path: Path) -> None:
    data = archive(tmp_path, a=np.arange(3), x=np.arange(6.0).reshape(3, 2), kind=np.array(["u", "v", "u"]))
    assert data.features == ("a", "x0", "x1")
    assert data.x.tolist() == [[0.0, 0.0, 1.0], [1.0, 2.0, 3.0], [2.0, 4.0, 5.0]]
    assert data.classes == ("u", "v", "u")


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"a": np.arange(3), "b": np.arange(2)}, "its arrays have 2 and 3 rows"),
        ({"x0": np.arange(3), "x": np.ones((3, 2))}, "column 'x0' is there twice"),
        ({"a": np.array([1, None], dtype=object)}, "array 'a' holds objects"),
        ({}, "there are no data"),
    ],
)
def test_npz_that_is_no_table(arrays: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=words):
        archive(tmp_path, **arrays)


def test_damaged_npz(tmp_path: Path) -> None:
    archive(tmp_path, a=np.arange(300.0))
    whole = bytearray((tmp_path / "my.npz").read_bytes())
    whole[1000] ^= 0xFF
    assert "array 'a' is damaged" in str(refusal(tmp_path, bytes(whole), "my.npz"))
    assert "cannot be read" in str(refusal(tmp_path, bytes(whole[:1000]), "my.npz"))


def test_all_formats_give_the_same_data(tmp_path: Path) -> None:
    x = np.random.default_rng(2).standard_normal((20, 2))
    x[3, 1] = NAN
    text = "x0,x1\n" + "\n".join(",".join("" if np.isnan(value) else repr(float(value)) for value in row) for row in x)
    found = [
        read(tmp_path, text),
        parquet(tmp_path, pa.table({"x0": x[:, 0], "x1": x[:, 1]})),
        numpy_file(tmp_path, x),
        archive(tmp_path, x=x),
        Dataset.of(x),
    ]
    assert len({data.fingerprint for data in found}) == 1


@pytest.mark.parametrize(
    ("text", "features"),
    [
        ('"a, in cm";"b"\n1;2\n3;4\n', ("a, in cm", "b")),
        ("a,x;b\n1;2\n3;4\n", ("a,x", "b")),
        ("a,b;c,d\n1,2;3,4\n5,6;7,8\n", ("a", "d")),  # three by commas, two by semicolons
        ("a|b,c\n1,2\n3,4\n", ("a|b", "c")),
    ],
)
def test_the_delimiter_is_the_one_that_all_rows_have(text: str, features: tuple[str, ...], tmp_path: Path) -> None:
    assert read(tmp_path, text).features == features


def test_words_that_are_parted_by_spaces_are_words(tmp_path: Path) -> None:
    assert read(tmp_path, "favourite colour\nlight blue\ndark red\n", levels=True).levels == (("dark red", "light blue"),)


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
@pytest.mark.parametrize("levels", [False, True])
def test_a_frame_of_whole_rows_is_told(delimiter: str, levels: bool, tmp_path: Path) -> None:
    """Read by commas what has none, it would pass for one column of words."""
    (tmp_path / "my.csv").write_text("a,b\n1,2\n3,4\n".replace(",", delimiter))
    frame = pd.read_csv(tmp_path / "my.csv")
    with pytest.raises(DataError, match=re.escape(f"holds whole rows, separated by {delimiter!r}; read the file with sep={delimiter!r}")):
        Dataset.of(frame, levels=levels)
    assert Dataset.of(pd.read_csv(tmp_path / "my.csv", sep=delimiter)).features == ("a", "b")
