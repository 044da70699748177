"""Every kind of EM climbs what it says it climbs, in every family, and its ledger holds with its own q (statistics, sections 4 and 5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from examples import every_case, few, long, problem_of

from workbench.data.builtin import load_built_in
from workbench.fit import Ledger, Status
from workbench.inference import EM, Gradient, HardEM, IncrementalEM, KMeans, SampledEM, StochasticEM
from workbench.inference.em.acceleration import accelerated, anderson, squarem
from workbench.inference.em.annealed import annealed
from workbench.inference.em.climb import Climb, Stop, climb
from workbench.inference.em.engine import BOOK, Book
from workbench.inference.em.hard import classification
from workbench.inference.em.incremental import sweeping
from workbench.inference.em.ledger import ledger
from workbench.inference.em.partial import moving
from workbench.inference.em.polish import em_polish
from workbench.inference.em.sampled import sampled
from workbench.inference.em.scheme import Scheme, Steps, plain
from workbench.inference.em.starts import starts
from workbench.inference.em.steps import hard
from workbench.inference.em.stochastic import stepwise
from workbench.inference.gradient import ascending
from workbench.inference.kmeans import lloyd
from workbench.models import Mixture
from workbench.models.information import observed_information
from workbench.problem import Problem

Kind = Callable[[Mixture, Steps, bool], Scheme]

RESTARTS = 4
SLACK = 1e-12
CLIMBERS: dict[str, Kind] = {
    "em": lambda start, steps, show: plain(start, steps),
    "squarem": lambda start, steps, show: squarem(start, steps),
    "anderson": lambda start, steps, show: anderson(start, steps),
    "generalised": lambda start, steps, show: plain(*moving("gradient", start, steps)),
    "generalised squarem": lambda start, steps, show: accelerated("squarem", *moving("gradient", start, steps)),
    "generalised anderson": lambda start, steps, show: accelerated("anderson", *moving("gradient", start, steps)),
    "lbfgs": lambda start, steps, show: ascending(start, steps, "lbfgs"),
    "ascent": lambda start, steps, show: ascending(start, steps, "ascent"),
}
"""Kinds that climb the log likelihood, or with a prior the log posterior."""
OTHERS: dict[str, Kind] = {
    "hard_em": lambda start, steps, show: plain(start, steps, hard, classification),
    "incremental_em": lambda start, steps, show: sweeping(start, steps, 5, show),
    "annealed_em": lambda start, steps, show: annealed(start, steps, np.full(60, 0.6), 0.0, []),
}
"""Kinds that climb something else."""
WANDERERS: dict[str, Kind] = {
    "stochastic_em": lambda start, steps, show: stepwise(start, steps, 16, 0.6, lambda i: i, show),
    "sampled_em": lambda start, steps, show: sampled(
        start, steps, [np.random.default_rng(i) for i in range(len(start.weights))], 1, 20, 10, show
    ),
}
EVERY = CLIMBERS | OTHERS | WANDERERS
missing_or_not = pytest.mark.parametrize("missing", [0.0, 0.25])


def start_of(problem: Problem, count: int = RESTARTS, init: str = "mixed") -> Mixture:
    return starts(problem, None, init, list(range(count)))[0]


def climbed(problem: Problem, kind: Kind, steps: Steps, max_iter: int = 40) -> Climb:
    return climb(kind(start_of(problem), steps, False), RESTARTS, steps, Stop(max_iter=few(max_iter)))


def assert_never_falls(run: Climb) -> None:
    """In any restart, and something was climbed at all."""
    trace = run.trace
    gains = np.diff(trace.objective)[np.diff(trace.restart) == 0]
    assert (gains >= -SLACK * np.abs(trace.objective).max()).all()
    assert Status.FELL not in run.status
    assert (gains > 1e-3).any()


@missing_or_not
@pytest.mark.parametrize("kind", [*CLIMBERS, *OTHERS])
@every_case
def test_never_falls(name: str, options: dict[str, Any], kind: str, missing: float) -> None:
    problem = problem_of(name, options, missing)
    assert_never_falls(climbed(problem, EVERY[kind], Steps(problem)))


@pytest.mark.parametrize("kind", CLIMBERS)
@every_case
def test_the_log_posterior_never_falls(name: str, options: dict[str, Any], kind: str) -> None:
    problem = problem_of(name, options, 0.25)
    assert_never_falls(climbed(problem, CLIMBERS[kind], Steps(problem, problem.prior)))


@pytest.mark.parametrize("structure", ["full", "tied", "diagonal", "spherical"])
@missing_or_not
def test_the_sum_of_squares_never_rises(structure: str, missing: float) -> None:
    problem = problem_of("gaussian", {"covariance": structure}, missing)
    assert_never_falls(climbed(problem, lloyd, Steps(problem)))


def books(problem: Problem, kind: Kind, n_iterations: int = 12) -> Ledger:
    return ledger(problem, kind(start_of(problem, 1), Steps(problem), True), few(n_iterations))


@missing_or_not
@pytest.mark.parametrize("kind", EVERY)
@every_case
def test_ledger(name: str, options: dict[str, Any], kind: str, missing: float) -> None:
    """log p(x | theta) = bound + KL with the kind's own q; 0 after a soft E step, above 0 where q is restricted or old."""
    found = books(problem_of(name, options, missing, n_components=2, n_rows=120), EVERY[kind])
    np.testing.assert_allclose(found.bound + found.kl, found.log_likelihood, rtol=1e-12)
    assert (found.kl >= -1e-9).all()
    after_e = found.kl[found.half_step == "E"]
    if kind in CLIMBERS:
        np.testing.assert_allclose(after_e, 0.0, atol=1e-9)
    if kind in ("hard_em", "sampled_em"):
        assert after_e[0] > 1e-3  # later on all rows may be on one component, and q is free again
    if kind == "hard_em":
        np.testing.assert_array_equal(found.entropy[found.half_step == "E"], 0.0)
    if kind in ("annealed_em", "incremental_em", "stochastic_em"):
        assert after_e[1] > 1e-3
    if kind in ("em", "generalised"):
        assert (np.diff(found.bound) >= -SLACK * np.abs(found.bound).max()).all()


