"""SMC: its path and moves, and log evidences and draws against exact posteriors of every family under both priors."""

from __future__ import annotations

import dataclasses
import itertools
import re
from typing import Any

import numpy as np
import pytest
from examples import CASES, every_case
from scipy.special import gammaln, logsumexp
from test_gibbs import LIMIT, numbers_of, prior_of, small, without_estimates
from test_independent_gibbs import EIGHT as SPREAD
from test_independent_gibbs import NUMBERS, log_labellings

from workbench.compare.assembly import assemble
from workbench.compare.cell import Cell
from workbench.data import Dataset
from workbench.fit import Evidence
from workbench.inference.exact import Exact
from workbench.inference.method import Context
from workbench.inference.smc import SMC
from workbench.inference.smc.collapsed import Labelled
from workbench.inference.smc.entry import Entry
from workbench.inference.smc.islands import evidence_of, limit, remedy, resampled, shared_out, spread, unless_opposed
from workbench.inference.smc.stage import Stage, log_likelihood
from workbench.problem import Problem

EIGHT = np.array([-5.1, -4.9, -5.3, -4.7, 4.8, 5.2, 5.05, 4.95])
EXACT = {1: -28.695507, 2: -21.924415, 3: -19.444635, 4: -18.152642, 5: -17.481018}


def assert_evidence(problem: Problem, wanted: float, method: SMC | None = None) -> None:
    (found,) = (method or SMC(chains=16, draws=128)).fit(problem, without_estimates(problem)).evidence
    assert found.estimator == "smc"
    assert found.trusted, found.note
    assert found.mcse < 0.15
    assert abs(found.log_evidence - wanted) < 4.0 * found.mcse + 1e-6  # with one component nothing is left to chance


@every_case
def test_moves_leave_each_distribution_of_the_path_as_it_is(name: str, options: dict[str, Any]) -> None:
    """Draws of the exact posterior of some rows, weighed by a power of the others' density, stay what they are."""
    problem = small(name, options, 1.5)
    entry = Entry(problem.data.take(np.arange(9)), np.zeros(9), np.zeros(9, bool))
    first = np.r_[np.ones(6), np.zeros(2), 2.0]
    rows, entering = entry.rows(first), entry.rows(entry.data.counts - first)
    start = Exact(chains=1, draws=8_000).fit(Problem(rows[0], problem.family, 2, problem.prior)).draws
    assert start is not None
    rng = np.random.default_rng(1)
    start = start.reshaped(8_000)
    inside = log_likelihood(start, entering, 1)
    kept = resampled(0.4 * inside, rng)
    start, inside = start.take(kept), inside[kept]
    moved = start
    for _ in range(3):
        moved, inside = Stage(problem.family, prior_of(problem), rows, entering, 0.4, 1).moved(moved, inside, rng)
    np.testing.assert_allclose(inside, log_likelihood(moved, entering, 1), rtol=1e-12)
    gaps = numbers_of(problem, moved) - numbers_of(problem, start)
    gaps = gaps[:, gaps.std(axis=0) > 1e-10]
    error = gaps.std(axis=0) / np.sqrt(2_000)  # resampled draws are worth less than their number
    assert np.abs(gaps.mean(axis=0) / error).max() < LIMIT
    assert (np.abs(gaps) > 0).mean() > 0.5


