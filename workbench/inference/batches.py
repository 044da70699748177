"""Batches of mixtures that change hands: some fits from one and some from another, those that have left, each with its own row."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.models import Mixture
from workbench.models.mixture import gathered, numbered

TOGETHER = 32
"""Mixtures and rows of which all pairs are worked out for the sake of those of one number."""


def chosen(who: np.ndarray, yes: Mixture, no: Mixture) -> Mixture:
    """Fit by fit the one or the other."""
    if who.all() or not who.any():
        return yes if who.all() else no
    return numbered([(np.flatnonzero(who), yes.take(who)), (np.flatnonzero(~who), no.take(~who))])


def placed(all_of_them: Mixture, some: Mixture, where: np.ndarray, kept: np.ndarray) -> Mixture:
    """``some[kept]`` at the numbers ``where`` among all."""
    if not where.size:
        return all_of_them
    count = all_of_them.batch_shape[0]
    order = np.arange(count)
    order[where] = count + np.flatnonzero(kept)
    return gathered([all_of_them, some]).take(order)


def replaced(all_of_them: Any, some: Any, who: np.ndarray) -> Any:
    """``some`` in place of the fits ``who`` among all; of anything that has ``take`` and ``joined``."""
    order = np.argsort(np.concatenate([np.flatnonzero(who), np.flatnonzero(~who)]), kind="stable")
    return type(all_of_them).joined([some, all_of_them.take(~who)]).take(order) if not who.all() else some


def repeated(mixture: Mixture, count: int) -> Mixture:
    """One mixture ``count`` times, as a batch."""
    return mixture.reshaped(1, *mixture.batch_shape).take(np.zeros(count, int))


class Ends:
    """Fits that have left, in the order of their numbers."""

    def __init__(self) -> None:
        self.parts: list[tuple[np.ndarray, Mixture]] = []

    def add(self, who: np.ndarray, mixture: Mixture) -> None:
        if who.size:
            self.parts.append((who, mixture))

    def mixture(self) -> Mixture:
        return numbered(self.parts)


def each_its_own(mixture: Mixture, x: np.ndarray) -> np.ndarray:
    """log p(x_i) under mixture i of a batch, (B,), for rows (B, D)."""
    parts = []
    for at in range(0, x.shape[0], TOGETHER):
        some = slice(at, at + TOGETHER)
        parts.append(np.diagonal(mixture.take(some).log_density(x[some])))
    return np.concatenate(parts)
