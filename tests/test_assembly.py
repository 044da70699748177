"""The assembled tables: all columns, and the identities between them (points; draws made of a scrambled point)."""

from __future__ import annotations

import dataclasses
import math

import arviz as az
import numpy as np
import pandas as pd
import pytest

from workbench.compare.assembly import COLUMNS, assemble
from workbench.compare.bounds import elbo, symmetrised_elbo
from workbench.compare.cell import Cell, Failure
from workbench.compare.diagnostics import unseen_optimum
from workbench.compare.optima import Optimum
from workbench.compare.predictive import leave_one_out, smoothed
from workbench.data import Dataset
from workbench.data.builtin import load_built_in
from workbench.datatree import to_tree
from workbench.fit import Fit
from workbench.inference import EM, Gibbs
from workbench.inference.evidence.pareto import pareto_k
from workbench.inference.method import Context
from workbench.models.mixture import stacked
from workbench.problem import Problem
from workbench.study.ledger import ledger


def cell_of(name: str, family: str, n_components: int) -> Cell:
    problem = Problem(load_built_in(name), family, n_components)
    fits = {"em": EM(restarts=30).fit(problem), "em_map": EM(restarts=30, objective="posterior").fit(problem)}
    return Cell({}, problem, fits=fits, failures={"broken": Failure("nuts", "sample", "it did not work")})


@pytest.fixture(scope="module", params=[("iris", "gaussian", 3), ("zoo", "bernoulli", 4), ("old_faithful", "gaussian", 1)], ids=str)
def tables(request: pytest.FixtureRequest) -> dict[str, pd.DataFrame]:
    return assemble([cell_of(*request.param)])


def test_columns_are_the_contracts(tables: dict[str, pd.DataFrame]) -> None:
    assert {name: list(table.columns) for name, table in tables.items()} == {name: text.split() for name, text in COLUMNS.items()}


def test_a_failure_is_a_row_with_its_reason(tables: dict[str, pd.DataFrame]) -> None:
    row = tables["likelihoods"].set_index("method").loc["broken"]
    assert row["status"] == "it did not work"
    assert pd.isna(row["log_likelihood"])


def test_scores_follow_from_responsibilities(tables: dict[str, pd.DataFrame]) -> None:
    scores = tables["likelihoods"].set_index("method")
    for label in ("em", "em_map"):
        rows = tables["responsibilities"].query("method == @label").pivot_table(index="row", columns="component", values="mean").to_numpy()
        np.testing.assert_allclose(rows.sum(axis=1), 1.0, atol=1e-12)
        score = scores.loc[label]
        entropy = -np.sum(rows[rows > 0] * np.log(rows[rows > 0]))
        assert score["entropy"] == pytest.approx(entropy, abs=1e-9)
        bic = -2 * score["log_likelihood"] + score["n_parameters"] * math.log(len(rows))
        assert score["bic"] == pytest.approx(bic)
        assert score["icl"] == pytest.approx(bic - 2 * np.log(rows.max(axis=1)).sum())
        assert pd.isna(score["aic"]) == (label == "em_map")
        assert pd.isna(score["elbo"])


def test_agreement_follows_from_responsibilities(tables: dict[str, pd.DataFrame]) -> None:
    shares = tables["responsibilities"].pivot_table(index=["row", "component"], columns="method", values="mean")
    variation = (shares["em"] - shares["em_map"]).abs().groupby("row").sum() / 2
    row = tables["agreement"].query("method_b == 'em_map'").iloc[0]
    assert row["mean_total_variation"] == pytest.approx(variation.mean())
    assert row["max_total_variation"] == pytest.approx(variation.max())
    labels = tables["assignments"].pivot_table(index="row", columns="method", values="label")
    assert row["rows_with_other_label"] == (labels["em"] != labels["em_map"]).sum()


