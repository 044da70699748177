"""A script may call ``workbench.run`` as it is, with methods that run in processes of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import workbench
print("once")
run = workbench.run(
    {"data": "galaxies", "model": {"n_components": 2}, "report": False,
     "methods": {"em": {"restarts": 3}, "nuts": {"chains": 1, "draws": 20, "tune": 20}}},
    out="there",
)
print(sorted(run.fits), dict(run.failures))
"""


def test_a_script_without_a_guard(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, cwd=tmp_path, timeout=240, check=False)
    assert done.stdout.splitlines() == ["once", "['em', 'nuts'] {}"], done.stderr
    assert done.stderr == ""
