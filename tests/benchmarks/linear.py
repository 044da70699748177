"""Time and memory of one EM iteration as N grows from 1e4 to 1e7 (D = 2, K = 3, full covariance), one thread; JSON lines.

    uv run python tests/benchmarks/linear.py

Nanoseconds a row by the processor's clock, medians; the last line has by how much a row of more data costs more than one
of 1e4, against 1.3 (and the largest over the smallest of them: at 1e4 the calls around the kernels are a fifth of the time), and
the memory that the largest iteration took beyond the data, against 64 MB (the peak of the resident set, Linux).
"""

from __future__ import annotations

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np

from workbench.data import Dataset
from workbench.fast import expectation
from workbench.models import Mixture
from workbench.models.families.gaussian.full import FullComponents

ROWS = (10_000, 100_000, 1_000_000, 10_000_000)
SIZE, COMPONENTS = 2, 3
LINEAR, MEGABYTES = 1.3, 64.0


def problem_of(n_rows: int) -> tuple[Dataset, Mixture]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n_rows, SIZE))
    x += 4.0 * rng.integers(0, COMPONENTS, n_rows)[:, None]
    means = 4.0 * np.arange(COMPONENTS)[None, :, None] + np.zeros((1, COMPONENTS, SIZE))
    covariances = np.broadcast_to(np.eye(SIZE), (1, COMPONENTS, SIZE, SIZE)).copy()
    return Dataset.of(x), Mixture(np.full((1, COMPONENTS), 1.0 / COMPONENTS), FullComponents(means, covariances))


def iteration(data: Dataset, mixture: Mixture) -> float:
    """Processor seconds of one."""
    start = time.process_time()
    expectation.m_step(expectation.expect(mixture, data).statistics, None, mixture)
    return time.process_time() - start


def forget_peak() -> None:
    """The peak of the resident set is what it is now (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")


def resident(what: str) -> float:
    """VmRSS (now) or VmHWM (the peak), in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024.0 for line in lines if line.startswith(what))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    iteration(*problem_of(ROWS[0]))
    by_row, beyond = [], 0.0
    for n_rows in ROWS:
        data, mixture = problem_of(n_rows)
        forget_peak()
        before = resident("VmRSS")
        times = [iteration(data, mixture) for _ in range(repeats if n_rows > ROWS[0] else 20 * repeats)]
        beyond = resident("VmHWM") - before
        by_row.append(1e9 * statistics.median(times) / n_rows)
        line = {"benchmark": "linear", "rows": n_rows, "nanoseconds_a_row": round(by_row[-1], 3), "megabytes_beyond_data": round(beyond, 1)}
        print(json.dumps(line), flush=True)
    spread = max(by_row) / min(by_row)
    growth = max(by_row) / by_row[0]
    print(
        json.dumps(
            {"benchmark": "linear", "growth": round(growth, 3), "spread": round(spread, 3), "target": LINEAR, "target_megabytes": MEGABYTES}
        )
    )


if __name__ == "__main__":
    main()
