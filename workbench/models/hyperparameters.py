"""Numbers of a prior as a config gives them: checked, spread over what they are for, written back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


class PriorError(ValueError):
    """A prior that cannot be formed, or has impossible numbers; as text one line that names the hyperparameter, as in
    ``prior.mean_strength is 0.0; every entry must be above 0``.

    Attributes
    ----------
    what : what is wrong; what to do
    key : the hyperparameter at fault, ``BLOCK.KEY`` of a product's, or None when the default cannot be worked out from the data
    """

    def __init__(self, what: str, key: str | None = None) -> None:
        super().__init__(what, key)
        self.what = what
        self.key = key

    def __str__(self) -> str:
        return self.what if self.key is None else f"prior.{self.key} {self.what}"


def plain(array: Any) -> Any:
    """A float where all entries are equal or there is one, else nested lists: what YAML shows."""
    values = np.asarray(array, dtype=float)
    if values.ndim < 2 and values.size and (values == values.flat[0]).all():
        return float(values.flat[0])
    return values.tolist()


def positive(value: Any, key: str, shape: tuple[int, ...], *, above: float = 0.0) -> np.ndarray:
    """``value`` as a float array broadcast to ``shape``, every entry above ``above``.

    Raises
    ------
    PriorError
        With ``key``, if it is not a number or list of the right length, or an entry is too small.
    """
    array = numeric(value, key, shape)
    if not (array > above).all():
        raise PriorError(f"is {plain(value)}; every entry must be above {above:g}", key)
    return array


def numeric(value: Any, key: str, shape: tuple[int, ...]) -> np.ndarray:
    """``value`` as a finite float array broadcast to ``shape``.

    Raises
    ------
    PriorError
        With ``key``, if it is not numeric or does not fit.
    """
    try:
        array = np.asarray(value, dtype=float)
        spread = np.array(np.broadcast_to(array, shape))
    except (TypeError, ValueError):
        raise PriorError(f"is {value!r}; give {_wanted(shape)}", key) from None
    if not np.isfinite(spread).all() or isinstance(value, bool):
        raise PriorError(f"is {value!r}; give finite numbers", key)
    return spread


def _wanted(shape: Sequence[int]) -> str:
    if not shape:
        return "a number"
    return "a number, or a list of " + " lists of ".join(str(n) for n in shape)
