"""``model_probabilities.csv``: P(K | x) over a sweep of K, beside what BIC, ICL, leave-one-out and held-out rows prefer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.compare.evidence import floors, known_estimates, named_reference
from workbench.compare.preferences import SCORES, Scores, chosen, preferred
from workbench.fit import Evidence

Row = dict[str, Any]

KEY = "model.n_components"
INTERVAL = (0.025, 0.975)
"""Of a probability, by the Monte-Carlo errors of the log evidences."""
SIMULATED = 20_000
"""Draws of all log evidences by their errors, from which the intervals are taken."""
ERRORS = 2.0
"""Standard errors by which a bound is lowered before anything is concluded from it."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """One K, and what is known of its log evidence.

    Attributes
    ----------
    values : swept dotted key -> value of its cell
    found : method and estimate of the log evidence; None where nothing is trusted
    bound : method and ELBO that bounds it from below, the highest; None without one
    reason : why nothing is trusted; empty if something is
    scores : column of ``likelihoods.csv`` -> method -> number
    """

    values: Mapping[str, object]
    found: tuple[str, Evidence] | None
    bound: tuple[str, Evidence] | None
    reason: str
    scores: Scores

    @property
    def lowest(self) -> float:
        """What the log evidence is at least, by its ELBOs less two of their errors; minus infinity without one."""
        return -math.inf if self.bound is None else self.bound[1].log_evidence - ERRORS * self.bound[1].mcse


def model_probability_rows(swept: Sequence[str], likelihoods: Iterable[Row], evidence: Iterable[Row]) -> Iterator[Row]:
    """A row a K of every combination of the other swept keys; none where K was not swept.

    Parameters
    ----------
    swept : swept dotted keys
    likelihoods, evidence : rows of the tables of that name, with a value of each swept key
    """
    if KEY not in swept:
        return
    groups: dict[tuple[object, ...], dict[object, tuple[list[Row], list[Row]]]] = {}
    for which, rows in enumerate((likelihoods, evidence)):
        for row in rows:
            others = tuple(row[key] for key in swept if key != KEY)
            groups.setdefault(others, {}).setdefault(row[KEY], ([], []))[which].append(row)
    for group in groups.values():
        cells = [(own, found) for own, found in group.values() if own]
        yield from _of_group([candidate({key: own[0][key] for key in swept}, own, found) for own, found in cells])


def candidate(values: Mapping[str, object], likelihoods: Sequence[Row], evidence: Sequence[Row]) -> Candidate:
    """What the tables say of one cell."""
    known = known_estimates(evidence)
    bound = max(floors(known), key=lambda pair: pair[1].log_evidence, default=None)
    found = named_reference(known)
    reason = "" if found is not None else _untrusted(known, bound, likelihoods)
    scores = {column: {row["method"]: _number(row.get(column)) for row in likelihoods} for column in (*SCORES, "aic", "pareto_k_max")}
    return Candidate(values, found, bound, reason, {column: _finite(each) for column, each in scores.items()})


def probabilities(values: Sequence[float]) -> np.ndarray:
    """P(K | x) from log evidences under a uniform prior over the K."""
    logs = np.asarray(values, dtype=float)
    shares = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=-1, keepdims=True))


def intervals(values: Sequence[float], errors: Sequence[float]) -> np.ndarray:
    """Ends (2, K) of 95 % of P(K | x), the log evidences normal about their estimates with independent errors."""
    noise = np.random.default_rng(1).standard_normal((SIMULATED, len(values)))
    return np.asarray(np.quantile(probabilities(np.asarray(values) + noise * np.asarray(errors)), INTERVAL, axis=0))


def _of_group(candidates: Sequence[Candidate]) -> Iterator[Row]:
    told = _gaps(candidates)
    by = {column: chosen(column, [each.scores for each in candidates], [each.found for each in candidates]) for column in SCORES}
    rough = [each.scores["bic"].get(by["bic"], math.nan) for each in candidates]
    shares = probabilities([-value / 2.0 for value in rough]) if all(map(math.isfinite, rough)) else np.full(len(rough), math.nan)
    liked = preferred(by, [each.scores for each in candidates])
    for i, each in enumerate(candidates):
        row: Row = {**each.values, **told[i], "note": each.reason, "preferred_by": ", ".join(liked[i]), "bic_probability": shares[i]}
        if each.found is not None:
            label, estimate = each.found
            row |= {"method": label, "estimator": estimate.estimator, "log_evidence": estimate.log_evidence, "mcse": estimate.mcse}
        if each.bound is not None:
            row |= {"bound": each.bound[1].log_evidence, "bound_method": each.bound[0], "bound_estimator": each.bound[1].estimator}
        for column, label in by.items():
            row |= {column: each.scores[column].get(label), f"{column}_method": label if label in each.scores[column] else None}
        yield row


def _gaps(candidates: Sequence[Candidate]) -> list[Row]:
    """What is known of each probability, and by how much the log evidence is below the best."""
    best = max((each.found[1].log_evidence for each in candidates if each.found is not None), default=math.nan)
    gaps: list[Row] = [{} if each.found is None else {"gap": best - each.found[1].log_evidence} for each in candidates]
    return [gap | share for gap, share in zip(gaps, shares(candidates), strict=True)]


def shares(candidates: Sequence[Candidate]) -> list[Row]:
    """Probability and its ends; where some log evidence is not known, the ends that follow all the same, and ``among_known``: the
    probability of each K that is known, given that it is one of those.

    A K that is known has at most what it would have were every unknown one as low as its bound; an unknown one has at least what
    its bound gives it, if it is the only one.
    """
    known = [i for i, each in enumerate(candidates) if each.found is not None]
    estimates = [each.found[1] for each in candidates if each.found is not None]
    values, errors = [each.log_evidence for each in estimates], [each.mcse for each in estimates]
    if len(known) == len(candidates):
        parts = zip(probabilities(values), *intervals(values, errors), strict=True)
        return [{"probability": float(p), "lower": float(low), "upper": float(high)} for p, low, high in parts]
    lone = len(candidates) - len(known) == 1
    rows = [_one_sided(candidates, i, lone) for i in range(len(candidates))]
    if len(known) > 1:
        for i, share in zip(known, probabilities(values), strict=True):
            rows[i]["among_known"] = float(share)
    return rows


def _one_sided(candidates: Sequence[Candidate], i: int, lone: bool) -> Row:
    """The end of P(K | x) of one K that follows without the log evidence of some."""
    each = candidates[i]
    logs = [other.lowest if other.found is None else other.found[1].log_evidence for other in candidates]
    errors = [0.0 if other.found is None else other.found[1].mcse for other in candidates]
    if each.found is not None:
        return {"upper": float(intervals(logs, errors)[1, i])}
    if not lone or each.bound is None or len(candidates) == 1:
        return {}
    return {"lower": float(intervals(logs, errors)[0, i])}


def _untrusted(known: Mapping[str, tuple[Evidence, ...]], bound: tuple[str, Evidence] | None, likelihoods: Sequence[Row]) -> str:
    """Why no estimate of a cell may stand for its log evidence."""
    every = [(label, each) for label, found in known.items() for each in found if each.estimator != "bic"]
    denied = [f"{each.estimator} of {label}: {each.note}" for label, each in every if each.note]
    lost = [row for row in likelihoods if row.get("estimate") != "point" and not math.isfinite(_number(row.get("log_likelihood")))]
    told = [f"{row['method']} gave no fit: {row['status']}" for row in lost if row.get("status")]
    if denied:
        told.append("not trusted: " + "; ".join(denied))
    if bound is not None:
        below = [f"{each.estimator} of {label}" for label, each in every if each.trusted and each.log_evidence < bound[1].log_evidence]
        told += [f"{name} is below the ELBO of {bound[0]}, and so is not the log evidence: use smc, or more draws" for name in below]
    return "; ".join(told) or "no method here estimates the log evidence; add gibbs, nuts or exact"


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def _finite(scores: Mapping[str, float]) -> dict[str, float]:
    return {label: value for label, value in scores.items() if math.isfinite(value)}
