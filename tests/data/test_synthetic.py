"""Synthetic data: the truth is what was asked for, and it reaches the tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import workbench
from workbench.data import DataError, Dataset
from workbench.experiment.config import load
from workbench.models import FAMILIES
from workbench.models.mixture import Mixture
from workbench.models.synthetic import synthetic

SHAPES: dict[tuple[str, str | None], dict[str, tuple[int, ...]]] = {
    ("gaussian", "full"): {"means": (4, 3), "covariances": (4, 3, 3)},
    ("gaussian", "tied"): {"means": (4, 3), "covariances": (3, 3)},
    ("gaussian", "diagonal"): {"means": (4, 3), "variances": (4, 3)},
    ("gaussian", "spherical"): {"means": (4, 3), "variances": (4,)},
    ("bernoulli", None): {"probs": (4, 3)},
}


def drawn(
    family: str = "gaussian",
    covariance: str | None = None,
    *,
    n_rows: int = 200,
    n_components: int = 4,
    n_features: int = 3,
    separation: float = 3.0,
    missing: float = 0.0,
    seed: int = 0,
) -> tuple[Dataset, Mixture]:
    options = {} if covariance is None else {"covariance": covariance}
    chosen = FAMILIES[family](**options)
    return synthetic(chosen, n_rows, n_components, n_features, separation, missing, np.random.default_rng(seed))


@pytest.mark.parametrize(("family", "covariance"), SHAPES)
def test_the_truth_has_the_shape_of_the_family(family: str, covariance: str | None) -> None:
    data, truth = drawn(family, covariance)
    assert data.x.shape == (200, 3)
    shapes = {name: value.shape for name, value in truth.parameters().items()}
    assert shapes == {"weights": (4,), **SHAPES[family, covariance]}
    np.testing.assert_allclose(truth.weights.sum(), 1.0)


@pytest.mark.parametrize("covariance", ["full", "tied", "diagonal", "spherical"])
@pytest.mark.parametrize("separation", [0.0, 0.5, 3.0, 10.0])
@pytest.mark.parametrize("n_features", [1, 2, 7])
def test_gaussian_means_are_as_far_apart_as_asked(covariance: str, separation: float, n_features: int) -> None:
    _, truth = drawn("gaussian", covariance, n_features=n_features, separation=separation)
    means = truth.parameters()["means"]
    distances = np.linalg.norm(means[:, None] - means, axis=-1)[np.triu_indices(4, k=1)]
    np.testing.assert_allclose(distances.min(), separation, rtol=1e-9, atol=1e-12)
    matrices = covariance in ("full", "tied")
    spreads = truth.parameters()["covariances" if matrices else "variances"]
    variances = np.diagonal(spreads, axis1=-2, axis2=-1) if matrices else spreads
    np.testing.assert_allclose(variances.mean(), 1.0, rtol=1e-12)


@pytest.mark.parametrize("separation", [0.0, 1.0, 3.0])
def test_bernoulli_logits_differ_as_asked(separation: float) -> None:
    _, truth = drawn("bernoulli", n_rows=1, n_components=2, n_features=100_000, separation=separation)
    probs = truth.parameters()["probs"]
    logits = np.log(probs) - np.log1p(-probs)
    np.testing.assert_allclose(np.sqrt(((logits[0] - logits[1]) ** 2).mean()), separation, rtol=0.02)


@pytest.mark.parametrize("missing", [0.0, 0.1, 0.5, 2 / 3])
@pytest.mark.parametrize("family", ["gaussian", "bernoulli"])
def test_the_share_of_missing_cells(family: str, missing: float) -> None:
    data, _ = drawn(family, missing=missing)
    empty = np.isnan(data.x)
    assert empty.sum() == round(missing * data.x.size)
    assert not empty.all(axis=1).any()


def test_more_cells_than_can_be_missing() -> None:
    with pytest.raises(DataError, match="would empty whole rows of 3 features; ask for fewer"):
        drawn(missing=0.7)


def test_missing_cells_leave_the_others_as_they_were() -> None:
    whole, _ = drawn()
    emptied, _ = drawn(missing=0.3)
    observed = ~np.isnan(emptied.x)
    np.testing.assert_array_equal(emptied.x[observed], whole.x[observed])


def test_classes_are_the_components_that_rows_came_from() -> None:
    data, truth = drawn(separation=30.0)
    assert data.classes is not None
    assert [int(name) for name in data.classes] == truth.responsibilities(data.x).argmax(axis=-1).tolist()


def test_shares_of_the_classes_are_the_weights() -> None:
    data, truth = drawn(n_rows=40_000)
    shares = np.bincount([int(name) for name in data.classes or ()], minlength=4) / data.n_rows
    assert np.abs(shares - truth.weights).max() < 5 * np.sqrt(0.25 / data.n_rows)


CONFIG: dict[str, Any] = {
    "data": {"synthetic": {"n_rows": 60, "n_components": 2, "n_features": 2}},
    "model": {"n_components": 2},
    "methods": ["em"],
    "seed": 1,
}


def test_same_seed_same_data() -> None:
    cells = [load({**CONFIG, "seed": seed}).cells()[0] for seed in (1, 1, 2)]
    prints = [cell.problem.data.fingerprint for cell in cells]
    assert prints[0] == prints[1]
    assert prints[0] != prints[2]
    weights = [cell.truth.weights.tolist() for cell in cells if cell.truth is not None]
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]


@pytest.mark.parametrize(("family", "n_features"), [("gaussian", 2), ("bernoulli", 10)])
def test_the_truth_reaches_the_parameters_aligned(family: str, n_features: int, tmp_path: Path) -> None:
    config = {
        "data": {"synthetic": {"family": family, "n_rows": 1000, "n_components": 3, "n_features": n_features, "separation": 6.0}},
        "model": {"family": family, "n_components": 3},
        "methods": {"em": {"restarts": 4}, "em_map": {"kind": "em", "objective": "posterior", "restarts": 4}},
        "seed": 3,
        "report": False,
    }
    run = workbench.run(config, tmp_path)
    parameters = run.tables["parameters"]
    truth = load(config).cells()[0].truth
    assert truth is not None
    for label in ("em", "em_map"):
        rows = parameters[parameters["method"] == label]
        assert rows["truth"].notna().all()
        for name, values in truth.parameters().items():
            known = rows.loc[rows["parameter"] == name, "truth"]
            np.testing.assert_array_equal(np.sort(known), np.sort(values.ravel()))
        assert (rows["mean"] - rows["truth"]).abs().max() < 0.35
        assert np.corrcoef(rows["mean"], rows["truth"])[0, 1] > 0.99
    agreement = run.tables["agreement"].query("method_b == 'classes'").set_index("method_a")["adjusted_rand"]
    assert agreement.loc[["em", "em_map"]].min() > 0.95


def test_another_number_of_components_has_no_truth(tmp_path: Path) -> None:
    config = {**CONFIG, "model": {"n_components": 3}, "methods": {"em": {"restarts": 5, "objective": "posterior"}}, "report": False}
    assert workbench.run(config, tmp_path).tables["parameters"]["truth"].isna().all()
