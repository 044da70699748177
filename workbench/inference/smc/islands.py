"""Islands of particles that do not meet: systematic resampling within each, and what they say together at the end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from workbench.fit import Evidence

APART = 4.0
"""Combined errors by which another estimate may be above."""
ROUNDING = 1e-9
SPREAD, MANY = 0.5, 16
"""Standard deviation over so many islands, relative to their mean, up to which their evidences may be averaged; of others it is as the root
of their number, up to twice that: the mean hangs on few of them as much, and few islands tell their own spread less well. Simulated, with
log-normal islands, of 20,000 sets those at the limit or below have |z| > 3 in 2.0 % (16 islands of 0.5), 2.6 % (32 of 0.7), 0.8 % (64 of
0.7; of 1.0, where a quarter passes, 5 %). Of all sets of four islands of 1.0, 1.0 % are trusted with |z| > 3; with a limit of 0.5 3.1 %."""
MOST = 64
"""Islands beyond which more may not be further apart."""
FEWEST = 4
"""Islands by which an error can be told: Student's t has no variance with two degrees of freedom."""


def effective_share(log_weights: np.ndarray) -> float:
    """Effective sample size of weighted particles (P,), as a share of their number (Kong, Liu & Wong 1994)."""
    weights = np.exp(log_weights - log_weights.max())
    return float(weights.sum() ** 2 / (weights**2).sum() / weights.size)


def log_mean(log_weights: np.ndarray) -> float:
    """log of the mean of exp."""
    top = log_weights.max()
    return float(top + np.log(np.exp(log_weights - top).mean()))


def resampled(log_weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Numbers of the particles that an island (n,) goes on with, in order: systematic (Kitagawa 1996)."""
    below = np.cumsum(np.exp(log_weights - log_weights.max()))
    points = (np.arange(below.size) + rng.random()) / below.size * below[-1]
    return np.asarray(np.minimum(np.searchsorted(below, points, side="right"), below.size - 1))


def spread(log_evidences: np.ndarray) -> float:
    """Standard deviation of the islands' evidences, relative to their mean: for small ones that of their logs, in nats.

    An island that has missed much is 0 of its share, whether it is 2 nats too low or 20; one that alone has found much is seen.
    """
    relative = np.exp(log_evidences - log_evidences.max())
    return float(relative.std(ddof=1) / relative.mean())


def limit(islands: int) -> float:
    """Largest :func:`spread` of so many islands that an average of them is trusted at."""
    return SPREAD * math.sqrt(min(islands, MOST) / MANY)


def remedy(apart: float, islands: int) -> str:
    """What to raise: chains to the number that would be trusted if they were as far apart, where any would; few do not tell that well."""
    if islands >= MOST:
        return "raise draws, by which they differ less"
    if not apart <= limit(MOST):
        return f"raise chains to {MOST}, which may differ by {limit(MOST):.2g}, and if they differ by more draws, by which they differ less"
    wanted = math.ceil(MANY * (apart / SPREAD) ** 2)
    return f"raise chains to about {wanted}, as so many may differ by as much, or draws, by which they differ less"


def evidence_of(log_evidences: np.ndarray) -> Evidence:
    """log of the mean of the islands' evidences, each without bias, with its error by the delta method.

    The islands are independent and alike, so the mean over its error from n of them has Student's t with n - 1 degrees of freedom
    (Student 1908): the error is that times the standard deviation of t, sqrt((n - 1) / (n - 3)), so that scores have a variance of one;
    their tails are still those of t: three errors are passed by 1.4 % of sets of 4 islands and by 0.6 % of sets of 16 (a normal: 0.3 %).
    Trusted if there are four islands or more, whose evidences differ no more than :func:`limit` says: beyond it the mean hangs on few.
    """
    count, own = log_evidences.size, spread(log_evidences)
    error = own / math.sqrt(count) * (math.sqrt((count - 1) / (count - 3)) if count > FEWEST - 1 else 1.0)
    note = ""
    if not own <= (most := limit(count)):
        note = f"the islands' evidences differ by {own:.2f} of their mean (standard deviation, above {most:.2g}): {remedy(own, count)}"
    elif count < FEWEST:
        note = f"{count} islands do not tell the error: raise chains to {FEWEST} or more"
    return Evidence("smc", log_mean(log_evidences), error, not note, note)


def unless_opposed(own: Evidence, others: Sequence[Evidence]) -> Evidence:
    """The same, but denied where importance sampling, which looks where EM has found modes, is above it by more than both errors allow.

    A mean weight may be too low, but hardly too high: where all islands have missed the same part, their spread does not say so.
    """
    for other in others:
        if other.estimator == "importance" and np.isfinite(other.log_evidence):
            gap = other.log_evidence - own.log_evidence
            if gap > APART * float(np.hypot(own.mcse, np.nan_to_num(other.mcse))) + ROUNDING * abs(own.log_evidence):
                note = f"importance sampling by the draws and by modes that EM has found is {gap:.2f} nats above: all islands miss a part"
                return replace(own, trusted=False, note="; ".join(filter(None, (own.note, f"{note}; use gibbs or nuts, or raise draws"))))
    return own


def shared_out(log_evidences: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Numbers (S, n) among all S n particles of those that make up the chains, islands in proportion to their evidences.

    Islands one after the other, and in each particles in order, evenly spaced or several times, cut into chains: kin stay side by side, and
    what an island has in common stays in a chain or two, so that autocorrelation and the chains' spread know of both.
    """
    shares = np.exp(log_evidences - log_evidences.max())
    below = np.cumsum(np.repeat(shares / shares.sum() / size, size))
    points = (np.arange(below.size) + rng.random()) / below.size * below[-1]
    return np.asarray(np.minimum(np.searchsorted(below, points, side="right"), below.size - 1).reshape(shares.size, size))
