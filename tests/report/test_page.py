"""The page as a whole: what is in it, what it never does."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import made
import pandas as pd
import pytest

from workbench import report
from workbench.data import Dataset
from workbench.report.page import compared
from workbench.report.slices import slices

ROWS = ((3, [162.0, 267.0, 271.0]), (2, [185.0, 26.0]))
VOID = {"meta", "br", "img", "link", "input", "hr", "wbr"}


class Nesting(HTMLParser):
    """Fails on a tag that is closed out of turn; collects ids and visible text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)


def parsed(page: Path) -> Nesting:
    reader = Nesting()
    reader.feed(page.read_text(encoding="utf-8"))
    assert not reader.open
    return reader


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = made.clusters()
    target = tmp_path_factory.mktemp("run")
    report.write(target, made.tables_of(data), [made.cell(data)], made.PROVENANCE)
    return target


def test_sections_in_order(folder: Path) -> None:
    heads = re.findall(r"<h3>(.*?)</h3>", (folder / "report.html").read_text(encoding="utf-8"))
    assert heads == [
        *("Findings", "Likelihoods and other scores", "Restarts", "Data and fits", "Responsibilities compared"),
        *("Objectives by iteration and by second", "Parameters", "Optima", "Diagnostics", "Provenance"),
    ]


def test_html_is_well_formed_with_one_of_each_id(folder: Path) -> None:
    ids = parsed(folder / "report.html").ids
    assert len(ids) == len(set(ids))


def test_nothing_is_loaded(folder: Path) -> None:
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert "<script" not in text
    found = re.findall(
        r"""(?:href|src|srcset|data|poster|action)\s*=\s*["']?([^"'\s>]*)|url\(\s*["']?([^"')]*)|@import\s*["']?([^"';]*)""", text
    )
    assert len(found) > 10
    for address in found:
        assert "".join(address).startswith(("#", "data:"))


def test_every_reference_in_a_drawing_is_to_the_same_drawing(folder: Path) -> None:
    text = (folder / "report.html").read_text(encoding="utf-8")
    for svg in re.findall(r"<svg .*?</svg>", text, flags=re.DOTALL):
        ids = set(re.findall(r'\bid="([^"]*)"', svg))
        assert set(re.findall(r'(?:href="|url\()#([^")]*)', svg)) <= ids


def test_markdown_has_the_figures(folder: Path) -> None:
    text = (folder / "report.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\]\((figures/[^)]*)\)", text))
    assert named == {f"figures/{path.name}" for path in (folder / "figures").iterdir()}
    assert "## Findings" in text


def test_every_figure_has_a_caption_and_its_table(folder: Path) -> None:
    figures = re.findall(r"<figure>.*?</figure>", (folder / "report.html").read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(figures) >= 5
    for figure in figures:
        assert re.search(r"<figcaption>\S.{60,}Numbers: tables/\w+", figure, flags=re.DOTALL)


def test_same_bytes_twice(folder: Path, tmp_path: Path) -> None:
    data = made.clusters()
    report.write(tmp_path, made.tables_of(data), [made.cell(data)], made.PROVENANCE)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        assert path.read_bytes() == (tmp_path / path.relative_to(folder)).read_bytes()


def test_tables_read_back_from_disk_give_the_same_page(folder: Path, tmp_path: Path) -> None:
    data = made.clusters()
    back = {}
    for name, table in made.tables_of(data).items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
        back[name] = pd.read_csv(tmp_path / f"{name}.csv") if len(table.columns) else table
    page = report.write(tmp_path, back, [made.cell(data)], made.PROVENANCE)
    assert page.read_bytes() == (folder / "report.html").read_bytes()


def test_one_method_one_colour(folder: Path) -> None:
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert text.count("var(--method-0)") > 5
    drawing = re.search(r"<h4>[^/]*</i>nuts</h4><svg.*?</svg>", text, flags=re.DOTALL)
    assert drawing
    assert set(re.findall(r"--method-(\d)", drawing[0])) == {"3"}


def test_sweep_has_a_summary_and_a_chapter_a_cell(tmp_path: Path) -> None:
    data = made.clusters()
    text = made.swept(tmp_path, data, [1, 2, 3]).read_text(encoding="utf-8")
    assert re.search(r"BIC prefers model.n_components = \d", text)
    assert re.findall(r"<summary><h2>(.*?)</h2>", text) == [f"model.n_components = {k}" for k in (1, 2, 3)]
    assert text.index("The sweep") < text.index("<details")
    assert len(re.findall("<details [^>]* open>", text)) == 1


def test_figures_of_an_earlier_report_go(tmp_path: Path) -> None:
    data = made.clusters()
    report.write(tmp_path, made.tables_of(data), [made.cell(data)], made.PROVENANCE)
    report.write(tmp_path, made.tables_of(data, methods={"em": ("em", "point")}), [made.cell(data)], made.PROVENANCE)
    assert not list((tmp_path / "figures").glob("*nuts*"))
    assert list((tmp_path / "figures").glob("*em*"))


def test_the_head_says_how_many_rows_and_what_they_count_for() -> None:
    fitted, unseen = (Dataset.of([[float(i)] for i in range(n)], ["deaths"], counts=counts, name="days") for n, counts in ROWS)
    cell = made.cell(fitted)
    cell.held_out = unseen
    text = compared(slices({"likelihoods": pd.DataFrame([{"method": "em"}])}, [cell]))
    assert text == "em on days: 3 rows (sum of counts 700), 1 feature (deaths); 2 held-out rows (sum of counts 211) that no fit has seen."
