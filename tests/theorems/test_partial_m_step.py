"""A partial M step converges in a number of iterations like EM's own (Lange 1995), and its direction is Newton's."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.data.builtin import load_built_in
from workbench.fit import Status
from workbench.inference import EM, Context
from workbench.inference.newton import newton
from workbench.problem import Problem


@pytest.mark.parametrize(
    ("name", "family", "n_components"), [("galaxies", "gaussian", 3), ("old_faithful", "gaussian", 2), ("house_votes", "bernoulli", 2)]
)
def test_a_partial_m_step_takes_iterations_like_em(name: str, family: str, n_components: int) -> None:
    problem = Problem(load_built_in(name), family, n_components)
    context = Context(start_seed=lambda i: i, noise_seed=lambda i: i, estimates=False)
    whole, partial = (EM(restarts=6, m_step=m_step).fit(problem, context) for m_step in ("exact", "gradient"))  # type: ignore[arg-type]
    assert whole.restarts is not None
    assert partial.restarts is not None
    assert set(partial.restarts.status) == {Status.CONVERGED}
    assert partial.restarts.iterations.mean() < 3.0 * whole.restarts.iterations.mean()
    assert partial.log_likelihood.item() == pytest.approx(whole.log_likelihood.item(), abs=1e-7)


def hill(dim: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Minus the second derivatives of a quadratic, and its top."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(dim, dim)) * np.exp(rng.normal(size=dim))
    return root @ root.T + 0.1 * np.eye(dim), rng.normal(size=dim)


def test_on_a_quadratic_the_direction_goes_most_of_the_way_to_the_top() -> None:
    """For every fit of a batch by itself, whatever the others need."""
    curved, top = hill(6, 0)
    u = np.random.default_rng(1).normal(size=(3, 6)) * [[1.0], [10.0], [0.0]] + [[0.0], [0.0], [1.0]] * top

    def gradient(at: np.ndarray) -> np.ndarray:
        return ((top - at)[:, None, :] * curved).sum(axis=-1)

    direction = newton(gradient, u, gradient(u))
    before, after = (np.einsum("ni,ij,nj->n", top - at, curved, top - at) for at in (u, u + direction))
    assert (after[:2] < 0.05 * before[:2]).all()
    np.testing.assert_array_equal(direction[2], 0.0)
    np.testing.assert_array_equal(newton(gradient, u[:1], gradient(u[:1])), direction[:1])


def test_where_the_objective_bends_upwards_the_direction_still_rises() -> None:
    def gradient(at: np.ndarray) -> np.ndarray:
        return at * [[1.0, -1.0]]  # a saddle

    u = np.array([[1.0, 0.1], [1.0, 2.0], [0.1, 1.0]])
    direction = newton(gradient, u, gradient(u))
    assert (np.einsum("ni,ni->n", direction, gradient(u)) > 0.0).all()
    np.testing.assert_allclose(np.linalg.norm(direction[0]), 1.0)
