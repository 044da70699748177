"""What a page is made of, before it is HTML or Markdown."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Field:
    """One cell of a grid; `numeric` ones are set flush right, `faint` ones in grey."""

    text: str
    numeric: bool = True
    faint: bool = False


@dataclasses.dataclass(frozen=True)
class Head:
    """The head of a row or a column: its name, a line that explains it, the method whose colour it wears."""

    text: str
    note: str = ""
    method: str = ""


@dataclasses.dataclass(frozen=True)
class Grid:
    """A table on the page: heads of columns, rows of a head and fields, and what to know about it.

    `source` names the table its numbers are in, `compact` ones are read down, a line of text a row, on a phone.
    """

    title: str
    columns: tuple[Head, ...]
    rows: tuple[tuple[Head, tuple[Field, ...]], ...]
    notes: tuple[str, ...] = ()
    source: str = ""
    compact: bool = False


@dataclasses.dataclass(frozen=True)
class Panel:
    """One drawing as SVG text; `stem` is its file's name and the prefix of its inner names; a `wide` one has a line of its own."""

    title: str
    stem: str
    svg: str
    method: str = ""
    wide: bool = False


@dataclasses.dataclass(frozen=True)
class Plate:
    """Panels side by side under one caption."""

    panels: tuple[Panel, ...]
    caption: str
    source: str


@dataclasses.dataclass(frozen=True)
class Sentences:
    """Plain sentences, each on its own line."""

    lines: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Listing:
    """Text to be shown as it is."""

    title: str
    text: str


Block = Grid | Plate | Sentences | Listing


@dataclasses.dataclass(frozen=True)
class Section:
    """A heading and what stands under it; a section without blocks is left out."""

    title: str
    anchor: str
    blocks: tuple[Block, ...]
