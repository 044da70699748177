"""NUTS beside a plain PyMC script: effective draws per second on four problems, and 100,000 rows. JSON lines.

python tests/benchmarks/nuts.py                   # both parts
python tests/benchmarks/nuts.py --only ess        # or --only rows
python tests/benchmarks/nuts.py --seeds 1         # quickly; --only ess --case iris for one problem

Each side of each case is a process of its own, from an empty code cache (cold) and again from the one that left (warm); 4 chains of
1,000 draws on two cores, both by nutpie, after warm-ups by default: ours of ``NUTS``, the plain script's of ``pm.sample``, 1,000
(``--plain-tune 400``: as nutpie's own). The plain side is ``plain_pymc.py``: its priors are its own. What counts is the
least bulk ESS of label-free numbers, the log density and the component means (or probabilities) sorted over components, feature by
feature, as medians over seeds: per second of sampling, and per second of all, compilation included. Seconds are wall and CPU; on a
machine that does other things CPU is the one to compare. No estimates of the evidence are made.

The plain script on 100,000 rows is extrapolated: seconds of a leapfrog step there, from a few draws, times the steps of whole
chains, counted on 2,000 of the rows (a posterior that is nearly normal asks for as many steps whatever its width).
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np  # noqa: E402  (reads those)

CASES = {
    "old_faithful": ("gaussian", 2),
    "galaxies": ("gaussian", 3),
    "house_votes": ("bernoulli", 2),
    "iris": ("gaussian", 3),
}
"""Data, family, K; covariances are full."""
DRAWS = 1000
TUNE = 1000
"""Of pm.sample."""
ROWS, FEW_ROWS = 100_000, 2_000


def spent():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return np.array([time.perf_counter(), used.ru_utime + used.ru_stime])


def least_ess(log_density, means):
    """Of (chain, draw) and (chain, draw, component, feature)."""
    from workbench.inference.evidence.pareto import array_statistics

    ordered = np.sort(means, axis=2).reshape(*means.shape[:2], -1)
    values = np.concatenate([log_density[..., None], ordered], axis=-1)
    return float(np.min(array_statistics().ess(np.moveaxis(values, -1, 0), chain_axis=1, draw_axis=2)))


def rows_of(n_rows):
    """Three overlapping Gaussian components in two columns."""
    rng = np.random.default_rng(0)
    means = np.array([[0.0, 0.0], [2.5, 1.0], [-1.0, 3.0]])
    covariances = np.array([[[1.0, 0.3], [0.3, 0.7]], [[0.6, -0.2], [-0.2, 0.8]], [[1.2, 0.4], [0.4, 0.5]]])
    labels = rng.choice(3, size=n_rows, p=[0.5, 0.3, 0.2])
    return means[labels] + np.einsum("nij,nj->ni", np.linalg.cholesky(covariances)[labels], rng.normal(size=(n_rows, 2)))


def ours(data, family, count, seeds, draws, tune=None):
    """Of the compilation, wall and CPU seconds; of each seed ESS, seconds, and leapfrog steps of kept draws."""
    import dataclasses

    from workbench.inference import NUTS, Context
    from workbench.inference.pymc import chains
    from workbench.problem import Problem

    assert chains  # imported before the clock runs
    problem = Problem(data, family, count)
    before = spent()
    NUTS(chains=1, draws=4, tune=4).fit(problem, dataclasses.replace(Context.default(problem), estimates=False))  # EM's code too
    compilation, found = spent() - before, []
    for seed in seeds:
        before = spent()
        context = dataclasses.replace(Context.default(problem, seed), threads=2, estimates=False)
        method = NUTS(draws=draws) if tune is None else NUTS(draws=draws, tune=tune)
        fit = method.fit(problem, context)
        took, parts = spent() - before, fit.draws.components
        means = np.asarray(parts.means if hasattr(parts, "means") else parts.probs)
        found.append((least_ess(fit.sample_stats["lp"], means), *took, int(fit.sample_stats["n_steps"].sum())))
    return {"compile": compilation.tolist(), "seeds": found}


def plain(data, family, count, seeds, draws, tune, chains=4):
    """The same; steps are of all draws, those of the warm-up too."""
    import plain_pymc

    x = data if isinstance(data, np.ndarray) else data.x
    before = spent()
    code = plain_pymc.compiled(plain_pymc.plain_model(x, count, family))
    compilation, found = spent() - before, []
    for seed in seeds:
        before = spent()
        tree = plain_pymc.sample(code, draws, tune, seed, chains)
        took, means = spent() - before, np.asarray(tree["posterior"]["mu"])
        steps = sum(int(tree[group]["n_steps"].sum()) for group in ("warmup_sample_stats", "sample_stats"))
        ess = least_ess(np.asarray(tree["sample_stats"]["logp"]), means.reshape(*means.shape[:3], -1))
        found.append((ess, *took, steps))
    return {"compile": compilation.tolist(), "seeds": found}


def in_a_process(folder, side, case, seeds, tune=TUNE):
    """One side of one case, its code caches in ``folder``."""
    env = {**os.environ, "PYTENSOR_FLAGS": f"base_compiledir={folder}/pytensor", "NUMBA_CACHE_DIR": f"{folder}/numba"}
    words = [sys.executable, __file__, "--side", side, "--case", case, "--seeds", str(seeds), "--plain-tune", str(tune)]
    return json.loads(subprocess.run(words, env=env, capture_output=True, text=True, check=True).stdout)


def here(side, case, seeds, tune):
    """What a process of ``in_a_process`` does."""
    if case in CASES:
        from workbench.data.builtin import load_built_in

        given = (load_built_in(case), *CASES[case], range(seeds), DRAWS)
        return ours(*given) if side == "ours" else plain(*given, tune)
    rows = rows_of(ROWS)
    if side == "ours":
        return ours(rows, "gaussian", 3, range(seeds), 500, 500)
    counted = plain(rows[:FEW_ROWS], "gaussian", 3, range(seeds), 500, 500)
    timed = plain(rows, "gaussian", 3, range(1), 20, 30, chains=2)
    return {"counted": counted, "timed": timed}


def effective_draws(seeds, cases, tune):
    for case in cases:
        found = {}
        for side in ("plain", "ours"):
            with tempfile.TemporaryDirectory() as folder:
                found[side] = [in_a_process(folder, side, case, seeds, tune) for _ in ("cold", "warm")]
        result = {"benchmark": "nuts_ess", "case": case, "plain_tune": tune}
        rates = {}
        for side, (cold, warm) in found.items():
            both = [*cold["seeds"], *warm["seeds"]]
            result[f"{side}_least_ess"] = round(statistics.median(ess for ess, *_ in both))
            for i, clock in enumerate(("wall", "cpu")):
                compilations = {"": 0.0, "_warm": warm["compile"][i], "_cold": cold["compile"][i]}
                for state, compilation in compilations.items():
                    rates[side, clock, state] = statistics.median(each[0] / (each[1 + i] + compilation) for each in both)
                result[f"{side}_compile_cold_warm_{clock}_s"] = [round(run["compile"][i], 1) for run in (cold, warm)]
                result[f"{side}_ess_per_{clock}_s"] = round(rates[side, clock, ""], 1)
        for state in ("", "_warm", "_cold"):
            name = f"ratio_with{state}_compile" if state else "ratio"
            ratios = [rates["ours", clock, state] / rates["plain", clock, state] for clock in ("wall", "cpu")]
            result[f"{name}_wall_cpu"] = [round(ratio, 2) for ratio in ratios]
        print(json.dumps({**result, "target": "ratios of at least 1, 3 if possible"}), flush=True)


def many_rows(seeds):
    with tempfile.TemporaryDirectory() as folder:
        mine, other = (in_a_process(folder, side, "rows", seeds) for side in ("ours", "plain"))
    steps = statistics.median(each[3] for each in other["counted"]["seeds"])
    (_, wall, cpu, some_steps), *_ = other["timed"]["seeds"]
    result = {"benchmark": "nuts_rows", "case": f"N={ROWS} D=2 K=3, 4 x (500 + 500) draws on two cores", "plain_steps": steps}
    for i, (clock, took) in enumerate((("wall", wall), ("cpu", cpu))):
        own = statistics.median(each[1 + i] for each in mine["seeds"])
        result[f"plain_ms_per_step_{clock}"] = round(1e3 * took / some_steps, 2)
        result[f"ours_{clock}_s"] = round(own, 1)
        result[f"plain_extrapolated_{clock}_s"] = round(steps * took / some_steps)
        result[f"ratio_{clock}"] = round(steps * took / some_steps / own, 1)
        with_compilation = (steps * took / some_steps + other["timed"]["compile"][i]) / (own + mine["compile"][i])
        result[f"ratio_with_cold_compile_{clock}"] = round(with_compilation, 1)
    result["ours_least_ess"] = round(statistics.median(each[0] for each in mine["seeds"]))
    print(json.dumps({**result, "target": 5}), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", choices=["ess", "rows"])
    parser.add_argument("--plain-tune", type=int, default=TUNE)
    parser.add_argument("--side", choices=["ours", "plain"])
    parser.add_argument("--case", choices=[*CASES, "rows"])
    arguments = parser.parse_args()
    if arguments.side:
        print(json.dumps(here(arguments.side, arguments.case, arguments.seeds, arguments.plain_tune)))
        return
    if arguments.only != "rows":
        effective_draws(arguments.seeds, [arguments.case] if arguments.case else CASES, arguments.plain_tune)
    if arguments.only != "ess":
        many_rows(1)


if __name__ == "__main__":
    main()
