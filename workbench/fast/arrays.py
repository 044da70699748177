"""Arrays as compiled code takes them: it is made once for each kind, so that all of a kind should be alike."""

from __future__ import annotations

import numpy as np


def owned(array: np.ndarray) -> np.ndarray:
    """The array if it is in C order and may be written to, else a copy."""
    return array if array.flags.carray else np.array(array, order="C")


def read_only(array: np.ndarray) -> np.ndarray:
    """A view in C order that nobody writes to, as the data are."""
    view = np.ascontiguousarray(array).view()
    view.setflags(write=False)
    return view
