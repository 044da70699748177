"""One EM iteration, full covariance: ours against scikit-learn's, two threads against one, and both against the machine's limit.

    uv run --with scikit-learn python tests/benchmarks/e_step.py              # medians of interleaved pairs
    uv run --with scikit-learn python tests/benchmarks/e_step.py --pairs 3    # quickly

Prints one JSON line a shape, then one with the geometric mean. Both sides start at the same parameters, on one thread each, and
are timed by the processor's clock; two threads against one by the wall's, which wants an
idle machine; ``two_threads_at_most`` is what the work they share out would allow, whatever the neighbours do.
The limit is the larger of two times: what the shape must compute, counted by hand below, at the rate at which this machine was
seen to multiply and add in the same run; and its bytes at the rate at which it was seen to read memory.
"""

from __future__ import annotations

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")

import argparse
import json
import math
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from workbench.data import Dataset
from workbench.fast import expectation
from workbench.fast.lanes import WIDTH
from workbench.fast.writer import Writer, kernel
from workbench.models import Mixture
from workbench.models.families.gaussian.full import FullComponents

SHAPES = {(1_000_000, 2, 5): 20.0, (100_000, 10, 10): 10.0, (1_000_000, 1, 2): 20.0, (10_000, 50, 10): 1.5}
"""(N, D, K) and by how much it should beat scikit-learn."""
GEOMETRIC_MEAN, TWO_THREADS, DISTANCE = 8.0, 1.7, 4.0
EXP = 18
"""Multiplications and additions of an exponential: range 4, polynomial 12, scale 2."""


def operations(n_rows: int, size: int, n_components: int) -> int:
    """A multiplication, an addition, or one fused of both, each as one.

    Log joint: deviations D, triangle times deviations D(D+1)/2, square D, constant 1. Share: difference from the largest 1,
    exp, sum 1, division 1. Sums: weighted deviations D, n 1, s1 D, s2 D(D+1)/2; the deviations are those above.
    """
    triangle = size * (size + 1) // 2
    return n_rows * n_components * ((triangle + 2 * size + 1) + (EXP + 3) + (triangle + 2 * size + 1))


@kernel
def _multiply_add(code: Writer, n: Any, out: Any) -> None:
    sums = [code.sum(1.0) for _ in range(12)]
    with code.loop(n):
        for each in sums:
            each.add_product(code.spread(out, 0), each.value)
    for i, each in enumerate(sums):
        code.store(each.value, out, i * WIDTH)


@kernel
def _read(code: Writer, x: Any, n: Any, out: Any) -> None:
    sums = [code.sum() for _ in range(8)]
    with code.loop(n, step=8 * WIDTH) as i:
        for part, each in enumerate(sums):
            each.add(code.load(x, code.plus(i, part * WIDTH)))
    for i, each in enumerate(sums):
        code.store(each.value, out, i * WIDTH)


@numba.njit
def multiply_add(n: int, out: np.ndarray) -> None:
    _multiply_add(n, out)


@numba.njit
def read(x: np.ndarray, out: np.ndarray) -> None:
    _read(x, x.size, out)


def seconds(function: Callable[..., Any], *arguments: Any, clock: Callable[[], float] = time.process_time) -> float:
    """Of the processor, so that neighbours on a busy machine count for nothing; or, with another clock, of the wall."""
    start = clock()
    function(*arguments)
    return clock() - start


def peaks() -> tuple[float, float]:
    """Operations and bytes a second, the best of ten."""
    out, x, n = np.zeros(12 * WIDTH), np.ones(1 << 24), 1_000_000
    multiply_add(1, out)
    read(x, out)
    rate = 12 * WIDTH * n / min(seconds(multiply_add, n, out) for _ in range(10))
    return rate, x.nbytes / min(seconds(read, x, out) for _ in range(10))


def problem_of(n_rows: int, size: int, n_components: int) -> tuple[np.ndarray, Mixture]:
    rng = np.random.default_rng(0)
    centres = 3.0 * rng.normal(size=(n_components, size))
    x = centres[rng.integers(0, n_components, n_rows)] + rng.normal(size=(n_rows, size))
    covariances = np.broadcast_to(np.eye(size), (1, n_components, size, size)).copy()
    means = centres + 0.3 * rng.normal(size=(1, n_components, size))
    return x, Mixture(np.full((1, n_components), 1.0 / n_components), FullComponents(means, covariances))


