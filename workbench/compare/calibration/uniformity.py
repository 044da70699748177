"""Whether ranks are uniform: four tests, the simultaneous band of their distribution function, and what is wrong in words."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

LEVEL = 0.01
"""How often all quantities of an exact sampler together are called failed."""
TESTS = 4
FEWEST = 20
"""Replicates below which nothing is said."""
MOST_BINS = 20
PER_BIN = 5.0
"""Expected ranks of a bin, at least."""
NOTHING = 1e-30
"""Probabilities below it add nothing to a sum in float64."""


@dataclass(frozen=True)
class Uniformity:
    """What M ranks, each among L draws (0 to L), say of their being uniform.

    Attributes
    ----------
    p_histogram : of the chi-square test of their histogram
    p_ecdf : of their distribution function leaving its simultaneous band (Saeilynoja, Buerkner & Vehtari 2022)
    p_bias, p_spread : of the mean, and of the mean square, of their normal scores (Cook, Gelman & Rubin 2006), two-sided
    below : mean share of the draws below the truth; 1/2 is right
    outer : share of the ranks in the lowest and the highest tenth; 1/5 is right
    """

    p_histogram: float
    p_ecdf: float
    p_bias: float
    p_spread: float
    below: float
    outer: float

    @property
    def p(self) -> float:
        """The smallest of the four, times four."""
        return min(1.0, TESTS * min(self.p_histogram, self.p_ecdf, self.p_bias, self.p_spread))


def uniformity(ranks: np.ndarray, n_draws: int) -> Uniformity:
    """Test ``ranks`` (M,), whole numbers from 0 to ``n_draws``."""
    p_bias, p_spread = _scores(ranks, n_draws)
    tenth = (n_draws + 1) / 10.0
    outer = np.clip(tenth - ranks, 0.0, 1.0) + np.clip(ranks + 1.0 - (n_draws + 1.0 - tenth), 0.0, 1.0)
    return Uniformity(
        p_histogram=_histogram(ranks, n_draws),
        p_ecdf=max(0.0, 1.0 - _inside(ranks.size, n_draws, _gamma(ranks, n_draws))),
        p_bias=p_bias,
        p_spread=p_spread,
        below=float(ranks.mean()) / n_draws,
        outer=float(outer.mean()),
    )


def places(n_draws: int) -> np.ndarray:
    """Where the distribution function of the ranks can rise, as shares: (i + 1) / (L + 1) for rank i."""
    return np.arange(1, n_draws + 1) / (n_draws + 1.0)


def at_most(ranks: np.ndarray, n_draws: int) -> np.ndarray:
    """How many ranks are at most 0, 1, ..., L - 1."""
    return np.asarray(np.cumsum(np.bincount(ranks, minlength=n_draws + 1)[:n_draws]))


def band(n_ranks: int, n_draws: int, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest number of uniform ranks that are at most 0, ..., L - 1, all together with probability 1 - ``level``.

    Each end has the same binomial tail probability (Saeilynoja, Buerkner & Vehtari 2022, section 2); uneven steps of whole
    numbers make the probability outside at most ``level``.
    """
    low, high = -np.log(level), -np.log(level / n_draws)
    for _ in range(50):
        middle = (low + high) / 2.0
        if 1.0 - _inside(n_ranks, n_draws, float(np.exp(-middle))) <= level:
            high = middle
        else:
            low = middle
    return _ends(n_ranks, n_draws, float(np.exp(-high)))


def _histogram(ranks: np.ndarray, n_draws: int) -> float:
    """Pearson's chi-square over bins of neighbouring ranks, with PER_BIN expected in each or more."""
    from scipy.stats import chi2

    n_bins = int(min(MOST_BINS, n_draws + 1, ranks.size // PER_BIN))
    if n_bins < 2:
        return 1.0
    bins = np.arange(n_draws + 1) * n_bins // (n_draws + 1)
    expected = np.bincount(bins) * ranks.size / (n_draws + 1.0)
    found = np.bincount(bins[ranks], minlength=n_bins)
    return float(chi2.sf(((found - expected) ** 2 / expected).sum(), n_bins - 1))


def _scores(ranks: np.ndarray, n_draws: int) -> tuple[float, float]:
    """p of the mean and of the mean square of Phi^-1((rank + 1/2) / (L + 1)), by their exact first moments under uniform ranks.

    The mean is taken as normal, the mean square as gamma of the same mean and variance.
    """
    from scipy.stats import gamma, norm

    scores = norm.ppf((np.arange(n_draws + 1) + 0.5) / (n_draws + 1.0))
    variance, fourth = float((scores**2).mean()), float((scores**4).mean())
    own = scores[ranks]
    p_bias = 2.0 * float(norm.sf(abs(own.mean()) / np.sqrt(variance / ranks.size)))
    shape = ranks.size * variance**2 / max(fourth - variance**2, 1e-12)
    square = float((own**2).mean()) * shape / variance
    return p_bias, min(1.0, 2.0 * float(min(gamma.cdf(square, shape), gamma.sf(square, shape))))


def _gamma(ranks: np.ndarray, n_draws: int) -> float:
    """Twice the smallest binomial tail probability that the distribution function reaches."""
    from scipy.stats import binom

    counts, shares = at_most(ranks, n_draws), places(n_draws)
    below, above = binom.cdf(counts, ranks.size, shares), binom.sf(counts - 1, ranks.size, shares)
    return 2.0 * float(np.minimum(below, above).min())


def _ends(n_ranks: int, n_draws: int, tail: float) -> tuple[np.ndarray, np.ndarray]:
    """Numbers at each place whose tails are both above ``tail`` / 2."""
    below, above = _tails(n_ranks, n_draws)
    low = (below <= tail / 2.0).sum(axis=1)
    high = n_ranks - (above <= tail / 2.0).sum(axis=1)
    return low, high


@functools.lru_cache(maxsize=8)
def _tails(n_ranks: int, n_draws: int) -> tuple[np.ndarray, np.ndarray]:
    """P(count <= r) and P(count >= r), both (L, M + 1)."""
    from scipy.stats import binom

    counts, shares = np.arange(n_ranks + 1), places(n_draws)[:, None]
    return binom.cdf(counts, n_ranks, shares), binom.sf(counts - 1, n_ranks, shares)


@functools.lru_cache(maxsize=4096)
def _inside(n_ranks: int, n_draws: int, tail: float) -> float:
    """Probability that uniform ranks stay inside the ends of ``tail`` everywhere, exactly.

    Counts between places are independent Poisson numbers given their sum, so the probability is a chain of convolutions, each cut
    to the band, over the Poisson probability of the sum.
    """
    from scipy.stats import poisson

    low, high = _ends(n_ranks, n_draws, tail)
    counts = np.arange(n_ranks + 1)
    step = poisson.pmf(counts, n_ranks / (n_draws + 1.0))
    few = step[: np.flatnonzero(step > NOTHING)[-1] + 1]
    state = np.zeros(n_ranks + 1)
    state[0] = 1.0
    for first, last in zip(low.tolist(), high.tolist(), strict=True):
        state = np.convolve(state, few)[: n_ranks + 1]
        state[:first] = 0.0
        state[last + 1 :] = 0.0
    end = float(state @ step[::-1])
    return min(1.0, end / float(poisson.pmf(n_ranks, n_ranks)))
