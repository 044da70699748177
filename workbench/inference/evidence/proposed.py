"""Proposals made of draws from the posterior, and of what the draws may have missed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench.inference.evidence.conditionals import Labeller
from workbench.inference.evidence.fitted import fitted
from workbench.inference.evidence.importance import Limits
from workbench.inference.evidence.laplace import Mode, about
from workbench.inference.evidence.places import Place
from workbench.inference.evidence.symmetry import Averaged, Fold, Folded, Region
from workbench.inference.evidence.uncovered import share_of, uncovered
from workbench.inference.target import CompiledTarget

SMALLEST = 0.0001
"""Share of the posterior of the smallest mode that is proposed by itself: rare draws near one that is not have large weights."""
LOOKED_AT = 30
"""Draws by which it is found out whether a place with empty components has been seen."""
SELDOM, UNSEEN = 1.0, 5.0
"""Nats by which p(x, u) / (p(x) q(u)) is above 1 at a mode that the draws that q was made of have seen seldom, or never."""
CONDITIONAL = Limits(pareto_k=0.7, efficiency=0.35)
FITTED = Limits(pareto_k=0.7, efficiency=0.45)
"""Of weights from t densities fitted to draws. With 4 x 1,000 draws of gibbs, 12 seeds each: Old Faithful K = 3 (efficiency 0.08 to 0.35,
k-hat 0.26 to 0.70) is 1.4 stated errors too low on average, 3.1 at most, galaxies K = 4 (0.02 to 0.40, 0.38 to 0.74) 1.7 and 3.9."""


@dataclass(frozen=True, eq=False)
class Makers:
    """How proposals are made that know all labellings: of the posterior's own kind if there is a labeller, else of t densities.

    Attributes
    ----------
    region : that draws and modes are aligned in
    size : draws by which it is found out which labels a fitted proposal confuses
    """

    region: Region
    labeller: Labeller | None
    size: int

    @property
    def limits(self) -> Limits:
        """That weights from its proposals must keep to be trusted."""
        return FITTED if self.labeller is None else CONDITIONAL

    def of_draws(self, parts: Sequence[np.ndarray], rng: np.random.Generator) -> list[Averaged]:
        """One of each set of draws (n, dim)."""
        if self.labeller is not None:
            return [self.labeller.from_draws(part, rng) for part in parts]
        made = [fitted(part, rng) for part in parts]
        fold = Fold.of(self.region, np.concatenate([q.sample(rng, self.size) for q in made]))
        return [Folded(fold, q) for q in made]


@dataclass(frozen=True, eq=False)
class Unsure:
    """Modes, in the region, and places with empty components, that draws may have missed."""

    target: CompiledTarget
    makers: Makers
    modes: Sequence[Mode]
    empty: Sequence[Place]
    rng: np.random.Generator

    @property
    def every(self) -> list[Mode | Place]:
        return [*self.modes, *self.empty]

    def gaps(self, proposals: Sequence[Averaged]) -> np.ndarray:
        """log p - log q at each: at a mode, and where a place is by half of some draws."""
        found = [float(self._ratio(proposals, mode.u[None])[0]) for mode in self.modes]
        for place in self.empty:
            assert self.makers.labeller is not None
            u = self.makers.labeller.about([place], self.rng).sample(self.rng, LOOKED_AT)
            found.append(float(np.median(self._ratio(proposals, u))))
        return np.array(found)

    def _ratio(self, proposals: Sequence[Averaged], u: np.ndarray) -> np.ndarray:
        log_q = np.logaddexp.reduce([q.log_density(u) for q in proposals]) - math.log(len(proposals))
        return np.asarray(self.target.log_density(u) - log_q)

    def unseen(self, gaps: np.ndarray, height: float) -> list[Mode | Place]:
        """Those of some mass where the draws have never been."""
        return uncovered(self.every, gaps, height, UNSEEN)

    def proposed(self, gaps: np.ndarray, height: float) -> tuple[Averaged, float] | None:
        """A proposal of those that draws have seen seldom, or never, and their share of the posterior; None if there are none."""
        chosen = uncovered(self.every, gaps, height, SELDOM, SMALLEST)
        if not chosen:
            return None
        share, labeller = share_of(chosen, height), self.makers.labeller
        if labeller is not None:
            places = [Place.about(self.target, each) if isinstance(each, Mode) else each for each in chosen]
            return labeller.about(places, self.rng), share
        q = about([each for each in chosen if isinstance(each, Mode)])
        return Folded(Fold.of(self.makers.region, q.sample(self.rng, self.makers.size)), q), share
