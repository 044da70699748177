"""PyMC's own graph of the log posterior, compiled by PyTensor: once a process for a family, K and D, given other data for nothing."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.fast.callback import density_callback
from workbench.inference.pymc.model import Arrays, arrays, build, shape_of
from workbench.inference.pymc.posterior import Posterior
from workbench.problem import Problem

import pymc as pm  # isort: skip  (after model, which prepares PyTensor)
import pytensor.tensor as pt  # isort: skip
from pytensor.graph.replace import clone_replace  # isort: skip


@dataclass(frozen=True, eq=False)
class Density:
    """log p(x, theta(u)) + log |d theta / d u| and its gradient, by PyMC's graph.

    Attributes
    ----------
    names : the data's names in the order in which the compiled code takes them
    callback : C function, as of :mod:`workbench.fast.callback`
    """

    dim: int
    names: tuple[str, ...]
    callback: Any

    def posterior(self, given: Arrays) -> Posterior:
        """With these data, for a sampler."""
        return Posterior(self.dim, self.callback, tuple(given[name] for name in self.names))


_DENSITIES: dict[Hashable, Density] = {}


def density(problem: Problem) -> Density:
    """The density for this problem's family, K and D, compiled if this process has not yet."""
    key = shape_of(problem, "graph")
    if key not in _DENSITIES:
        _DENSITIES[key] = _compile(problem)
    return _DENSITIES[key]


def posterior(problem: Problem) -> Posterior:
    """The posterior of a problem by PyMC's graph, for a sampler."""
    return density(problem).posterior(arrays(problem, "graph"))


def _compile(problem: Problem) -> Density:
    u, value, gradient = _joined(build(problem, "graph"))
    function = pm.pytensorf.compile([u], [value, gradient], mode="NUMBA")
    function(np.full(u.type.shape, 0.1))  # numba compiles at the first call
    shared = function.get_shared()
    kinds = [(variable.type.ndim, variable.type.dtype) for variable in shared]
    callback = density_callback(function.vm.jit_fn, u.type.shape[0], kinds)
    return Density(u.type.shape[0], tuple(variable.name for variable in shared), callback)


def _joined(model: pm.Model) -> tuple[Any, Any, Any]:
    """Flat coordinates, log density and gradient; the gradient by each variable is joined, which leaves fewer nodes to
    compile than the gradient by the joined variables."""
    values, value = model.value_vars, model.logp()
    slopes: Any = pt.grad(value, values)
    gradient = pt.concatenate([slope.ravel() for slope in slopes])
    sizes = [math.prod(variable.type.shape) for variable in values]
    u = pt.vector("u", shape=(sum(sizes),))
    starts = np.cumsum([0, *sizes])
    parts = {
        variable: u[start : start + size].reshape(variable.type.shape) for variable, start, size in zip(values, starts, sizes, strict=False)
    }
    joined: Any = clone_replace([value, gradient], parts)
    return u, *joined
