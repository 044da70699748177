"""Replicated data: features by hand, the right model gives them back, a wrong one does not, missing cells and counts stay as they are."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest
from examples import every_case, problem_of, quick
from scipy.stats import norm

from workbench.compare.replicated import Replicated, replicated
from workbench.compare.replicated.features import MOST_PAIRS, Features, Name, expanded
from workbench.data import Dataset
from workbench.inference import EM
from workbench.models import Categorical, Gaussian, Poisson
from workbench.problem import Problem


def taken(features: Features, x: np.ndarray) -> dict[tuple[Any, ...], float]:
    return dict(zip([dataclasses.astuple(name) for name in features.names()], features.values(x), strict=True))


def test_features_of_quantities_by_hand() -> None:
    x = np.array([[0.0, 1.0], [1.0, 3.0], [2.0, 5.0], [3.0, 7.0], [14.0, np.nan]])
    found = taken(Features(Dataset.of(x), Gaussian()), x)
    assert found["50 % quantile", "x0", None, None] == 2.0
    assert found["25 % quantile", "x1", None, None] == 2.5
    assert found["standard deviation", "x0", None, None] == pytest.approx(np.std([0, 1, 2, 3, 14]))
    assert found["excess kurtosis", "x0", None, None] == pytest.approx(np.mean((x[:, 0] - 4.0) ** 4) / np.std(x[:, 0]) ** 4 - 3.0)
    assert found["upper tail share", "x0", None, None] == 0.0  # 14 is 1.98 sd above 4
    assert found["correlation", "x0", "x1", None] == pytest.approx(1.0)  # of the rows that have both
    shifted = taken(Features(Dataset.of(x), Gaussian()), x + np.array([20.0, 0.0]))
    assert shifted["upper tail share", "x0", None, None] == 1.0  # the bounds are those of the observed rows


def test_features_of_counts_and_levels_by_hand() -> None:
    counts = np.array([[0.0], [0.0], [1.0], [5.0]])
    found = taken(Features(Dataset.of(counts), Poisson()), counts)
    assert found["share of zeros", "x0", None, None] == 0.5
    assert found["variance over mean", "x0", None, None] == pytest.approx(np.var([0, 0, 1, 5]) / 1.5)
    assert found["maximum", "x0", None, None] == 5.0
    data = Categorical().dataset(pd.DataFrame({"a": ["u", "u", "v", "v"], "b": ["p", "p", "q", "r"]}))
    found = taken(Features(data, Categorical()), data.x)
    assert found["share", "b", None, "q"] == 0.25
    assert found["association", "a", "b", None] == pytest.approx(1.0)  # Cramer's V: a follows from b


def test_the_correlation_ratio_is_one_where_levels_tell_the_quantity() -> None:
    frame = pd.DataFrame({"a": [1.0, 1.0, 4.0, 4.0, 2.0], "b": ["u", "u", "v", "v", "w"]})
    problem = Problem(frame, "product", 1, prior=None, blocks={"gaussian": ["a"], "categorical": ["b"]})
    features = Features(problem.data, problem.family)
    assert taken(features, problem.data.x)["association", "a", "b", None] == pytest.approx(1.0)
    mixed = problem.data.x.copy()
    mixed[:, 0] = [1.0, 4.0, 1.0, 4.0, 2.5]
    assert taken(features, mixed)["association", "a", "b", None] == pytest.approx(0.0)


def test_the_most_associated_of_many_pairs_are_kept() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 14))
    x[:, 13] = x[:, 2] + 0.01 * rng.normal(size=50)
    pairs = Features(Dataset.of(x), Gaussian()).pairs
    assert len(pairs) == MOST_PAIRS
    assert (2, 13) in pairs


def test_what_was_looked_through_raises_the_limit() -> None:
    """The pairs that are left out were looked at too: 30 independent columns have a pair far from chance by chance."""
    few, many = (Features(Dataset.of(np.random.default_rng(0).normal(size=(50, d))), Gaussian()) for d in (2, 30))
    assert few.considered == len(few.names())
    assert many.considered == len(many.names()) - MOST_PAIRS + 30 * 29 // 2
    limit = Replicated([], np.zeros(0), np.zeros((2, 0)), many.considered).limit
    assert many.considered * 2.0 * norm.sf(limit) == pytest.approx(0.01)


def test_a_row_that_counts_twice_is_two_rows() -> None:
    """Bounds of tails, levels and pairs too."""
    x, counts = np.array([[0.0], [1.0], [2.0], [9.0]]), np.array([1.0, 1.0, 1.0, 20.0])
    one, all_ = (
        Features(data, Gaussian()) for data in (Dataset.of(x, counts=counts), Dataset.of(np.repeat(x, counts.astype(int), axis=0)))
    )
    np.testing.assert_array_equal(one.bounds, all_.bounds)


@every_case
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_every_family_has_rows_and_its_copies_look_alike(name: str, options: dict[str, Any], missing: float) -> None:
    """With counts; the observed numbers are those of the rows one by one, and a mixture with its own data is never far away."""
    problem = problem_of(name, options, missing)
    fit = EM(restarts=5, objective="posterior").fit(problem, quick(problem))
    found = replicated(problem, fit)
    assert found is not None
    features = Features(problem.data, problem.family)
    np.testing.assert_array_equal(found.observed, features.values(expanded(problem.data)))
    rows = list(found.rows("em"))
    assert len(rows) > 5
    assert all(row["lower"] <= row["upper"] and 0.0 <= row["tail_share"] <= 1.0 for row in rows)
    assert np.nanmedian(np.abs(found.distance)) < 1.0


def test_one_component_does_not_give_back_two_groups() -> None:
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(size=(100, 2)), rng.normal(size=(100, 2)) + 6.0])
    worst = {}
    for k in (1, 2):
        problem = Problem(x, n_components=k)
        found = replicated(problem, EM(restarts=5).fit(problem))
        assert found is not None
        worst[k] = found.worst()
    assert worst[1]["verdict"] == "warning"
    assert "excess kurtosis" in worst[1]["advice"]
    assert worst[2]["verdict"] == "ok"


def test_distance_is_in_sd_of_the_copies_and_empty_where_all_are_alike() -> None:
    made = np.array([[1.0, 2.0], [3.0, 2.0]])
    found = Replicated([Name("a", "x"), Name("b", "x")], np.array([4.0, 2.0]), made, 2)
    np.testing.assert_allclose(found.distance, [2.0 / np.std([1.0, 3.0], ddof=1), np.nan])
    assert [row["tail_share"] for row in found.rows("em")] == [0.0, 1.0]
