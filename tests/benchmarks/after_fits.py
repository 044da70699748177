"""What comes after the fits: grouping a thousand restarts into optima, and the tables and pages of a finished run.

    uv run python tests/benchmarks/after_fits.py [--config configs/old_faithful.yaml] [--repeats 3]

Prints one JSON line: wall seconds of each, the first time in the process (imports, fonts, code caches) and the least of the others.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import workbench
from workbench.compare.optima import optima
from workbench.data.builtin import load_built_in
from workbench.inference import EM
from workbench.problem import Problem


def seconds(work: Callable[[], object], repeats: int) -> dict[str, float]:
    found = []
    for _ in range(1 + repeats):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return {"first": round(found[0], 4), "then": round(min(found[1:]), 4)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", default=str(Path(__file__).parents[2] / "configs" / "old_faithful.yaml"))
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    problem = Problem(load_built_in("old_faithful"), "gaussian", 3)
    fit = EM(restarts=1000, engine="book").fit(problem)
    result = {"optima_of_1000_restarts": seconds(lambda: optima(problem, fit), options.repeats)}
    with tempfile.TemporaryDirectory() as folder:
        run = workbench.run(options.config, out=folder)
        result["tables_and_pages"] = seconds(run.report, options.repeats)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
