"""Headless Chromium as a command: a page in, what it logged, asked for and laid out as text."""

from __future__ import annotations

import dataclasses
import html
import json
import re
import shutil
import socketserver
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run", "--disable-default-apps", "--disable-extensions", "--hide-scrollbars"),
)
OWN = re.compile(r"[/ .](google|googleapis|gvt1|gstatic)\.com[:/]")  # what Chromium asks for itself; `loaded` sees such from a page
MEASURE = """<!DOCTYPE html><body style="margin: 0"><iframe style="border: 0; height: 2000px; width: WIDTHpx" srcdoc="PAGE"></iframe>
<script>addEventListener("load", () => {
  const view = document.querySelector("iframe").contentWindow, page = view.document, all = q => [...page.querySelectorAll(q)];
  all("details").forEach(d => d.open = true);
  const box = e => e.getBoundingClientRect(), size = t => Math.hypot(t.getScreenCTM().a, t.getScreenCTM().b);
  document.body.setAttribute("data-layout", JSON.stringify({
    width: view.innerWidth, needed: page.documentElement.scrollWidth,
    loaded: view.performance.getEntriesByType("resource").map(e => e.name).filter(name => !name.startsWith("data:")),
    drawings: all("svg").length, flat: all("svg").filter(s => box(s).width < 50 || box(s).height < 20).length,
    smallest: Math.min(...all("svg text").map(t => parseFloat(view.getComputedStyle(t).fontSize) * size(t))),
    wide: all("body *").filter(e => !e.closest(".scroll, svg") && box(e).right > view.innerWidth + 1).map(e => e.tagName),
    paper: view.getComputedStyle(page.body).backgroundColor, ink: view.getComputedStyle(page.body).color,
  }));
});</script>"""


class Listener(socketserver.BaseRequestHandler):
    """A proxy that answers nothing and writes down what it is asked for."""

    def handle(self) -> None:
        line = self.request.recv(4096).split(b"\r\n")[0].decode("latin-1")
        self.server.asked.append(line)  # type: ignore[attr-defined]


@dataclasses.dataclass(frozen=True)
class Visit:
    """What a browser made of a page."""

    dom: str
    console: list[str]
    asked: list[str]


@dataclasses.dataclass(frozen=True)
class Browser:
    """A Chromium binary and a directory for its profiles."""

    binary: str
    scratch: Path

    def visit(self, page: Path, *flags: str, width: int = 1200) -> Visit:
        """Open a page; every request that leaves the machine goes to a listener instead."""
        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Listener) as proxy:
            proxy.asked = []  # type: ignore[attr-defined]
            threading.Thread(target=proxy.serve_forever, daemon=True).start()
            away = f"--proxy-server=127.0.0.1:{proxy.server_address[1]}"
            done = self.run(away, f"--window-size={width},2000", "--enable-logging=stderr", "--dump-dom", *flags, page.as_uri())
            proxy.shutdown()
            asked = [line for line in proxy.asked if not OWN.search(line)]  # type: ignore[attr-defined]
        console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        return Visit(done.stdout, console, asked)

    def layout(self, page: Path, *flags: str, width: int = 1200) -> dict[str, Any]:
        """Measures of the page as it is laid out in a frame of some width (a window cannot be as narrow as a phone)."""
        frame = self.scratch / f"frame-{width}.html"
        text = html.escape(page.read_text(encoding="utf-8"))
        frame.write_text(MEASURE.replace("WIDTH", str(width)).replace("PAGE", text), encoding="utf-8")
        found = re.search(r'data-layout="([^"]*)"', self.visit(frame, *flags).dom)
        assert found, "the page did not finish loading"
        measures: dict[str, Any] = json.loads(html.unescape(found[1]))
        return measures

    def run(self, *flags: str) -> subprocess.CompletedProcess[str]:
        profile = self.scratch / "profile"
        shutil.rmtree(profile, ignore_errors=True)
        command = [self.binary, *QUIET, f"--user-data-dir={profile}", *flags]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Browser:
    binary = next(filter(None, map(shutil.which, NAMES)), None)
    if binary is None:
        pytest.skip(f"no Chromium on this machine (looked for {', '.join(NAMES)})")
    return Browser(binary, tmp_path_factory.mktemp("browser"))
