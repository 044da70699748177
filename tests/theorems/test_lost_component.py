"""A component that loses all its rows is nothing singular where none needs rows of its own (statistics, section 3)."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.compare.assembly import assemble
from workbench.compare.cell import Cell
from workbench.compare.optima import optima
from workbench.fit import Fit, Status
from workbench.inference import EM, HardEM, KMeans, SampledEM
from workbench.models import Gaussian, Poisson
from workbench.models.families.product import Block
from workbench.problem import Problem

FAR = 1e3
BLOCKS = (Block(Gaussian("tied"), ("a", "b")), Block(Poisson(), ("d",)))
CASES: dict[str, dict[str, Any]] = {
    "gaussian": {"covariance": "tied"},
    "bernoulli": {},
    "categorical": {},
    "poisson": {},
    "product": {"blocks": BLOCKS},
}
SINGULAR: dict[str, dict[str, Any]] = {
    **{structure: {"family": "gaussian", "covariance": structure} for structure in ("full", "diagonal", "spherical")},
    "product": {"family": "product", "blocks": (Block(Gaussian("diagonal"), ("a", "b")), Block(Poisson(), ("d",)))},
}


def rows_of(name: str) -> Any:
    rng = np.random.default_rng(7)
    group = rng.integers(2, size=(80, 1))
    real = rng.normal(size=(80, 2)) + 4.0 * group
    counts = rng.poisson(2.0 + 6.0 * group).astype(float)
    if name == "product":
        return pd.DataFrame({"a": real[:, 0], "b": real[:, 1], "d": counts[:, 0]})
    binary = (rng.random((80, 5)) < 0.2 + 0.6 * group).astype(float)
    binary = binary[~(binary == [1, 0, 1, 0, 1]).all(axis=1)]  # what the component to be lost would have
    binary[0] = np.nan if name == "bernoulli" else binary[0]
    return {"gaussian": real, "bernoulli": binary, "categorical": binary}.get(name, counts)


def far_from_all(problem: Problem) -> dict[str, Any]:
    """A start of three components: two in the data, the third where no row can be."""
    two = EM(restarts=20, max_iter=3).fit(Problem(problem.data, problem.family, 2)).mixture
    start: dict[str, Any] = {"weights": [0.5, 0.4, 0.1]}
    impossible = np.array([1.0, 0.0, 1.0, 0.0, 1.0])
    third = {
        "means": lambda size: np.full(size, FAR),
        "rates": lambda size: np.full(size, FAR),
        "probs": lambda size: impossible if len(size) == 1 else np.stack([1.0 - impossible, impossible], axis=1),
    }
    for name, dims in problem.family.dims.items():
        own = two.parameters()[name] if name != "weights" else None
        if own is not None:
            shared = dims[0] != "component"
            extra = own[:1] if name not in third else third[name](own.shape[1:])[None]
            start[name] = (own if shared else np.concatenate([own, extra])).tolist()
    return start


def fitted(name: str, method: type[Any] = EM, **options: Any) -> tuple[Problem, Fit]:
    problem = Problem(rows_of(name), name, 3, **CASES[name])
    return problem, method(restarts=2, init=far_from_all(problem), **options).fit(problem)


@pytest.mark.parametrize("engine", ["fast", "book"])
@pytest.mark.parametrize("name", CASES)
def test_it_is_an_optimum_of_fewer_components(name: str, engine: str) -> None:
    """The one that a fit with K - 1 finds, to its last digits; and so are the refits without each row."""
    problem, fit = fitted(name, engine=engine)
    fewer = EM(restarts=30, engine=engine).fit(Problem(problem.data, problem.family, 2))
    assert fit.restarts is not None
    assert set(fit.restarts.status) == {Status.LOST_COMPONENT}
    assert fit.status is Status.LOST_COMPONENT
    assert fit.log_likelihood.item() == pytest.approx(fewer.log_likelihood.item(), abs=1e-9)
    (found,) = optima(problem, fit)
    assert (found.restarts, found.singular, found.spurious, found.lost) == ((0, 1), False, False, 1)
    assert sorted(fit.mixture.weights)[0] == 0.0
    np.testing.assert_allclose(sorted(fit.mixture.weights)[1:], sorted(fewer.mixture.weights), atol=1e-6)
    assert fit.left_out is not None
    assert fewer.left_out is not None
    assert fit.left_out.lost == 0
    np.testing.assert_allclose(fit.left_out.elpd, fewer.left_out.elpd, atol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_the_tables_say_so(name: str) -> None:
    problem, fit = fitted(name)
    tables = assemble([Cell({}, problem, fits={"em": fit})])
    row = tables["optima"].iloc[0]
    assert (row["singular"], row["spurious"], row["lost_components"], row["gap"], row["restarts"]) == (False, False, 1, 0.0, 2)
    assert pd.isna(row["local_maximum"]) or not row["local_maximum"]  # nothing determines the parameters of what is lost
    assert tables["restarts"]["optimum"].tolist() == [0, 0]
    assert tables["restarts"]["status"].tolist() == [Status.LOST_COMPONENT.value] * 2
    checks = tables["diagnostics"].set_index("quantity")
    assert checks.loc["share_lost_component", "value"] == "1"
    assert checks.loc["share_singular", "value"] == "0"
    assert checks.loc["status", "verdict"] == "warning"


def test_ends_that_differ_in_what_is_lost_alone_are_one_optimum() -> None:
    """What a lost component's parameters are, nobody knows; which of them is lost, its label says."""
    problem, fit = fitted("poisson")
    assert fit.restarts is not None
    assert fit.restarts.polished is not None
    rates = fit.restarts.polished.components.rates.copy()  # type: ignore[attr-defined]
    rates[1, 2] = 5.0
    other = dataclasses.replace(fit.restarts.polished, components=type(fit.mixture.components)(rates))
    turned = other.relabelled(np.array([[0, 1, 2], [2, 0, 1]]))
    (found,) = optima(problem, dataclasses.replace(fit, restarts=dataclasses.replace(fit.restarts, polished=turned)))
    assert found.restarts == (0, 1)


