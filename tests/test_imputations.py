"""The table of imputations against what the model says of each missing cell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.compare.assembly import assemble
from workbench.compare.cell import Cell
from workbench.compare.imputations import imputations
from workbench.data import DataError, Dataset
from workbench.data.builtin import load_built_in
from workbench.data.levels import UnseenLevelError
from workbench.fit import Fit
from workbench.inference import EM
from workbench.problem import Problem


def test_of_numbers() -> None:
    problem = Problem(load_built_in("old_faithful_missing"), "gaussian", 2)
    fit = EM(restarts=20).fit(problem)
    table = assemble([Cell({}, problem, fits={"em": fit})])["imputations"]
    mean, sd = fit.mixture.imputations(problem.data.x)
    missing = np.argwhere(np.isnan(problem.data.x))
    assert table["row"].tolist() == missing[:, 0].tolist()
    assert table["feature"].tolist() == [problem.data.features[d] for d in missing[:, 1]]
    np.testing.assert_allclose(table["mean"], mean[tuple(missing.T)], rtol=1e-12)
    np.testing.assert_allclose(table["sd"], sd[tuple(missing.T)], rtol=1e-12)
    complete = load_built_in("old_faithful").x[tuple(missing.T)]
    z = (complete - table["mean"]) / table["sd"]
    assert 0.8 < np.sqrt(np.mean(np.square(z))) < 1.25  # 82 cells that were removed at random


def test_of_levels() -> None:
    rng = np.random.default_rng(0)
    label = rng.random(400) < 0.5
    x = np.where(rng.random((400, 3)) < 0.9, label[:, None], ~label[:, None])
    words = np.where(x, "yes", "no").astype(object)
    words[0, 0], words[1, 2] = None, None
    problem = Problem(Dataset.of(words, ["a", "b", "c"], levels=True), "categorical", 2)
    fit = EM(restarts=5).fit(problem)
    table = assemble([Cell({}, problem, fits={"em": fit})])["imputations"]
    assert table[["row", "feature", "level"]].to_numpy().tolist() == [[0, "a", "no"], [0, "a", "yes"], [1, "c", "no"], [1, "c", "yes"]]
    mixture = fit.mixture
    for row, d in ((0, 0), (1, 2)):
        others = [e for e in range(3) if e != d]
        code = problem.data.x[row, others].astype(int)
        joint = mixture.weights * np.prod([mixture.parameters()["probs"][:, e, c] for e, c in zip(others, code, strict=True)], axis=0)
        expected = joint / joint.sum() @ mixture.parameters()["probs"][:, d]
        found = table.loc[table["row"] == row]
        np.testing.assert_allclose(found["mean"], expected, rtol=1e-12)
        np.testing.assert_allclose(found["sd"], np.sqrt(expected * (1.0 - expected)), rtol=1e-12)


def test_complete_data_have_none() -> None:
    problem = Problem(load_built_in("old_faithful"), "gaussian", 2)
    assert assemble([Cell({}, problem, fits={"em": EM(restarts=3).fit(problem)})])["imputations"].empty


@pytest.mark.parametrize("draws", [1, 3])
def test_over_draws_the_spread_of_the_means_is_added(draws: int) -> None:
    from workbench.compare.imputations import imputation_rows
    from workbench.compare.settled import settle
    from workbench.models.mixture import stacked

    problem = Problem(np.array([[0.0, 0.0], [1.0, 1.1], [2.0, 1.9], [3.0, np.nan]]), "gaussian", 1)
    fit = EM(restarts=1).fit(problem)
    settled = settle(Cell({}, problem, fits={"em": fit}))["em"]
    moved = [fit.mixture.components.map(lambda a, i=i: a + (i if a.ndim == 2 else 0.0)) for i in range(draws)]  # means shifted by i
    mixtures = stacked([type(fit.mixture)(fit.mixture.weights, components) for components in moved])
    row = next(imputation_rows("em", problem, type(settled)(settled.fit, settled.rows, mixtures)))
    mean, sd = fit.mixture.imputations(problem.data.x[3:])
    slope = fit.mixture.parameters()["covariances"][0, 1, 0] / fit.mixture.parameters()["covariances"][0, 0, 0]
    shifts = np.arange(draws) * (1.0 - slope)
    np.testing.assert_allclose(row["mean"], mean[0, 1] + shifts.mean())
    np.testing.assert_allclose(row["sd"], np.sqrt(sd[0, 1] ** 2 + shifts.var()))


def pets() -> tuple[pd.DataFrame, Problem, Fit]:
    """Words and numbers, with cells of both missing."""
    rng = np.random.default_rng(4)
    heavy = rng.random(80) < 0.5
    frame = pd.DataFrame({"weight": rng.normal(np.where(heavy, 30.0, 4.0), 1.0), "kind": np.where(heavy, "dog", "cat"), "tail": 1.0})
    frame.loc[3, "weight"], frame.loc[5, "kind"] = np.nan, None
    problem = Problem(frame.drop(columns="tail"), "product", 2, blocks={"gaussian": ["weight"], "categorical": ["kind"]})
    return frame, problem, EM(restarts=4).fit(problem)


def test_in_python_of_the_fitted_rows() -> None:
    """The table of a run, without its method."""
    _, problem, fit = pets()
    table = assemble([Cell({}, problem, fits={"em": fit})])["imputations"]
    pd.testing.assert_frame_equal(imputations(problem, fit), table.drop(columns="method"))
    assert imputations(problem, fit)["level"].tolist()[1:] == ["cat", "dog"]


def test_in_python_of_other_rows() -> None:
    """By the names of columns and levels, whatever their order and whatever stands beside them."""
    frame, problem, fit = pets()
    others = frame.iloc[[3, 5, 7]][["tail", "kind", "weight"]].reset_index(drop=True)
    own, found = imputations(problem, fit), imputations(problem, fit, others)
    assert found["row"].tolist() == [0, 1, 1]
    pd.testing.assert_frame_equal(found.drop(columns="row"), own.drop(columns="row"))
    pd.testing.assert_frame_equal(imputations(problem, fit, problem.rows(others)), found)
    pd.testing.assert_frame_equal(imputations(problem, fit, others[["weight", "kind"]].to_numpy()), found)
    one = imputations(problem, fit, pd.DataFrame({"weight": [29.0], "kind": [None]}))
    assert one.loc[one["level"] == "dog", "mean"].item() > 0.99


def test_rows_that_do_not_fit_are_told() -> None:
    frame, problem, fit = pets()
    with pytest.raises(DataError, match="there is no column 'kind'; give the columns that were fitted: weight, kind"):
        imputations(problem, fit, frame[["weight"]])
    with pytest.raises(UnseenLevelError, match="holds level 'cow', which no fitted row has"):
        imputations(problem, fit, frame.assign(kind="cow"))
    with pytest.raises(DataError, match="2 names for 1 columns"):
        imputations(problem, fit, np.array([1.0]))


@pytest.mark.parametrize("form", [pd.DataFrame, Dataset.of, list, np.asarray])
def test_a_mixture_takes_rows_in_any_form(form: Any) -> None:
    problem = Problem(load_built_in("old_faithful_missing"), "gaussian", 2)
    mixture = EM(restarts=4).fit(problem).mixture
    for own, other in zip(mixture.imputations(problem.data.x), mixture.imputations(form(problem.data.x)), strict=True):
        np.testing.assert_array_equal(own, other)


def test_blocks_of_rows_are_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cell for cell; the table keeps a block's numbers before its levels."""
    import workbench.compare.imputations as module

    frame, problem, fit = pets()
    holes = pd.concat([frame.iloc[:6]] * 3, ignore_index=True)
    whole = imputations(problem, fit, holes)
    monkeypatch.setattr(module, "rows_per_block", lambda _: 1)
    apart = imputations(problem, fit, holes)
    keys = ["row", "feature", "level"]
    pd.testing.assert_frame_equal(apart.sort_values(keys, ignore_index=True), whole.sort_values(keys, ignore_index=True))


