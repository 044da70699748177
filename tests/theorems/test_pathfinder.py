"""Pathfinder: its normals are those of the curvature that the steps show, its bounds are bounds, its estimates agree with exact ones."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from examples import every_case, problem_of
from scipy.stats import multivariate_normal

from workbench.data.builtin import load_built_in
from workbench.inference.evidence.symmetry import Region, Symmetry
from workbench.inference.exact import Exact
from workbench.inference.method import Context
from workbench.inference.pathfinder import Pathfinder
from workbench.inference.pathfinder.mixed import Mixed, _within, different
from workbench.inference.pathfinder.normal import LowRankNormal, along
from workbench.inference.pathfinder.paths import Found, Path, best_on, climbed
from workbench.inference.target import CompiledTarget
from workbench.models.terms import log_sum_exp
from workbench.problem import Problem

EIGHT = np.array([-5.1, -4.9, -5.3, -4.7, 4.8, 5.2, 5.05, 4.95])


def dense(diagonal: np.ndarray, pairs: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """BFGS' inverse curvature by its recursion (Nocedal & Wright 2006, eq. 6.17)."""
    h = np.diag(diagonal)
    for s, y in pairs:
        left = np.eye(s.size) - np.outer(s, y) / (s @ y)
        h = left @ h @ left.T + np.outer(s, s) / (s @ y)
    return h


