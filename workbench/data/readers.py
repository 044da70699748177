"""Files as tables: one reader a format, one row in READERS."""

from __future__ import annotations

import contextlib
import csv
import glob
import io
import itertools
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from workbench.data.dataset import DataError
from workbench.data.spelling import there_are
from workbench.data.table import Column, SourceError, Table, number_of

DELIMITERS = ",;\t|"
LOOKED_AT = 20
"""Lines by which the delimiter is told."""


def read_table(path: Path, shown: str | None = None) -> Table:
    """Read a file.

    Parameters
    ----------
    path : a CSV, TSV, Parquet, NPY or NPZ file
    shown : what messages call it; the path if None

    Raises
    ------
    DataError
        If it is missing, of another kind, damaged or empty.
    """
    name = shown or str(path)
    reader = READERS.get(path.suffix.lower())
    try:
        if not path.is_file():
            raise SourceError(_missing(path, name), "file")
        if reader is None:
            raise SourceError(f"{name}: files of this kind cannot be read; {there_are(READERS)}", "file")
        return reader(path, name)
    except SourceError:
        raise
    except DataError as error:  # of the columns as a whole: the file's fault
        raise SourceError(str(error), "file") from None
    except UnicodeDecodeError:
        raise SourceError(f"{name}: is not UTF-8 text; save it as UTF-8", "file") from None
    except OSError as error:
        raise SourceError(f"{name}: cannot be read ({error.strerror or error}); check the file", "file") from None


def _missing(path: Path, name: str) -> str:
    if path.is_dir():
        return f"{name}: is a folder; give a file in it"
    near = sorted(p.name for p in path.parent.glob(f"{glob.escape(path.stem)}.*")) if path.parent.is_dir() else []
    hint = f"did you mean {near[0]}?" if near else "give a path relative to the config"
    return f"{name}: there is no such file; {hint}"


def read_csv(path: Path, name: str) -> Table:
    """Read text delimited by commas, semicolons, tabs or bars, with one header row; an empty cell, ``nan`` or ``NA`` is not observed."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        delimiter = _delimiter(list(itertools.islice(file, LOOKED_AT)))
        file.seek(0)
        rows, lines = _rows(_reader(file, delimiter), name)
    if not rows:
        raise SourceError(f"{name}: the file is empty; give a header row and at least one row", "file")
    header, body, places = rows[0], rows[1:], lines[1:]
    _check_separated(header, body, name)
    if all(number_of(cell) is not None for cell in header) and any(header):
        raise SourceError(f"{name}:1: the first row holds numbers, not names; put a row of column names above it", "file")
    columns = [Column(title, list(cells)) for title, cells in zip(header, zip(*body, strict=True), strict=True)] if body else []
    return Table.of(name, columns, lambda row: f"{name}:{places[row]}")


def _reader(lines: Iterable[str], delimiter: str) -> Any:
    return csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)


def _delimiter(lines: Sequence[str]) -> str:
    """The delimiter that parts the first rows into equally many cells, of several the one that makes most; else a comma."""

    def parts(delimiter: str) -> tuple[bool, int]:
        sizes: list[int] = []
        with contextlib.suppress(csv.Error):  # quotes that another delimiter stands beside, or one that the last line leaves open
            sizes.extend(len(cells) for cells in _reader(lines, delimiter) if cells)
        return len(set(sizes)) == 1 and sizes[0] > 1, max(sizes[:1], default=0)

    return max(DELIMITERS, key=parts)


def _check_separated(header: Sequence[str], body: Sequence[Sequence[str]], name: str) -> None:
    """Hold a file to be parted by a delimiter.

    Raises
    ------
    SourceError
        If its first line only names the delimiter, or rows of numbers are parted by spaces.
    """
    if re.fullmatch("sep=.?", "".join(header)):
        raise SourceError(f"{name}:1: names the separator, not the columns; leave this line out", "file")
    words = [row[0].split() for row in (header, *body[:LOOKED_AT]) if len(row) == 1]
    spaced = len({len(row) for row in words}) == 1 and len(header) == 1 and len(words[0]) > 1
    if spaced and body and all(number_of(cell) is not None for row in words[1:] for cell in row):
        raise SourceError(f"{name}: its columns are parted by spaces; write commas, semicolons or tabs between them", "file")


def _rows(reader: Any, name: str) -> tuple[list[list[str]], list[int]]:
    """Read rows and the line each begins on, all as long as the first.

    Blank lines are left out, but for those between the rows of a single column: there they are empty cells.
    """
    rows: list[list[str]] = []
    lines: list[int] = []
    blank: list[int] = []
    for line, cells in _numbered(reader, name):
        if not cells:
            blank += [line] if rows and len(rows[0]) == 1 else []
            continue
        if rows and len(cells) != len(rows[0]):
            raise SourceError(f"{name}:{line}: has {len(cells)} cells and the header {len(rows[0])}; mend the row", "file")
        rows += [[""] for _ in blank] + [[cell.strip() for cell in cells]]
        lines += [*blank, line]
        blank = []
    return rows, lines


def _numbered(reader: Any, name: str) -> Iterator[tuple[int, list[str]]]:
    line = 1
    try:
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise SourceError(f"{name}:{reader.line_num}: is not CSV ({error}); mend the line", "file") from None


def read_parquet(path: Path, name: str) -> Table:
    """Read a Parquet file; null is not observed."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            table = file.read()
    except pa.ArrowException as error:
        raise SourceError(f"{name}: is not a Parquet file ({str(error).splitlines()[0]}); check the file", "file") from None
    columns = [Column(title, _arrow_cells(column, pa)) for title, column in zip(table.column_names, table.columns, strict=True)]
    return Table.of(name, columns)


