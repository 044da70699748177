"""Many restarts to convergence, here and in scikit-learn: the same starts, the same tolerance on the summed log likelihood, one thread.

    uv run --with scikit-learn python tests/benchmarks/restarts.py [--restarts 1000] [--pairs 3]

Prints one JSON line a data set: seconds of each side (medians of interleaved pairs), their ratio, and how far the best
log likelihoods lie apart. Our side is what EM does until its restarts have stopped; ``whole`` is the whole fit, with polished
ends, path and ledger.
"""

from __future__ import annotations

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from workbench.data.builtin import load_built_in
from workbench.inference import EM, Context
from workbench.inference.em.climb import Stop, climb
from workbench.inference.em.engine import engine
from workbench.inference.em.scheme import Steps, plain
from workbench.inference.em.starts import starts
from workbench.models import Mixture
from workbench.problem import Problem

TOL = 1e-8


def ours(problem: Problem, start: Mixture) -> np.ndarray:
    steps = Steps(problem, None, engine("fast"))
    return climb(plain(start, steps), start.weights.shape[0], steps, Stop(tol=TOL)).objective


def sklearns(problem: Problem, start: Mixture) -> np.ndarray:
    from sklearn.mixture import GaussianMixture

    x, found = problem.data.x, []
    precisions = np.linalg.inv(start.parameters()["covariances"])
    for i in range(start.weights.shape[0]):
        model = GaussianMixture(
            problem.n_components,
            weights_init=start.weights[i],
            means_init=start.parameters()["means"][i],
            precisions_init=precisions[i],
            tol=TOL / x.shape[0],
            reg_covar=0.0,
            max_iter=10_000,
        )
        try:
            found.append(model.fit(x).score(x) * x.shape[0])
        except ValueError:  # a covariance that is no longer positive definite ends scikit-learn's run
            found.append(np.nan)
    return np.array(found)


def timed(function: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--restarts", type=int, default=1000)
    parser.add_argument("--pairs", type=int, default=3)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in ("old_faithful", "galaxies"):
        problem = Problem(load_built_in(name), "gaussian", 3)
        start, _ = starts(problem, None, "random_rows", [Context.default(problem).start_seed(i) for i in range(given.restarts)])
        ours(problem, start)  # compiled code is read from its cache
        EM(restarts=2).fit(problem)
        pairs = [(timed(ours, problem, start), timed(sklearns, problem, start)) for _ in range(given.pairs)]
        whole = [timed(EM(restarts=given.restarts, init="random_rows").fit, problem)[0] for _ in range(given.pairs)]
        mine, theirs = (np.asarray(side) for side in (pairs[0][0][1], pairs[0][1][1]))
        both = np.isfinite(mine) & np.isfinite(theirs)
        line = {
            "benchmark": "restarts",
            "data": name,
            "n_components": 3,
            "restarts": given.restarts,
            "threads": 1,
            "seconds": statistics.median(a for (a, _), _ in pairs),
            "seconds_sklearn": statistics.median(b for _, (b, _) in pairs),
            "ratio": statistics.median(b / a for (a, _), (b, _) in pairs),
            "seconds_whole_fit": statistics.median(whole),
            "same_end_within_1e-4": float((np.abs(mine - theirs)[both] < 1e-4).mean()),
            "best_difference": float(np.nanmax(mine[both]) - np.nanmax(theirs[both])),
            "sklearn_failed": int(np.isnan(theirs).sum()),
        }
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
