"""E steps until the objective is within 1e-9 nats of its optimum: plain EM, SQUAREM and Anderson on slow problems; JSON lines.

uv run python tests/benchmarks/acceleration.py                   # medians over starts
uv run python tests/benchmarks/acceleration.py --starts 3        # quickly

An E step is counted for every point at which the objective is evaluated, those that are dropped among them. Each method runs
from the same starts, each start by itself; the optimum of a start is the best that any of the three finds from it, and starts
from which they end at different optima are counted apart.
"""

import argparse
import json
import os
import statistics

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np  # noqa: E402  (reads those)

from workbench.data.builtin import load_built_in  # noqa: E402
from workbench.inference.em.acceleration import anderson, squarem  # noqa: E402
from workbench.inference.em.engine import Fast  # noqa: E402
from workbench.inference.em.scheme import Steps, plain  # noqa: E402
from workbench.inference.em.starts import random_responsibilities  # noqa: E402
from workbench.problem import Problem  # noqa: E402

CLOSE = 1e-9
SAME_OPTIMUM = 1e-4
MOST = 50_000
"""E steps after which a run ends."""
QUIET = 60
"""E steps without a rise after which a run has reached what it can."""
SCHEMES = {"plain": plain, "squarem": squarem, "anderson": anderson}
TARGET, AIM = 10.0, 30.0
SLOW = 1_000
"""E steps of plain EM from which on the target is meant; what needs fewer is there to compare."""


class Counting(Fast):
    """The compiled steps; every fit of an E step is counted."""

    count = 0

    def expect(self, mixture, *arguments, **options):
        Counting.count += mixture.weights.shape[0]
        return super().expect(mixture, *arguments, **options)


def climbed(scheme, start, steps):
    """Objective after each number of E steps, until it rises no more: (E steps, objective) of every iteration."""
    Counting.count = 0
    counts, values, best, since = [], [], -np.inf, 0
    for iteration in scheme(start, steps):
        counts.append(Counting.count)
        values.append(float(iteration.objective[0]))
        since = Counting.count if values[-1] > best else since
        best = max(best, values[-1])
        if Counting.count - since > QUIET or Counting.count > MOST:
            break
    return np.array(counts), np.array(values)


def problems():
    """Slow ones, by name, each with its data and K."""
    yield "death notices, poisson K = 2", Problem(load_built_in("death_notices"), "poisson", 2)
    for distance in (1.0, 1.5):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(2000, 2)) + distance * rng.integers(2, size=(2000, 1))
        yield f"gaussians {distance:g} sd apart in each of 2 columns, N = 2000, full K = 2", Problem(x, "gaussian", 2)
    yield "old_faithful, full K = 3", Problem(load_built_in("old_faithful"), "gaussian", 3)


def measured(name, problem, n_starts):
    """E steps of every method from every start, as one record."""
    steps = Steps(problem, None, Counting())
    needed, elsewhere = {method: [] for method in SCHEMES}, 0
    for seed in range(n_starts):
        start = random_responsibilities(steps, [np.random.default_rng(seed)])
        runs = {method: climbed(scheme, start, steps) for method, scheme in SCHEMES.items()}
        ends = [values.max() for _, values in runs.values()]
        if max(ends) - min(ends) > SAME_OPTIMUM:
            elsewhere += 1
            continue
        for method, (counts, values) in runs.items():
            near = np.flatnonzero(values >= max(ends) - CLOSE)
            needed[method].append(int(counts[near[0]]) if near.size else MOST)
    medians = {method: statistics.median(counts) for method, counts in needed.items() if counts}
    ratios = {method: round(medians["plain"] / medians[method], 1) for method in ("squarem", "anderson") if method in medians}
    return {
        "benchmark": "acceleration",
        "problem": name,
        "within": CLOSE,
        "starts": n_starts,
        "at_different_optima": elsewhere,
        "e_steps": medians,
        "fewer": ratios,
        **({"target": TARGET, "aim": AIM} if medians["plain"] >= SLOW else {}),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=15)
    options = parser.parse_args()
    for name, problem in problems():
        print(json.dumps(measured(name, problem, options.starts)), flush=True)


if __name__ == "__main__":
    main()