def test_point_parameters_have_errors_where_the_point_is_a_maximum(tables: dict[str, pd.DataFrame]) -> None:
    parameters = tables["parameters"]
    assert parameters["truth"].isna().all()
    assert parameters.query("method == 'em' and parameter == 'weights'")["mean"].sum() == pytest.approx(1.0)
    diagnostics = tables["diagnostics"].set_index(["method", "quantity"])["value"]
    for method in ("em", "em_map"):
        own = parameters[parameters["method"] == method]
        assert diagnostics[method, "local_maximum"] == "yes"
        assert own["sd"].notna().any()
        interval = own.dropna(subset=["sd"])
        assert ((interval["lower"] < interval["mean"]) & (interval["mean"] < interval["upper"])).all()
        probable = interval[interval["parameter"].isin(["weights", "probs"])]
        assert probable["lower"].gt(0.0).all()
        assert probable["upper"].lt(1.0).all()
        fixed = own[own["sd"].isna()]
        assert fixed["mean"].lt(1e-6).sum() + fixed["mean"].gt(1 - 1e-6).sum() == len(fixed)
        assert fixed[["lower", "upper"]].isna().all().all()


def test_optima_say_whether_they_are_maxima(tables: dict[str, pd.DataFrame]) -> None:
    found = tables["optima"]
    singular = found["singular"].astype(bool)
    assert found.loc[singular, "local_maximum"].isna().all()
    assert found.loc[(found["optimum"] == 0) & ~singular, "local_maximum"].astype(bool).all()


def test_points_are_left_out_row_by_row(tables: dict[str, pd.DataFrame]) -> None:
    """Finite and below the log likelihood, or empty with its reason."""
    scores = tables["likelihoods"].set_index("method")
    reasons = tables["diagnostics"].query("quantity in ['rows_without_density', 'refits_collapsed']").set_index("method")
    for method in ("em", "em_map"):
        score = scores.loc[method]
        if method in reasons.index:
            assert pd.isna(score["elpd_loo"])
        else:
            assert score["elpd_loo"] < score["log_likelihood"]
            assert score["elpd_loo_se"] > 0
        assert pd.isna(score["pareto_k_max"])


def test_swept_keys_are_the_first_columns() -> None:
    cells = [dataclasses.replace(cell_of("galaxies", "gaussian", k), values={"model.n_components": k}) for k in (1, 2)]
    for table in (*assemble(cells).values(), ledger(cells)):
        assert table.columns[0] == "model.n_components"
        assert table["model.n_components"].dtype == "Int64" or table.empty, "1, not 1.0: as in the names of fits"
    assert assemble(cells)["likelihoods"]["model.n_components"].tolist() == [1, 1, 1, 2, 2, 2]


def gaussian_q(problem: Problem, n_draws: int, scale: float = 0.1) -> Fit:
    """An approximation whose q is a normal round the MAP, with exact densities."""
    assert problem.prior is not None
    point = EM(restarts=10, objective="posterior").fit(problem)
    mean, _ = problem.prior.flatten(point.mixture)
    z = np.random.default_rng(0).standard_normal((n_draws, mean.size))
    u = mean + scale * z
    draws, jacobian = problem.prior.unflatten(u)
    log_q = -0.5 * (z**2).sum(axis=1) - mean.size * (math.log(scale) + 0.5 * math.log(2 * math.pi)) - jacobian
    log_likelihood = problem.log_likelihood(draws)
    return Fit.approximation_of(
        draws.reshaped(1, n_draws),
        log_q[None],
        kind="advi",
        family=problem.family,
        log_likelihood=log_likelihood[None],
        log_posterior=(log_likelihood + problem.log_prior(draws))[None],
        objective_name="elbo",
        status=point.status,
        seconds={"compile": 0.0, "run": 0.0},
        options={},
        approximation={"mean": mean, "scale_tril": scale * np.eye(mean.size)},
    )


@pytest.mark.parametrize(("family", "x"), [("gaussian", [1.0, 1.4, 1.2, 0.7, 5.0, 5.5, 4.6]), ("bernoulli", [0.0, 1.0, 1.0, 0.0, 1.0])])
def test_symmetrised_elbo_lies_between_the_elbo_and_that_plus_log_factorial(family: str, x: list[float]) -> None:
    problem = Problem(np.array(x), family, 2)
    fit = gaussian_q(problem, 4000)
    plain, symmetrised = elbo(fit), symmetrised_elbo(problem, fit)
    assert plain is not None
    assert symmetrised is not None
    assert plain.value - 1e-9 <= symmetrised.value <= plain.value + math.log(2) + 1e-9


