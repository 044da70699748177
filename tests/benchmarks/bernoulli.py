"""Digits as 0 and 1, K = 10, 100 restarts to convergence, one thread each: ours against NumPy and StepMix; JSON lines.

uv run --with stepmix python tests/benchmarks/bernoulli.py                   # medians of paired runs
uv run --with stepmix python tests/benchmarks/bernoulli.py --pairs 1         # quickly

All start at the same probabilities, those that StepMix makes of its seeds (it takes no start), and stop at the same gain of the
summed log likelihood; the iterations of each are printed beside its seconds. ``ratio`` is plain EM against plain EM;
``ratio_squarem`` is ours with ``acceleration: squarem`` against theirs, which have none.
"""

import argparse
import json
import os
import statistics
import time
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np  # noqa: E402  (reads those)

DATA = Path(__file__).parents[2] / "workbench" / "data" / "csv" / "digits_binary.csv"
K, RESTARTS, TOL, MAX_ITER = 10, 100, 1e-6, 10_000
TARGETS = {"numpy": 3.0, "stepmix": 20.0}


def data():
    return np.ascontiguousarray(np.loadtxt(DATA, delimiter=",", skiprows=1)[:, :64])


def starts(x, seed):
    """Weights (restart, K) and probabilities (restart, K, D): those that StepMix makes of its seeds, random responsibilities."""
    weights, probs = np.full((RESTARTS, K), 1.0 / K), np.empty((RESTARTS, K, x.shape[1]))
    for restart in range(RESTARTS):
        responsibilities = np.random.RandomState(seed * RESTARTS + restart).uniform(size=(len(x), K))
        responsibilities /= responsibilities.sum(axis=1, keepdims=True)
        probs[restart] = (responsibilities.T @ x) / responsibilities.sum(axis=0)[:, None]
    return weights, probs


def plain(x, weights, probs):
    """EM as one writes it in NumPy, a restart: two matrix products an iteration, log-sum-exp in place."""
    before = -np.inf
    for iteration in range(1, MAX_ITER + 1):
        p = np.clip(probs, 1e-300, 1.0 - 1e-16)
        complement = np.log1p(-p)
        joint = x @ (np.log(p) - complement).T
        joint += complement.sum(axis=1) + np.log(weights)
        top = joint.max(axis=1, keepdims=True)
        np.exp(joint - top, out=joint)
        mass = joint.sum(axis=1, keepdims=True)
        log_likelihood = float((np.log(mass) + top).sum())
        if log_likelihood - before < TOL:
            return log_likelihood, iteration
        before = log_likelihood
        joint /= mass
        counts = joint.sum(axis=0)
        weights, probs = counts / counts.sum(), (joint.T @ x) / counts[:, None]
    return log_likelihood, MAX_ITER


def run_numpy(x, seed, weights, probs):
    found = [plain(x, w, p) for w, p in zip(weights, probs, strict=True)]
    return max(value for value, _ in found), sum(iterations for _, iterations in found)


def run_ours(x, seed, weights, probs, acceleration="none"):
    """What ``em`` does until its restarts have stopped."""
    from workbench import Problem
    from workbench.inference.em.acceleration import accelerated
    from workbench.inference.em.climb import Stop, climb
    from workbench.inference.em.engine import engine
    from workbench.inference.em.scheme import Steps
    from workbench.models import Mixture
    from workbench.models.families.bernoulli import BernoulliComponents

    steps = Steps(Problem(x, "bernoulli", K), None, engine("fast"))
    scheme = accelerated(acceleration, Mixture(weights, BernoulliComponents(probs)), steps)
    found = climb(scheme, RESTARTS, steps, Stop(tol=TOL, max_iter=MAX_ITER))
    return float(found.objective.max()), int(found.iterations.sum())


def run_squarem(x, seed, weights, probs):
    return run_ours(x, seed, weights, probs, "squarem")


def run_stepmix(x, seed, weights, probs):
    """StepMix 'binary'; its tolerance is on the mean log likelihood."""
    import warnings

    from stepmix.stepmix import StepMix

    ends, iterations = [], 0
    for restart in range(RESTARTS):
        model = StepMix(
            n_components=K, measurement="binary", n_init=1, abs_tol=TOL / len(x), rel_tol=0.0, max_iter=MAX_ITER,
            random_state=seed * RESTARTS + restart, progress_bar=0, verbose=0,
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(x)
        ends.append(model.score(x) * len(x))
        iterations += model.n_iter_
    return max(ends), iterations


def timed(run, x, seed):
    start_of = starts(x, seed)
    start = time.perf_counter()
    best, iterations = run(x, seed, *start_of)
    return time.perf_counter() - start, float(best), int(iterations)


def compare(name, other, x, pairs):
    rounds = [tuple(timed(run, x, seed) for run in (other, run_ours, run_squarem)) for seed in range(pairs)]
    theirs, ours, squarem = zip(*rounds, strict=True)
    return {
        "benchmark": "bernoulli_digits",
        "against": name,
        "rows": len(x),
        "restarts": RESTARTS,
        "seconds": round(statistics.median(o[0] for o in ours), 3),
        "seconds_squarem": round(statistics.median(o[0] for o in squarem), 3),
        "seconds_other": round(statistics.median(t[0] for t in theirs), 3),
        "iterations": ours[0][2],
        "iterations_squarem": squarem[0][2],
        "iterations_other": theirs[0][2],
        "best": round(ours[0][1], 3),
        "best_squarem": round(squarem[0][1], 3),
        "best_other": round(theirs[0][1], 3),
        "ratio": round(statistics.median(t[0] / o[0] for t, o in zip(theirs, ours, strict=True)), 2),
        "ratio_squarem": round(statistics.median(t[0] / o[0] for t, o in zip(theirs, squarem, strict=True)), 2),
        "target": TARGETS[name],
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=3)
    arguments = parser.parse_args()
    x = data()
    timed(run_squarem, x[:200], 0)  # compiles, or reads the code cache
    print(json.dumps(compare("numpy", run_numpy, x, arguments.pairs)), flush=True)
    try:
        import stepmix  # noqa: F401
    except ImportError:
        print(json.dumps({"benchmark": "bernoulli_digits", "against": "stepmix", "skipped": "not installed: uv run --with stepmix ..."}))
        return
    print(json.dumps(compare("stepmix", run_stepmix, x, arguments.pairs)), flush=True)


if __name__ == "__main__":
    main()
