"""A C function around a compiled log density, for samplers that call one through a pointer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

DOUBLES = numba.types.CPointer(numba.types.double)
SIGNATURE = numba.types.int64(numba.types.uint64, DOUBLES, DOUBLES, DOUBLES, numba.types.CPointer(numba.types.int64))
"""(dim, v, gradient, value, data) -> 0, or 3 where something is not finite, which rejects the step."""


@intrinsic
def pointer(typing: Any, address: Any) -> Any:
    """An integer as a pointer."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())

    return numba.types.voidptr(address), generate


def density_callback(density: Callable[..., Any], dim: int, kinds: Sequence[tuple[int, str]]) -> Any:
    """Compile a C function that evaluates ``density(u, *arrays) -> (value (), gradient (dim,))`` at u = factor v, by v.

    ``factor`` is the last array, (dim, dim), or (0, 0) where u is v. The arrays (in C order, of the given ranks and dtypes, and the
    factor) are found through ``addresses(arrays)``, so that other data need no compilation. A loop copies the gradient:
    ``out[...] = gradient`` alone costs four seconds, for its error message.
    """
    ranks, dtypes = zip(*kinds, (2, "float64"), strict=True)
    lines, at = [f"def callback(dim, v_, gradient_, value_, data_):\n    data = carray(data_, ({sum(ranks) + len(ranks)},))"], 0
    for i, rank in enumerate(ranks):
        shape = "".join(f"data[{at + 1 + axis}]," for axis in range(rank))
        lines.append(f"    a{i} = carray(pointer(data[{at}]), ({shape}), {dtypes[i]})")
        at += 1 + rank
    names = ", ".join(f"a{i}" for i in range(len(ranks) - 1))
    lines.append(f"""
    factor = a{len(ranks) - 1}
    turned = factor.shape[0] > 0
    u = empty({dim})
    for i in range({dim}):
        u[i] = 0.0 if turned else v_[i]
        if turned:
            for j in range({dim}):
                u[i] += factor[i, j] * v_[j]
    value, gradient = density(u, {names})
    value_[0] = value.item()
    good = isfinite(value_[0])
    for i in range({dim}):
        good = good and isfinite(gradient[i])
        gradient_[i] = 0.0 if turned else gradient[i]
    if turned:
        for i in range({dim}):
            for j in range({dim}):
                gradient_[j] += factor[i, j] * gradient[i]
    return 0 if good else 3""")
    scope = {
        "empty": np.empty,
        "carray": numba.carray,
        "pointer": pointer,
        **{dtype: np.dtype(dtype).type for dtype in dtypes},
        "isfinite": np.isfinite,
        "density": density,
    }
    exec("\n".join(lines), scope)  # numba needs one argument an array, and their number depends on the model
    return numba.cfunc(SIGNATURE)(scope["callback"])


def addresses(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Where the arrays are and their shapes, as the callback reads them; the caller keeps the arrays alive."""
    return np.array([number for array in arrays for number in (array.ctypes.data, *array.shape)], dtype=np.int64)


@numba.cfunc(
    numba.types.int64(numba.types.uint64, numba.types.uint64, DOUBLES, DOUBLES, numba.types.CPointer(numba.types.int64)), cache=True
)
def identity_callback(dim: int, expanded: int, u: Any, out: Any, data: Any) -> int:
    """What the sampler stores of a draw: u itself."""
    for i in range(dim):
        out[i] = u[i]
    return 0
