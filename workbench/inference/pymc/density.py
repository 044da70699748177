"""The compiled log posterior and gradient of a family, K and D: compiled once a process, given other data for nothing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.fast.callback import density_callback
from workbench.inference.pymc.choices import Likelihood, chosen
from workbench.inference.pymc.hoisting import hoisted
from workbench.inference.pymc.model import Arrays, build, shape_of
from workbench.problem import Problem

import pymc as pm  # isort: skip  (after model, which prepares PyTensor)
import pytensor.tensor as pt  # isort: skip
from pytensor.compile.mode import get_mode  # isort: skip
from pytensor.graph.replace import clone_replace  # isort: skip
from pytensor.graph.rewriting.basic import dfs_rewriter, node_rewriter  # isort: skip
from pytensor.tensor.basic import Split  # isort: skip


@dataclass(frozen=True, eq=False)
class Density:
    """log p(x, theta(u)) + log |d theta / d u| and its gradient, PyMC's own priors and transforms.

    Attributes
    ----------
    model : the PyMC model, whose data belong to the problem that came last
    function : PyTensor function u (dim,) -> (value, gradient)
    names : the data's names in the order in which the compiled code takes them
    known : from the model's data, what of the density depends on them alone (the priors' normalisers, say) by name: worked out once
        a problem, and data for the compiled code
    callback : the same as a C function
    """

    model: pm.Model
    dim: int
    function: Any
    names: tuple[str, ...]
    known: Callable[[Arrays], Arrays]
    callback: Any

    def data(self, given: Arrays) -> tuple[np.ndarray, ...]:
        found = {**given, **self.known(given)}
        return tuple(found[name] for name in self.names)

    def assign(self, given: Arrays) -> None:
        """Give ``function`` other data: those of another problem of the same shape."""
        for variable, array in zip(self.function.get_shared(), self.data(given), strict=True):
            variable.set_value(array)


_DENSITIES: dict[Hashable, Density] = {}


def density(problem: Problem, likelihood: Likelihood | None) -> Density:
    """The density for this problem's family, K and D, compiled if this process has not yet."""
    key = shape_of(problem, likelihood)
    if key not in _DENSITIES:
        _DENSITIES[key] = _compile(problem, likelihood)
    return _DENSITIES[key]


def _compile(problem: Problem, likelihood: Likelihood | None) -> Density:
    model = build(problem, likelihood)
    value, known = hoisted(model.logp(), model.value_vars)
    u, value, gradient = _joined(model, value)
    mode = get_mode("NUMBA")
    if chosen(problem, likelihood) == "op":
        mode = mode.register((dfs_rewriter(_sliced), 1.1))  # after canonicalisation (1), which works out the sizes
    function = pm.pytensorf.compile([u], [value, gradient], mode=mode)
    function(np.full(u.type.shape, 0.1))  # numba compiles at the first call
    shared = function.get_shared()
    callback = density_callback(function.vm.jit_fn, u.type.shape[0], [(variable.type.ndim, variable.type.dtype) for variable in shared])
    return Density(model, u.type.shape[0], function, tuple(variable.name for variable in shared), known, callback)


def _joined(model: pm.Model, value: Any) -> tuple[Any, Any, Any]:
    """Flat coordinates, log density and gradient; the gradient by each variable is joined, which leaves fewer nodes to
    compile than the gradient by the joined variables."""
    values = model.value_vars
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


@node_rewriter([Split])
def _sliced(fgraph: Any, node: Any) -> list[Any] | None:
    """Slices in place of the gradient of a simplex's join, which takes two seconds to compile, for the text of its error."""
    sizes = [part.type.shape[node.op.axis] for part in node.outputs]
    if None in sizes:
        return None
    before, edges = (slice(None),) * node.op.axis, np.cumsum([0, *sizes])
    return [node.inputs[0][(*before, slice(*edge))] for edge in itertools.pairwise(edges.tolist())]
