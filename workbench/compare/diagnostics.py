"""``diagnostics.csv``: every check of a fit as a value, a threshold, a verdict and one sentence of advice."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from workbench.compare.approximations import components, of_approximation
from workbench.compare.curvature import Curvature
from workbench.compare.identification import of_identification
from workbench.compare.imputations import left_out
from workbench.compare.invariants import DENSITIES, spelt, worst
from workbench.compare.mixing import MEASURES, mixing
from workbench.compare.optima import Optimum
from workbench.compare.points import of_curvature, of_refits
from workbench.compare.predictive import why_not_left_out
from workbench.compare.settled import Settled
from workbench.compare.verdict import check, verdict
from workbench.fit import Fit, Restarts, Status
from workbench.inference.advice import Advice
from workbench.inference.evidence.pareto import array_statistics
from workbench.inference.smc.islands import limit, remedy, spread
from workbench.problem import Problem

Row = dict[str, Any]

RHAT = 1.01
ESS = 400
UNSEEN = 0.05
COPIES = frozenset({"given", "uniform"})
"""Kinds of start that are the same for every restart."""


def diagnostic_rows(
    label: str,
    problem: Problem,
    fit: Fit,
    settled: Settled | None,
    found: list[Optimum],
    curved: Curvature,
    free: Sequence[Row],
) -> Iterator[Row]:
    """The checks that apply to this kind of estimate; ``free`` are its rows of ``label_free.csv``."""
    yield _row(label, "status", fit.status.value, "", fit.status.good, "" if fit.status.good else fit.status.value)
    for row in itertools.chain(of_identification(problem), left_out(problem) if settled is not None else ()):
        yield {"method": label, **row}
    advice = Advice(fit.kind, fit.options, problem)
    approximation = itertools.chain(_of_restarts(fit, found, advice), of_approximation(fit, settled, advice))
    sample = _of_sample(problem, fit, settled, free, advice)
    makers = {"point": _of_restarts(fit, found, advice), "approximation": approximation, "sample": sample}
    for row in itertools.chain(makers[fit.estimate], _prior_dominated(problem, fit, settled)):
        yield {"method": label, **row}
    if fit.estimate == "point":
        why = why_not_left_out(problem, fit, curved)
        for row in itertools.chain(of_curvature(problem, curved, fit.kind), of_refits(problem, fit.left_out, fit.maximises, why)):
            yield {"method": label, **row}
    for message in fit.messages:
        yield _row(label, "message", message, "", None, "")


def unseen_optimum(found: list[Optimum], n_restarts: int) -> tuple[float, float, float]:
    """Probability that one more independent restart finds an optimum not seen yet, with its 95 % interval.

    Good & Turing's estimate f1 / n over regular optima, singular ends as one class; the upper end is raised by 3 / n
    (statistics, section 3).
    """
    hits = Counter(len(optimum.restarts) for optimum in found if optimum.regular)
    hits[sum(len(optimum.restarts) for optimum in found if not optimum.regular)] += any(not optimum.regular for optimum in found)
    once, twice, n = hits[1], hits[2], n_restarts
    share = once / n
    half = 1.96 * math.sqrt(once * (1.0 - share) + 2.0 * twice) / n
    return share, max(0.0, share - half), min(1.0, share + half + 3.0 / n)


def unmixed(row: Row) -> bool:
    """Whether a row says that the chains of a sample disagree in what they tell."""
    return bool(str(row["quantity"]).startswith("rhat_") and row["verdict"] == verdict(False))


def _of_restarts(fit: Fit, found: list[Optimum], advice: Advice) -> Iterator[Row]:
    if fit.restarts is None:
        return
    if found:
        yield from _of_optima(fit, fit.restarts, found)
    capped = sum(status.capped for status in fit.restarts.status) / len(fit.restarts.status)
    more = f"{advice.more('max_iter', 'tol')}: these restarts had not converged when they stopped"
    yield check("share_at_max_iter", capped, 0.0, capped == 0.0, more)


def _of_optima(fit: Fit, restarts: Restarts, found: list[Optimum]) -> Iterator[Row]:
    n_restarts = len(restarts.status)
    if not COPIES.intersection(restarts.init) and found[0].regular:  # copies of one start are not independent
        share, lower, upper = unseen_optimum(found, n_restarts)
        more = "raise restarts until the upper end is small"
        yield check("unseen_optimum", share, UNSEEN, share <= UNSEEN, more)
        yield check("unseen_optimum_lower", lower, None, None, "")
        yield check("unseen_optimum_upper", upper, None, None, "")
    hits = len(found[0].restarts) / n_restarts if found[0].regular else 0.0
    yield check("share_at_best", hits, None, None, "")
    if fit.estimate == "point":
        singular = sum(len(optimum.restarts) for optimum in found if optimum.singular) / n_restarts
        advice = "singular ends are left out of best; em with objective: posterior has none"
        yield check("share_singular", singular, 0.0, singular == 0.0, advice)
    ended = {status: {i for i, own in enumerate(restarts.status) if own is status} for status in (Status.SINGULAR, Status.LOST_COMPONENT)}
    ended[Status.LOST_COMPONENT].update(i for optimum in found if optimum.lost for i in optimum.restarts)
    for status, quantity in ((Status.SINGULAR, "share_collapsed"), (Status.LOST_COMPONENT, "share_lost_component")):
        if ended[status]:
            yield check(quantity, len(ended[status]) / n_restarts, None, None, status.value)


def _prior_dominated(problem: Problem, fit: Fit, settled: Settled | None) -> Iterator[Row]:
    """Components of draws, once aligned, whose rows have fewer cells than a component has parameters: of independent features each row
    tells of all at once. A full covariance takes D + 1 rows, without which the data alone have none (statistics, section 3)."""
    if settled is None or fit.estimate == "point":
        return
    own = (problem.n_parameters - (problem.n_components - 1)) / problem.n_components
    rows = (settled.rows.mean * problem.data.counts[:, None]).sum(axis=0)
    few = np.flatnonzero(rows < max(own / problem.data.n_features, _rows_of_covariance(problem)))
    advice = f"{components(few)} told more by the prior than by rows: lower n_components, or look at how `prior` changes the parameters"
    yield check("prior_dominated_components", few.size, 0.0, few.size == 0, advice)


def _rows_of_covariance(problem: Problem) -> int:
    """D + 1 of the widest full covariance of a component; 0 without one."""
    parts = [(block.family, len(block.columns)) for block in getattr(problem.family, "blocks", ())]
    parts = parts or [(problem.family, problem.data.n_features)]
    return max((size + 1 for family, size in parts if getattr(family, "covariance", "") == "full"), default=0)


def _of_sample(problem: Problem, fit: Fit, settled: Settled | None, free: Sequence[Row], advice: Advice) -> Iterator[Row]:
    stats = fit.sample_stats
    if "diverging" in stats:
        count = int(np.asarray(stats["diverging"]).sum())
        more = advice.more("target_accept", "tune", elsewhere="take smaller steps")
        yield check("divergences", count, 0, count == 0, f"{more}: the posterior has corners the sampler leaves out")
    if "reached_max_treedepth" in stats:
        share = float(np.asarray(stats["reached_max_treedepth"]).mean())
        more = advice.more("max_treedepth", "tune", elsewhere="allow longer trajectories")
        yield check("share_at_max_treedepth", share, 0.0, share == 0.0, f"{more}: trajectories were cut short, which is slow, not wrong")
    more = advice.more("tune", elsewhere="warm up for longer")
    if "energy" in stats and np.shape(stats["energy"])[1] > 1:
        bfmi = float(np.min(array_statistics().bfmi(np.asarray(stats["energy"]))))
        yield check("e_bfmi", bfmi, 0.3, bfmi >= 0.3, f"{more}: the energy moves too little from draw to draw")
    yield from _of_islands(fit)
    yield from _convergence("log_posterior", fit.log_posterior[..., None], advice)
    yield from _of_label_free(problem, free, advice)
    if settled is not None and settled.rows.draws.size == fit.log_posterior.size:
        chains = fit.log_posterior.shape
        numbers = [value.reshape(*chains, -1) for value in settled.draws.parameters().values()]
        yield from _convergence("aligned_parameters", np.concatenate(numbers, axis=-1), advice)
        assert settled.fit.draws is not None  # what is settled has draws
        drawn = [value.reshape(*chains, -1) for value in settled.fit.draws.parameters().values()]
        yield from _mixing("parameters_as_drawn", np.concatenate(drawn, axis=-1))
        yield check("relabelled_share", settled.rows.relabelled_share, None, None, "")
        yield check("relabelling_loss", settled.rows.loss, None, None, "")


def _worst(values: np.ndarray) -> tuple[float, float, float] | None:
    """Worst R-hat, bulk and tail ESS over the last axis of (chain, draw, quantity), constants left out; None if nothing moves."""
    found = mixing(np.moveaxis(values, -1, 0)[np.ptp(values, axis=(0, 1)) > 0])
    return (float(found[:, 0].max()), float(found[:, 1].min()), float(found[:, 2].min())) if len(found) else None


def _mixing(name: str, values: np.ndarray) -> Iterator[Row]:
    """The same as facts: of labels as they were drawn no verdict follows."""
    for measure, value in zip(MEASURES, _worst(values) or (), strict=False):
        yield check(f"{measure}_{name}", value, None, None, "")


def _of_islands(fit: Fit) -> Iterator[Row]:
    """How far the islands of SMC are apart in log evidence, which is its error, and how unevenly they share the draws."""
    if fit.objective_name != "log_evidence" or fit.trace is None:
        return
    last = np.append(np.flatnonzero(np.diff(fit.trace.restart)), fit.trace.restart.size - 1)
    logs = fit.trace.objective[last]
    apart, most = spread(logs), limit(logs.size)
    yield check("smc_spread", apart, most, apart <= most, f"the islands' evidences differ: {remedy(apart, logs.size)}")
    shares = np.exp(logs - logs.max())
    yield check("largest_island_share", float(shares.max() / shares.sum()), None, None, "")


def _convergence(name: str, values: np.ndarray, advice: Advice) -> Iterator[Row]:
    """Of (chain, draw, quantity), each with its verdict."""
    found = _worst(values)
    if found is not None:
        yield from _judged(name, found, advice)


def _of_label_free(problem: Problem, free: Sequence[Row], advice: Advice) -> Iterator[Row]:
    """The worst of the quantities that no naming of components changes, densities apart; the advice says which it is."""
    rows = [row for row in free if row["quantity"] not in DENSITIES]
    found = [worst(rows, measure) for measure in MEASURES]
    known = [row for row in found if row is not None]
    if len(known) == len(MEASURES):
        names = [f"worst: {spelt(row, problem.n_components)}; " for row in known]
        yield from _judged("label_free_quantities", [row[name] for name, row in zip(MEASURES, known, strict=True)], advice, names)


def _judged(name: str, found: Sequence[float], advice: Advice, which: Sequence[str] = ("", "", "")) -> Iterator[Row]:
    """R-hat, bulk and tail ESS with their verdicts; ``which`` begins the advice of each."""
    rhat, bulk, tail = found
    more = advice.more("tune", "draws", word="and")
    yield check(f"rhat_{name}", rhat, RHAT, rhat <= RHAT, f"{which[0]}{more}; chains may sit in different basins")
    more = advice.more("draws") if rhat <= RHAT else f"{more} until R-hat is settled: draws of chains that disagree do not add up"
    yield check(f"ess_bulk_{name}", bulk, ESS, bulk >= ESS, which[1] + more)
    yield check(f"ess_tail_{name}", tail, ESS, tail >= ESS, which[2] + more)


def _row(label: str, quantity: str, value: str, threshold: str, good: bool | None, advice: str) -> Row:
    return {"method": label, "quantity": quantity, "value": value, "threshold": threshold, "verdict": verdict(good), "advice": advice}