@pytest.mark.parametrize("n_rows", [300, 6000])
def test_half_of_the_moves_are_accepted_however_many_rows_there_are(n_rows: int) -> None:
    """Two overlapping components; a third of the rows enters by a power of a fifth."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, n_rows)
    problem = Problem(rng.normal(size=(n_rows, 2)) + 2.0 * labels[:, None], "gaussian", 2)
    entry = Entry(problem.data, np.zeros(n_rows), np.zeros(n_rows, bool))
    first = (np.arange(n_rows) < 2 * n_rows // 3).astype(float)
    rows, entering = entry.rows(first), entry.rows(1.0 - first)
    statistics = problem.family.statistics(problem.data.take(np.flatnonzero(first)), np.eye(2)[labels[first > 0.0]])
    particles = prior_of(problem).posterior(statistics).sample(rng, (60,))
    inside, stage = log_likelihood(particles, entering, 1), Stage(problem.family, prior_of(problem), rows, entering, 0.2, 1)
    accepted = []
    for _ in range(6):
        before = inside
        particles, inside = stage.moved(particles, inside, rng)
        accepted.append(float((inside != before).mean()))
    assert np.mean(accepted[2:]) > 0.3


QUICK = ("full", "spherical", "bernoulli", "poisson")


@pytest.mark.parametrize(
    ("name", "options", "concentration"),
    [
        pytest.param(name, options, each, marks=[] if options.get("covariance", name) in QUICK and each == 1.0 else [pytest.mark.slow])
        for name, options in CASES
        for each in (1.0, [0.7, 3.0])
    ],
)
def test_evidence_and_draws_are_those_of_the_exact_posterior(name: str, options: dict[str, Any], concentration: Any) -> None:
    """With rows that count several times, a row without any cell, and missing cells of independent features."""
    problem = small(name, options, concentration)
    exact = Exact(chains=1, draws=4000).fit(problem)
    assert exact.draws is not None
    fit = SMC(chains=40, draws=120).fit(problem, without_estimates(problem))
    assert fit.draws is not None
    assert fit.evidence[0].trusted
    assert abs(fit.evidence[0].log_evidence - exact.evidence[0].log_evidence) < 4.0 * fit.evidence[0].mcse < 0.4
    wanted, found = numbers_of(problem, exact.draws.reshaped(4000)), numbers_of(problem, fit.draws)
    means = found.mean(axis=1)  # of islands, which are independent but for their shares
    moving = wanted.std(axis=0) > 1e-10
    error = np.sqrt(means.var(axis=0, ddof=1) / 40 + wanted.var(axis=0) / 4000)[moving]
    assert np.abs((means.mean(axis=0) - wanted.mean(axis=0))[moving] / error).max() < 5.0


@pytest.mark.parametrize("n_components", EXACT)
def test_evidence_of_eight_rows(n_components: int) -> None:
    assert_evidence(Problem(EIGHT, "gaussian", n_components), EXACT[n_components])


@pytest.mark.parametrize("covariance", ["full", "tied", "diagonal", "spherical"])
def test_evidence_under_independent_priors(covariance: str) -> None:
    shared = "components" if covariance == "tied" else ""
    wanted = float(logsumexp(log_labellings([SPREAD[:6]], 2, shared)[1]))
    assert_evidence(Problem(SPREAD[:6], "gaussian", 2, NUMBERS, covariance=covariance), wanted)


@pytest.mark.parametrize("covariance", ["full", "tied", "diagonal", "spherical"])
def test_moves_under_independent_priors_are_reversible(covariance: str) -> None:
    """Means alone would pass: what tells is a product of before and after that is not symmetric."""
    problem = Problem(SPREAD, "gaussian", 1, NUMBERS, covariance=covariance)
    prior, rng = prior_of(problem), np.random.default_rng(0)
    start = prior.sample(rng, (40_000,))
    statistics = start.statistics(problem.data.x[:3])
    labels = statistics.counts
    one = start
    for _ in range(60):
        one = prior.drawn_there_and_back(labels, statistics, one, rng)
    two = prior.drawn_there_and_back(labels, statistics, one, rng)
    spread = "covariances" if covariance in ("full", "tied") else "variances"
    means = [each.components.parameters()["means"].reshape(-1) for each in (one, two)]
    logs = [np.log(each.components.parameters()[spread].reshape(-1)) for each in (one, two)]
    gap = means[0] ** 2 * logs[1] - means[1] ** 2 * logs[0]
    assert abs(gap.mean()) < LIMIT * gap.std() / np.sqrt(gap.size)


@pytest.mark.parametrize(("covariance", "shared"), [("diagonal", ""), ("spherical", "features")])
def test_evidence_with_missing_cells_and_counts_under_independent_priors(covariance: str, shared: str) -> None:
    x = np.c_[SPREAD[:5], SPREAD[3:]]
    x[[0, 3], [0, 1]] = np.nan
    twice = np.r_[x, x[-1:]]
    data = dataclasses.replace(Dataset.of(x), counts=np.array([1.0, 1.0, 1.0, 1.0, 2.0]))
    wanted = float(logsumexp(log_labellings([twice[:, 0], twice[:, 1]], 2, shared)[1]))
    assert_evidence(Problem(data, "gaussian", 2, NUMBERS, covariance=covariance), wanted)


def with_a_second_feature_now_and_then() -> np.ndarray:
    """Seven rows; of the last three only the first feature was seen."""
    x = np.c_[EIGHT[:7], [-1.0, 0.3, -0.6, 0.5, 1.5, 2.5, 1.0]] / 3.0
    x[[1, 4, 6], 1] = np.nan
    return x[[0, 2, 3, 5, 1, 4, 6]]


def log_evidence_of_labels(x: np.ndarray, labels: np.ndarray, covariance: str) -> float:
    """log p(x | labels). Under a normal-inverse-Wishart prior what the first feature has for parameters and the regression on it are
    independent, so p(x) = p(both features of complete rows) p(first feature of all rows) / p(first feature of complete rows)."""
    whole = ~np.isnan(x).any(axis=1)
    shares, total = np.eye(2)[labels], 0.0
    firsts = {"mean": [0.0], "mean_strength": 0.5, "dof": 3.0, "scale": [[1.5]]}
    both = {"mean": [0.0, 0.2], "mean_strength": 0.5, "dof": 4.0, "scale": [[1.5, 0.3], [0.3, 1.0]]}
    for rows, columns, numbers, sign in ((whole, 2, both, 1.0), (np.ones(7, bool), 1, firsts, 1.0), (whole, 1, firsts, -1.0)):
        problem = Problem(x[rows][:, :columns], "gaussian", 2, numbers, covariance=covariance)
        prior, data = prior_of(problem).components, problem.data
        after = prior.posterior(problem.family.statistics(data, shares[rows]))
        total += sign * float(after.joint_log_normaliser(2) - prior.joint_log_normaliser(2) + problem.family.log_base(data))
    return total


@pytest.mark.parametrize("covariance", ["full", "tied"])
def test_evidence_where_cells_are_drawn(covariance: str) -> None:
    x = with_a_second_feature_now_and_then()
    every = np.array(list(itertools.product(range(2), repeat=7)))
    counts = np.stack([(every == k).sum(axis=1) for k in range(2)], axis=1)
    of_labels = gammaln(1.0 + counts).sum(axis=1) - gammaln(9.0)
    wanted = logsumexp([own + log_evidence_of_labels(x, labels, covariance) for own, labels in zip(of_labels, every, strict=True)])
    numbers = {"mean": [0.0, 0.2], "mean_strength": 0.5, "dof": 4.0, "scale": [[1.5, 0.3], [0.3, 1.0]]}
    assert_evidence(Problem(x, "gaussian", 2, numbers, covariance=covariance), float(wanted), SMC(chains=24, draws=200))
    twice = dataclasses.replace(Dataset.of(x[:6]), counts=np.array([1.0, 1.0, 1.0, 1.0, 2.0, 1.0]))
    again = np.r_[x[:6], x[4:5]]
    wanted = logsumexp([own + log_evidence_of_labels(again, labels, covariance) for own, labels in zip(of_labels, every, strict=True)])
    assert_evidence(Problem(twice, "gaussian", 2, numbers, covariance=covariance), float(wanted), SMC(chains=24, draws=200))


def test_rows_enter_once_and_large_counts_little_by_little() -> None:
    counts = np.array([1.0, 1e6, 0.0, 2.0, 1.0])
    x = np.array([[1.0], [2.0], [3.0], [np.nan], [4.0]])
    problem = Problem(dataclasses.replace(Dataset.of(x), counts=counts), "gaussian", 1)
    entry = Entry.of(problem, np.random.default_rng(0))
    blocks = entry.blocks()
    np.testing.assert_array_equal(blocks[-1], [1.0, 1e6, 1.0])
    units = np.array([each.sum() for each in blocks])
    assert units[0] == 1
    turns = entry.singly(40)  # of each row no more units than it has, and just those that blocks have by then
    np.testing.assert_array_equal(np.bincount(turns, minlength=3), entry._at(40.0))
    np.testing.assert_array_equal(entry.blocks(units[3])[0], blocks[4])
    assert (np.diff(blocks, axis=0) >= 0).all()
    assert (np.diff(units) <= np.maximum(2.0, units[:-1] / 2.0 + 2.0)).all()
    assert (np.diff(units) > 0).all()


def test_rows_that_count_once_enter_in_the_order_that_time_says() -> None:
    problem = Problem(np.random.default_rng(1).normal(size=(30, 2)), "gaussian", 2)
    once = Entry.of(problem, np.random.default_rng(0))
    twice = dataclasses.replace(once, data=dataclasses.replace(once.data, counts=np.full(30, 2.0)))
    for entry in (once, twice):
        turns = entry.singly(25)
        assert turns.size == 25
        for units in (1, 7, 25):
            by_time = entry._entered(np.nextafter(_when(entry, units), 3.0))
            np.testing.assert_array_equal(np.bincount(turns[:units], minlength=30), by_time)
            np.testing.assert_array_equal(entry._at(float(units)), by_time)
    np.testing.assert_array_equal(once._at(30.0), np.ones(30))


def _when(entry: Entry, units: int) -> float:
    """The time at which so many units are in, by sorting all of them."""
    unit = np.arange(1.0, entry.data.counts.max() + 1.0)
    return float(np.sort(((unit - entry.offsets[:, None]) / entry.data.counts[:, None]).ravel())[units - 1])


def test_resampling_keeps_shares_and_order() -> None:
    rng = np.random.default_rng(0)
    logs = rng.normal(size=50)
    kept = np.stack([resampled(logs, rng) for _ in range(4000)])
    assert (np.diff(kept, axis=1) >= 0).all()
    times = np.bincount(kept.ravel(), minlength=50) / 4000
    weights = np.exp(logs) / np.exp(logs).sum() * 50
    assert np.abs(times - weights).max() < 0.05
    assert (np.abs(np.bincount(kept[0], minlength=50) - weights) < 1.0).all()


def test_islands_are_drawn_from_in_proportion_to_their_evidence() -> None:
    """And one after the other, in order, so that kin are neighbours."""
    logs = np.log([0.1, 0.2, 0.7, 1.0])
    chains = shared_out(logs, 100, np.random.default_rng(0))
    assert chains.shape == (4, 100)
    assert (np.diff(chains.ravel()) >= 0).all()
    found = np.bincount(chains.ravel() // 100, minlength=4)
    assert np.abs(found - 400 * np.exp(logs) / 2.0).max() <= 1
    even = shared_out(np.zeros(4), 100, np.random.default_rng(0))
    np.testing.assert_array_equal(even.ravel(), np.arange(400))


def test_the_note_says_how_many_islands_would_do() -> None:
    """As far apart as they are, so many may be; one fewer may not."""
    logs = np.log(1.0 + np.array([-0.6, 0.0, 0.0, 0.6]))
    note, apart = evidence_of(logs).note, spread(logs)
    (wanted,) = (int(number) for number in re.findall(r"raise chains to about (\d+)", note))
    assert limit(4) < limit(wanted - 1) < apart <= limit(wanted)
    assert "raise chains to 64" in remedy(1.24, 16)
    assert remedy(1.24, 64).startswith("raise draws")


def test_islands_that_differ_are_not_trusted() -> None:
    wide = evidence_of(np.array([0.0, 1.0, 2.0, 3.0]))
    assert not wide.trusted
    assert "raise chains" in wide.note
    assert wide.log_evidence == pytest.approx(np.log(np.exp([0, 1, 2, 3]).mean()))
    assert "3 islands do not tell the error: raise chains" in evidence_of(np.array([0.0, 0.1, -0.1])).note
    assert "raise chains to 64" in wide.note
    low = evidence_of(np.r_[np.full(15, 0.0), -20.0])
    assert low.trusted  # one that has missed all costs a sixteenth, and the error says so
    assert low.mcse > 0.06 > -low.log_evidence - 0.01
    assert not evidence_of(np.r_[np.full(15, 0.0), 20.0]).trusted
    assert [limit(count) for count in (4, 16, 36, 64, 400)] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])


def test_the_error_of_few_islands_is_that_of_students_t() -> None:
    """Evidences of normal islands: over many sets of them scores have a variance of one, whatever their number."""
    for count in (5, 16):
        sets = 0.1 * np.random.default_rng(count).normal(size=(20_000, count))
        found = [evidence_of(np.log1p(own)) for own in sets]
        scores = np.array([each.log_evidence / each.mcse for each in found])
        assert scores.std() == pytest.approx(1.0, abs=0.1)


def test_what_an_order_of_rows_hides_islands_in_other_orders_tell() -> None:
    """Five rows of eight features: two components are worth their price only once all rows are in, and in few orders a row finds them."""
    problem = Problem(np.random.default_rng(5).normal(size=(5, 8)), "gaussian", 2, covariance="spherical")
    found = SMC(chains=4, draws=64).fit(problem, without_estimates(problem)).evidence[0]
    exact = Exact(chains=1, draws=1).fit(problem).evidence[0].log_evidence
    assert found.log_evidence < exact - 1.0
    assert not found.trusted
    assert "differ by" in found.note


def test_what_all_islands_miss_is_denied_by_importance_sampling() -> None:
    others = [Evidence("importance", -9.4, 0.1, False)]
    assert unless_opposed(Evidence("smc", -10.0, 0.2), others[:0]).trusted
    assert unless_opposed(Evidence("smc", -10.0, 0.2), [Evidence("importance", -9.5, 0.1)]).trusted
    assert not unless_opposed(Evidence("smc", -10.0, 0.1), [Evidence("importance", -9.4, 0.1, False)]).trusted


@every_case
def test_labels_of_single_rows_are_drawn_with_the_parameters_integrated_out(name: str, options: dict[str, Any]) -> None:
    """The product of the rows' densities given the labels before them has the evidence as its mean."""
    problem = small(name, options, [0.7, 3.0])
    prior, rng = prior_of(problem), np.random.default_rng(0)
    any_mixture = prior.sample(rng, (1,))
    labelled, total = Labelled.nothing(problem.family, prior, 4000), np.zeros(4000)
    for n in range(4):
        row = dataclasses.replace(problem.data.take(np.array([n])), counts=np.ones(1))
        labelled, gains = labelled.joined(row, any_mixture, rng)
        total += gains
    data = dataclasses.replace(problem.data.take(np.arange(4)), counts=np.ones(4))
    wanted = Exact(chains=1, draws=1).fit(Problem(data, problem.family, 2, prior)).evidence[0].log_evidence
    weights = np.exp(total - wanted)
    assert abs(weights.mean() - 1.0) < LIMIT * weights.std() / np.sqrt(4000) + 1e-9
    assert labelled.statistics is not None
    again = Labelled.of(problem.family, prior, labelled.statistics)
    np.testing.assert_allclose(again.log_normaliser, labelled.log_normaliser, rtol=1e-10, atol=1e-8)