@missing_or_not
@every_case
def test_the_bound_of_incremental_em_is_that_of_its_q(name: str, options: dict[str, Any], missing: float) -> None:
    """Worked out from blocks of statistics, and from all rows with the labels' q as the ledger has it: equal, but for q over
    missing cells, where the bound over labels and cells is below that over labels alone."""
    problem = problem_of(name, options, missing)
    start, steps = start_of(problem, 1), Steps(problem)
    found = ledger(problem, sweeping(start, steps, 5, True), 12)
    run = climb(sweeping(start, steps, 5, False), 1, steps, Stop(tol=1e-300, max_iter=12))
    over_cells = missing > 0 and name in ("gaussian", "product") and options.get("covariance") not in ("diagonal", "spherical")
    if over_cells:
        assert (run.trace.objective <= found.bound + 1e-9).all()
        assert (run.trace.objective < found.bound - 1e-3).any()
    else:
        np.testing.assert_allclose(run.trace.objective, found.bound, rtol=1e-12)
    assert run.trace.log_likelihood is not None
    np.testing.assert_allclose(run.trace.log_likelihood, found.log_likelihood, rtol=1e-12)


@missing_or_not
@every_case
def test_incremental_em_with_one_block_is_em(name: str, options: dict[str, Any], missing: float) -> None:
    problem = problem_of(name, options, missing)
    start, steps = start_of(problem), Steps(problem)
    one, em = sweeping(start, steps, 1, False), plain(start, steps)
    for _ in range(6):
        here, there = next(one), next(em)
        for parameter, value in here.mixture.parameters().items():
            np.testing.assert_allclose(value, there.mixture.parameters()[parameter], rtol=1e-10, atol=1e-12)


def clear(name: str) -> Problem:
    """Two groups in eight discrete columns, some cells missing, all probabilities well inside (0, 1)."""
    rng = np.random.default_rng(0)
    high = np.where(rng.integers(2, size=(150, 1)) == 1, 0.75, 0.25)
    x = (rng.random((150, 8)) < high).astype(float)
    if name == "categorical":
        x = np.where(rng.random(x.shape) < 0.3, 2.0, x)
    return Problem(np.where(rng.random(x.shape) < 0.1, np.nan, x), name, 2)


