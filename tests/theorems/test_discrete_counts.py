"""Grouped data give every figure of every table that the expanded rows give: the death notices as ten rows and as 1096."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import workbench
from workbench.compare.assembly import assemble
from workbench.compare.cell import Cell
from workbench.data import Dataset
from workbench.data.builtin import load_built_in
from workbench.fit import Fit, Status
from workbench.inference import EM
from workbench.models.mixture import stacked
from workbench.problem import Problem

INIT = {"weights": [0.5, 0.5], "rates": [[1.0], [3.0]]}
METHODS: dict[str, Any] = {
    "em": {"restarts": 1, "init": INIT, "max_iter": 150},  # it needs ten times as many, and is followed to the end for the tables
    "em_book": {"kind": "em", "engine": "book", "restarts": 1, "init": INIT, "max_iter": 150},
    "em_map": {"kind": "em", "objective": "posterior", "restarts": 1, "init": INIT, "max_iter": 150},
    "em_squarem": {"kind": "em", "acceleration": "squarem", "restarts": 1, "init": INIT},
    "hard_em": {"restarts": 1, "init": INIT},
}
ONCE = {"assignments", "responsibilities", "agreement", "coclustering"}
"""Tables in which every fitted row stands once, whatever its count."""
OTHERWISE = {"seconds", "seconds_run", "seconds_compile", "start_seed", "rows_assigned", "mean_responsibility_assigned"}


def same(one: pd.DataFrame, two: pd.DataFrame, name: str) -> None:
    assert list(one.columns) == list(two.columns)
    assert len(one) == len(two), name
    for column in set(one.columns) - OTHERWISE:
        first, second = one[column], two[column]
        if pd.api.types.is_numeric_dtype(first) and not pd.api.types.is_bool_dtype(first):
            a, b = (series.astype(float).to_numpy(dtype=float, na_value=np.nan) for series in (first, second))
            np.testing.assert_allclose(a, b, rtol=1e-7, atol=2e-7, err_msg=f"{name}.{column}")
        else:
            assert first.isna().tolist() == second.isna().tolist(), f"{name}.{column}"
            assert first.dropna().map(str).tolist() == second.dropna().map(str).tolist() or _numbers(first, second), f"{name}.{column}"


DRAWN = {"mean", "sd", "lower", "upper", "distance", "tail_share"}
"""Columns of replicated.csv that belong to data made at random."""


def computed(table: pd.DataFrame) -> pd.DataFrame:
    """Without what is drawn: its noise belongs to the data's own key."""
    if "estimator" in table:
        table = table[table["estimator"] != "importance"]
    if "observed" in table:
        table = table.drop(columns=sorted(DRAWN))
    if "verdict" in table:
        table = table[table["quantity"] != "replicated_distance"]
    return table.reset_index(drop=True)


def _numbers(first: pd.Series[Any], second: pd.Series[Any]) -> bool:
    """A column of numbers and words: diagnostics' value."""
    pairs = zip(first.dropna(), second.dropna(), strict=True)
    return all(str(a) == str(b) or a == pytest.approx(b, rel=1e-6) for a, b in pairs)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    folder = tmp_path_factory.mktemp("counts")
    found = []
    for data in ("death_notices", "hasselblad"):
        config = {"name": data, "data": data, "model": {"family": "poisson", "n_components": 2}, "methods": METHODS, "report": False}
        found.append(workbench.run(config, folder / data).tables)
    return found[0], found[1]


@pytest.mark.slow
def test_tables_are_equal(runs: tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]) -> None:
    grouped, expanded = runs
    assert grouped.keys() == expanded.keys()
    compared = grouped.keys() - ONCE
    assert {"likelihoods", "optima", "components", "parameters", "path", "trace", "decomposition"} <= compared
    for name in compared:
        same(*(computed(run[name]) for run in (grouped, expanded)), name)
    drawn = [run["evidence"].query("estimator == 'importance'").iloc[0] for run in (grouped, expanded)]
    gap = drawn[0]["log_evidence"] - drawn[1]["log_evidence"]
    assert abs(gap) < 5.0 * np.hypot(drawn[0]["mcse"], drawn[1]["mcse"])
    scores = grouped["likelihoods"].set_index("method")
    assert scores.loc["em", "log_likelihood"] == pytest.approx(-1989.9458598830315, abs=1e-6)
    assert scores.loc["em", "bic"] == pytest.approx(2 * 1989.9458598830315 + 3 * np.log(1096), abs=1e-5)
    assert pd.notna(scores.loc["em", "elpd_loo"])


