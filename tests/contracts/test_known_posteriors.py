"""Samplers on posteriors with a known answer: independent draws by the sum over all labellings, and another sampler's long run."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from arviz_stats.base import array_stats

from workbench.data import Dataset
from workbench.data.builtin import load_built_in
from workbench.fit import Fit
from workbench.inference import NUTS, VBEM, Exact, Gibbs
from workbench.inference.method import Context, Method
from workbench.problem import Problem


def fitted(method: Method, problem: Problem) -> Fit:
    return method.fit(problem, dataclasses.replace(Context.default(problem), estimates=False, threads=2))


def unlabelled(fit: Fit) -> dict[str, np.ndarray]:
    """Quantities that no relabelling changes, (chain, draw)."""
    assert fit.draws is not None
    parameters = fit.draws.parameters()
    order = np.argsort(parameters["means"][..., 0], axis=-1)
    by_mean = {name: np.take_along_axis(parameters[name].reshape(*order.shape, -1), order[..., None], axis=-2) for name in parameters}
    found = {f"{name}[{k},{d}]": value[..., k, d] for name, value in by_mean.items() for k in range(2) for d in range(value.shape[-1])}
    return {"log_likelihood": fit.log_likelihood, "log_posterior": fit.log_posterior, **found}


def moments(values: np.ndarray) -> list[tuple[float, float]]:
    """Mean and mean square with their Monte-Carlo errors."""
    each = (values, (values - values.mean()) ** 2)
    return [(float(v.mean()), float(v.std() / np.sqrt(array_stats.ess(v, chain_axis=0, draw_axis=1)))) for v in each]


def distances(one: Fit, other: Fit) -> dict[str, float]:
    """Differences of moments in their errors."""
    ours, theirs = unlabelled(one), unlabelled(other)
    found = {}
    for name in ours:
        for moment, ((a, ea), (b, eb)) in zip(
            ("mean", "variance"), zip(moments(ours[name]), moments(theirs[name]), strict=True), strict=True
        ):
            found[f"{moment} of {name}"] = abs(a - b) / np.hypot(ea, eb)
    return found


@pytest.mark.slow
def test_nuts_gives_the_moments_of_independent_draws() -> None:
    """Sixteen rows of two groups: 65,536 labellings summed, and drawn from without a chain."""
    x = 0.8 * np.random.default_rng(4).normal(size=16) + np.repeat([0.0, 5.0], 8)
    problem = Problem(x, n_components=2)
    exact = fitted(Exact(chains=4, draws=5000), problem)
    found = distances(fitted(NUTS(chains=4, draws=2500, tune=1000), problem), exact)
    assert max(found.values()) < 4.5, found
    assert np.mean(np.array(list(found.values())) > 2.0) < 0.25


def with_missing() -> Problem:
    """Old Faithful with 15 % of its cells gone."""
    whole = load_built_in("old_faithful")
    x = np.where(np.random.default_rng(15).random(whole.x.shape) < 0.15, np.nan, whole.x)
    return Problem(Dataset.of(x, whole.features), n_components=2)


@pytest.mark.slow
def test_nuts_and_vb_agree_with_gibbs_where_cells_are_missing() -> None:
    """Gibbs draws the missing cells, NUTS integrates them out, variational Bayes has them in q: its means are the posterior's to a
    fifth of a standard deviation, its standard deviations nowhere above by a tenth."""
    problem = with_missing()
    gibbs = fitted(Gibbs(chains=4, draws=2500, tune=500), problem)
    found = distances(fitted(NUTS(chains=4, draws=1500, tune=700), problem), gibbs)
    assert max(found.values()) < 4.5, found
    theirs = unlabelled(gibbs)
    ours: dict[str, Any] = unlabelled(fitted(VBEM(restarts=10, draws=10_000), problem))
    for name, value in theirs.items():
        if not name.startswith("log_"):
            assert abs(ours[name].mean() - value.mean()) < 0.2 * value.std(), name
            assert ours[name].std() < 1.1 * value.std(), name