def ours(data: Dataset, mixture: Mixture, threads: int) -> Mixture:
    found = expectation.expect(mixture, data, threads=threads)
    return expectation.m_step(found.statistics, None, mixture)


def in_a_row(data: Dataset, mixture: Mixture, threads: int, times: int = 5) -> None:
    """Iterations one after the other, as in a fit: the first alone would time how long a sleeping core takes to wake."""
    for _ in range(times):
        ours(data, mixture, threads)


def sklearns(x: np.ndarray, mixture: Mixture) -> Any:
    """A model at these parameters; its iteration is the E and the M step that ``fit`` calls, and nothing else of it."""
    from sklearn.mixture import GaussianMixture

    means, covariances = (array[0] for array in mixture.components.parameters().values())
    model = GaussianMixture(len(means), max_iter=1, tol=0.0, reg_covar=0.0, weights_init=mixture.weights[0], means_init=means, precisions_init=np.linalg.inv(covariances))  # fmt: skip
    model.fit(x[: 20 * len(means) * x.shape[1]])
    model.weights_, model.means_, model.covariances_ = mixture.weights[0], means, covariances
    model.precisions_cholesky_ = np.swapaxes(np.linalg.inv(np.linalg.cholesky(covariances)), -1, -2).copy()
    return model


def iterate(model: Any, x: np.ndarray) -> None:
    _, log_responsibilities = model._e_step(x)
    model._m_step(x, log_responsibilities)


def measured(shape: tuple[int, int, int], pairs: int) -> dict[str, Any]:
    x, mixture = problem_of(*shape)
    data, model = Dataset.of(x), sklearns(x, mixture)
    after = ours(data, mixture, 1)
    iterate(model, x)
    difference = float(np.abs(model.covariances_ - after.components.parameters()["covariances"][0]).max())
    rounds = []
    for _ in range(pairs):
        rate, bandwidth = peaks()
        model = sklearns(x, mixture)
        times = seconds(ours, data, mixture, 1), seconds(iterate, model, x)
        walls = [seconds(in_a_row, data, mixture, threads, clock=time.perf_counter) for threads in (1, 2)]
        shared = times[0] / seconds(ours, data, mixture, 2)
        limit = max(operations(*shape) / rate, x.nbytes / bandwidth)
        rounds.append((*times, limit, rate, bandwidth, walls[0] / walls[1], 2.0 * shared))
    one, theirs, limit, rate, bandwidth, two, twice = (statistics.median(column) for column in zip(*rounds, strict=True))
    return {
        "benchmark": "e_step",
        "shape": shape,
        "threads": 1,
        "milliseconds": round(1e3 * one, 3),
        "milliseconds_sklearn": round(1e3 * theirs, 3),
        "ratio": round(statistics.median(r[1] / r[0] for r in rounds), 2),
        "target": SHAPES[shape],
        "two_threads": round(two, 2),
        "two_threads_at_most": round(twice, 2),
        "target_two_threads": TWO_THREADS,
        "cores": os.cpu_count(),
        "limit_milliseconds": round(1e3 * limit, 3),
        "operations": operations(*shape),
        "giga_operations_a_second": round(rate / 1e9, 1),
        "gigabytes_a_second": round(bandwidth / 1e9, 1),
        "distance": round(statistics.median(r[0] / r[2] for r in rounds), 2),
        "target_distance": DISTANCE,
        "largest_difference_of_covariances": difference,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=9)
    pairs = parser.parse_args().pairs
    warnings.simplefilter("ignore")  # scikit-learn's, of a single iteration
    ratios = []
    for shape in SHAPES:
        line = measured(shape, pairs)
        ratios.append(line["ratio"])
        print(json.dumps(line), flush=True)
    mean = math.exp(statistics.fmean(map(math.log, ratios)))
    print(json.dumps({"benchmark": "e_step", "geometric_mean": round(mean, 2), "target": GEOMETRIC_MEAN}))


if __name__ == "__main__":
    main()
