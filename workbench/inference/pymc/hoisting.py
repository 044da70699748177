"""What of a graph depends on data alone, taken out of it: worked out once a problem instead of at every step of a chain."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from workbench.inference.pymc.model import Arrays  # prepares PyTensor

import pytensor  # isort: skip
from pytensor.compile.mode import Mode  # isort: skip
from pytensor.compile.sharedvalue import SharedVariable  # isort: skip
import pytensor.tensor as pt  # isort: skip
from pytensor.graph.replace import clone_replace  # isort: skip
from pytensor.graph.traversal import toposort  # isort: skip
from pytensor.scalar import ScalarType  # isort: skip


def hoisted(value: Any, free: Sequence[Any]) -> tuple[Any, Callable[[Arrays], Arrays]]:
    """A graph with new shared variables in place of what does not depend on ``free``, and what works their values out.

    Parameters
    ----------
    value : a graph of ``free``, constants, and shared variables with names

    Returns
    -------
    The graph, and a function from arrays by name, those of the shared variables, to arrays by name, those of the new ones. Those
    begin with what the shared variables hold at present.
    """
    found = _frontier(value, set(free))
    roots = sorted({root for variable in found for root in _roots(variable)}, key=lambda root: str(root.name))
    inputs = [root.type() for root in roots]
    # a few scalars and small arrays, once a problem: interpreted, as there is nothing to gain that compiling would not cost
    outputs = clone_replace(found, dict(zip(roots, inputs, strict=True)))
    evaluate = pytensor.function(inputs, outputs, mode=Mode(linker="py", optimizer="fast_compile"), on_unused_input="ignore")
    names, alone = [f"known_{i}" for i in range(len(found))], threading.Lock()

    def known(given: Arrays) -> Arrays:
        with alone:  # PyTensor's functions are not to be called by two threads at a time
            values = evaluate(*(given[root.name] for root in roots))
            return {name: np.array(each, order="C") for name, each in zip(names, values, strict=True)}

    held = known({root.name: root.get_value() for root in roots})
    shared = {v: _standing_for(v, held[name], name) for v, name in zip(found, names, strict=True)}
    made: Any = clone_replace([value], shared)
    return made[0], known


def _standing_for(variable: Any, held: np.ndarray, name: str) -> Any:
    scalar = isinstance(variable.type, ScalarType)
    made = pytensor.shared(held, name, shape=() if scalar else variable.type.shape)
    return pt.scalar_from_tensor(made) if scalar else made


def _frontier(value: Any, free: set[Any]) -> list[Any]:
    """Of the variables that depend on data, and not on ``free``, those that another one does not stand before."""
    depends: set[Any] = set(free)
    data: set[Any] = set()
    found: dict[Any, None] = {}
    for node in toposort([value]):
        data.update(v for v in node.inputs if isinstance(v, SharedVariable))
        if any(v in depends for v in node.inputs):
            depends.update(node.outputs)
            found.update(dict.fromkeys(v for v in node.inputs if v in data and v.owner is not None and v not in depends))
        elif any(v in data for v in node.inputs):
            data.update(node.outputs)
    return list(found)


def _roots(variable: Any) -> set[Any]:
    return {v for node in toposort([variable]) for v in node.inputs if isinstance(v, SharedVariable)}
