"""PyMC's ADVI as one compiled step: restarts, seeds and data sets of the same family, K and D share it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.inference.pymc.choices import Likelihood, Rank
from workbench.inference.pymc.model import arrays, assign, build, shape_of  # prepares PyTensor
from workbench.problem import Problem

import pymc as pm  # isort: skip
import pytensor  # isort: skip
from pymc.pytensorf import reseed_rngs  # isort: skip
from pytensor.tensor.random.type import RandomType  # isort: skip

METHODS = {"mean_field": pm.ADVI, "full_rank": pm.FullRankADVI}


@dataclass(frozen=True, eq=False)
class Gaussian:
    """q: a normal over unconstrained coordinates, ``mean`` (dim,) and lower triangular ``scale_tril`` (dim, dim)."""

    mean: np.ndarray
    scale_tril: np.ndarray

    def sample(self, rng: np.random.Generator, n_draws: int) -> tuple[np.ndarray, np.ndarray]:
        """Draws u (n_draws, dim) and log q(u)."""
        noise = rng.standard_normal((n_draws, self.mean.size))
        log_volume = np.log(np.diag(self.scale_tril)).sum() + self.mean.size * np.log(2.0 * np.pi) / 2.0
        return self.mean + noise @ self.scale_tril.T, -0.5 * (noise**2).sum(axis=1) - log_volume


@dataclass(frozen=True, eq=False)
class Step:
    """One compiled stochastic gradient step of Adam, and the shared variables it works on.

    Attributes
    ----------
    function : () -> minus a one-draw estimate of the ELBO, before the step
    rate : the learning rate
    parameters : PyMC's ``mu`` and ``rho`` (mean field) or ``L_tril`` (full rank)
    moments : Adam's own state
    generators : random generators of the one draw
    """

    model: pm.Model
    function: Any
    rate: Any
    parameters: dict[str, Any]
    moments: tuple[Any, ...]
    generators: tuple[Any, ...]

    def begin(self, q: Gaussian, seed: int) -> None:
        """Start anew at q: Adam's moments at zero, the noise from ``seed``."""
        index = np.arange(q.mean.size)
        raw = q.scale_tril.copy()
        raw[index, index] = np.log(np.expm1(raw[index, index]))  # PyMC's softplus, backwards
        self.parameters["mu"].set_value(q.mean.copy())
        if "rho" in self.parameters:
            self.parameters["rho"].set_value(raw[index, index])
        else:
            self.parameters["L_tril"].set_value(raw[np.tril_indices(q.mean.size)])
        for moment in self.moments:
            moment.set_value(np.zeros_like(moment.get_value()))
        reseed_rngs(self.generators, seed)

    def run(self, n_steps: int) -> np.ndarray:
        """Take steps; one-draw estimates of the ELBO, going up: PyMC's loss with its sign turned, here and nowhere else."""
        return -np.array([self.function() for _ in range(n_steps)], dtype=np.float64)

    @property
    def q(self) -> Gaussian:
        return self.at(*self.raw)

    @property
    def raw(self) -> tuple[np.ndarray, np.ndarray]:
        """The parameters as Adam sees them: mean, and scale (its diagonal before the softplus)."""
        scale = self.parameters["rho" if "rho" in self.parameters else "L_tril"]
        return np.array(self.parameters["mu"].get_value()), np.array(scale.get_value())

    def at(self, mean: np.ndarray, scale: np.ndarray) -> Gaussian:
        """q of such parameters."""
        index, raw = np.arange(mean.size), np.zeros((mean.size, mean.size))
        if "rho" in self.parameters:
            raw[index, index] = scale
        else:
            raw[np.tril_indices(mean.size)] = scale
        raw[index, index] = np.logaddexp(0.0, raw[index, index])
        return Gaussian(mean, raw)


_STEPS: dict[tuple[Rank, Hashable], Step] = {}


def step(problem: Problem, rank: Rank, likelihood: Likelihood | None) -> Step:
    """The step for this problem's family, K and D, holding its data; compiled if this process has not yet."""
    key = (rank, shape_of(problem, likelihood))
    if key not in _STEPS:
        _STEPS[key] = _compile(problem, rank, likelihood)
    assign(_STEPS[key].model, arrays(problem, likelihood))
    return _STEPS[key]


def _compile(problem: Problem, rank: Rank, likelihood: Likelihood | None) -> Step:
    model = build(problem, likelihood)
    rate = pytensor.shared(np.float64(0.0))
    moments: list[Any] = []

    def adam(loss: Any, parameters: Any) -> Any:
        updates = pm.adam(loss, parameters, learning_rate=rate)
        moments.extend(variable for variable in updates if variable not in parameters)
        return updates

    with model:
        inference = METHODS[rank](random_seed=0)
        function = inference.objective.step_function(obj_optimizer=adam, score=True)
    generators = tuple(variable for variable in function.get_shared() if isinstance(variable.type, RandomType))
    parameters = dict(inference.approx.groups[0].params_dict)
    made = Step(model, function, rate, parameters, tuple(moments), generators)
    dim = parameters["mu"].get_value().size
    made.begin(Gaussian(np.zeros(dim), 0.1 * np.eye(dim)), seed=0)
    function()  # numba compiles at the first call
    return made
