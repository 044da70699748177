"""Calls of compiled code through its address: a caller holds the call alone, and numba optimises the code once.

Numba copies the code of a function into each of its callers, and optimises the copy anew at each level of callers. Here the
caller names a symbol instead. In a cache on disk it stays a name, so that each process puts in its own address.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numba
import numpy as np
from llvmlite import binding
from numba.core import cgutils, typing
from numba.extending import intrinsic


def apart(function: Any, types: Sequence[Any], name: str) -> Callable[..., Any]:
    """Compile ``function`` for arguments of these types; what calls it, from a tuple of the arguments, in njit functions.

    Parameters
    ----------
    types : arrays are in C order; others are copied into it
    name : of the symbol, which no other code may have; a caller from a cache needs this call before it is loaded
    """
    function.compile(tuple(types))
    compiled = function.overloads[tuple(types)]
    binding.add_symbol(name, compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name))
    result, expected = compiled.signature.return_type, compiled.signature.args

    @intrinsic  # type: ignore[untyped-decorator]
    def call(typingctx: Any, arguments: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            given = cgutils.unpack_tuple(builder, values[0])
            ready = [_ready(context, builder, *each) for each in zip(signature.args[0].types, expected, given, strict=True)]
            made = context.call_conv.get_function_type(result, expected)
            code = cgutils.get_or_insert_function(builder.module, made, name)
            status, value = context.call_conv.call_function(builder, code, result, expected, ready)
            with cgutils.if_unlikely(builder, status.is_error):
                context.call_conv.return_status_propagate(builder, status)
            for own, kind, array in zip(signature.args[0].types, expected, ready, strict=True):
                if _is_copied(own):
                    context.nrt.decref(builder, kind, array)
            return value

        for given, own in zip(arguments.types, expected, strict=True):
            _check(given, own)
        return result(arguments), generate

    return call  # type: ignore[no-any-return]


def _check(given: Any, expected: Any) -> None:
    arrays = isinstance(given, numba.types.Array) and isinstance(expected, numba.types.Array)
    same = (given.dtype, given.ndim) == (expected.dtype, expected.ndim) if arrays else given == expected
    if not same:
        raise numba.TypingError(f"{given} given for {expected}")


def _is_copied(given: Any) -> bool:
    return isinstance(given, numba.types.Array) and given.layout != "C"


def _ready(context: Any, builder: Any, given: Any, expected: Any, value: Any) -> Any:
    """An array in C order is taken as it is, whether it may be written to or not."""
    if not _is_copied(given):
        return value
    return context.compile_internal(builder, _in_order, typing.signature(expected, given), [value])


def _in_order(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array)
