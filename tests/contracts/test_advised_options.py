"""Every option that advice names is one that the fit's method has, over all kinds and all that diagnostics may find wrong."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.compare.assembly import assemble
from workbench.compare.cell import Cell
from workbench.fit import Fit, LeaveOneOutRefits, Status
from workbench.inference import EM, METHODS, VBEM, Gibbs, Pathfinder
from workbench.inference.advice import Advice
from workbench.inference.evidence import sampled
from workbench.inference.method import Context
from workbench.models import Mixture
from workbench.problem import Problem

OPTIONS = {kind: {field.name for field in dataclasses.fields(method)} for kind, method in METHODS.items()}
EVERY = set.union(*OPTIONS.values())
CONFIG = {"n_components", "prior", "held_out", "covariance", "family", "components", "replicates"}
"""What may be changed of any fit."""
RUN = re.compile(r"\b(?:raise|lower|set|choose another) ((?:[\w.]+(?:, or |, | or | and )?)+)")
OTHERS = re.compile(r"\buse ((?:\w+(?:, or |, | or )?)+)")
WITH = re.compile(r"\b(?:use|by) em with (\w+)(: posterior)?")


def of_estimate(estimate: str) -> list[str]:
    return [kind for kind, method in METHODS.items() if method.estimate == estimate]


def words(run: str, known: set[str]) -> Iterator[str]:
    """Of a list of names the leading ones that are known; the first has to be."""
    for i, word in enumerate(re.split(r", or |, | or | and ", run)):
        if i > 0 and word not in known:
            return
        yield word


def named(text: str, kind: str) -> set[str]:
    """Options and kinds that advice names; each is held to be there."""
    for option, _ in WITH.findall(text):
        assert option in OPTIONS["em"], text
    plain = WITH.sub("", text)
    options = {word for run in RUN.findall(plain) for word in words(run, EVERY | CONFIG)}
    options |= {option for option in EVERY if "_" in option and re.search(rf"\b{option}\b", plain)}
    for option in options:
        assert option in OPTIONS[kind] | CONFIG or option.startswith("prior."), f"{kind} has no {option}: {text}"
    kinds = {word for run in OTHERS.findall(plain) for word in words(run, set(METHODS))} - {"fewer", "a"}
    assert kinds <= METHODS.keys() - {kind}, f"{kind}: {text}"
    return (
        options
        | kinds
        | set(re.findall(r"em with \w+|where these were made|fewer components", text))
        | (CONFIG & set(re.findall(r"\w+", text)))
    )


def held(table: pd.DataFrame, kind: str) -> set[str]:
    """Quantities that are beyond their thresholds, of which each advice names something to change; all others name nothing wrong."""
    for row in table.itertuples():
        found = named(str(row.advice), kind) if isinstance(row.advice, str) else set()
        assert found or row.verdict != "warning", f"{kind}: {row.quantity}: {row.advice}"
    return set(table.loc[table["verdict"] == "warning", "quantity"])


def overlapping(family: str = "gaussian", n_components: int = 3) -> Problem:
    rng = np.random.default_rng(0)
    return Problem(rng.normal(size=(30, 2)) if family == "gaussian" else rng.integers(0, 2, (30, 3)).astype(float), family, n_components)


def quiet(problem: Problem) -> Context:
    return dataclasses.replace(Context.default(problem), estimates=False)


def checked(problem: Problem, fit: Fit) -> set[str]:
    table = assemble([Cell({}, problem, fits={"own": fit})])["diagnostics"]
    return held(table, fit.kind)


def as_of(fit: Fit, kind: str, **changes: Any) -> Fit:
    """The same numbers as if another kind had found them."""
    return dataclasses.replace(fit, kind=kind, options=dict.fromkeys(OPTIONS[kind], None), **changes)


@pytest.mark.parametrize("kind", of_estimate("sample"))
def test_of_samples(kind: str) -> None:
    problem = overlapping()
    fit = Gibbs(chains=2, draws=60, tune=0, relabel=False).fit(problem, quiet(problem))
    flags, energy = np.ones((2, 60)), np.cumsum(np.random.default_rng(0).normal(size=(2, 60)), axis=1)
    wrong = {"diverging": flags, "reached_max_treedepth": flags, "energy": energy}
    found = checked(problem, as_of(fit, kind, sample_stats=wrong))
    assert {"divergences", "share_at_max_treedepth", "e_bfmi", "ess_bulk_log_posterior"} <= found
    log_posterior = fit.log_posterior + np.array([[0.0], [50.0]])  # chains that disagree
    assert {"rhat_log_posterior", "ess_tail_log_posterior"} <= checked(problem, as_of(fit, kind, log_posterior=log_posterior))


@pytest.mark.parametrize("kind", of_estimate("sample"))
def test_of_a_samples_estimates_of_the_evidence(kind: str) -> None:
    problem = overlapping("bernoulli", 2)
    prior, advice = problem.prior, Advice(kind, OPTIONS[kind], problem)
    assert prior is not None
    draws = prior.sample(np.random.default_rng(0), (4 * 50,))
    order = np.argsort(problem.log_likelihood(draws))
    apart, few = draws.take(order).reshaped(4, 50), draws.reshaped(4, 50).take((slice(None), slice(0, 8)))
    edge = Mixture(np.where(np.arange(2) == 0, 1.0, 0.0) * np.ones_like(apart.weights), apart.components)
    notes = []
    for each in (apart, few, edge, draws.reshaped(4, 50)):
        with np.errstate(all="ignore"):
            notes += [found.note for found in sampled(problem, each, Context.default(problem), noise=0, advice=advice) if not found.trusted]
    assert len(notes) >= 4
    assert any("chains disagree" in note for note in notes)
    for note in notes:
        assert named(note, kind) or "its own estimate" in note or "importance sampling" in note, note


@pytest.mark.parametrize("kind", of_estimate("approximation"))
@pytest.mark.parametrize("status", [Status.CONVERGED, Status.NOT_SETTLED])
def test_of_approximations(kind: str, status: Status) -> None:
    problem = overlapping()
    fit = Pathfinder(restarts=2, draws=100).fit(problem, quiet(problem))
    assert fit.restarts is not None
    restarts = dataclasses.replace(fit.restarts, status=(status, status))
    rose = {"elbo_rise": np.array(9.0), "elbo_rise_limit": np.array(1.0)} if kind.endswith("advi") else {}
    log_q = fit.log_posterior - 5.0 * np.random.default_rng(0).exponential(size=fit.log_posterior.shape)  # k-hat 5
    found = checked(problem, as_of(fit, kind, restarts=restarts, approximation=rose, log_q=log_q))
    assert {"pareto_k", "elbo_mcse", *(["elbo_rise"] if rose else [])} <= found
    assert ("share_at_max_iter" in found) == status.capped


@pytest.mark.parametrize("kind", of_estimate("point"))
@pytest.mark.parametrize("outlier", [0.0, 1e6])
def test_of_points(kind: str, outlier: float) -> None:
    """On data with an outlier most ends are singular; without one restarts are cut short."""
    rng = np.random.default_rng(0)
    problem = Problem(np.concatenate([rng.normal(size=(40, 2)), np.full((1, 2), outlier)]), "gaussian", 3)
    short = {"max_iter": 2} | ({"temperatures": 1, "hold": 1} if kind == "annealed_em" else {})
    fit = METHODS[kind](restarts=4, **short).fit(problem, quiet(problem))  # type: ignore[call-arg]
    assert checked(problem, fit)


@pytest.mark.parametrize("objective", ["likelihood", "posterior"])
@pytest.mark.parametrize("kind", ["em", "gradient"])
def test_of_refits(kind: str, objective: str) -> None:
    """What may come of leaving rows out; the fit that is a mode of the posterior is not told to be one."""
    problem = overlapping("bernoulli", 2)
    fit = METHODS[kind](restarts=4, objective=objective).fit(problem, quiet(problem))  # type: ignore[call-arg]
    wrong = dataclasses.replace(fit, left_out=LeaveOneOutRefits(np.zeros(30), 30, 0, 1, 1, 1, 1, 9))
    table = assemble([Cell({}, problem, fits={kind: wrong})])["diagnostics"].set_index("quantity")["advice"]
    assert {"rows_without_density", "refits_collapsed", "refits_unfinished"} <= checked(problem, wrong)
    assert "prior.a and prior.b above 1" in table["rows_without_density"]
    for quantity in ("rows_without_density", "refits_collapsed"):
        assert ("em with objective: posterior" in table[quantity]) == (objective == "likelihood")


def test_a_saddle_of_em_is_left_by_its_own_option() -> None:
    problem = overlapping("gaussian", 3)
    for kind in ("em", "gradient"):
        fit = METHODS[kind](restarts=1, init="uniform").fit(problem, quiet(problem))  # type: ignore[call-arg]
        assert "local_maximum" in checked(problem, fit)


def test_kinds_that_refuse_the_problem_are_not_advised() -> None:
    rng = np.random.default_rng(0)
    whole = overlapping()
    broken = Problem(dataclasses.replace(whole.data, counts=rng.uniform(0.5, 1.5, 30)), "gaussian", 3)
    advice = [Advice.of(VBEM(), problem).richer() for problem in (whole, broken)]
    assert advice == ["use nuts, gibbs or smc", "use nuts"]
    assert Advice.of(EM(), whole).more("draws") == "make more draws where these were made"
