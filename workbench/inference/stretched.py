"""Where a batch of refits is between one stretched step of EM and the next."""

from __future__ import annotations

import numpy as np

from workbench.inference.batches import chosen
from workbench.inference.mixing import Mixing
from workbench.models import Mixture

MEMORY = 3
"""Differences of steps by which the next one is mended."""
RIDGE = 1e-12
"""Relative ridge of the least squares that mends it."""


class Stretched:
    """Refits side by side, (refit,).

    Attributes
    ----------
    mixture, before, safe : now, one step earlier, and where EM's own last step led
    objective : of the step before
    stretched : whether the last step was
    mixing : of the stretched steps
    """

    def __init__(self, mixture: Mixture, count: int, size: int) -> None:
        self.mixture, self.before, self.safe = mixture, mixture, mixture
        self.objective, self.stretched = np.full(count, -np.inf), np.zeros(count, bool)
        self.mixing = Mixing(count, size, MEMORY, RIDGE)

    def take(self, index: np.ndarray) -> Stretched:
        other = Stretched(self.mixture.take(index), 0, 0)
        other.before, other.safe = self.before.take(index), self.safe.take(index)
        other.objective, other.stretched = self.objective[index], self.stretched[index]
        other.mixing = self.mixing.take(index)
        return other

    def take_back(self, who: np.ndarray) -> None:
        """EM's own step instead of the stretched one, and nothing of what was remembered."""
        self.mixture = chosen(who, self.safe, self.mixture)
        self.stretched = self.stretched & ~who
        self.mixing.forget(who, last=True)

    def advance(self, plain: Mixture, stretched: Mixture, objective: np.ndarray, inside: np.ndarray) -> None:
        self.before, self.safe = self.mixture, plain
        self.stretched, self.objective = inside, objective
        self.mixture = chosen(inside, stretched, plain)