@pytest.mark.slow
def test_rows_stand_once_in_tables_of_rows(runs: tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]) -> None:
    grouped, expanded = runs
    one, two = (run["responsibilities"].query("method == 'em' and component == 0") for run in (grouped, expanded))
    assert len(one) == 10
    assert len(two) == 1096
    deaths = load_built_in("hasselblad").x[:, 0].astype(int)
    np.testing.assert_allclose(two["mean"].to_numpy(float), one["mean"].to_numpy(float)[deaths], rtol=1e-6)


@pytest.mark.slow
def test_draws_and_held_out_rows_are_counted() -> None:
    """PSIS-LOO of a sample and the held-out score: rows with counts are the same rows several times."""
    found = []
    for name in ("death_notices", "hasselblad"):
        data = load_built_in(name)
        problem = Problem(data, "poisson", 2)
        point = problem.family.mixture({"weights": [0.36, 0.64], "rates": [[1.26], [2.66]]})
        rng = np.random.default_rng(0)
        noise = rng.normal(0.0, 0.05, size=(200, 3))
        draws = []
        for step in noise:
            share = float(np.clip(point.weights[0] + step[0], 0.05, 0.95))
            rates = np.array([[1.26], [2.66]]) * np.exp(step[1:, None])
            draws.append(problem.family.mixture({"weights": [share, 1.0 - share], "rates": rates}))
        mixture = stacked(draws).reshaped(2, 100)
        log_likelihood = problem.log_likelihood(mixture)
        fit = Fit.sample(
            mixture,
            kind="nuts",
            family=problem.family,
            log_likelihood=log_likelihood,
            log_posterior=log_likelihood + problem.log_prior(mixture),
            objective_name="log_posterior",
            status=Status.SAMPLED,
            seconds={"compile": 0.0, "run": 0.0},
            options={},
        )
        em = EM(restarts=1, init=INIT, acceleration="squarem").fit(problem)
        found.append(assemble([Cell({}, problem, held_out=data, fits={"em": em, "nuts": fit})]))
    for table in ("likelihoods", "components", "parameters"):
        same(found[0][table], found[1][table], table)
    scores = found[0]["likelihoods"].set_index("method")
    assert scores[["elpd_loo", "elpd_loo_se", "held_out_lpd"]].notna().loc["nuts"].all()
    assert scores.loc["em", "held_out_lpd"] == pytest.approx(scores.loc["em", "log_likelihood"], rel=1e-9)


def test_a_split_takes_rows_with_all_their_counts(tmp_path: Path) -> None:
    config = {"data": {"name": "death_notices", "held_out": 0.3}, "model": {"family": "poisson"} | {"n_components": 1}, "methods": ["em"]}
    setting = workbench.load(config).cells()[0]
    assert setting.held_out is not None
    assert setting.held_out.n_rows == 3
    assert setting.held_out.counts.sum() + setting.problem.data.counts.sum() == 1096
    assert {*setting.held_out.rows.tolist(), *setting.problem.data.rows.tolist()} == set(range(10))


def test_a_dataset_with_counts_and_levels_runs_again_from_its_config(tmp_path: Path) -> None:
    """Data in memory are written beside the run, levels as words, counts as a column."""
    data = Dataset.of(np.array([["a", "x"], ["b", "x"], ["b", "y"], ["", "y"]]), ["u", "v"], counts=[3, 1, 4, 2], levels=True)
    model = {"family": "categorical", "n_components": 2}
    workbench.run({"name": "memory", "data": data, "model": model, "methods": {"em": {"restarts": 3}}, "report": False}, tmp_path / "one")
    again = workbench.load(tmp_path / "one" / "config.yaml").cells()[0].problem
    assert again.data.fingerprint == Problem(data, "categorical", 2).data.fingerprint
    assert again.data.levels == (("a", "b"), ("x", "y"))
    assert again.data.counts.tolist() == [3.0, 1.0, 4.0, 2.0]