def test_a_prior_that_tells_components_apart_has_no_symmetrised_elbo() -> None:
    """Of a posterior with one labelling log 2 would be added to what is a bound already."""
    x = np.array([1.0, 1.4, 1.2, 0.7, 5.0, 5.5, 4.6])
    problem = Problem(x, "gaussian", 2, {"concentration": [1.0, 30.0]})
    assert symmetrised_elbo(problem, gaussian_q(problem, 100)) is None
    assert symmetrised_elbo(Problem(x, "gaussian", 2, {"concentration": [3.0, 3.0]}), gaussian_q(problem, 100)) is not None


def test_largest_weights_that_are_tied_are_not_smoothed_and_other_rows_are() -> None:
    """ArviZ raises for all rows then; a row whose draws are all alike has nothing to doubt."""
    rng = np.random.default_rng(0)
    tied = np.concatenate([rng.normal(size=800) - 9.0, np.zeros(200)])
    free = rng.normal(size=1000)
    log_weights, k_hat = smoothed(-np.stack([tied, free, np.zeros(1000)]), 1.0)
    np.testing.assert_allclose(np.exp(log_weights).sum(axis=1), 1.0)
    np.testing.assert_allclose(log_weights[0] - log_weights[0].max(), tied)
    assert np.isinf(k_hat[0])
    assert k_hat[2] == 0.0
    alone, shape = smoothed(-free[None], 1.0)
    np.testing.assert_array_equal(log_weights[1], alone[0])
    assert k_hat[1] == shape[0]
    assert np.isinf(pareto_k(tied))


def test_elbo_is_below_the_exact_evidence() -> None:
    problem = Problem(np.random.default_rng(0).normal(size=(20, 2)), "gaussian", 1, {"mean_strength": 20.0})
    assert problem.prior is not None
    posterior = problem.prior.posterior(problem.family.statistics(problem.data, np.ones((20, 1))))
    evidence = float(posterior.log_normaliser() - problem.prior.log_normaliser() - 20 * math.log(2 * math.pi))
    bound = elbo(gaussian_q(problem, 4000, 0.4))
    assert bound is not None
    assert evidence - 3.0 < bound.value < evidence + 4 * bound.mcse


def test_leave_one_out_is_arviz_and_the_exact_one_of_a_conjugate_normal() -> None:
    """Draws from the exact posterior of one component; exact elpd from ratios of normalisers."""
    rng = np.random.default_rng(1)
    problem = Problem(Dataset.of(rng.normal(size=(40, 1))), "gaussian", 1)
    assert problem.prior is not None
    statistics = problem.family.statistics(problem.data, np.ones((40, 1)))
    exact = problem.prior.posterior(statistics)
    draws = exact.components.sample(rng, (4, 1000, 1))
    mixture = stacked([problem.family.mixture({"weights": np.ones((1000, 1)), **draws.take(c).parameters()}) for c in range(4)])
    fit = Fit.sample(
        mixture,
        kind="nuts",
        family=problem.family,
        log_likelihood=problem.log_likelihood(mixture),
        log_posterior=problem.log_likelihood(mixture) + problem.log_prior(mixture),
        objective_name="log_posterior",
        status=EM(restarts=1).fit(problem).status,
        seconds={"compile": 0.0, "run": 0.0},
        options={},
    )
    found = leave_one_out(problem, fit)
    assert found is not None
    wanted = 0.0
    for n in range(40):
        shares = np.ones((40, 1))
        shares[n] = 0.0
        without = problem.prior.posterior(problem.family.statistics(problem.data, shares))
        wanted += float(exact.log_normaliser() - without.log_normaliser()) - 0.5 * math.log(2 * math.pi)
    assert found.elpd == pytest.approx(wanted, abs=0.1)
    assert found.pareto_k_max < 0.7
    arviz = az.loo(to_tree(problem, fit, "nuts"))
    assert found.elpd == pytest.approx(arviz.elpd, abs=0.02)  # up to the relative efficiency, which ArviZ takes from the parameters
    assert found.se == pytest.approx(arviz.se, rel=0.01)


