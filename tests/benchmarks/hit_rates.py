"""How often a restart ends at the best optimum, by kind of start, annealing, and split-and-merge moves.

    uv run python tests/benchmarks/hit_rates.py [--restarts 200]

Prints one JSON line a data set and variant: the share of restarts at the best optimum that any of the variants found, its
binomial standard error, and seconds. Same seeds for all.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np

from workbench.compare.optima import optima
from workbench.data.builtin import load_built_in
from workbench.inference import EM, AnnealedEM
from workbench.problem import Problem

PROBLEMS: dict[str, tuple[str, str, int]] = {
    "old_faithful": ("old_faithful", "gaussian", 3),
    "iris": ("iris", "gaussian", 3),
    "galaxies": ("galaxies", "gaussian", 5),
    "house_votes": ("house_votes", "bernoulli", 3),
    "zoo": ("zoo", "bernoulli", 5),
}
VARIANTS: dict[str, Any] = {
    "random_rows": {"init": "random_rows"},
    "random_responsibilities": {"init": "random_responsibilities"},
    "kmeans++": {"init": "kmeans++"},
    "kmeans": {"init": "kmeans"},
    "em_short": {"init": "em_short"},
    "annealed": None,
    "split_merge 3": {"init": "random_rows", "split_merge": 3},
    "split_merge 10": {"init": "random_rows", "split_merge": 10},
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--restarts", type=int, default=200)
    restarts = parser.parse_args().restarts
    for name, (data, family, n_components) in PROBLEMS.items():
        problem = Problem(load_built_in(data), family, n_components)
        found = {}
        for variant, options in VARIANTS.items():
            start = time.perf_counter()
            method = AnnealedEM(restarts=restarts) if options is None else EM(restarts=restarts, **options)
            fit = method.fit(problem)
            regular = [optimum for optimum in optima(problem, fit) if optimum.regular]
            found[variant] = (regular, time.perf_counter() - start)
        best = max(optimum.objective for regular, _ in found.values() for optimum in regular)
        for variant, (regular, seconds) in found.items():
            hits = sum(len(o.restarts) for o in regular if o.objective > best - 1e-6 * problem.data.n_observed_rows)
            share = hits / restarts
            line = {
                "benchmark": "hit_rates",
                "data": name,
                "n_components": n_components,
                "variant": variant,
                "best": best,
                "share": share,
                "standard_error": float(np.sqrt(share * (1.0 - share) / restarts)),
                "seconds": seconds,
            }
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
