"""Verdicts: what the trials of a method say of each quantity, as numbers and in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from workbench.compare.calibration.trial import Trials
from workbench.compare.calibration.uniformity import FEWEST, LEVEL, Uniformity, uniformity
from workbench.compare.intervals import COVERAGE

CLEAR = 0.01
"""p below which a sentence says that the mean, or the spread, of the ranks is off."""


@dataclass(frozen=True)
class Ranked:
    """The ranks of one quantity.

    Attributes
    ----------
    p : of the four tests of uniformity, times their number and that of the quantities; below LEVEL the method has failed
    """

    quantity: str
    replicates: np.ndarray
    ranks: np.ndarray
    n_draws: int
    uniformity: Uniformity
    p: float

    @property
    def good(self) -> bool | None:
        """None with too few replicates to tell."""
        return None if self.ranks.size < FEWEST else self.p >= LEVEL

    @property
    def direction(self) -> str:
        """What is wrong with the draws, in words; empty if nothing is."""
        if self.good is not False:
            return ""
        found, parts = self.uniformity, []
        if found.p_spread < CLEAR:
            what = "narrow (U shape)" if found.outer > 0.2 else "wide (hump)"
            parts.append(f"too {what}: {_percent(found.outer)} of the truths are among their outer fifth, where 20 % belong")
        if found.p_bias < CLEAR:
            what = "high" if found.below < 0.5 else "low"
            parts.append(f"too {what} (slope): on average {_percent(found.below)} of them are below the truth, where 50 % belong")
        return " and ".join(parts) or "not like the truth: its ranks among them are uneven"


@dataclass(frozen=True)
class Covered:
    """How often the 95 % intervals of one parameter hold the truth.

    Attributes
    ----------
    intervals : replicates in which there is an interval
    share : of these, those whose interval holds the truth; nan without any
    error : its binomial standard error, never 0: from two successes and two failures more (Agresti & Coull 1998)
    p : of the exact binomial test against 95 %, times the number of parameters
    """

    quantity: str
    intervals: int
    share: float
    error: float
    p: float

    @property
    def good(self) -> bool | None:
        return None if self.intervals < FEWEST else self.p >= LEVEL

    @property
    def direction(self) -> str:
        if self.good is not False:
            return ""
        return "too narrow" if self.share < COVERAGE else "too wide"


def ranked(trials: Trials) -> list[Ranked]:
    """The ranks of every quantity, tested; none for points."""
    fitted = [trial for trial in trials.fitted if trial.ranks]
    names = list(dict.fromkeys(name for trial in fitted for name in trial.ranks))
    found = []
    for name in names:
        own = [trial for trial in fitted if name in trial.ranks]
        n_draws = own[0].n_draws
        values = np.array([trial.ranks[name] for trial in own])
        tested = uniformity(values, n_draws)
        numbers = np.array([trial.replicate for trial in own])
        found.append(Ranked(name, numbers, values, n_draws, tested, min(1.0, tested.p * len(names))))
    return found


def coverages(trials: Trials) -> list[Covered]:
    """The coverage of every parameter, tested; none for draws."""
    names = list(dict.fromkeys(name for trial in trials.fitted for name in trial.covered))
    return [_coverage(name, [trial.covered.get(name) for trial in trials.fitted], len(names)) for name in names]


def _coverage(name: str, held: list[bool | None], n_quantities: int) -> Covered:
    from scipy.stats import binomtest

    known = [each for each in held if each is not None]
    if not known:
        return Covered(name, 0, float("nan"), float("nan"), 1.0)
    hits, size = sum(known), len(known)
    p = float(binomtest(hits, size, COVERAGE).pvalue)
    near = (hits + 2.0) / (size + 4.0)
    return Covered(name, size, hits / size, float(np.sqrt(near * (1.0 - near) / (size + 4.0))), min(1.0, p * n_quantities))


def low_effective_share(trials: Trials) -> float | None:
    """Share of the replicates whose chains hold fewer effective draws than ranks were taken among; None for independent draws."""
    known = [trial.effective < trial.n_draws for trial in trials.fitted if trial.effective is not None]
    return float(np.mean(known)) if known else None


def failures(trials: Trials) -> Iterator[str]:
    """Why replicates have no fit."""
    yield from (trial.failure for trial in trials.done if trial.failure)
    yield from trials.lost


def _percent(share: float) -> str:
    return f"{100.0 * share:.0f} %"