def test_unseen_optimum_by_hand() -> None:
    found = [Optimum((0, 1, 2, 3, 4), 0.0, False, False), Optimum((5, 6), -1.0, False, False), Optimum((7,), -2.0, False, False)]
    found += [Optimum((8,), 9.0, True, False), Optimum((9,), 8.0, True, False)]
    share, lower, upper = unseen_optimum(found, 10)
    half = 1.96 * math.sqrt(1 * 0.9 + 2 * 2) / 10
    assert share == pytest.approx(0.1)
    assert lower == pytest.approx(max(0.0, 0.1 - half))
    assert upper == pytest.approx(min(1.0, 0.1 + half + 0.3))


def quick(problem: Problem) -> Context:
    """Without estimates of the evidence."""
    return dataclasses.replace(Context.default(problem), estimates=False)


def test_components_that_the_prior_dominates_are_counted() -> None:
    """Two tight groups and three components: the third has fewer expected rows than parameters."""
    from workbench.inference import VBEM

    x = np.concatenate([np.random.default_rng(0).normal(size=30), 50.0 + np.random.default_rng(1).normal(size=30)])
    for k, verdict in ((2, "ok"), (3, "warning")):
        problem = Problem(x, n_components=k)
        table = assemble([Cell({}, problem, fits={"vbem": VBEM(restarts=20, draws=200).fit(problem, quick(problem))})])["diagnostics"]
        (row,) = table[table["quantity"] == "prior_dominated_components"].to_dict("records")
        assert row["verdict"] == verdict


def test_many_independent_features_are_not_dominated_by_the_prior() -> None:
    """Forty columns, two classes of thirty rows: thirty rows tell of every probability, whose prior counts two."""
    from workbench.inference import VBEM

    rng = np.random.default_rng(0)
    probs = np.repeat(rng.uniform(0.1, 0.9, size=(2, 40)), 30, axis=0)
    problem = Problem((rng.uniform(size=(60, 40)) < probs).astype(float), "bernoulli", n_components=2)
    table = assemble([Cell({}, problem, fits={"vbem": VBEM(restarts=5, draws=100).fit(problem, quick(problem))})])["diagnostics"]
    (row,) = table[table["quantity"] == "prior_dominated_components"].to_dict("records")
    assert (row["value"], row["verdict"]) == ("0", "ok")


def test_a_row_that_draws_depend_on_is_told_with_what_to_do() -> None:
    """Draws of a normal whose last row lies thirty standard deviations from the others, under a prior that leaves all to the data."""
    problem = Problem(np.append(np.random.default_rng(2).standard_normal(20), 30.0), "gaussian", 1)
    fit = Gibbs(draws=500, tune=100).fit(problem)
    tables = assemble([Cell({}, problem, fits={"gibbs": fit})])
    row = tables["diagnostics"].set_index("quantity").loc["pareto_k_loo"]
    assert float(row["value"]) == pytest.approx(tables["likelihoods"]["pareto_k_max"].iloc[0], rel=1e-5)
    assert float(row["value"]) > 0.7
    assert row["verdict"] == "warning"
    assert row["advice"].startswith("1 row has a k-hat above 0.7")


def test_a_full_covariance_takes_more_rows_than_its_cells_say() -> None:
    """Four columns and four rows far from thirty: sixteen cells are more than fourteen parameters, and yet have no covariance."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=(30, 4)), 50.0 + rng.normal(size=(4, 4))])
    verdicts = {}
    for covariance in ("full", "diagonal"):
        problem = Problem(x, n_components=2, covariance=covariance)
        context = dataclasses.replace(Context.default(problem), estimates=False)
        fit = Gibbs(draws=100, tune=100).fit(problem, context)
        table = assemble([Cell({}, problem, fits={"gibbs": fit})])["diagnostics"].set_index("quantity")
        verdicts[covariance] = (table.loc["prior_dominated_components", "value"], table.loc["prior_dominated_components", "verdict"])
    assert verdicts == {"full": ("1", "warning"), "diagonal": ("0", "ok")}
