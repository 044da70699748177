"""SQUAREM and Anderson's mixing where probabilities are at, or on their way to, the boundary, and after points that were dropped."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.inference.em import acceleration
from workbench.inference.em.climb import Stop, climb
from workbench.inference.em.engine import Fast
from workbench.inference.em.scheme import Steps, plain
from workbench.inference.mixing import Mixing
from workbench.models import Mixture
from workbench.models.families.categorical.components import CategoricalComponents
from workbench.models.families.gaussian.diagonal import DiagonalComponents
from workbench.problem import Problem

ACCELERATED = {"squarem": acceleration.squarem, "anderson": acceleration.anderson}


def latent_classes(n_rows: int = 600) -> Problem:
    """Two classes that overlap much in six features of three levels; the second class never has the last feature's last level."""
    rng = np.random.default_rng(11)
    z = rng.integers(0, 2, n_rows)
    shares = np.array([[0.5, 0.3, 0.2], [0.2, 0.3, 0.5]])
    x = np.stack([[rng.choice(3, p=shares[label]) for label in z] for _ in range(6)], axis=1).astype(float)
    x[:, 5] = np.where(z == 0, rng.choice(3, n_rows, p=[0.4, 0.5, 0.1]), rng.choice(2, n_rows))
    return Problem(x, "categorical", 2)


def start_with_a_0(rng: np.random.Generator) -> Mixture:
    """What is 0 stays 0 under EM: beside it the other probabilities are to be found."""
    probs = rng.dirichlet(np.full(3, 5.0), size=(1, 2, 6))
    probs[0, 1, 5] = [0.5, 0.5, 0.0]
    return Mixture(np.full((1, 2), 0.5), CategoricalComponents(probs))


@pytest.mark.parametrize("name", ACCELERATED)
def test_a_probability_of_0_does_not_end_acceleration(name: str) -> None:
    """Its coordinates are not finite; those of the other simplices are what they were, and far fewer iterations are needed."""
    steps, start, stop = Steps(latent_classes(), engine=Fast()), start_with_a_0(np.random.default_rng(2)), Stop(tol=1e-10)
    slow = climb(plain(start, steps), 1, steps, stop)
    quick = climb(ACCELERATED[name](start, steps), 1, steps, stop)
    assert quick.objective[0] >= slow.objective[0] - 1e-7
    assert quick.iterations[0] * 4 < slow.iterations[0]
    assert quick.mixture.parameters()["probs"][0, 1, 5, 2] == 0.0


def test_coordinates_that_run_off_say_nothing_of_the_others() -> None:
    """A logit that moves by a constant a step would make every step as long as it may be; it is left to EM beyond the boundary."""
    problem = Problem(np.random.default_rng(0).integers(0, 2, (50, 3)).astype(float), "bernoulli", 2)
    chart = problem.coordinates
    rest = np.arange(chart.dim - 1) / 7.0
    zero, one, two = (
        chart.unflatten(np.append(rest * (1.0 - 0.5**i), -30.0 - 0.2 * i)[None])[0] for i in range(3)
    )  # ratio 1/2: the limit is two steps away
    length, point = acceleration._squared(chart, zero, one, two, np.array([64.0]))
    assert length[0] == pytest.approx(2.0)
    np.testing.assert_allclose(chart.flatten(point)[0][0, :-1], rest, atol=1e-12)
    np.testing.assert_allclose(chart.flatten(point)[0][0, -1], -30.4)


def test_a_limit_of_1_is_not_the_end_of_longer_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two points that are dropped bring the limit down to EM's own step; after one of those it grows again."""
    rng = np.random.default_rng(3)
    problem = Problem(np.concatenate([rng.normal(size=(100, 1)), 1.5 + rng.normal(size=(100, 1))]), "gaussian", 2, covariance="diagonal")
    start = Mixture(np.full((1, 2), 0.5), DiagonalComponents(np.array([[[-0.5], [2.0]]]), np.ones((1, 2, 1))))
    limits = []

    def far(chart, zero, one, two, longest):  # type: ignore[no-untyped-def]
        limits.append(float(longest[0]))
        away = DiagonalComponents(two.components.means + 50.0, two.components.variances)
        return longest.copy(), Mixture(two.weights, away)

    monkeypatch.setattr(acceleration, "_squared", far)
    scheme = acceleration.squarem(start, Steps(problem))
    for _ in range(12):  # three a cycle
        next(scheme)
    assert limits == [4.0, 2.0, 1.0, 4.0]


def test_mixing_solves_linear_iterations_in_as_many_steps_as_coordinates() -> None:
    """g(u) = A u + b: after dim differences the mixed point is the fixed point, whatever the scales (Walker & Ni 2011, theorem 2.2).

    A fit that forgets its differences is one plain step further; the others do not notice.
    """
    rng = np.random.default_rng(5)
    dim, count = 3, 4
    slopes, shift = rng.normal(size=(count, dim, dim)) / 4.0, rng.normal(size=(count, dim))
    wanted = np.linalg.solve(np.eye(dim) - slopes, shift[..., None])[..., 0]
    for scales in (1.0, np.array([1.0, 20.0, 0.05])):
        mixing, u = Mixing(count, dim, dim, ridge=1e-15), np.zeros((count, dim))
        for step in range(dim + 1):
            image = np.einsum("fij,fj->fi", slopes, u) + shift
            after = mixing.mended(image - u, image, scales)
            if step == 0:
                np.testing.assert_array_equal(after, image)  # nothing to mix with
            u = after
        np.testing.assert_allclose(u, wanted, atol=1e-7)
    who = np.arange(count) == 1
    mixing.forget(who, last=True)
    np.testing.assert_array_equal(mixing.filled, ~who)
    image = np.einsum("fij,fj->fi", slopes, u + 1.0) + shift
    after = mixing.mended(image - (u + 1.0), image)
    np.testing.assert_array_equal(after[1], image[1])
    assert (np.abs(after - image).max(axis=1)[~who] > 0.01).all()
