"""Predictions of a run: of the fitted rows what its tables say of them, of others by the same formulas, and mistakes with their place."""

from __future__ import annotations

import io
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import workbench
from workbench.cli import main
from workbench.data import DataError
from workbench.inference import EM, Exact
from workbench.problem import Problem
from workbench.runs import Run, run

RNG = np.random.default_rng(5)
GROUP = RNG.integers(2, size=60)
FRAME = pd.DataFrame(
    {
        "plant": [f"p{i:02d}" for i in range(60)],
        "a": RNG.normal(size=60) + 4.0 * GROUP,
        "b": RNG.normal(size=60) - GROUP,
        "seen": (RNG.random(60) < 0.2 + 0.6 * GROUP).astype(float),
        "n": RNG.poisson(1.0 + 4.0 * GROUP).astype(float),
        "word": np.array(["low", "middle", "high"])[np.clip(RNG.integers(-1, 2, 60) + 2 * GROUP, 0, 2)],
    }
)
FRAME = FRAME.mask((RNG.random(FRAME.shape) < 0.08) & (np.arange(6) > 0))
BLOCKS = {"gaussian": ["a", "b"], "bernoulli": ["seen"], "poisson": ["n"], "categorical": ["word"]}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of points and draws over a product of every family, rows held out, swept over K; its data are gone."""
    folder = tmp_path_factory.mktemp("predict")
    FRAME.to_csv(folder / "plants.csv", index=False)
    config: dict[str, Any] = {
        "data": {"file": str(folder / "plants.csv"), "id": "plant", "held_out": 0.2},
        "model": {
            "family": "product",
            "n_components": 2,
            "blocks": {**BLOCKS, "gaussian": {"columns": ["a", "b"], "covariance": "diagonal"}},
        },
        "methods": {"gibbs": {"chains": 2, "draws": 30, "tune": 30}, "em_map": {"kind": "em", "objective": "posterior", "restarts": 5}},
        "sweep": {"model.n_components": [3, 2]},
        "report": False,
    }
    run(config, folder / "run")
    shutil.move(folder / "plants.csv", folder / "new.csv")
    return folder


@pytest.fixture(scope="module")
def predicted(place: Path) -> pd.DataFrame:
    return Run.open(place / "run").predict(place / "new.csv")


def tables(place: Path) -> dict[str, pd.DataFrame]:
    return dict(Run.open(place / "run").tables)


def test_fitted_rows_are_what_the_tables_say_of_them(place: Path, predicted: pd.DataFrame) -> None:
    found = predicted
    assert list(found.columns)[:7] == ["model.n_components", "method", "row", "id", "label", "responsibility", "log_density"]
    assert found[["model.n_components", "method"]].drop_duplicates().to_numpy().tolist() == [
        [3, "gibbs"],
        [3, "em_map"],
        [2, "gibbs"],
        [2, "em_map"],
    ]
    told = tables(place)
    keys = ["model.n_components", "method", "row"]
    both = told["assignments"].merge(found, on=keys, suffixes=("", "_found"))
    assert len(both) == len(told["assignments"]) == 4 * 48
    assert both["label"].tolist() == both["label_found"].tolist()
    assert both["id"].tolist() == both["id_found"].tolist()
    np.testing.assert_allclose(both["responsibility_found"], both["responsibility"], rtol=1e-12)
    shares = found.melt(keys, [f"responsibility_{k}" for k in range(3)], "component", "share").dropna()
    shares["component"] = shares["component"].str[-1].astype(int)
    mean = told["responsibilities"].merge(shares, on=[*keys, "component"])
    assert len(mean) == len(told["responsibilities"])
    np.testing.assert_allclose(mean["share"], mean["mean"], atol=1e-12)


def test_log_densities_of_held_out_rows_sum_to_their_score(place: Path, predicted: pd.DataFrame) -> None:
    """Empty where a row is impossible: MAP gives a level that no row of a component has a probability of 0."""
    found, told = predicted, tables(place)
    fitted = set(told["assignments"]["row"])
    scores = told["likelihoods"].set_index(["model.n_components", "method"])
    for key, rows in found.groupby(["model.n_components", "method"]):
        held_out = rows.loc[~rows["row"].isin(fitted), "log_density"]
        assert held_out.size == 12
        assert held_out.sum(skipna=False) == pytest.approx(scores.loc[key, "held_out_lpd"], rel=1e-12, nan_ok=True)
        assert held_out.notna().all() or key[1] == "em_map"
        if key[1] == "em_map":
            assert rows.loc[rows["row"].isin(fitted), "log_density"].sum() == pytest.approx(scores.loc[key, "log_likelihood"], rel=1e-12)


def test_from_the_shell(place: Path, predicted: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    whole = predicted.query("method == 'em_map' and `model.n_components` == 2").drop(columns="responsibility_2").reset_index(drop=True)
    words = ["predict", str(place / "run"), str(place / "new.csv"), "--method", "em_map,model.n_components=2"]
    assert main(words) == 0
    said = capsys.readouterr()
    pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(said.out)), whole, check_dtype=False)
    impossible = int(whole["label"].isna().sum())
    assert said.err.startswith(f"{impossible} row" if impossible else "")
    for name in ("out.csv", "out.parquet"):
        assert main([*words, "--out", str(place / "made" / name)]) == 0
        assert "60 rows" in capsys.readouterr().out
    pd.testing.assert_frame_equal(pd.read_csv(place / "made" / "out.csv"), whole, check_dtype=False)
    pd.testing.assert_frame_equal(pd.read_parquet(place / "made" / "out.parquet"), whole, check_dtype=False)


def changed(row: int, column: str, cell: Any) -> pd.DataFrame:
    frame = FRAME.astype(object)
    frame.loc[row, column] = cell
    return frame


@pytest.mark.parametrize(
    ("frame", "method", "words"),
    [
        (
            changed(3, "word", "huge"),
            "em_map",
            "FILE:5: column 'word' holds level 'huge', which no fitted row has; there are high, low, middle",
        ),
        (FRAME.drop(columns=["b"]), "em_map", "FILE has no column 'b'; give all that were fitted: a, b, seen, n, word"),
        (FRAME.drop(columns=["b", "n"]), "em_map", "FILE has no columns b, n; give"),
        (changed(0, "a", "tall"), "em_map", "FILE:2: a: 'tall' is not a number; mend the cell"),
        (changed(1, "a", "inf"), "em_map", "FILE:3: a: is infinite"),
        (
            changed(2, "seen", 2),
            "em_map",
            "FILE:4: column 'seen' holds 2 and bernoulli takes 0, 1 or an empty cell; mend or empty the cell",
        ),
        (changed(2, "n", -1), "em_map", "FILE:4: column 'n' holds -1 and poisson takes whole numbers"),
        (FRAME, "em_mpa", "there is no fit 'em_mpa'; did you mean em_map?"),
    ],
)
def test_mistakes_are_one_line_with_their_place(
    frame: pd.DataFrame, method: str, words: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "wrong.csv"
    frame.to_csv(file, index=False)
    assert main(["predict", str(place / "run"), str(file), "--method", method]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(words.replace("FILE", str(file)))
    assert said.err.count("\n") == 1


def test_other_columns_and_no_names_are_no_matter_and_cells_may_be_empty(place: Path, tmp_path: Path) -> None:
    rows = pd.DataFrame(
        {"n": [np.nan, 4.0], "colour": ["red", "blue"], "word": [np.nan, "low"], "seen": np.nan, "b": np.nan, "a": [np.nan, 4.0]}
    )
    rows.to_csv(tmp_path / "few.csv", index=False)
    found = Run.open(place / "run").predict(tmp_path / "few.csv", "em_map,model.n_components=2")
    weights = tables(place)["components"].query("method == 'em_map' and `model.n_components` == 2")["weight"]
    np.testing.assert_allclose(found.loc[0, ["responsibility_0", "responsibility_1"]].astype(float), weights)
    assert found.loc[0, "log_density"] == pytest.approx(0.0, abs=1e-12)
    assert found["id"].isna().all()
    frame = Run.open(place / "run").predict(rows, "em_map,model.n_components=2")
    pd.testing.assert_frame_equal(frame, found)


def test_a_fit_without_a_point_is_said_and_the_others_are_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = pd.DataFrame({"v": [0.0, 0.0, 1.0, 1.0, 1.0, 5.0]})
    config = {
        "data": frame,
        "model": {"n_components": 4},
        "methods": {"em": {"restarts": 3}, "em_map": {"kind": "em", "objective": "posterior", "restarts": 3}},
    }
    run({**config, "report": False}, tmp_path / "run")
    frame.to_csv(tmp_path / "v.csv", index=False)
    assert main(["predict", str(tmp_path / "run"), str(tmp_path / "v.csv")]) == 1
    said = capsys.readouterr()
    assert set(pd.read_csv(io.StringIO(said.out))["method"]) == {"em_map"}
    assert re.fullmatch(r"em has nothing to predict with: every restart ended at a singular.*\n", said.err)
    assert main(["predict", str(tmp_path / "run"), str(tmp_path / "v.csv"), "--method", "em"]) == 2
    assert main(["predict", str(tmp_path), str(tmp_path / "v.csv")]) == 2
    assert main(["predict", str(tmp_path / "run"), str(tmp_path / "w.csv")]) == 2
    assert "there is no such file" in capsys.readouterr().err


def test_on_arrays() -> None:
    """Of a point the mixture's own numbers; of draws the mean of the joint density by hand, where labels do not matter."""
    x = np.array([0.0, 0.1, 0.2, 5.0, 5.1, 5.3])
    problem = Problem(x, "gaussian", 2)
    fit = EM(restarts=4, objective="posterior").fit(problem)
    found = workbench.predict(problem, fit, np.array([0.05, 5.2, 2.5]))
    rows = np.array([[0.05], [5.2], [2.5]])
    np.testing.assert_array_equal(found[["responsibility_0", "responsibility_1"]], fit.mixture.responsibilities(rows))
    np.testing.assert_array_equal(found["log_density"], fit.mixture.log_density(rows))
    sample = Exact(chains=1, draws=50).fit(problem)
    assert sample.draws is not None
    density = np.exp(sample.draws.log_density(rows)[0]).mean(axis=0)
    np.testing.assert_allclose(workbench.predict(problem, sample, rows)["log_density"], np.log(density), rtol=1e-10)


def test_a_row_of_density_0_has_no_label() -> None:
    problem = Problem(pd.DataFrame({"a": [0, 0, 1, 1], "b": [0, 0, 0, 0]}), "bernoulli", 1)
    fit = EM(restarts=1).fit(problem)
    found = workbench.predict(problem, fit, pd.DataFrame({"a": [1, 1], "b": [0, 1]}))
    assert found["label"].isna().tolist() == [False, True]
    assert found["log_density"].isna().tolist() == [False, True]
    assert found.loc[0, "log_density"] == pytest.approx(np.log(0.5))
    with pytest.raises(DataError, match="row 1: column 'b' holds 3 and bernoulli takes"):
        workbench.predict(problem, fit, pd.DataFrame({"a": [1, 1], "b": [0, 3]}))
