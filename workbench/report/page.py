"""The page: sections through two templates, drawings as files beside it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import jinja2
import markupsafe

from workbench.inference.advice import listed
from workbench.report import sections, sweeps
from workbench.report.blocks import Panel, Plate, Section
from workbench.report.figures.canvas import inlined, standing
from workbench.report.numerals import count, counted
from workbench.report.palette import DARK, LIGHT, Look, declarations
from workbench.report.slices import Slice, slices

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from workbench.compare.cell import Cell
    from workbench.data import Dataset
    from workbench.report.provenance import Provenance


@dataclasses.dataclass(frozen=True)
class Chapter:
    """The sections of one cell; `preferred` chapters are open when the page is."""

    title: str
    anchor: str
    sections: tuple[Section, ...]
    preferred: bool


@dataclasses.dataclass(frozen=True)
class Page:
    """All that the templates show."""

    provenance: Provenance
    compared: str
    front: tuple[Section, ...]
    chapters: tuple[Chapter, ...]
    back: Section
    looks: Mapping[str, Look]


def write(folder: Path, tables: Mapping[str, pd.DataFrame], cells: Sequence[Cell], provenance: Provenance) -> Path:
    """Write the page, its Markdown twin and the figures; return the page's path."""
    page = compose(slices(tables, cells), provenance)
    figures = folder / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    fresh = {figures / f"{panel.stem}.svg": panel for panel in drawn(page)}
    for path in set(figures.glob("*.svg")) - set(fresh):
        path.unlink()  # drawn by an earlier report of this folder, about something that is no longer in it
    for path, panel in fresh.items():
        path.write_text(standing(panel.svg), encoding="utf-8")
    place = jinja2.Environment(
        loader=jinja2.PackageLoader("workbench.report"), trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    place.filters.update(inlined=inlined, plain=plain, markdown=markdown, fence=fence, joined=joined, coded=coded)
    paper = {"page": page, "light": declarations(LIGHT), "dark": declarations(DARK)}
    (folder / "report.md").write_text(place.get_template("page.md").render(paper), encoding="utf-8")
    target = folder / "report.html"
    target.write_text(place.overlay(autoescape=True).get_template("page.html").render(paper), encoding="utf-8")
    return target


def compose(parts: list[Slice], provenance: Provenance) -> Page:
    """Without a sweep the only cell's sections are the page; with one, a chapter a cell follows the summary."""
    back, looks = sections.of_provenance(provenance), parts[0].looks if parts else {}
    if len(parts) == 1:
        return Page(provenance, compared(parts), sections.of_cell(parts[0], ""), (), back, looks)
    chapters, favourite = [], sweeps.favourite(parts)
    for i, part in enumerate(parts):
        anchor = f"cell{i}-{sections.slug(part.title)}"
        chapters.append(Chapter(part.title, anchor, sections.of_cell(part, f"cell{i}-"), preferred=i == favourite))
    return Page(provenance, compared(parts), sections.of_sweep(parts), tuple(chapters), back, looks)


def compared(parts: list[Slice]) -> str:
    """`em, advi and nuts on old_faithful: 272 rows, 2 features (eruptions, waiting).`"""
    if not parts:
        return "No cell was run."
    cell, methods = parts[0], list(parts[0].looks)
    features = list(cell.data.features[:6]) + ([f"{len(cell.data.features) - 6} more"] if len(cell.data.features) > 6 else [])
    text = f"{listed(methods)} on {cell.data.name}: {size(cell.data, cell.counted)}"
    text += f", {counted(len(cell.data.features), 'feature')} ({', '.join(features)})"
    if cell.held_out is not None:
        text += f"; {size(cell.held_out, cell.counted, 'held-out row')} that no fit has seen"
    if len(parts) > 1:
        text += f"; {count(len(parts))} cells over {listed(list(cell.values))}"
    return f"{text}."


def size(data: Dataset, weighted: bool, noun: str = "row") -> str:
    """`10 rows (sum of counts 1096)`."""
    rows = counted(data.n_rows, noun)
    return f"{rows} (sum of counts {count(float(data.counts.sum()))})" if weighted else rows


def drawn(page: Page) -> Iterator[Panel]:
    """Every panel of the page."""
    every = [*page.front, *(section for chapter in page.chapters for section in chapter.sections)]
    for block in (block for section in every for block in section.blocks):
        if isinstance(block, Plate):
            yield from block.panels


def plain(block: object) -> str:
    """The kind of a block, for the templates."""
    return type(block).__name__


def joined(text: str) -> list[str]:
    """The pieces of a text that underscores join, each with its underscore: where a line may break, and not within one."""
    return re.split(r"(?<=_)(?=.)", text)


def coded(text: str) -> markupsafe.Markup:
    """Text of which what stands between backticks is code."""
    return markupsafe.Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(markupsafe.escape(text))))


def markdown(text: str) -> str:
    """Text that Markdown shows as it is, on one line, in a table too."""
    text = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*|\[\]~]|(?<!\w)_|_(?!\w))", r"\\\1", text)


def fence(text: str) -> str:
    """A fence longer than any that the text holds."""
    return "`" * max(3, 1 + max(map(len, re.findall(r"`+", text)), default=0))
