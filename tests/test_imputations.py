"""The table of imputations against what the model says of each missing cell."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.compare.assembly import assemble
from workbench.compare.cell import Cell
from workbench.data import Dataset
from workbench.data.builtin import load_built_in
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