def test_nothing_to_impute_with() -> None:
    problem = Problem(np.array([[1.0, 1.0], [1.0, np.nan], [1.0, 1.0]]), "gaussian", 2)
    with pytest.raises(ValueError, match="nothing to impute with: every restart ended at a singular"):
        imputations(problem, EM(restarts=2).fit(problem))


def test_too_many_cells_are_said_to_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """In diagnostics.csv; Python has them all the same."""
    import workbench.compare.imputations as module

    problem = Problem(load_built_in("old_faithful_missing"), "gaussian", 2)
    fit = EM(restarts=4).fit(problem)
    cell = Cell({}, problem, fits={"em": fit})
    missing = int(np.isnan(problem.data.x).sum())
    monkeypatch.setattr(module, "CELLS", missing)
    assert "imputations" not in assemble([cell])["diagnostics"]["quantity"].tolist()
    monkeypatch.setattr(module, "CELLS", missing - 1)
    tables = assemble([cell])
    row = tables["diagnostics"].set_index("quantity").loc["imputations"]
    assert tables["imputations"].empty
    assert (row["value"], row["verdict"]) == ("none", "note")
    assert row["advice"].startswith(f"{missing} cells were not observed; above {missing - 1} imputations.csv stays empty")
    assert len(imputations(problem, fit)) == missing
