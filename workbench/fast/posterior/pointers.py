"""Arrays as a C function finds them: one list of whole numbers, of each array its address and its shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, types
from numba.extending import intrinsic

from workbench.fast.compiled import written_out


def addresses(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """The list; arrays are in C order, and the caller keeps them alive."""
    return np.array([number for array in arrays for number in (array.ctypes.data, *array.shape)], dtype=np.int64)


def _pointer(typing: Any, address: Any) -> Any:
    """An integer as a pointer."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())

    return types.voidptr(address), generate


pointer: Any = intrinsic(_pointer)


@written_out
def vector(data: Any, at: int) -> Any:
    """The doubles whose address is at ``at``; two places on there is the next array's."""
    return carray(pointer(data[at]), (data[at + 1],), np.float64)


@written_out
def matrix(data: Any, at: int) -> Any:
    """The same of a matrix, which takes three places."""
    return carray(pointer(data[at]), (data[at + 1], data[at + 2]), np.float64)


@written_out
def whole_vector(data: Any, at: int) -> Any:
    return carray(pointer(data[at]), (data[at + 1],), np.int64)


@written_out
def whole_matrix(data: Any, at: int) -> Any:
    return carray(pointer(data[at]), (data[at + 1], data[at + 2]), np.int64)
