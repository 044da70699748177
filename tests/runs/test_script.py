"""A script may call ``workbench.run`` as it is, with methods that run in processes of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import dataclasses
from typing import ClassVar

import workbench

@dataclasses.dataclass(frozen=True)
class Mine(workbench.EM):
    kind: ClassVar[str] = "mine"

    def fit(self, problem, context=None):
        return dataclasses.replace(super().fit(problem, context), kind="mine")

print("once")
run = workbench.run(
    {"data": "galaxies", "model": {"n_components": 2}, "report": False,
     "methods": {"em": {"restarts": 3}, "nuts": {"chains": 1, "draws": 20, "tune": 20}}},
    out="there",
    methods={"mine": Mine(restarts=3)},  # no other process finds its class
)
print(sorted(run.fits), dict(run.failures))
"""


@pytest.mark.slow
def test_a_script_without_a_guard(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, cwd=tmp_path, timeout=240, check=False)
    assert done.stdout.splitlines() == ["once", "['em', 'mine', 'nuts'] {}"], done.stderr
    assert done.stderr == ""
