"""One PyTensor Op around the compiled E step: the log likelihood and, by Fisher's identity, its gradient, in one pass."""

from __future__ import annotations

from typing import Any

from workbench.inference.pymc.toolchain import prepare

prepare()

import numba  # noqa: E402
import numpy as np  # noqa: E402
import pytensor.tensor as pt  # noqa: E402
from pytensor.gradient import disconnected_type  # noqa: E402
from pytensor.graph.basic import Apply  # noqa: E402
from pytensor.graph.op import Op  # noqa: E402
from pytensor.link.numba.dispatch.basic import register_funcify_default_op_cache_key  # noqa: E402

from workbench.fast.gaussian_full import value_and_gradient  # noqa: E402

KERNEL = 1
"""Raised whenever the kernel changes: it is part of PyTensor's on-disk cache key."""
DIFFERENTIABLE = 4
"""The first inputs have a gradient, the others are data."""


class GaussianFullLogLikelihood(Op):  # type: ignore[misc]
    """(log_weights, c, t, eps, root, z, counts) -> (log likelihood, its gradient by each of the first four)."""

    __props__ = ()

    def make_node(self, *inputs: Any) -> Any:
        arguments = [pt.as_tensor(value) for value in inputs]
        return Apply(self, arguments, [pt.dscalar(), *(value.type() for value in arguments[:DIFFERENTIABLE])])

    def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
        arrays = [np.ascontiguousarray(value, dtype=np.float64).reshape(np.shape(value)) for value in inputs]
        for storage, value in zip(output_storage, value_and_gradient(*arrays), strict=True):
            storage[0] = value

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        """The gradient is an output already. It must not be differentiated again: that would take the statistics as fixed
        and give the complete-data information instead of the observed one."""
        if any(not _disconnected(cotangent) for cotangent in cotangents[1:]):
            raise NotImplementedError("the Op has no second derivative; use likelihood: graph, or a Hessian from workbench")
        slopes = [cotangents[0] * gradient for gradient in outputs[1:]]
        return [*slopes, *(disconnected_type() for _ in inputs[DIFFERENTIABLE:])]

    def connection_pattern(self, node: Any) -> list[list[bool]]:
        outputs = len(node.outputs)
        return [[place < DIFFERENTIABLE] * outputs for place in range(len(node.inputs))]


def _disconnected(cotangent: Any) -> bool:
    return isinstance(cotangent.type, type(disconnected_type))


@register_funcify_default_op_cache_key(GaussianFullLogLikelihood)  # type: ignore[untyped-decorator]
def _compiled(op: Any, node: Any = None, **_: Any) -> Any:
    @numba.njit  # type: ignore[untyped-decorator]
    def log_likelihood(log_weights: Any, c: Any, t: Any, eps: Any, root: Any, z: Any, counts: Any) -> Any:
        return value_and_gradient(log_weights, c, t, eps, root, z, counts)

    return log_likelihood, KERNEL
