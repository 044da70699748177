"""The report in a browser: it loads nothing, throws nothing, and fits a phone."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from workbench import report

if TYPE_CHECKING:
    from conftest import Browser

pytestmark = pytest.mark.browser


def made_tables() -> ModuleType:
    """The maker of tables that the report room's own tests use."""
    path = Path(__file__).parents[1] / "report" / "made.py"
    spec = importlib.util.spec_from_file_location("made", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["made"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = made_tables()
    data = made.clusters()
    return report.write(tmp_path_factory.mktemp("run"), made.tables_of(data), [made.cell(data)], made.PROVENANCE)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = made_tables()
    page: Path = made.swept(tmp_path_factory.mktemp("sweep"), made.clusters(), [1, 2])
    return page


def test_loads_nothing_and_throws_nothing(browser: Browser, page: Path) -> None:
    visit = browser.visit(page)
    assert visit.asked == []
    assert visit.console == []
    assert "Findings" in visit.dom
    assert browser.layout(page)["loaded"] == []


def test_the_test_would_notice(browser: Browser, tmp_path: Path) -> None:
    """A page that does load and does throw is caught by the same means."""
    bad = tmp_path / "bad.html"
    bad.write_text('<img src="http://pictures.invalid/a.png"><script>throw new Error("thrown")</script>', encoding="utf-8")
    visit = browser.visit(bad)
    assert any("pictures.invalid" in line for line in visit.asked)
    assert any("thrown" in line for line in visit.console)
    assert browser.layout(bad)["loaded"] == ["http://pictures.invalid/a.png"]


@pytest.mark.parametrize("width", [360, 768, 1200])
def test_fits_the_width(browser: Browser, page: Path, width: int) -> None:
    layout = browser.layout(page, width=width)
    assert layout["width"] == width
    assert layout["wide"] == []
    assert layout["needed"] <= width
    assert layout["flat"] == 0
    assert layout["drawings"] > 8


def test_words_in_drawings_can_be_read_on_a_phone(browser: Browser, page: Path) -> None:
    assert browser.layout(page, width=360)["smallest"] >= 6


def test_sweep_fits_a_phone(browser: Browser, sweep: Path) -> None:
    layout = browser.layout(sweep, width=360)
    assert layout["wide"] == []
    assert layout["flat"] == 0


def test_dark_follows_the_reader(browser: Browser, page: Path) -> None:
    light = browser.layout(page, "--blink-settings=preferredColorScheme=1")
    dark = browser.layout(page, "--blink-settings=preferredColorScheme=0")
    assert light["paper"] == "rgb(255, 255, 255)"
    assert dark["paper"] == "rgb(20, 23, 26)"
    assert light["ink"] != dark["ink"]


def test_prints(browser: Browser, page: Path, tmp_path: Path) -> None:
    target = tmp_path / "report.pdf"
    browser.run(f"--print-to-pdf={target}", "--no-pdf-header-footer", page.as_uri())
    assert target.read_bytes().startswith(b"%PDF")
    assert target.stat().st_size > 20_000