def test_a_better_optimum_of_all_components_is_the_best() -> None:
    """Lost ones are ranked by their objective, like any other."""
    problem, lost = fitted("poisson")
    whole = EM(restarts=30).fit(problem)
    assert whole.log_likelihood.item() >= lost.log_likelihood.item() - 1e-9
    found = optima(problem, whole)
    assert found[0].regular
    assert found[0].lost == int((whole.mixture.weights == 0).sum())


@pytest.mark.parametrize("name", SINGULAR)
def test_where_a_component_needs_rows_of_its_own_it_is_singular(name: str) -> None:
    """By its count, which is below D + 1, or 2."""
    problem = Problem(rows_of("product" if name == "product" else "gaussian"), n_components=3, **SINGULAR[name])
    fit = EM(restarts=2, init=far_from_all(problem)).fit(problem)
    (found,) = optima(problem, fit)
    assert found.singular
    assert fit.draws is None
    assert fit.status is Status.NO_REGULAR_OPTIMUM


def test_an_empty_part_of_a_partition() -> None:
    """Classification EM ends at a partition of fewer parts, at its own objective's optimum."""
    problem, fit = fitted("poisson", HardEM)
    fewer = HardEM(restarts=60).fit(Problem(problem.data, problem.family, 2))
    assert fit.restarts is not None
    assert fewer.restarts is not None
    (found,) = optima(problem, fit)
    assert (found.singular, found.lost) == (False, 1)
    values = fewer.restarts.polished_objective
    assert values is not None
    assert np.abs(values - found.objective).min() < 1e-9


def test_kinds_that_wander_run_all_their_iterations_without_it() -> None:
    _, fit = fitted("poisson", SampledEM, max_iter=60)
    assert fit.restarts is not None
    assert set(fit.restarts.status) == {Status.RAN}
    assert fit.maximises == ""
    assert fit.mixture.weights.min() == 0.0


def test_of_the_sum_of_squares() -> None:
    """k-means with more centres than distinct rows."""
    problem = Problem(np.array([0.0, 0.0, 1.0, 1.0, 5.0, 5.0]), "gaussian", 4, covariance="tied")
    fit = KMeans(restarts=5).fit(problem)
    assert all(optimum.lost == 1 and optimum.regular for optimum in optima(problem, fit))
