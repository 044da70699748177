"""numba.njit as this room uses it: cached on disk, without the interpreter's lock, and never stale."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba


def _digest() -> str:
    """Of all sources in this room: a kernel is made of several files, and numba looks at one of them."""
    here = Path(__file__).parent
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(here.rglob("*.py")))).hexdigest()[:12]


DIGEST = _digest()


def compiled[F: Callable[..., Any]](function: F) -> F:
    """Compile on first use; in the cache the code is filed under the function's name and the digest of the room's sources."""
    return _made(function)


def written_out[F: Callable[..., Any]](function: F) -> F:
    """The same for what is written into its callers before they are compiled.

    What numba compiles on its own it optimises once more with each caller, at every level of callers.
    """
    return _made(function, inline="always")


def compiled_for_pointers[F: Callable[..., Any]](function: F) -> F:
    """The same for a function of pointers, which Python does not call."""
    return _made(function, no_cpython_wrapper=True)


def _made[F: Callable[..., Any]](function: F, **options: Any) -> F:
    function.__qualname__ = f"{function.__qualname__}_{DIGEST}"
    made: F = numba.njit(cache=True, nogil=True, error_model="numpy", **options)(function)
    return made