def _arrow_cells(column: Any, pa: Any) -> list[str] | np.ndarray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal)
    if any(is_kind(column.type) for is_kind in kinds):
        values = [np.nan if value is None else float(value) for value in column.to_pylist()]
        return np.array(values, dtype=np.float64)
    return ["" if value is None else str(value) for value in column.to_pylist()]


def read_npy(path: Path, name: str) -> Table:
    """Read one array (N,) or (N, D); the columns are called x0, x1, ..."""
    array = _load(path, name)
    if not isinstance(array, np.ndarray):
        raise SourceError(f"{name}: holds several arrays; call it .npz", "file")
    return Table.of(name, _array_columns(np.atleast_2d(array.T).T, "x", name))


def read_npz(path: Path, name: str) -> Table:
    """Read named arrays of N rows: (N,) is a column of that name, (N, D) gives NAME0, NAME1, ..."""
    archive = _load(path, name)
    if isinstance(archive, np.ndarray):
        raise SourceError(f"{name}: is not an NPZ archive; save it with numpy.savez", "file")
    with archive:
        columns = [column for key in archive.files for column in _array_columns(_member(archive, key, name), key, name)]
    sizes = sorted({len(column.cells) for column in columns})
    if len(sizes) > 1:
        raise SourceError(f"{name}: its arrays have {' and '.join(map(str, sizes))} rows; give all the same number", "file")
    return Table.of(name, columns)


def _load(path: Path, name: str) -> Any:
    try:
        return np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)  # of a path, a damaged archive would stay open
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0] if str(error) else "it is cut short"
        reason = "it holds objects, or something else" if "pickle" in reason else reason
        raise SourceError(f"{name}: cannot be read as NumPy arrays ({reason}); save plain numbers", "file") from None


def _member(archive: Any, key: str, name: str) -> np.ndarray:
    try:
        return np.asarray(archive[key])
    except ValueError:
        raise SourceError(f"{name}: array {key!r} holds objects; save numbers or text", "file") from None
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise SourceError(f"{name}: array {key!r} is damaged ({error}); save the file again", "file") from None


def _array_columns(array: np.ndarray, key: str, name: str) -> list[Column]:
    if array.ndim == 1:
        return [Column(key, _array_cells(array, key, name))]
    if array.ndim == 2:
        return [Column(f"{key}{d}", _array_cells(array[:, d], key, name)) for d in range(array.shape[1])]
    raise SourceError(f"{name}: array {key!r} has {array.ndim} dimensions; give rows and columns", "file")


def _array_cells(array: np.ndarray, key: str, name: str) -> list[str] | np.ndarray:
    if array.dtype.kind in "US":
        return [str(value).strip() for value in array.astype(str)]
    if array.dtype.kind not in "biuf":
        raise SourceError(f"{name}: array {key!r} holds {array.dtype}; save numbers or text", "file")
    return np.asarray(array, dtype=np.float64)


READERS: dict[str, Callable[[Path, str], Table]] = {
    ".csv": read_csv,
    ".tsv": read_csv,
    ".txt": read_csv,
    ".parquet": read_parquet,
    ".npy": read_npy,
    ".npz": read_npz,
}
