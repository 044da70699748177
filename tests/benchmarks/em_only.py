"""A warm run of EM alone, from shell to tables: 1,000 restarts on Old Faithful, K = 3, no pages.

    uv run python tests/benchmarks/em_only.py [--runs 5] [--restarts 1000]

Prints one JSON line: wall and processor seconds of the whole command (imports, fit with polished ends, path, ledger and
leave-one-out, the fit on disk, all tables), medians. The first run, which fills the code cache, is left out. Where Python may not
write bytecode beside its modules (PYTHONDONTWRITEBYTECODE), some three seconds of compiling what is imported come on top.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONFIG = """
name: em_only
data: old_faithful
model: {{family: gaussian, covariance: full, n_components: 3}}
methods:
  em: {{restarts: {restarts}}}
seed: 1
report: false
"""


def once(folder: Path) -> tuple[float, float]:
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "workbench", "run", str(folder / "em.yaml"), "--out", str(folder / "out"), "--force", "--quiet"]
    subprocess.run(command, check=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--restarts", type=int, default=1000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "em.yaml").write_text(CONFIG.format(restarts=given.restarts), encoding="utf-8")
        once(folder)
        wall, processor = zip(*(once(folder) for _ in range(given.runs)), strict=True)
    line = {
        "benchmark": "em_only",
        "restarts": given.restarts,
        "wall_seconds": statistics.median(wall),
        "fastest_wall_seconds": min(wall),
        "processor_seconds": statistics.median(processor),
        "target_wall_seconds": 3.0,
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
