"""Coordinates: the variables of a mixture's components in PyMC, as graph and Op take them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, eq=False)
class Coordinates:
    """What is there of: c, t, eps (Gaussian), probs (binary features), rates (counts), levels (K, levels of all features)."""

    c: Any = None
    t: Any = None
    eps: Any = None
    probs: Any = None
    rates: Any = None
    levels: Any = None

    def beside(self, other: Coordinates) -> Coordinates:
        """Those of both."""
        pairs = ((getattr(self, field.name), getattr(other, field.name)) for field in fields(self))
        return Coordinates(*(theirs if mine is None else mine for mine, theirs in pairs))
