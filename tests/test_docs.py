"""Every command in the documents is one that the command line takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from workbench.cli import main, parser
from workbench.experiment.pages import KINDS, page

ROOT = Path(__file__).parents[1]
SETUP = {"pip install uv", "uv run pytest", "uv sync", "bash .ci/run"}


def commands(document: str) -> list[str]:
    """Lines of shell blocks and inline commands, one for each side of ``&&``."""
    text = (ROOT / document).read_text(encoding="utf-8")
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    lines += re.findall(r"`((?:uv run |bash |workbench )[^`]+)`", text)
    return [part.strip() for line in lines for part in line.split("&&") if part.strip()]


@pytest.mark.parametrize("command", sorted({*commands("README.md"), *commands("CONTRIBUTING.md")}))
def test_command(command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    if command in SETUP:
        return
    words = shlex.split(command.removeprefix("uv run "))
    assert words[0] == "workbench", f"{command} is no command that this test knows"
    options = parser().parse_args(words[1:])  # exits with an error where a word is off
    if words[1] in ("check", "list", "schema") and all(Path(path).exists() for path in getattr(options, "configs", [])):
        assert main(words[1:]) == 0
        assert capsys.readouterr().out


def test_reference_pages_are_what_the_docstrings_say(tmp_path: Path) -> None:
    """Made anew by ``workbench list --pages reports/reference``."""
    from workbench.experiment.pages import write_pages

    made = {path.relative_to(tmp_path): path.read_text(encoding="utf-8") for path in write_pages(tmp_path)}
    kept = ROOT / "reports" / "reference"
    assert {path.relative_to(kept): path.read_text(encoding="utf-8") for path in kept.rglob("*.md")} == made


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, things in KINDS.items() for name in things])
def test_a_reference_page_has_formulas_and_sources_and_no_option_without_a_meaning(kind: str, name: str) -> None:
    text = page(kind, name)
    assert "## Formulas" in text
    assert "## Sources" in text
    assert "|  |" not in text
    assert "typing" not in text
    assert "<class" not in text


def test_the_first_command_is_there() -> None:
    found = commands("README.md")
    assert found[:3] == ["pip install uv", "uv run workbench run configs/old_faithful.yaml", "uv run pytest"]


def test_the_gallery_names_no_folder_of_a_machine() -> None:
    finished = sorted((ROOT / "reports" / "gallery").glob("*.html"))
    assert finished
    for each in finished:
        assert re.findall(r"(?<![\w.])/(?:tmp|root|home|work|Users)/[\w./-]*", each.read_text(encoding="utf-8")) == [], each.name