def path_of(dim: int, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points of a descent that is nobody's, and the gradients of a normal density with a known covariance there."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(dim, dim)) + 2.0 * np.eye(dim)
    u = np.cumsum(rng.normal(size=(count, dim)), axis=0)
    return u, -u @ np.linalg.inv(root @ root.T)


@pytest.mark.parametrize(("dim", "history"), [(6, 3), (3, 5), (1, 4)])
def test_covariance_is_that_of_bfgs_from_the_diagonal(dim: int, history: int) -> None:
    u, slope = path_of(dim, 9, seed=dim)
    for point, normal in enumerate(along(u, slope, history), start=1):
        assert normal is not None
        pairs = list(zip(np.diff(u[: point + 1], axis=0), -np.diff(slope[: point + 1], axis=0), strict=True))[-history:]
        wanted = dense(normal.sds**2, pairs)
        np.testing.assert_allclose(normal.root() @ normal.root().T, wanted, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(normal.mean, u[point] + wanted @ slope[point], rtol=1e-8, atol=1e-8)


def test_all_steps_of_a_quadratic_show_its_covariance() -> None:
    """Conjugate directions: after dim of them BFGS has the whole curvature."""
    rng = np.random.default_rng(2)
    root = rng.normal(size=(4, 4))
    precision = np.linalg.inv(root @ root.T)
    u = np.concatenate([np.zeros((1, 4)), np.cumsum(np.linalg.eigh(precision)[1].T, axis=0)])
    *_, last = along(u, -u @ precision, 4)
    assert last is not None
    np.testing.assert_allclose(last.root() @ last.root().T, root @ root.T, rtol=1e-7)
    np.testing.assert_allclose(last.mean, 0.0, atol=1e-8)


def some_normal(dim: int = 5) -> LowRankNormal:
    *_, normal = along(*path_of(dim, 8, seed=4), 2)
    assert normal is not None
    return normal


def test_draws_have_the_density_that_is_told() -> None:
    normal = some_normal()
    u, log_q = normal.sample(np.random.default_rng(1), 4000)
    covariance = normal.root() @ normal.root().T
    np.testing.assert_allclose(log_q, multivariate_normal(normal.mean, covariance).logpdf(u), rtol=1e-9)
    squares = np.einsum("nd,de,ne->n", u - normal.mean, np.linalg.inv(covariance), u - normal.mean)
    assert squares.mean() == pytest.approx(5.0, abs=4.0 * math.sqrt(10.0 / 4000))


def test_lengths_are_in_standard_deviations() -> None:
    normal, steps = some_normal(), np.random.default_rng(3).normal(size=(4, 5))
    wanted = np.einsum("nd,de,ne->n", steps, np.linalg.inv(normal.root() @ normal.root().T), steps) ** 0.5
    np.testing.assert_allclose(normal.lengths(steps), wanted, rtol=1e-9)


@pytest.mark.parametrize("width", [1e-3, 1.0, 30.0])
def test_modes_are_told_apart_by_the_width_of_the_posterior(width: float) -> None:
    """Two ends a quarter of a standard deviation apart are one mode and two that are three apart are not, however wide that is; and
    a relabelled end is the same."""
    problem = Problem(EIGHT, n_components=2)
    assert problem.prior is not None
    symmetry = Symmetry.of(problem.prior)
    first = np.arange(1.0, symmetry.dim + 1.0) * 10.0 * max(width, 1.0)
    step = np.zeros(symmetry.dim)
    step[-1] = width
    ends = [first, first + 0.25 * step, first + 3.0 * step, symmetry.relabelled(first + 0.25 * step, np.array([1, 0]))]
    normals = [LowRankNormal(end, np.full(symmetry.dim, width), np.zeros((symmetry.dim, 0)), np.zeros((0, 0))) for end in ends]
    value = [0.0, -0.03, -0.1, -0.03]
    found = [
        Found(Path(end[None], np.array([height]), end[None], None, np.zeros(1)), normal, 0, np.zeros(1))  # type: ignore[arg-type]
        for end, height, normal in zip(ends, value, normals, strict=True)
    ]
    assert different(symmetry, found, np.array([-1.0, -1.1, -1.2, -1.3])) == [0, 2]


def test_paths_climb_and_end_at_modes() -> None:
    problem = Problem(load_built_in("old_faithful"), n_components=2)
    target = CompiledTarget.of(problem)
    start = target.prior.flatten(target.prior.sample(np.random.default_rng(0), (5,)))[0]
    for path in climbed(target, start, 10, 1e-9, 500):
        assert (np.diff(path.value) > 0.0).all()
        np.testing.assert_allclose(path.value, target.log_density(path.u), rtol=1e-12)
        assert np.abs(path.slope[-1]).max() < 0.05
        assert path.u.shape[0] == path.seconds.size


def test_the_normal_of_a_path_is_where_the_elbo_is_highest() -> None:
    target = CompiledTarget.of(Problem(load_built_in("old_faithful"), n_components=2))
    start = target.prior.flatten(target.prior.sample(np.random.default_rng(0), (1,)))[0]
    (path,) = climbed(target, start, 10, 1e-6, 500)
    found = best_on(target, path, 10, 25, np.random.default_rng(0))
    assert found.elbo[found.point] == np.nanmax(found.elbo)
    assert found.point > path.value.size / 2


@pytest.mark.parametrize("n_components", [2, 3])
def test_relabelled_normals_keep_their_density(n_components: int) -> None:
    problem = Problem(EIGHT, n_components=n_components)
    target = CompiledTarget.of(problem)
    symmetry = Symmetry.of(target.prior)
    normal = some_normal(target.dim)
    u, log_q = normal.sample(np.random.default_rng(1), 5)
    order = np.roll(np.arange(n_components), 1)
    region = Region.about(symmetry, symmetry.relabelled(normal.mean, order))
    path = Path(normal.mean[None], np.zeros(1), normal.mean[None], None, np.zeros(1))  # type: ignore[arg-type]
    mean, factor = _within(region, Found(path, normal, 0, np.zeros(1)))
    there = symmetry.relabelled(u, order)
    np.testing.assert_allclose(multivariate_normal(mean, factor @ factor.T).logpdf(there), log_q, rtol=1e-8)


@every_case
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_bounds_are_below_the_exact_evidence(name: str, options: dict[str, Any], missing: float) -> None:
    """Every family, missing cells, rows that count several times, two components; full and tied have no exact sum with missing cells."""
    problem = problem_of(name, options, missing, n_components=2, n_rows=7)
    if Exact(chains=1, draws=2).refuses(problem) is not None:
        problem = problem_of(name, options, 0.0, n_components=2, n_rows=7)
    truth = {each.estimator: each for each in Exact(chains=1, draws=2).fit(problem).evidence}["exact"].log_evidence
    fit = Pathfinder(restarts=6, draws=2000).fit(problem)
    assert fit.log_q is not None
    ratios = (fit.log_posterior - fit.log_q).ravel()
    error = ratios.std() / math.sqrt(ratios.size)
    assert ratios.mean() < truth + 3.0 * error
    known = {each.estimator: each for each in fit.evidence}
    bound, weighed = known["elbo_symmetrised"], known["importance"]
    assert ratios.mean() - 3.0 * error < bound.log_evidence < truth + 3.0 * bound.mcse
    assert bound.log_evidence - ratios.mean() < math.log(2.0) + 1e-9
    assert bound.log_evidence < weighed.log_evidence + 3.0 * bound.mcse
    assert weighed.log_evidence < truth + 4.0 * weighed.mcse


def test_estimate_of_eight_rows_is_a_bound_that_says_so() -> None:
    """The exact log evidence of two components is -21.92 (statistics, section 1); a quarter of the draws are effective."""
    fit = Pathfinder(restarts=8).fit(Problem(EIGHT, n_components=2))
    found = {each.estimator: each for each in fit.evidence}["importance"]
    truth = {each.estimator: each for each in Exact(chains=1, draws=2).fit(Problem(EIGHT, n_components=2)).evidence}["exact"].log_evidence
    assert not found.trusted
    assert "of 10000 draws are effective" in found.note
    assert found.log_evidence == pytest.approx(truth, abs=4.0 * found.mcse)


def test_modes_that_differ_are_all_in_the_mixture() -> None:
    """Old Faithful, three components: the posterior has several modes up to labels; log q is the mixture's."""
    problem = Problem(load_built_in("old_faithful"), n_components=3)
    fit = Pathfinder(restarts=20).fit(problem, dataclasses.replace(Context.default(problem), estimates=False))
    shares, means, factors = (fit.approximation[name] for name in ("shares", "means", "scale_trils"))
    assert shares.size > 1
    assert shares.sum() == pytest.approx(1.0)
    assert fit.draws is not None
    assert problem.prior is not None
    u, log_jacobian = problem.prior.flatten(fit.draws)
    each = np.stack([multivariate_normal(m, f @ f.T).logpdf(u[0]) for m, f in zip(means, factors, strict=True)], axis=-1)
    np.testing.assert_allclose(log_sum_exp(each + np.log(shares)) - log_jacobian[0], fit.log_q[0], rtol=1e-8)  # type: ignore[index]
    assert fit.messages


def test_a_prior_that_tells_components_apart_is_not_averaged() -> None:
    problem = Problem(EIGHT, n_components=2, prior={"concentration": [1.0, 3.0]})
    assert [each.estimator for each in Pathfinder(restarts=4).fit(problem).evidence] == ["importance"]
    symmetry = Symmetry.of(problem.prior)  # type: ignore[arg-type]
    assert Mixed(symmetry, None).symmetrised(np.zeros((1, symmetry.dim)), np.zeros(1)) is None  # type: ignore[arg-type]
