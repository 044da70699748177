"""Modes that a proposal does not cover, and how much of the posterior is about them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from workbench.models.shapes import PerFit

OF_NO_MATTER = 0.001
"""Share of the posterior below which such a mode is left alone."""


class Massive(Protocol):
    """A mode or another place of the posterior, with its mass by Laplace."""

    @property
    def log_mass(self) -> float: ...


def uncovered[P: Massive](known: Sequence[P], log_ratios: PerFit, value: float, above: float, share: float = OF_NO_MATTER) -> list[P]:
    """Modes of some mass, by Laplace, at which p(x, u) / (p(x) q(u)) is above 1 by more than ``above`` nats.

    Parameters
    ----------
    log_ratios : ndarray (mode,), log p(x, u) - log q(u), q averaged over the labellings
    value : an estimate of log p(x)
    share : of the posterior below which a mode is left alone
    """
    least = value + math.log(share)
    return [mode for mode, ratio in zip(known, np.asarray(log_ratios), strict=True) if ratio - value > above and mode.log_mass > least]


def share_of(missed: Sequence[Massive], value: float) -> float:
    """What part of the posterior is about modes that ``value``, an estimate of log p(x), knows nothing of; by Laplace."""
    if not missed or not math.isfinite(value):
        return 0.0
    return 1.0 / (1.0 + math.exp(min(700.0, value - float(np.logaddexp.reduce([mode.log_mass for mode in missed])))))


def percent(share: float) -> str:
    """In words."""
    if share > 0.99:
        return "over 99 %"
    return f"about {100.0 * share:.0f} %" if share >= 0.1 else f"about {100.0 * share:.1f} %"
