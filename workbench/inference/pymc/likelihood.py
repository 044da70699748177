"""One PyTensor Op around a compiled E step: the log likelihood and, by Fisher's identity, its gradient, in one pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workbench.inference.pymc.toolchain import prepare

prepare()

import numba  # noqa: E402
import numpy as np  # noqa: E402
import pytensor.tensor as pt  # noqa: E402
from pytensor.gradient import disconnected_type  # noqa: E402
from pytensor.graph.basic import Apply  # noqa: E402
from pytensor.graph.op import Op  # noqa: E402
from pytensor.link.numba.dispatch.basic import register_funcify_and_cache_key  # noqa: E402

from workbench.fast.apart import apart  # noqa: E402
from workbench.fast.compiled import DIGEST  # noqa: E402
from workbench.fast.fisher import discrete, independent, matrices  # noqa: E402
from workbench.fast.gaussian.factors import UNROLLED  # noqa: E402


@dataclass(frozen=True)
class Kernel:
    """A compiled function: log_weights and other coordinates, then data -> log likelihood, then gradients by the coordinates.

    Attributes
    ----------
    coordinates : how many of its arguments have a gradient; they come first
    sized : which of them says D in its last axis, if D must be known when the code is written
    """

    function: Callable[..., Any]
    coordinates: int
    sized: int | None = None

    def size(self, shapes: list[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
        """The argument that says D, in front of the others: a tuple of D zeros where D is small."""
        if self.sized is None:
            return ()
        size = shapes[self.sized][-1]
        return ((0,) * (size if size <= UNROLLED else 0),)


KERNELS = {
    "discrete": Kernel(discrete.value_and_gradient, 4),
    "independent": Kernel(independent.value_and_gradient, 3),
    "independent_discrete": Kernel(independent.with_discrete, 6),
    "matrices": Kernel(matrices.value_and_gradient, 4, sized=3),
    "matrices_discrete": Kernel(matrices.with_discrete, 7, sized=3),
}


class LogLikelihood(Op):  # type: ignore[misc]
    """(log_weights, coordinates, data) -> (log likelihood, its gradient by log_weights and each of the coordinates)."""

    __props__ = ("kernel",)

    def __init__(self, kernel: str) -> None:
        self.kernel = kernel

    def make_node(self, *inputs: Any) -> Any:
        arguments = [pt.as_tensor(value) for value in inputs]
        return Apply(self, arguments, [pt.dscalar(), *(value.type() for value in arguments[: KERNELS[self.kernel].coordinates])])

    def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
        arrays = [np.ascontiguousarray(value).reshape(np.shape(value)) for value in inputs]
        kernel = KERNELS[self.kernel]
        for storage, value in zip(output_storage, kernel.function(*kernel.size([array.shape for array in arrays]), *arrays), strict=True):
            storage[0] = value

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        """The gradient is an output already. It must not be differentiated again: that would take the statistics as fixed
        and give the complete-data information instead of the observed one."""
        if any(not _disconnected(cotangent) for cotangent in cotangents[1:]):
            raise NotImplementedError("the Op has no second derivative; use likelihood: graph, or a Hessian from workbench")
        slopes = [cotangents[0] * gradient for gradient in outputs[1:]]
        return [*slopes, *(disconnected_type() for _ in inputs[len(slopes) :])]

    def connection_pattern(self, node: Any) -> list[list[bool]]:
        outputs = len(node.outputs)
        return [[place < outputs - 1] * outputs for place in range(len(node.inputs))]


def _disconnected(cotangent: Any) -> bool:
    return isinstance(cotangent.type, type(disconnected_type))


@register_funcify_and_cache_key(LogLikelihood)  # type: ignore[untyped-decorator]
def _compiled(op: Any, node: Any = None, **_: Any) -> tuple[Any, str]:
    """PyTensor optimises an Op's code again at each of its levels of callers: they get a call of it."""
    kernel = KERNELS[op.kernel]
    size = kernel.size([value.type.shape for value in node.inputs])
    arrays = [numba.types.Array(numba.from_dtype(np.dtype(value.type.dtype)), value.type.ndim, "C") for value in node.inputs]
    name = f"workbench_{op.kernel}_{len(size[0]) if size else 0}_{DIGEST}"
    call = apart(kernel.function, [*(numba.typeof(value) for value in size), *arrays], name)

    @numba.njit  # type: ignore[untyped-decorator]
    def log_likelihood(*arguments: Any) -> Any:
        return call(size + arguments)

    @numba.njit  # type: ignore[untyped-decorator]
    def without_size(*arguments: Any) -> Any:
        return call(arguments)

    # PyTensor's cache on disk never keeps older code
    return log_likelihood if size else without_size, f"workbench {op.kernel} {size} {DIGEST}"
