"""The log density and gradient that NUTS samples, compiled around the E step and by PyMC's own graph, and their compilation: JSON lines.

python tests/benchmarks/pymc_density.py                 # all, medians of paired runs
python tests/benchmarks/pymc_density.py --pairs 3       # quickly
python tests/benchmarks/pymc_density.py --only density  # or --only compile

Evaluations are timed inside one process, the two sides in turn. Compilation is timed in processes of their own, from an empty
code cache (cold) and again from the one that left (warm): everything from the problem to the first evaluation, imports apart.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np  # noqa: E402  (reads those)

DENSITIES = {
    "complete, N=1e5 D=2 K=3": (100_000, 2, 3, 0.0, 5.0),
    "complete, N=1e5 D=10 K=5": (100_000, 10, 5, 0.0, 3.0),
    "10 % missing, N=1e4 D=6 K=3": (10_000, 6, 3, 0.1, 5.0),
}
"""N, D, K, share of missing cells, target."""
OLD_FAITHFUL = Path(__file__).parents[2] / "workbench" / "data" / "csv" / "old_faithful.csv"
COMPILE = """
import sys, time
from workbench.inference.pymc import chains, density, posterior
from workbench.problem import Problem
import numpy as np
x = np.loadtxt({path!r}, delimiter=",", skiprows=1)
start, used = time.perf_counter(), time.process_time()
(posterior if sys.argv[1] == "op" else density).posterior(Problem(x[:, :2], "gaussian", 2))
print(time.perf_counter() - start, time.process_time() - used)
"""


def problem_of(n_rows, n_features, n_components, missing):
    from workbench.problem import Problem

    rng = np.random.default_rng(1)
    x = rng.normal(size=(n_rows, n_features)) + 3.0 * rng.integers(0, n_components, n_rows)[:, None]
    x[rng.random(x.shape) < missing] = np.nan
    return Problem(x, "gaussian", n_components)


def seconds(evaluate, u, repeats):
    start = time.perf_counter()
    for _ in range(repeats):
        evaluate(u)
    return (time.perf_counter() - start) / repeats


def densities(pairs):
    from workbench.inference.pymc import density, posterior

    for name, (*size, target) in DENSITIES.items():
        problem = problem_of(*size)
        compiled = {"op": posterior.posterior(problem), "graph": density.posterior(problem)}
        u = problem.prior.flatten(problem.prior.sample(np.random.default_rng(2)))[0]
        values = [each(u) for each in compiled.values()]
        for ours, theirs in zip(*values, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-8 * np.abs(theirs).max())
        times = [[seconds(each, u, 3) for each in compiled.values()] for _ in range(pairs)]
        result = {
            "benchmark": "pymc_density",
            "case": name,
            "op_ms": round(1e3 * statistics.median(op for op, _ in times), 3),
            "graph_ms": round(1e3 * statistics.median(graph for _, graph in times), 3),
            "ratio": round(statistics.median(graph / op for op, graph in times), 2),
            "target": target,
        }
        print(json.dumps(result), flush=True)


def compiled_in(folder, likelihood):
    """Wall and CPU seconds in a fresh process whose code caches are in ``folder``."""
    env = {**os.environ, "PYTENSOR_FLAGS": f"base_compiledir={folder}/pytensor", "NUMBA_CACHE_DIR": f"{folder}/numba"}
    script = COMPILE.format(path=str(OLD_FAITHFUL))
    done = subprocess.run([sys.executable, "-c", script, likelihood], env=env, capture_output=True, text=True, check=True)
    wall, cpu = map(float, done.stdout.split())
    return {"wall": wall, "cpu": cpu}


def compilation(pairs):
    found = {"cold": [], "warm": []}
    for _ in range(pairs):
        pair = {}
        for likelihood in ("graph", "op"):
            with tempfile.TemporaryDirectory() as folder:
                pair[likelihood] = {"cold": compiled_in(folder, likelihood), "warm": compiled_in(folder, likelihood)}
        for state, each in found.items():
            each.append((pair["op"][state], pair["graph"][state]))
    for state, target in (("cold", 0.6), ("warm", 1.0)):
        result = {"benchmark": "pymc_compile", "case": f"NUTS, Old Faithful, K=2, {state}"}
        for clock in ("wall", "cpu"):
            result[f"op_{clock}_s"] = round(statistics.median(op[clock] for op, _ in found[state]), 2)
            result[f"graph_{clock}_s"] = round(statistics.median(graph[clock] for _, graph in found[state]), 2)
            result[f"ratio_{clock}"] = round(statistics.median(op[clock] / graph[clock] for op, graph in found[state]), 3)
        print(json.dumps({**result, "target": f"at most {target}"}), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--only", choices=["density", "compile"])
    arguments = parser.parse_args()
    if arguments.only != "compile":
        densities(arguments.pairs)
    if arguments.only != "density":
        compilation(max(1, arguments.pairs // 3))


if __name__ == "__main__":
    main()
