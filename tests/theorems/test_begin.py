"""Methods of unconstrained coordinates begin where they say: at the prior's draws, or where MAP-EM has nothing left to climb."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from examples import every_case, problem_of, quick

from workbench.data.builtin import load_built_in
from workbench.inference import ADVI, EM, NUTS, Context, Gibbs
from workbench.inference.em.apart import _different, apart, chain_starts, normals
from workbench.inference.em.begin import begin, unbegun
from workbench.inference.evidence.pareto import array_statistics
from workbench.inference.target import CompiledTarget
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
    best = EM(restarts=20, objective="posterior").fit(problem, quick(problem)).log_posterior.item()
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


@pytest.mark.parametrize(("name", "n_components", "count"), [("galaxies", 4, 1), ("old_faithful", 3, 4)])
def test_chains_begin_where_the_mass_is(name: str, n_components: int, count: int) -> None:
    """Galaxies, K = 4: of three optima, however often each is found, one has nearly all of the posterior, though another is not far
    below it; Old Faithful, K = 3: four chains at four optima. Each begins within a few standard deviations of its own."""
    problem = Problem(load_built_in(name), "gaussian", n_components)
    context = dataclasses.replace(Context.default(problem, 1), estimates=False)
    places = apart(problem, [context.start_seed(i) for i in range(20)], 4)
    assert f"chains begin, in turn, at {count} of " in places.said[0]
    assert places.factors is not None
    assert np.unique(np.round(places.factors[:, 0, 0], 9)).size == count
    optima, _ = begin(problem, "em", [context.start_seed(i) for i in range(20)])
    steps = [
        np.linalg.norm(np.linalg.solve(factor, (u - optima).T), axis=0).min() for u, factor in zip(places.u, places.factors, strict=True)
    ]
    assert max(steps) < 3.0 * problem.prior.dim**0.5  # type: ignore[union-attr]


def test_optima_are_weighed_by_the_posterior_about_them() -> None:
    """Old Faithful, K = 2, has one optimum, and many rows: the normal's mass over both labellings is nearly the evidence, -1168.08 by
    bridge sampling; and the factor is that of the inverse of minus the Hessian."""
    problem = Problem(load_built_in("old_faithful"), "gaussian", 2)
    u, _ = begin(problem, "em", [1])
    target = CompiledTarget.of(problem)
    masses, factors = normals(target, u)
    assert float(masses[0]) + np.log(2.0) == pytest.approx(-1168.08, abs=0.2)
    ahead, behind = (target.value_and_gradient(u + sign * 1e-5 * factors[0].T)[1] for sign in (1.0, -1.0))
    np.testing.assert_allclose(-(ahead - behind) @ factors[0] / 2e-5, np.eye(u.shape[1]), atol=1e-4)


def test_mirror_images_are_different_optima() -> None:
    """Data that are their own mirror image, and a fit that is not: equal heights, and chains at both."""
    x = np.array([-4.0, -3.9, -0.1, 0.0, 0.1, 3.9, 4.0])
    problem = Problem(x, "gaussian", 2, prior={"mean": [0.0], "mean_strength": 0.01, "dof": 3.0, "scale": [[0.05]]})
    target, (u, _) = CompiledTarget.of(problem), begin(problem, "em", list(range(20)))
    ends = u[_different(target, u)[:2]]
    means = np.sort(problem.coordinates.unflatten(ends)[0].components.means[..., 0], axis=1)  # type: ignore[attr-defined]
    np.testing.assert_allclose(means[0], -means[1][::-1], atol=1e-3)
    assert abs(means[0].sum()) > 0.5


def test_chains_that_move_in_other_coordinates_have_the_same_posterior() -> None:
    """The density that nutpie was told is that of the draws, with factors and without; and what it finds is the same."""
    problem = Problem(load_built_in("old_faithful"), "gaussian", 2)
    context = dataclasses.replace(Context.default(problem, 1), estimates=False)
    means = []
    for init in ("em", "random_rows"):
        fit = NUTS(init=init, draws=500, tune=300).fit(problem, context)  # type: ignore[arg-type]
        assert problem.prior is not None
        assert fit.draws is not None
        np.testing.assert_allclose(problem.target().log_density(problem.prior.flatten(fit.draws)[0]), fit.sample_stats["lp"], rtol=1e-10)
        means.append(fit.sample_stats["lp"].mean())
    assert means[0] == pytest.approx(means[1], abs=0.5)  # sd 2.3, a thousand effective draws each: an error of 0.1


def test_a_chain_begins_by_its_own_seed_and_knows_nothing_of_others() -> None:
    problem = Problem(load_built_in("galaxies"), "gaussian", 2)
    context = dataclasses.replace(Context.default(problem, 1), estimates=False)
    starts = chain_starts(problem, "random_rows", 3, context).u
    np.testing.assert_array_equal(starts, begin(problem, "random_rows", [context.start_seed(i) for i in range(3)])[0])
    one, three = (NUTS(chains=chains, draws=20, tune=50, init="random_rows").fit(problem, context).draws for chains in (1, 3))
    assert one is not None
    assert three is not None
    np.testing.assert_array_equal(one.weights[0], three.weights[0])
    assert (three.weights[0] != three.weights[1]).any()


def test_gibbs_begins_where_nuts_does() -> None:
    problem = Problem(load_built_in("galaxies"), "gaussian", 3)
    context = dataclasses.replace(Context.default(problem, 0), estimates=False)
    assert Gibbs(tune=0, draws=1).fit(problem, context).messages == chain_starts(problem, "em", 4, context).said
    assert Gibbs(tune=0, draws=1, init="random_rows").fit(problem, context).messages == ()


@pytest.mark.slow
def test_chains_of_gibbs_agree_on_the_galaxies() -> None:
    """From random rows they stay in minor modes. The log evidence of long runs is -224.742 with an error of 0.003."""
    problem = Problem(load_built_in("galaxies"), "gaussian", 3)
    for seed in range(2):
        fit = Gibbs().fit(problem, Context.default(problem, seed))
        assert float(array_statistics().rhat(np.asarray(fit.log_posterior))) < 1.01
        bridge = {each.estimator: each for each in fit.evidence}["bridge"]
        assert bridge.trusted
        assert bridge.log_evidence == pytest.approx(-224.742, abs=3.0 * np.hypot(0.003, bridge.mcse))


def test_without_an_interior_mode_there_is_no_em_start() -> None:
    problem = Problem(load_built_in("old_faithful"), "gaussian", 2, prior={"concentration": 0.5})
    assert "concentration" in str(unbegun(problem, "em"))
    assert unbegun(problem, "prior") is None
    assert NUTS().refuses(problem) is None
    assert chain_starts(problem, None, 2, Context.default(problem)).said == ()
    assert Gibbs().refuses(problem) is None
    for method in (ADVI(init="em"), NUTS(init="em"), Gibbs(init="em")):
        assert "init: em needs concentration of at least 1" in str(method.refuses(problem))