@long
@every_case
def test_all_that_climb_the_likelihood_end_at_its_optima(name: str, options: dict[str, Any]) -> None:
    """From near an optimum of EM's, at that one, but for what the curvature where they stopped says was left.

    With Newton's decrement d (d^2 = gradient' I^-1 gradient), d^2 / 2 is left up to d^3 / 3 (Boyd & Vandenberghe 2004, section 9.6, for
    self-concordant functions); the rest is rounding: two sums of N terms, each off by no more than (N - 1) eps / 2 times the sum of
    their sizes (Higham 2002, section 4.2).
    """
    problem = clear(name) if name in ("bernoulli", "categorical") else problem_of(name, options, 0.1, n_rows=120, n_components=2)
    steps, data = Steps(problem), problem.data
    ends = em_polish(steps)(start_of(problem, init="kmeans"))
    chart, rng = problem.coordinates, np.random.default_rng(1)
    u = chart.flatten(ends.mixture)[0]
    near = chart.unflatten(u + 0.02 * rng.normal(size=u.shape))[0]
    rounding = data.n_rows * np.finfo(float).eps * (np.abs(ends.mixture.log_density(data.x)) * data.counts).sum(axis=-1)
    for kind in ("em", "squarem", "anderson", "lbfgs", "generalised", "incremental_em"):
        run = climb(EVERY[kind](near, steps, False), RESTARTS, steps, Stop(tol=1e-9, max_iter=2_000))
        reached, left = steps.evaluate(run.mixture).objective, left_to_gain(run.mixture, problem)
        assert left.max() < 1e-7, kind  # it stops at gains of 1e-9: gains that shrink by 0.99 or more quickly
        assert (np.abs(reached + left - ends.objective) <= rounding + (2.0 * left) ** 1.5 / 3.0).all(), kind
        assert (run.objective <= reached + rounding).all(), kind  # incremental EM's is a bound
        assert (run.objective > ends.objective - 1e-7).all(), kind


def left_to_gain(mixtures: Mixture, problem: Problem) -> np.ndarray:
    """Half of Newton's decrement squared, by Louis' observed information, of each mixture."""
    found = (observed_information(mixtures.take(i), problem.data) for i in range(mixtures.batch_shape[0]))
    return np.array([float(info.gradient @ np.linalg.solve(info.observed, info.gradient)) / 2.0 for info in found])


class Counting(Book):
    """The book's steps, which counts the E steps of every fit."""

    count = 0

    def expect(self, mixture: Mixture, *arguments: Any, **options: Any) -> Any:
        Counting.count += mixture.weights.shape[0]
        return super().expect(mixture, *arguments, **options)


def e_steps(scheme: Callable[[Mixture, Steps], Scheme], problem: Problem, start: Mixture, goal: float) -> int:
    """E steps until the objective has reached ``goal``."""
    Counting.count = 0
    for iteration in scheme(start, Steps(problem, None, Counting())):
        if iteration.objective[0] >= goal:
            return Counting.count
        assert Counting.count < 10_000
    raise AssertionError


@long
def test_accelerations_need_a_tenth_of_the_e_steps_where_em_is_slow() -> None:
    """Death notices (Hasselblad 1969): the optimum is -1989.9458598830315 by BFGS from 200 starts; within 1e-9 of it."""
    problem = Problem(load_built_in("death_notices"), "poisson", 2)
    start = problem.family.mixture({"weights": [[0.3, 0.7]], "rates": [[[1.0], [2.5]]]})
    goal = -1989.9458598830315 - 1e-9
    slow, squared, mixed = (e_steps(scheme, problem, start, goal) for scheme in (plain, squarem, anderson))
    assert slow > 2_000
    assert squared < slow / 10
    assert mixed < slow / 50


def test_kmeans_is_the_limit_of_hard_em() -> None:
    """Classification EM of spherical components with a common variance: as it goes to 0 every step is Lloyd's, whatever the weights."""
    problem = problem_of("gaussian", {"covariance": "spherical"}, 0.2, n_rows=200)
    x, counts = problem.data.x, problem.data.counts
    start = start_of(problem, 1, "random_rows")
    assert partitions_by_hard_em(start, x, counts, 30.0) != partitions_by_lloyd(problem, start)
    assert partitions_by_hard_em(start, x, counts, 1e-6) == partitions_by_lloyd(problem, start)


def partitions_by_lloyd(problem: Problem, start: Mixture) -> list[list[int]]:
    scheme = lloyd(start, Steps(problem), True)
    return [np.argmax(next(scheme).shares[0], axis=1).tolist() for _ in range(8)]  # type: ignore[index]


def partitions_by_hard_em(start: Mixture, x: np.ndarray, counts: np.ndarray, variance: float) -> list[list[int]]:
    means, weights, found = start.parameters()["means"], np.array([[0.8, 0.15, 0.05]]), []
    for _ in range(8):
        mixture = Mixture(weights, type(start.components)(means, np.full((1, 3), variance)))  # type: ignore[call-arg]
        log_joint = mixture.log_joint(x)
        q = hard(log_joint, log_joint[..., 0])
        found.append(q[0].argmax(axis=1).tolist())
        means = mixture.components.maximise(mixture.terms().statistics(x, q * counts[:, None])).parameters()["means"]
    return found


