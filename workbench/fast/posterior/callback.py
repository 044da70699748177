"""A C function around a log posterior, for samplers that call one through a pointer."""

from __future__ import annotations

import functools
from typing import Any

import numba
from numba import types

from workbench.fast.apart import apart
from workbench.fast.compiled import DIGEST
from workbench.fast.posterior import density

DOUBLES, NUMBERS = types.CPointer(types.double), types.CPointer(types.int64)
SIGNATURE = types.int64(types.uint64, DOUBLES, DOUBLES, DOUBLES, NUMBERS)
"""(dim, v, gradient, value, data) -> 0, or 3 where something is not finite, which rejects the step."""
DENSITIES = {
    "discrete": density.of_discrete,
    "few_cells": density.of_few_cells,
    "independent": density.of_independent,
    "independent_discrete": density.of_independent_discrete,
    "matrices": density.of_matrices,
    "matrices_discrete": density.of_matrices_discrete,
}


@functools.cache
def callback(kernel: str, size: tuple[int, ...]) -> Any:
    """The C function; it only calls, as numba keeps none on disk and would optimise the whole anew in every process."""
    name = f"workbench_posterior_{kernel}_{len(size)}_{DIGEST}"
    call = apart(DENSITIES[kernel], [numba.typeof(size), types.int64, DOUBLES, DOUBLES, DOUBLES, NUMBERS], name)

    def function(dim: int, v: Any, gradient: Any, value: Any, data: Any) -> int:
        return call((size, numba.int64(dim), v, gradient, value, data))  # type: ignore[no-any-return]

    return numba.cfunc(SIGNATURE)(function)


@numba.cfunc(types.int64(types.uint64, types.uint64, DOUBLES, DOUBLES, NUMBERS), cache=True)
def identity_callback(dim: int, expanded: int, u: Any, out: Any, data: Any) -> int:
    """What the sampler stores of a draw: u itself."""
    for i in range(dim):
        out[i] = u[i]
    return 0
