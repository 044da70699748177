"""The exact posterior: labellings counted and summed, log evidence against closed forms, integrals and loops, draws against moments."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from examples import every_case, problem_of
from scipy import integrate, stats
from scipy.special import gammaln

from workbench.data import Dataset
from workbench.data.builtin import load_built_in
from workbench.fit import Fit
from workbench.inference.exact import MOST, Exact
from workbench.inference.exact.labellings import how_many, labellings
from workbench.models.terms import log_sum_exp
from workbench.problem import Problem

FIGURES = {figure["id"]: figure for figure in json.loads((Path(__file__).parents[1] / "reference" / "figures.json").read_text())}
EIGHT = np.array([-5.1, -4.9, -5.3, -4.7, 4.8, 5.2, 5.05, 4.95])
EXACT = {1: -28.695507, 2: -21.924415, 3: -19.444635, 4: -18.152642, 5: -17.481018, 7: -17.159648}


def log_evidence(problem: Problem) -> float:
    fit = Exact(chains=1, draws=1).fit(problem)
    (found,) = fit.evidence
    assert (found.estimator, found.mcse, found.trusted) == ("exact", 0.0, True)
    return found.log_evidence


@pytest.mark.parametrize("counts", [(1, 1, 1, 1, 1), (3,), (2, 1, 3), (2, 2, 2), (1, 4), (4, 1, 1)])
@pytest.mark.parametrize("n_components", [1, 2, 3, 4])
@pytest.mark.parametrize("symmetric", [True, False])
def test_every_labelling_is_there_once(counts: tuple[int, ...], n_components: int, symmetric: bool) -> None:
    parts = list(labellings(np.array(counts, dtype=float), n_components, symmetric))
    shares = np.concatenate([part.shares for part in parts]).astype(int)
    log_ways = np.concatenate([part.log_ways for part in parts])
    assert (shares.sum(axis=2) == counts).all()
    assert shares.shape[0] == how_many(np.array(counts), n_components, symmetric, MOST)
    units = sum(counts)
    rows = np.repeat(np.arange(len(counts)), counts)
    ways: dict[Any, int] = {}
    for labels in itertools.product(range(n_components), repeat=units):
        table = np.zeros((len(counts), n_components), int)
        np.add.at(table, (rows, labels), 1)
        name = tuple(sorted(map(tuple, table.T))) if symmetric else tuple(map(tuple, table.T))
        ways[name] = ways.get(name, 0) + 1
    found = {
        tuple(sorted(map(tuple, table.T))) if symmetric else tuple(map(tuple, table.T)): ways
        for table, ways in zip(shares, np.exp(log_ways), strict=True)
    }
    assert len(found) == shares.shape[0]
    assert found.keys() == ways.keys()
    for name, count in ways.items():
        assert found[name] == pytest.approx(count, rel=1e-12)


def test_labellings_in_parts_are_all_of_them() -> None:
    """Sets of twelve rows in at most four parts: Stirling numbers 1, 2047, 86526, 611501."""
    counts = np.ones(12)
    parts = list(labellings(counts, 4, symmetric=True))
    assert len(parts) > 50
    assert sum(part.log_ways.size for part in parts) == 1 + 2047 + 86526 + 611501 == how_many(counts, 4, True, MOST)
    assert sum(np.exp(part.log_ways).sum() for part in parts) == pytest.approx(4.0**12, rel=1e-9)


def test_more_labellings_than_are_summed_are_not_counted_out() -> None:
    assert how_many(np.ones(23), 2, True, MOST) == MOST
    assert how_many(np.ones(22), 2, False, MOST) == MOST
    for counts, n_components, symmetric in [
        (np.ones(24), 2, True),
        (np.ones(23), 2, False),
        (np.ones(100_000), 5, True),
        (np.array([1e9]), 3, True),
        (np.array([200.0]), 20, True),
    ]:
        assert how_many(counts, n_components, symmetric, MOST) == MOST + 1
    assert how_many(np.array([1e9]), 1, True, MOST) == 1


@pytest.mark.parametrize(
    "figure",
    [name for name, each in FIGURES.items() if each["quantity"] == "log_evidence" and each["prior"].get("kind") != "independent"],
)
def test_figures_of_another_program(figure: str) -> None:
    known = FIGURES[figure]
    x = np.array(known["rows"]) if "rows" in known else load_built_in("old_faithful").x
    given = known["prior"].get("components", known["prior"])
    prior = {
        "gaussian": lambda: {"mean": given["m0"], "mean_strength": given["kappa0"], "dof": given["nu0"], "scale": given["Psi0"]},
        "poisson": lambda: {"shape": 2.0, "rate": 1.0},
        "bernoulli": lambda: {"a": 1.0, "b": 1.0},
    }[known["family"]]()
    problem = Problem(x, known["family"], known["n_components"], prior)
    assert log_evidence(problem) == pytest.approx(known["value"], abs=known["tolerance"])


def test_all_other_figures_of_evidence_are_under_the_independent_prior() -> None:
    assert sum(each["quantity"] == "log_evidence" for each in FIGURES.values()) == 7


@pytest.mark.parametrize(("n_components", "wanted"), EXACT.items())
def test_eight_rows_under_the_default_prior(n_components: int, wanted: float) -> None:
    """Statistics, section 1: the default prior changes with K."""
    assert log_evidence(Problem(EIGHT, "gaussian", n_components)) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize(("n_components", "wanted"), [(2, -21.92), (3, -22.24), (4, -22.66)])
def test_eight_rows_under_one_scale(n_components: int, wanted: float) -> None:
    at_two = Problem(EIGHT, "gaussian", 2).prior
    assert at_two is not None
    scale = at_two.numbers()["scale"]
    assert log_evidence(Problem(EIGHT, "gaussian", n_components, {"scale": scale})) == pytest.approx(wanted, abs=0.005)


def loops(problem: Problem) -> float:
    """log p(x) by a loop over the K^M labellings of all units; log p(x, z) by Bayes' identity at a theta of its own:
    p(x | z, theta) p(z | theta) p(theta) / p(theta | x, z)."""
    assert problem.prior is not None
    family, data, count = problem.family, problem.data, problem.n_components
    rows = np.repeat(np.arange(data.n_rows), data.counts.astype(int))
    units = dataclasses.replace(data.take(rows), counts=np.ones(rows.size))
    rng = np.random.default_rng(8)
    logs = []
    for labels in itertools.product(range(count), repeat=rows.size):
        posterior = problem.prior.posterior(family.statistics(units, np.eye(count)[list(labels)]))
        theta = posterior.sample(rng)
        joint = theta.log_joint(units.x)[np.arange(rows.size), labels].sum()
        logs.append(float(joint + problem.prior.log_density(theta) - posterior.log_density(theta)))
    return float(log_sum_exp(np.array([logs]))[0])


def small(name: str, options: dict[str, Any], n_components: int, n_rows: int, concentration: Any = 1.0) -> Problem:
    """Rows that count once to three times, a row without any cell, and where there is a closed form with them, missing cells."""
    whole = options.get("covariance") in ("full", "tied") or name == "product"
    made = problem_of(name, options, 0.0 if whole else 0.25, seed=11, n_components=n_components, n_rows=n_rows)
    x = np.array(made.data.x)
    x[-1] = np.nan
    data = dataclasses.replace(made.data, x=x, counts=np.r_[2.0, np.ones(n_rows - 1)])
    assert made.prior is not None
    return Problem(data, made.family, n_components, {**made.prior.numbers(), "concentration": concentration})


@every_case
@pytest.mark.parametrize("concentration", [1.0, 0.3, [0.5, 2.0]])
def test_four_rows_by_loops(name: str, options: dict[str, Any], concentration: Any) -> None:
    problem = small(name, options, 2, 5, concentration)  # one of the five has no cell
    assert log_evidence(problem) == pytest.approx(loops(problem), abs=1e-9)


@every_case
def test_three_components_by_loops(name: str, options: dict[str, Any]) -> None:
    problem = small(name, options, 3, 4)
    assert log_evidence(problem) == pytest.approx(loops(problem), abs=1e-9)


def one_component(name: str, options: dict[str, Any]) -> tuple[Problem, np.ndarray]:
    problem = small(name, options, 1, 7)
    return problem, np.repeat(problem.data.x, problem.data.counts.astype(int), axis=0)


def by_quadrature(cells: np.ndarray, density: Any, prior: Any, top: float) -> float:
    """Log of the integral of the likelihood times the prior over one parameter in (0, top)."""
    scale = max(density(t).sum() for t in np.linspace(top / 100, top, 100, endpoint=False))
    value, _ = integrate.quad(lambda t: np.exp(density(t).sum() - scale) * prior.pdf(t), 0.0, top, limit=500, epsabs=0.0, epsrel=1e-11)
    return float(np.log(value) + scale)


def normal_evidence(columns: list[np.ndarray], centre: np.ndarray, strength: float, dof: float, scale: float) -> float:
    """Cells of columns that share a variance v ~ inverse-gamma(dof / 2, scale / 2) and have means ~ N(centre, v / strength)."""

    def likelihood(log_v: float) -> float:
        v = np.exp(log_v)
        total = stats.invgamma(dof / 2, scale=scale / 2).logpdf(v) + log_v
        for column, middle in zip(columns, centre, strict=True):
            if column.size:
                spread = v * (np.eye(column.size) + 1.0 / strength)
                total += stats.multivariate_normal(np.full(column.size, middle), spread).logpdf(column)
        return float(total)

    grid = np.linspace(-10.0, 10.0, 101)
    top = grid[np.argmax([likelihood(t) for t in grid])]
    value, _ = integrate.quad(lambda t: np.exp(likelihood(t) - likelihood(top)), top - 8.0, top + 8.0, limit=200, epsabs=0.0, epsrel=1e-10)
    return float(np.log(value) + likelihood(top))


def t_predictives(x: np.ndarray, mean: np.ndarray, strength: float, dof: float, scale: np.ndarray) -> float:
    """Row after row the Student t density of the next one (Murphy 2007, eq. 258)."""
    total, size = 0.0, x.shape[1]
    for row in x:
        shape = scale * (strength + 1.0) / (strength * (dof - size + 1.0))
        total += stats.multivariate_t(mean, shape, dof - size + 1.0).logpdf(row)
        gap = row - mean
        scale = scale + strength / (strength + 1.0) * np.outer(gap, gap)
        mean, strength, dof = mean + gap / (strength + 1.0), strength + 1.0, dof + 1.0
    return float(total)


def alone(x: np.ndarray, name: str, covariance: str, numbers: dict[str, Any]) -> float:
    """log p(x) of one component, by another road for each family."""
    columns = [column[~np.isnan(column)] for column in x.T]
    if name == "poisson":
        rates = np.atleast_1d(numbers["rate"]) * np.ones(x.shape[1])
        parts = zip(columns, rates, strict=True)
        return sum(by_quadrature(c, lambda t, c=c: stats.poisson(t).logpmf(c), stats.gamma(1.0, scale=1.0 / r), 60.0) for c, r in parts)
    if name == "bernoulli":
        return sum(by_quadrature(c, lambda t, c=c: stats.bernoulli(t).logpmf(c), stats.beta(1.0, 1.0), 1.0) for c in columns)
    if name == "categorical":
        seen = [np.bincount(column.astype(int), minlength=levels) for column, levels in zip(columns, numbers["levels"], strict=True)]
        return sum(
            float(stats.dirichlet_multinomial(np.ones(n.size), n.sum()).logpmf(n) - gammaln(n.sum() + 1.0) + gammaln(n + 1.0).sum())
            for n in seen
        )
    mean, strength, dof = np.array(numbers["mean"]), numbers["mean_strength"], numbers["dof"]
    if covariance == "spherical":
        return normal_evidence(columns, mean, strength, dof, numbers["scale"])
    if covariance == "diagonal":
        each = zip(columns, mean, numbers["scale"], strict=True)
        return sum(normal_evidence([column], np.array([middle]), strength, dof, scale) for column, middle, scale in each)
    return t_predictives(x[~np.isnan(x).any(axis=1)], mean, strength, dof, np.array(numbers["scale"]))


@every_case
def test_one_component_by_another_road(name: str, options: dict[str, Any]) -> None:
    problem, x = one_component(name, options)
    assert problem.prior is not None
    numbers = problem.prior.numbers()
    if name == "product":
        levels = problem.data.n_levels
        wanted = alone(x[:, :2], "gaussian", "full", numbers["gaussian"])
        wanted += alone(x[:, 2:3], "categorical", "", {"levels": levels[2:3]}) + alone(x[:, 3:], "poisson", "", numbers["poisson"])
    else:
        wanted = alone(x, name, options.get("covariance", ""), {**numbers, "levels": problem.data.n_levels})
    assert log_evidence(problem) == pytest.approx(wanted, rel=1e-8)


def test_counts_are_the_rows_one_by_one() -> None:
    notices = load_built_in("death_notices")
    few = dataclasses.replace(notices, counts=np.array([2.0, 3.0, 1.0, 2.0, 2.0, 0.0, 1.0, 0.0, 0.0, 1.0])).take([0, 1, 2, 3, 4, 6, 9])
    prior = {"shape": 2.0, "rate": 1.0}
    expanded = Dataset.of(np.repeat(few.x, few.counts.astype(int), axis=0), few.features)
    for n_components in (2, 3):
        one, two = (log_evidence(Problem(data, "poisson", n_components, prior)) for data in (few, expanded))
        assert one == pytest.approx(two, abs=1e-10)
    apart = Problem(few, "poisson", 2, prior)
    assert log_evidence(apart) == pytest.approx(loops(apart), abs=1e-9)


def posterior_moments(problem: Problem, labels: list[tuple[int, ...]]) -> np.ndarray:
    """p(z | x) of every labelling of rows that count once."""
    assert problem.prior is not None
    shares = np.eye(problem.n_components)[np.array(labels)]
    logs = problem.prior.posterior(problem.family.statistics(problem.data, shares)).log_normaliser()
    return np.asarray(np.exp(logs - log_sum_exp(logs[None])[0]))


def z_score(values: np.ndarray, wanted: float) -> float:
    return float((values.mean() - wanted) / (values.std() / np.sqrt(values.size)))


@pytest.mark.parametrize("concentration", [1.0, [0.5, 3.0]])
def test_draws_have_the_moments_of_the_posterior(concentration: Any) -> None:
    x = np.array([[0.0, 1.0], [0.4, 0.2], [2.0, 2.2], [2.5, 1.9], [1.2, 1.5]])
    problem = Problem(x, "gaussian", 2, {"concentration": concentration})
    assert problem.prior is not None
    labels = list(itertools.product(range(2), repeat=5))
    chances = posterior_moments(problem, labels)
    fit = Exact(chains=2, draws=10_000).fit(problem)
    assert fit.draws is not None
    flat = fit.draws.reshaped(20_000)
    shares = flat.responsibilities(x)
    together = sum(chance for chance, own in zip(chances, labels, strict=True) if own[0] == own[3])
    assert abs(z_score((shares[:, 0] * shares[:, 3]).sum(axis=-1), together)) < 4.0
    first = sum(chance for chance, own in zip(chances, labels, strict=True) if own[4] == 0)
    assert abs(z_score(shares[:, 4, 0], first)) < 4.0
    statistics = problem.family.statistics(problem.data, np.eye(2)[np.array(labels)])
    updated = problem.prior.posterior(statistics)
    weight = chances @ (updated.concentration / updated.concentration.sum(axis=-1, keepdims=True))
    assert abs(z_score(flat.weights[:, 0], weight[0])) < 4.0
    mean = chances @ updated.components.mean[:, 0]  # type: ignore[attr-defined]
    means = flat.parameters()["means"]
    assert all(abs(z_score(means[:, 0, d], mean[d])) < 4.0 for d in range(2))
    np.testing.assert_allclose(fit.log_posterior, problem.log_likelihood(fit.draws) + problem.log_prior(fit.draws), rtol=1e-10)


def test_a_labelling_is_drawn_by_its_probability() -> None:
    """Names at random: every component is each part of the split in half of the draws, also where one has no row."""
    problem = Problem(np.array([0.0, 0.1, 9.0, 9.1]), "gaussian", 2)
    fit = Exact(chains=1, draws=4000).fit(problem)
    assert fit.draws is not None
    left = fit.draws.parameters()["means"][0, :, 0, 0] < 4.5
    assert abs(left.mean() - 0.5) < 4.0 * 0.5 / np.sqrt(4000)


@pytest.mark.parametrize("name", ["gaussian", "poisson", "bernoulli"])
def test_one_component_has_the_closed_form_posterior(name: str) -> None:
    rng = np.random.default_rng(4)
    x = {"gaussian": rng.normal(3.0, 2.0, 50), "poisson": rng.poisson(4.0, 50), "bernoulli": rng.integers(0, 2, 50)}[name]
    problem = Problem(np.asarray(x, dtype=float), name, 1)
    draws = Exact(chains=1, draws=4000).fit(problem).draws
    assert draws is not None
    assert problem.prior is not None
    numbers, n = problem.prior.numbers(), 50
    if name == "gaussian":
        strength, dof = numbers["mean_strength"] + n, numbers["dof"] + n
        scale = np.ravel(numbers["scale"])[0] + ((x - x.mean()) ** 2).sum()  # the prior's mean is the data's
        law = stats.t(dof, x.mean(), np.sqrt(scale / dof / strength))
        values = draws.parameters()["means"][0, :, 0, 0]
        variances = draws.parameters()["covariances"][0, :, 0, 0, 0]
        assert stats.kstest(variances, stats.invgamma(dof / 2, scale=scale / 2).cdf).pvalue > 0.001
    elif name == "poisson":
        values, law = draws.parameters()["rates"][0, :, 0, 0], stats.gamma(1.0 + x.sum(), scale=1.0 / (1.0 / x.mean() + n))
    else:
        values, law = draws.parameters()["probs"][0, :, 0, 0], stats.beta(1.0 + x.sum(), 1.0 + n - x.sum())
    assert stats.kstest(values, law.cdf).pvalue > 0.001
    assert (draws.weights == 1.0).all()


def test_many_rows_and_one_component() -> None:
    data = load_built_in("old_faithful_missing")
    fit: Fit = Exact(chains=2, draws=50).fit(Problem(data, "gaussian", 1, covariance="diagonal"))
    assert fit.draws is not None
    assert fit.draws.batch_shape == (2, 50)


@pytest.mark.parametrize(
    ("problem", "wanted"),
    [
        (Problem(np.arange(24.0), "gaussian", 2), "24 different rows with 2 components have more; fit fewer"),
        (Problem(load_built_in("old_faithful_missing"), "gaussian", 1), "only a part of a row was observed (82 rows); keep complete rows"),
        (Problem(load_built_in("old_faithful_missing"), "gaussian", 1, covariance="tied"), "covariance: tied there is no closed form"),
        (Problem(np.ones((30, 1)), "bernoulli", 21), "at most 20 components, and there are 21; use gibbs"),
        (Problem(np.ones((30, 1)), "gaussian", 1), "no default prior"),
    ],
)
def test_refusals(problem: Problem, wanted: str) -> None:
    reason = Exact().refuses(problem)
    assert reason is not None
    assert wanted in reason
    with pytest.raises(ValueError, match=r"; "):
        Exact().fit(problem)


def test_a_block_with_missing_cells_is_named() -> None:
    problem = problem_of("product", {"blocks": {"gaussian": ["a", "b"], "categorical": ["c"], "poisson": ["d"]}}, 0.3, n_components=1)
    assert str(Exact().refuses(problem)).startswith("block gaussian: with covariance: full")