def test_the_classification_likelihood_becomes_the_sum_of_squares() -> None:
    """Minus twice the variance times it, but for terms that vanish (Bishop 2006, eq. 9.43)."""
    problem = problem_of("gaussian", {"covariance": "spherical"}, 0.0, n_rows=100)
    start = start_of(problem, 1, "random_rows")
    squares = float(next(lloyd(start, Steps(problem), False)).objective[0])
    gaps = []
    for variance in (1e-2, 1e-4, 1e-6):
        small = Mixture(start.weights, type(start.components)(start.parameters()["means"], np.full((1, 3), variance)))  # type: ignore[call-arg]
        value = float(next(plain(small, Steps(problem), hard, classification)).objective[0])
        gaps.append(abs(2.0 * variance * value - squares))
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 1e-4 * abs(squares)


def easy(seed: int = 0) -> Problem:
    """Three groups 6 sd apart."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(300, 2)) + 6.0 * np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])[rng.integers(3, size=300)]
    return Problem(x, "gaussian", 3)


@long
def test_what_wanders_ends_near_the_optimum_of_em() -> None:
    problem = easy()
    best = EM(restarts=10).fit(problem).log_likelihood.item()
    for method, loss in ((StochasticEM(restarts=10), 0.5), (SampledEM(restarts=10), 0.1), (SampledEM(restarts=10, draws=20), 0.01)):
        fit = method.fit(problem)
        assert fit.status is Status.RAN
        assert best - loss < fit.log_likelihood.item() <= best + 1e-9


@long
def test_what_is_restricted_ends_below_the_optimum_of_em() -> None:
    """By little on data that are easy; its own objective is below the log likelihood."""
    problem = easy()
    best = EM(restarts=10).fit(problem).log_likelihood.item()
    for method in (HardEM(restarts=20), KMeans(restarts=20)):
        fit = method.fit(problem)
        assert fit.status is Status.CONVERGED
        assert best - 2.0 < fit.log_likelihood.item() < best


@long
@pytest.mark.parametrize(
    "method", [Gradient(restarts=20), IncrementalEM(restarts=20), EM(restarts=3, m_step="gradient", acceleration="anderson")], ids=str
)
def test_other_ways_to_the_maximum_end_at_that_of_em(method: Any) -> None:
    problem = Problem(load_built_in("old_faithful"), "gaussian", 2)
    wanted, fit = EM(restarts=20).fit(problem), method.fit(problem)
    assert fit.log_likelihood.item() == pytest.approx(wanted.log_likelihood.item(), abs=1e-8)
    assert fit.status is Status.CONVERGED


@long
def test_gradient_reaches_the_mode_of_the_posterior() -> None:
    problem = Problem(load_built_in("old_faithful"), "gaussian", 2)
    wanted, fit = (method.fit(problem) for method in (EM(restarts=10, objective="posterior"), Gradient(restarts=10, objective="posterior")))
    assert fit.objective_name == "log_posterior"
    assert fit.log_posterior.item() == pytest.approx(wanted.log_posterior.item(), abs=1e-8)
    assert fit.restarts is not None
    unpolished = fit.restarts.objective
    assert np.abs(unpolished - wanted.log_posterior.item()).min() < 1e-6


@pytest.mark.parametrize("kind", ["lbfgs", "ascent", "generalised", "incremental_em"])
def test_batching_changes_no_bit(kind: str) -> None:
    problem = problem_of("gaussian", {"covariance": "full"}, 0.2)
    steps, start = Steps(problem, None, BOOK), start_of(problem, 7)
    many = climb(EVERY[kind](start, steps, False), 7, steps, Stop(max_iter=25))
    alone = climb(EVERY[kind](start.take([3]), steps, False), 1, steps, Stop(max_iter=25))
    mine = many.trace.restart == 3
    np.testing.assert_array_equal(many.trace.objective[mine], alone.trace.objective)


@long
def test_gradient_names_a_singular_end() -> None:
    """A component on a tie runs away along the gradient too."""
    x = np.concatenate([np.zeros(5), np.random.default_rng(0).normal(5, 1, 20)])
    init = {"weights": [0.2, 0.8], "means": [[0.0], [5.0]], "covariances": [[[1e-3]], [[1.0]]]}
    fit = Gradient(restarts=1, init=init, max_iter=200).fit(Problem(x, "gaussian", 2))
    assert fit.restarts is not None
    assert fit.restarts.singular is not None
    assert fit.restarts.singular.all()
    assert fit.draws is None
    assert fit.status is Status.NO_REGULAR_OPTIMUM


def test_hard_em_reports_what_it_climbed() -> None:
    fit = HardEM(restarts=20).fit(Problem(load_built_in("old_faithful"), "gaussian", 2))
    assert fit.ledger is not None
    assert fit.restarts is not None
    assert fit.ledger.bound[-1] == pytest.approx(fit.restarts.objective[fit.reported], abs=1e-6)
    assert fit.ledger.kl[-1] > 0.0
