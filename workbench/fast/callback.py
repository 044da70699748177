"""A C function around a log density that PyTensor has compiled, for samplers that call one through a pointer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numba
import numpy as np

from workbench.fast.posterior.callback import SIGNATURE
from workbench.fast.posterior.pointers import pointer


def density_callback(density: Callable[..., Any], dim: int, kinds: Sequence[tuple[int, str]]) -> Any:
    """Compile a C function that evaluates ``density(u, *arrays) -> (value (), gradient (dim,))`` at u = factor v, by v.

    ``factor`` is the first array, (dim, dim), or (0, 0) where u is v. The arrays (in C order, the factor and then those of the given
    ranks and dtypes) are found through ``addresses``, so that other data need no compilation. A loop copies the gradient:
    ``out[...] = gradient`` alone costs four seconds, for its error message.
    """
    ranks, dtypes = zip((2, "float64"), *kinds, strict=True)
    lines, at = [f"def callback(dim, v_, gradient_, value_, data_):\n    data = carray(data_, ({sum(ranks) + len(ranks)},))"], 0
    for i, rank in enumerate(ranks):
        shape = "".join(f"data[{at + 1 + axis}]," for axis in range(rank))
        lines.append(f"    a{i} = carray(pointer(data[{at}]), ({shape}), {dtypes[i]})")
        at += 1 + rank
    names = ", ".join(f"a{i}" for i in range(1, len(ranks)))
    lines.append(f"""
    factor = a0
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
