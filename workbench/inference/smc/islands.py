"""Islands of particles that do not meet: systematic resampling within each, and what they say together at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from workbench.fit import Evidence

APART = 4.0
"""Combined errors by which another estimate may be above."""
ROUNDING = 1e-9
SPREAD = 0.5
"""Standard deviation over islands, in nats, up to which their log evidences may be averaged."""


def effective_share(log_weights: np.ndarray) -> float:
    """Effective sample size of weighted particles (P,), as a share of their number (Kong, Liu & Wong 1994)."""
    weights = np.exp(log_weights - log_weights.max())
    return float(weights.sum() ** 2 / (weights**2).sum() / weights.size)


def log_mean(log_weights: np.ndarray) -> np.ndarray:
    """log of the mean of exp over the last axis."""
    top = log_weights.max(axis=-1)
    return np.asarray(top + np.log(np.exp(log_weights - top[..., None]).mean(axis=-1)))


def resampled(log_weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Numbers of the particles that each island (S, n) goes on with, in order, (S n,) among all: systematic (Kitagawa 1996)."""
    islands, size = log_weights.shape
    below = np.cumsum(np.exp(log_weights - log_weights.max(axis=1, keepdims=True)), axis=1)
    points = (np.arange(size) + rng.random((islands, 1))) / size * below[:, -1:]
    own = [np.searchsorted(each, point, side="right") for each, point in zip(below, points, strict=True)]
    return np.concatenate([np.minimum(each, size - 1) + i * size for i, each in enumerate(own)])


def evidence_of(log_evidences: np.ndarray) -> Evidence:
    """log of the mean of the islands' evidences, each without bias, with its error by the delta method.

    Trusted if the islands' logs differ by no more than a standard deviation of half a nat: beyond it the mean hangs on few of them.
    """
    relative = np.exp(log_evidences - log_evidences.max())
    error = float(relative.std(ddof=1) / relative.mean() / np.sqrt(relative.size))
    spread = float(log_evidences.std(ddof=1))
    note = ""
    if not spread <= SPREAD:
        note = f"the islands' log evidences differ by {spread:.2f} (standard deviation, above {SPREAD}): raise draws, then sweeps"
    return Evidence("smc", float(log_mean(log_evidences)), error, not note, note)


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

    Chain i has particles of island i, in order, as far as it is due any; the rest is filled up from islands that are due more.
    """
    islands = log_evidences.size
    shares = np.exp(log_evidences - log_evidences.max())
    below = np.cumsum(shares) / shares.sum()
    points = (np.arange(islands * size) + rng.random()) / (islands * size)
    due = np.bincount(np.minimum(np.searchsorted(below, points, side="right"), islands - 1), minlength=islands)
    picks = [i * size + ((np.arange(count) + rng.random()) * size / max(int(count), 1)).astype(int) for i, count in enumerate(due)]
    kept = [pick if pick.size <= size else pick[_spread_out(pick.size, size)] for pick in picks]
    over = [np.delete(pick, _spread_out(pick.size, size)) for pick in picks if pick.size > size]
    left = rng.permutation(np.concatenate(over)) if over else np.empty(0, int)
    cuts = np.cumsum([size - each.size for each in kept])[:-1]
    return np.stack([np.concatenate([own, rest]) for own, rest in zip(kept, np.split(left, cuts), strict=True)])


def _spread_out(count: int, size: int) -> np.ndarray:
    """``size`` of 0 .. count, evenly spaced."""
    return (np.arange(size) * count) // size