def test_the_same_seed_gives_the_same_numbers_whatever_the_threads() -> None:
    problem = Problem(EIGHT, "gaussian", 2)
    one, two = (SMC(chains=2, draws=20).fit(problem, dataclasses.replace(Context.default(problem), threads=n)) for n in (1, 2))
    np.testing.assert_array_equal(one.log_posterior, two.log_posterior)
    assert one.evidence == two.evidence


def test_what_it_refuses() -> None:
    data = dataclasses.replace(Dataset.of(EIGHT), counts=np.full(8, 1.5))
    assert "whole numbers" in str(SMC().refuses(Problem(data, "gaussian", 2)))
    assert SMC().refuses(Problem(np.c_[EIGHT, np.ones(8)], "gaussian", 2)) is not None


def test_what_the_islands_did_is_in_the_tables() -> None:
    rows = np.r_[EIGHT, EIGHT + 0.5, EIGHT * 0.9 + 1.0, EIGHT - 0.7, EIGHT * 1.1, EIGHT / 2.0]
    problem = Problem(rows, "gaussian", 3)
    fit = SMC(chains=3, draws=40, sweeps=1).fit(problem, without_estimates(problem))
    tables = assemble([Cell({}, problem, fits={"smc": fit})])
    trace = tables["trace"]
    assert list(trace["objective_name"].unique()) == ["log_evidence", "rows_entered"]
    entered = trace[trace["objective_name"] == "rows_entered"]
    assert (entered.groupby("restart")["objective"].last() == 48.0).all()
    assert (entered.groupby("restart")["objective"].diff().dropna() > 0.0).all()
    assert entered.groupby("restart").size().nunique() > 1  # each has its own order and steps
    last = trace[trace["objective_name"] == "log_evidence"].groupby("restart")["objective"].last()
    assert np.log(np.exp(last).mean()) == pytest.approx(fit.evidence[0].log_evidence)
    checks = tables["diagnostics"].set_index("quantity")
    each = np.exp(last - last.max())
    assert float(checks.loc["smc_spread", "value"]) == pytest.approx(each.std() / each.mean(), rel=1e-5)
    assert (checks.loc["smc_spread", "verdict"] == "ok") == (each.std() / each.mean() <= limit(3))
    assert all("raise sweeps" in message for message in fit.messages)
