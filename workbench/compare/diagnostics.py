"""``diagnostics.csv``: every check of a fit as a value, a threshold, a verdict and one sentence of advice."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from workbench.compare.bounds import elbo
from workbench.compare.curvature import Curvature
from workbench.compare.identification import of_identification
from workbench.compare.imputations import left_out
from workbench.compare.invariants import DENSITIES, spelt, worst
from workbench.compare.mixing import MEASURES, mixing
from workbench.compare.optima import Optimum
from workbench.compare.points import of_curvature, of_refits, word
from workbench.compare.predictive import FEWEST_DRAWS, array_statistics, why_not_left_out
from workbench.compare.settled import Settled
from workbench.compare.verdict import check, verdict
from workbench.fit import Fit, Restarts, Status
from workbench.inference.evidence.pareto import pareto_k
from workbench.inference.smc.islands import limit, remedy, spread
from workbench.problem import Problem

Row = dict[str, Any]

RHAT = 1.01
ESS = 400
PARETO_K = 0.7
UNSEEN = 0.05
UNUSED = 1.0
"""Expected rows below which a component counts as unused."""
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
    approximation = itertools.chain(_of_restarts(fit, found), _of_approximation(fit, settled))
    makers = {"point": _of_restarts(fit, found), "approximation": approximation, "sample": _of_sample(problem, fit, settled, free)}
    for row in itertools.chain(makers[fit.estimate], _prior_dominated(problem, fit, settled)):
        yield {"method": label, **row}
    if fit.estimate == "point":
        for row in itertools.chain(of_curvature(problem, curved), of_refits(fit.left_out, why_not_left_out(problem, fit, curved))):
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


def _of_restarts(fit: Fit, found: list[Optimum]) -> Iterator[Row]:
    if fit.restarts is None:
        return
    if found:
        yield from _of_optima(fit, fit.restarts, found)
    capped = sum(status.capped for status in fit.restarts.status) / len(fit.restarts.status)
    own = " or ".join(option for option in ("max_iter", "tol") if option in fit.options)
    advice = f"raise {own}: these restarts had not converged when they stopped"
    yield check("share_at_max_iter", capped, 0.0, capped == 0.0, advice)


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


def _of_approximation(fit: Fit, settled: Settled | None) -> Iterator[Row]:
    if fit.log_q is None:
        return
    if fit.log_q.size >= FEWEST_DRAWS:
        k_hat = pareto_k((fit.log_posterior - fit.log_q).ravel())
        yield check("pareto_k", k_hat, PARETO_K, k_hat <= PARETO_K, "q is far from the posterior: trust nuts, or a q of a richer kind")
    if "elbo_rise" in fit.approximation:
        yield _of_rise(*(float(fit.approximation[name]) for name in ("elbo_rise", "elbo_rise_limit")))
    if "expected_counts" in fit.approximation:
        yield _of_unused(np.asarray(fit.approximation["expected_counts"]), settled)
    bound = elbo(fit)
    if bound is not None:
        yield check("elbo_mcse", bound.mcse, 0.1, bound.mcse <= 0.1, "raise draws for a more precise ELBO")


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
    said = f"{_components(few)} unused, with {expected} expected rows and the prior's parameters; lower n_components"
    return check("unused_components", few.size, None, None, said if few.size else "")


def _components(few: np.ndarray) -> str:
    """`component 2 is`, `components 0, 2 and 3 are`."""
    *others, last = (str(k) for k in few) if few.size else ("",)
    return f"components {', '.join(others)} and {last} are" if others else f"component {last} is"


def _prior_dominated(problem: Problem, fit: Fit, settled: Settled | None) -> Iterator[Row]:
    """Components of draws, once aligned, whose rows have fewer cells than a component has parameters: of independent features each row
    tells of all at once. A full covariance takes D + 1 rows, without which the data alone have none (statistics, section 3)."""
    if settled is None or fit.estimate == "point":
        return
    own = (problem.n_parameters - (problem.n_components - 1)) / problem.n_components
    rows = (settled.rows.mean * problem.data.counts[:, None]).sum(axis=0)
    few = np.flatnonzero(rows < max(own / problem.data.n_features, _rows_of_covariance(problem)))
    advice = f"{_components(few)} told more by the prior than by rows: lower n_components, or look at how `prior` changes the parameters"
    yield check("prior_dominated_components", few.size, 0.0, few.size == 0, advice)


def _rows_of_covariance(problem: Problem) -> int:
    """D + 1 of the widest full covariance of a component; 0 without one."""
    parts = [(block.family, len(block.columns)) for block in getattr(problem.family, "blocks", ())]
    parts = parts or [(problem.family, problem.data.n_features)]
    return max((size + 1 for family, size in parts if getattr(family, "covariance", "") == "full"), default=0)


def _of_sample(problem: Problem, fit: Fit, settled: Settled | None, free: Sequence[Row]) -> Iterator[Row]:
    stats = fit.sample_stats
    if "diverging" in stats:
        count = int(np.asarray(stats["diverging"]).sum())
        yield check("divergences", count, 0, count == 0, "raise target_accept or tune: the posterior has corners the sampler leaves out")
    if "reached_max_treedepth" in stats:
        share = float(np.asarray(stats["reached_max_treedepth"]).mean())
        yield check("share_at_max_treedepth", share, 0.0, share == 0.0, "the sampler is slow here, not wrong; raise tune")
    if "energy" in stats and np.shape(stats["energy"])[1] > 1:
        bfmi = float(np.min(array_statistics().bfmi(np.asarray(stats["energy"]))))
        yield check("e_bfmi", bfmi, 0.3, bfmi >= 0.3, "raise tune: the energy moves too little from draw to draw")
    yield from _of_islands(fit)
    more = "raise tune and draws" if "tune" in fit.options else "raise draws"
    yield from _convergence("log_posterior", fit.log_posterior[..., None], more)
    yield from _of_label_free(problem, free, more)
    if settled is not None and settled.rows.draws.size == fit.log_posterior.size:
        chains = fit.log_posterior.shape
        numbers = [value.reshape(*chains, -1) for value in settled.draws.parameters().values()]
        yield from _convergence("aligned_parameters", np.concatenate(numbers, axis=-1), more)
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


def _convergence(name: str, values: np.ndarray, more: str) -> Iterator[Row]:
    """Of (chain, draw, quantity), each with its verdict."""
    found = _worst(values)
    if found is not None:
        yield from _judged(name, found, more)


def _of_label_free(problem: Problem, free: Sequence[Row], more: str) -> Iterator[Row]:
    """The worst of the quantities that no naming of components changes, densities apart; the advice says which it is."""
    rows = [row for row in free if row["quantity"] not in DENSITIES]
    found = [worst(rows, measure) for measure in MEASURES]
    known = [row for row in found if row is not None]
    if len(known) == len(MEASURES):
        names = [f"worst: {spelt(row, problem.n_components)}; " for row in known]
        yield from _judged("label_free_quantities", [row[name] for name, row in zip(MEASURES, known, strict=True)], more, names)


def _judged(name: str, found: Sequence[float], more: str, which: Sequence[str] = ("", "", "")) -> Iterator[Row]:
    """R-hat, bulk and tail ESS with their verdicts; ``which`` begins the advice of each."""
    rhat, bulk, tail = found
    yield check(f"rhat_{name}", rhat, RHAT, rhat <= RHAT, f"{which[0]}{more}; chains may sit in different basins")
    more = "raise draws" if rhat <= RHAT else "settle R-hat first: draws of chains that disagree do not add up"
    yield check(f"ess_bulk_{name}", bulk, ESS, bulk >= ESS, which[1] + more)
    yield check(f"ess_tail_{name}", tail, ESS, tail >= ESS, which[2] + more)


def _row(label: str, quantity: str, value: str, threshold: str, good: bool | None, advice: str) -> Row:
    return {"method": label, "quantity": quantity, "value": value, "threshold": threshold, "verdict": verdict(good), "advice": advice}
