"""Digits as 0 and 1, K = 10, 100 restarts to convergence, one thread each: ours against NumPy and StepMix; JSON lines.

uv run --with stepmix python tests/benchmarks/bernoulli.py                   # medians of paired runs
uv run --with stepmix python tests/benchmarks/bernoulli.py --pairs 1         # quickly

All start at the same probabilities and stop at the same gain of the summed log likelihood; the iterations of each are printed
beside its seconds. StepMix starts where its own seeds put it (it takes no start) and is timed on fewer restarts, scaled up.
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
STEPMIX_RESTARTS = 5
TARGETS = {"numpy": 3.0, "stepmix": 20.0}


def data():
    return np.ascontiguousarray(np.loadtxt(DATA, delimiter=",", skiprows=1)[:, :64])


def starts(seed):
    """Weights (restart, K) and probabilities (restart, K, D), alike for all that take a start."""
    rng = np.random.default_rng(seed)
    return np.full((RESTARTS, K), 1.0 / K), rng.uniform(0.25, 0.75, (RESTARTS, K, 64))


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


def run_numpy(x, seed):
    weights, probs = starts(seed)
    found = [plain(x, w, p) for w, p in zip(weights, probs, strict=True)]
    return max(value for value, _ in found), sum(iterations for _, iterations in found)


def run_ours(x, seed):
    """The compiled steps, restarts that have stopped left out, as the engine does."""
    from workbench.data import Dataset
    from workbench.fast import expectation
    from workbench.models import Mixture
    from workbench.models.families.bernoulli import BernoulliComponents

    weights, probs = starts(seed)
    rows, mixture = Dataset.of(x), Mixture(weights, BernoulliComponents(probs))
    before, ends, iterations = np.full(RESTARTS, -np.inf), [], 0
    while before.size:
        found = expectation.expect(mixture, rows)
        iterations += before.size
        going = found.log_likelihood - before >= TOL
        ends.extend(found.log_likelihood[~going])
        before = found.log_likelihood
        if not going.all():
            before, found, mixture = before[going], found.take(going), mixture.take(going)
        mixture = expectation.m_step(found.statistics, None, mixture)
    return max(ends), iterations


def run_stepmix(x, seed):
    """StepMix 'binary'; its tolerance is on the mean log likelihood."""
    import warnings

    from stepmix.stepmix import StepMix

    ends, iterations = [], 0
    for restart in range(STEPMIX_RESTARTS):
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
    start = time.perf_counter()
    best, iterations = run(x, seed)
    return time.perf_counter() - start, float(best), int(iterations)


def compare(name, other, share, x, pairs):
    """``share``: the part of the restarts that the other side runs."""
    ours, theirs = [], []
    for seed in range(pairs):
        theirs.append(timed(other, x, seed))
        ours.append(timed(run_ours, x, seed))
    ratios = [t[0] / share / o[0] for o, t in zip(ours, theirs, strict=True)]
    by_iteration = [t[0] / t[2] / (o[0] / o[2]) for o, t in zip(ours, theirs, strict=True)]
    return {
        "benchmark": "bernoulli_digits",
        "against": name,
        "rows": len(x),
        "restarts": RESTARTS,
        "seconds": round(statistics.median(o[0] for o in ours), 3),
        "seconds_other": round(statistics.median(t[0] / share for t in theirs), 3),
        "iterations": ours[0][2],
        "iterations_other": round(theirs[0][2] / share),
        "best": round(ours[0][1], 3),
        "best_other": round(theirs[0][1], 3),
        "ratio": round(statistics.median(ratios), 2),
        "ratio_an_iteration": round(statistics.median(by_iteration), 2),
        "target": TARGETS[name],
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=3)
    arguments = parser.parse_args()
    x = data()
    run_ours(x[:200], 0)  # compiles, or reads the code cache
    print(json.dumps(compare("numpy", run_numpy, 1.0, x, arguments.pairs)), flush=True)
    try:
        import stepmix  # noqa: F401
    except ImportError:
        print(json.dumps({"benchmark": "bernoulli_digits", "against": "stepmix", "skipped": "not installed: uv run --with stepmix ..."}))
        return
    print(json.dumps(compare("stepmix", run_stepmix, STEPMIX_RESTARTS / RESTARTS, x, arguments.pairs)), flush=True)


if __name__ == "__main__":
    main()
