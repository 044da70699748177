"""Methods of unconstrained coordinates begin where they say: at the prior's draws, or where MAP-EM has nothing left to climb."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from examples import every_case, problem_of

from workbench.data.builtin import load_built_in
from workbench.inference import ADVI, EM, NUTS, Context
from workbench.inference.em.begin import begin, unbegun
from workbench.models import Mixture
from workbench.problem import Problem


def slope(problem: Problem, u: np.ndarray) -> tuple[np.ndarray, Mixture]:
    """Gradient by u of the log posterior of the natural parameters, which MAP-EM climbs."""
    assert problem.prior is not None
    mixture = problem.prior.unflatten(u)[0]
    statistics = mixture.statistics(problem.data.x, problem.data.counts)
    return problem.prior.slope(u, statistics) + problem.prior.log_density_slope(u), mixture


@pytest.mark.parametrize("missing", [0.0, 0.3])
@every_case
def test_em_starts_are_stationary(name: str, options: dict[str, Any], missing: float) -> None:
    problem = problem_of(name, options, missing)
    u, names = begin(problem, "em", [1, 2, 3])
    assert names == ("em",) * 3
    inside = ((np.abs(u) < 3.9) | np.isinf(problem.coordinates.boundaries)).all(
        axis=1
    )  # a probability or weight at 0 starts near it, which is no optimum
    found, _ = slope(problem, u)
    assert np.abs(found[inside]).max(initial=0.0) < 0.05
    assert inside.any() or name != "gaussian"


def test_em_starts_of_old_faithful_are_the_map_optimum() -> None:
    problem = Problem(load_built_in("old_faithful"), "gaussian", 2)
    best = EM(restarts=20, objective="posterior").fit(problem).log_posterior.item()
    context = Context.default(problem)
    u, _ = begin(problem, "em", [context.start_seed(i) for i in range(8)])
    mixture = problem.coordinates.unflatten(u)[0]
    ends = problem.log_likelihood(mixture) + problem.log_prior(mixture)
    assert ends.max() == pytest.approx(best, abs=1e-6)
    assert (ends <= best + 1e-9).all()


def test_starts_do_not_depend_on_each_other() -> None:
    problem = Problem(load_built_in("old_faithful"), "gaussian", 3)
    for init in ("em", "prior", "random_rows"):
        together, _ = begin(problem, init, [5, 6, 7])
        np.testing.assert_array_equal(begin(problem, init, [6])[0][0], together[1])


def test_without_an_interior_mode_there_is_no_em_start() -> None:
    problem = Problem(load_built_in("old_faithful"), "gaussian", 2, prior={"concentration": 0.5})
    assert "concentration" in str(unbegun(problem, "em"))
    assert unbegun(problem, "prior") is None
    for method in (ADVI(init="em"), NUTS(init="em")):
        assert "init: em needs concentration of at least 1" in str(method.refuses(problem))
