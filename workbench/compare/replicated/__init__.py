"""``replicated.csv``: does any mixture fit? Data made by every fit, and the features of the observed data that they give back badly."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.stats import norm

from workbench.compare.replicated.features import Features, Name, expanded
from workbench.compare.verdict import Row, check
from workbench.fit import Fit
from workbench.inference.method import seed_of
from workbench.problem import Problem

REPLICATES = 200
FEWEST = 20
CELLS = 10_000_000
"""Numbers that the replicates of a fit may have."""
WORST = 3.0
"""Standard deviations from the replicates' mean within which no feature is a warning, however few there are."""
CHANCE = 0.01
"""Probability that the worst of as many standard normal numbers as there are features is a warning (Bonferroni's bound)."""


@dataclasses.dataclass(frozen=True, eq=False)
class Replicated:
    """Features of the observed data beside those of data made by a fit.

    Attributes
    ----------
    names : of the features
    observed : (feature,)
    replicates : (replicate, feature); nan where a replicate has no such number
    considered : features that were looked through, of which these are the most striking
    """

    names: list[Name]
    observed: np.ndarray
    replicates: np.ndarray
    considered: int

    @property
    def limit(self) -> float:
        """Distance beyond which a feature speaks against the fit: the more were looked through, the farther the worst is by chance."""
        return max(WORST, float(norm.isf(CHANCE / 2.0 / self.considered)))

    @property
    def distance(self) -> np.ndarray:
        """How far the observed number is from the replicates' mean, in their standard deviations; nan where those are all alike."""
        mean, sd = self._moments()
        with np.errstate(all="ignore"):
            return np.asarray(np.where(sd > 0.0, (self.observed - mean) / sd, np.nan))

    def _moments(self) -> tuple[np.ndarray, np.ndarray]:
        known = np.isfinite(self.replicates)
        count = np.maximum(known.sum(axis=0), 1)
        values = np.where(known, self.replicates, 0.0)
        mean = values.sum(axis=0) / count
        variance = np.where(known, (values - mean) ** 2, 0.0).sum(axis=0) / np.maximum(count - 1, 1)
        sd = np.sqrt(variance)
        return np.where(known.any(axis=0), mean, np.nan), np.where(sd > 1e-9 * (1.0 + np.abs(mean)), sd, 0.0)

    def rows(self, label: str) -> Iterator[dict[str, Any]]:
        """Of ``replicated.csv``."""
        mean, sd = self._moments()
        for i, (name, distance) in enumerate(zip(self.names, self.distance, strict=True)):
            known = self.replicates[np.isfinite(self.replicates[:, i]), i]
            if known.size == 0 or not np.isfinite(self.observed[i]):
                continue
            lower, upper = np.quantile(known, [0.025, 0.975])
            tail = min((known >= self.observed[i]).mean(), (known <= self.observed[i]).mean())
            yield {
                "method": label,
                **dataclasses.asdict(name),
                "observed": float(self.observed[i]),
                "mean": float(mean[i]),
                "sd": float(sd[i]),
                "lower": float(lower),
                "upper": float(upper),
                "distance": float(distance),
                "tail_share": min(1.0, 2.0 * float(tail)),
            }

    def worst(self) -> Row:
        """Of ``diagnostics.csv``: the largest distance of all features."""
        sizes = np.abs(self.distance)
        if not np.isfinite(sizes).any():
            return check("replicated_distance", float("nan"), self.limit, None, "")
        worst = int(np.nanargmax(sizes))
        name = self.names[worst]
        of = " and ".join(each for each in (name.feature, name.feature_2) if each)
        level = f" of level {name.level}" if name.level else ""
        advice = f"data made by this fit have another {name.quantity}{level} ({of}); try more components, another covariance or family"
        return check("replicated_distance", float(sizes[worst]), self.limit, bool(sizes[worst] <= self.limit), advice)


def replicated(problem: Problem, fit: Fit) -> Replicated | None:
    """Data sets of the observed size made by a fit, of draws one each, with the observed cells' pattern (Gelman, Meng & Stern 1996).

    Parameters
    ----------
    fit : a point makes all of them; draws are spread evenly over chains and length

    Notes
    -----
    ``tail_share`` is twice the smaller share of replicates at or beyond the observed number: a posterior predictive p-value. It is
    not uniform under a right model, as the data are used twice: below 5 % it was for 0.1 % of 21 features (two normal components,
    200 rows, EM and Gibbs on 200 data sets each). Associations that were chosen from many are another matter: of 30 independent
    columns of two Bernoulli classes (435 pairs, EM, 36 data sets of 300 rows) the worst was above 3 in 11 of 36 and above ``limit``,
    4.3, in one.

    Returns
    -------
    replicated : None where the fit has no point, or the data are so many that 20 sets of them are too much
    """
    total = int(problem.data.counts.sum())
    count = min(REPLICATES, CELLS // max(1, total * problem.data.n_features))
    if fit.draws is None or count < FEWEST:
        return None
    rng = np.random.default_rng(seed_of("replicated", problem.data.fingerprint, problem.family, problem.n_components))
    features = Features(problem.data, problem.family)
    observed = expanded(problem.data)
    hidden = np.isnan(observed)
    draws = fit.draws.reshaped(int(np.prod(fit.draws.batch_shape)))
    chosen = np.linspace(0, draws.weights.shape[0] - 1, count).astype(int)
    made = []
    for s in chosen:
        x, _ = draws.take(s).sample(rng, total)
        made.append(features.values(np.where(hidden, np.nan, x)))
    return Replicated(features.names(), features.values(observed), np.array(made), features.considered)


__all__ = ["Replicated", "replicated"]
