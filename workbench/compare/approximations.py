"""Diagnostics of approximations: how far q is from the posterior, whether it was climbed to the end, and what it leaves unused."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from workbench.compare.bounds import elbo
from workbench.compare.points import word
from workbench.compare.predictive import PARETO_K
from workbench.compare.settled import Settled
from workbench.compare.verdict import check
from workbench.fit import Fit
from workbench.inference.advice import Advice, listed
from workbench.inference.evidence.pareto import FEWEST_DRAWS, pareto_k

Row = dict[str, Any]

UNUSED = 1.0
"""Expected rows below which a component counts as unused."""


def of_approximation(fit: Fit, settled: Settled | None, advice: Advice) -> Iterator[Row]:
    """How far q is from the posterior, whether its climb has settled, what it leaves unused, and how well its ELBO is told."""
    if fit.log_q is None:
        return
    if fit.log_q.size >= FEWEST_DRAWS:
        k_hat = pareto_k((fit.log_posterior - fit.log_q).ravel())
        capped = fit.restarts is not None and any(status.capped for status in fit.restarts.status)
        options = ("max_iter",) if capped else ("restarts", "history")
        better = ", or ".join(filter(None, (advice.more(*options), advice.richer())))
        yield check("pareto_k", k_hat, PARETO_K, k_hat <= PARETO_K, f"q is far from the posterior: {better}")
    if "elbo_rise" in fit.approximation:
        yield _of_rise(*(float(fit.approximation[name]) for name in ("elbo_rise", "elbo_rise_limit")))
    if "expected_counts" in fit.approximation:
        yield _of_unused(np.asarray(fit.approximation["expected_counts"]), settled)
    bound = elbo(fit)
    if bound is not None:
        yield check("elbo_mcse", bound.mcse, 0.1, bound.mcse <= 0.1, f"{advice.more('draws')} for a more precise ELBO")


def _of_rise(rise: float, most: float) -> Row:
    """Whether the ELBO of the reported restart has settled: by how many nats it still rose, beside two errors of that."""
    if math.isnan(rise):
        return word("elbo_rise", "", False, "raise max_iter or lower window: one window of steps tells no rise")
    return check("elbo_rise", rise, most, rise <= most, "raise max_iter: the ELBO was still rising when the steps ran out")


def _of_unused(counts: np.ndarray, settled: Settled | None) -> Row:
    """Components of q that next to no row is expected in, by their numbers in the tables: those that most draws are aligned by."""
    if settled is not None:
        found, times = np.unique(settled.rows.permutations, axis=0, return_counts=True)
        counts = counts[found[np.argmax(times)]]
    few = np.flatnonzero(counts < UNUSED)
    expected = ", ".join(f"{counts[k]:.2g}" for k in few)
    said = f"{components(few)} unused, with {expected} expected rows and the prior's parameters; lower n_components"
    return check("unused_components", few.size, None, None, said if few.size else "")


def components(few: np.ndarray) -> str:
    """`component 2 is`, `components 0, 2 and 3 are`."""
    names = listed([str(k) for k in few])
    return f"components {names} are" if few.size > 1 else f"component {names} is"
