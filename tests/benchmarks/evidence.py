"""Seconds to a log evidence with an error of 0.05 nats: our estimates beside ``pm.sample_smc`` on a plain script. JSON lines.

python tests/benchmarks/evidence.py                       # both sides
python tests/benchmarks/evidence.py --side ours --seeds 2 # quickly

Ours: a fit with its options as they are, four times the draws as long as its own error is above 0.05 nats or it is not trusted;
seconds are those of all fits that it took. ``rms`` is the root mean square distance, over seeds, to long runs' figures: what the
error really is. The plain script (``plain_pymc.py``, its priors its own) has no figure to be held to: its error is the standard
deviation over chains, each a repeat, and so a lower bound of it, as what all chains have in common is not seen; the seconds to 0.05
are extrapolated by the square root of the number of particles, of one chain at a time.
"""

import argparse
import dataclasses
import json
import os
import resource
import statistics
import sys
import time
import warnings

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np  # noqa: E402  (reads those)

CASES = {"old_faithful": (2, -1168.080), "galaxies": (3, -224.742)}
"""Data, K, log evidence by long runs under the default prior (within 0.01 and 0.003 nats)."""
WANTED = 0.05
MOST_DRAWS = 64_000


def spent():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return np.array([time.perf_counter(), sum(each.ru_utime + each.ru_stime for each in used)])


def estimated(method, problem, seed):
    """Seconds, wall and CPU, until the estimate has the error that is wanted, the draws it took, and the estimate; None if never."""
    from workbench.inference import Context

    before, draws = spent(), method.draws
    while draws <= MOST_DRAWS:
        context = dataclasses.replace(Context.default(problem, seed), threads=2)
        fit = dataclasses.replace(method, draws=draws).fit(problem, context)
        good = [each for each in fit.evidence if each.trusted and each.mcse <= WANTED]
        if good:
            return spent() - before, draws, min(good, key=lambda each: each.mcse)
        draws *= 4
    return None


def ours(seeds):
    from workbench.data.builtin import load_built_in
    from workbench.inference import METHODS
    from workbench.problem import Problem

    for case, (count, figure) in CASES.items():
        problem = Problem(load_built_in(case), "gaussian", count)
        for kind in ("gibbs", "nuts", "vbem", "smc"):
            if kind not in METHODS:
                continue
            begun = spent()
            estimated(METHODS[kind](), problem, seeds)  # compiles, or reads the code cache
            first = spent() - begun
            found = [each for each in (estimated(METHODS[kind](), problem, seed) for seed in range(seeds)) if each is not None]
            result = {"benchmark": "evidence", "case": f"{case}, K={count}", "method": kind, "reached": f"{len(found)} of {seeds}"}
            if found:
                wall, cpu = (statistics.median(float(each[0][i]) for each in found) for i in (0, 1))
                result |= {"wall_s": round(wall, 2), "cpu_s": round(cpu, 2)}
                result |= {"first_wall_s": round(float(first[0]), 1), "first_cpu_s": round(float(first[1]), 1)}
                result["draws"] = statistics.median(each[1] for each in found)
                result["estimator"] = sorted({each[2].estimator for each in found})
                result["mcse"] = round(statistics.median(each[2].mcse for each in found), 4)
                result["rms"] = round(float(np.sqrt(np.mean([(each[2].log_evidence - figure) ** 2 for each in found]))), 4)
            print(json.dumps(result), flush=True)


def plain(particles, chains):
    import plain_pymc
    import pymc as pm

    from workbench.data.builtin import load_built_in

    for case, (count, _) in CASES.items():
        model = plain_pymc.plain_model(load_built_in(case).x, count, "gaussian")
        for draws in particles:
            before = spent()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with model:
                    tree = pm.sample_smc(draws=draws, chains=chains, cores=1, random_seed=1, progressbar=False)
            took = (spent() - before) / chains
            told = tree["sample_stats"]["log_marginal_likelihood"].values
            each = np.array([np.asarray(chain, float)[np.isfinite(np.asarray(chain, float))][-1] for chain in told])
            error = float(each.std(ddof=1))
            factor = max(1.0, (error / WANTED) ** 2)
            result = {"benchmark": "evidence", "case": f"{case}, K={count}", "method": f"pm.sample_smc, {draws} particles"}
            result |= {"chains": np.round(each, 3).tolist(), "sd_over_chains": round(error, 3)}
            result |= {"wall_s_a_chain": round(took[0], 1), "cpu_s_a_chain": round(took[1], 1)}
            result |= {"extrapolated_wall_s": round(took[0] * factor, 1), "extrapolated_cpu_s": round(took[1] * factor, 1)}
            print(json.dumps(result), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--side", choices=["ours", "plain"])
    parser.add_argument("--particles", type=int, nargs="+", default=[2000])
    parser.add_argument("--chains", type=int, default=4)
    arguments = parser.parse_args()
    if arguments.side != "plain":
        ours(arguments.seeds)
    if arguments.side != "ours":
        plain(arguments.particles, arguments.chains)


if __name__ == "__main__":
    sys.exit(main())
