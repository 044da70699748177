"""Which K each score of ``likelihoods.csv`` prefers, and by which method that is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from workbench.compare.predictive import PARETO_K
from workbench.fit import Evidence

SCORES = {"bic": False, "icl": False, "elpd_loo": True, "held_out_lpd": True}
"""Column of ``likelihoods.csv``: whether more is better."""
PREDICTIVE = ("elpd_loo", "held_out_lpd")
ALIKE = 4.0
"""Sums of log predictive densities closer than that decide nothing (Sivula, Magnusson, Matamoros & Vehtari 2020)."""

Scores = Mapping[str, Mapping[str, float]]
"""Column -> method -> finite number."""


def chosen(column: str, scores: Sequence[Scores], found: Sequence[tuple[str, Evidence] | None]) -> str:
    """The one method whose score is compared over all cells; empty where none has it.

    One that has it in the most cells; of those, for BIC and ICL a maximum of the likelihood, the highest one; for predictions the
    method by which most cells know their log evidence, else the first.
    """
    labels = list(dict.fromkeys(label for each in scores for label in each[column]))
    evidence = [pair[0] for pair in found if pair is not None]

    def worth(label: str) -> tuple[float, ...]:
        cells = [each[column][label] for each in scores if label in each[column]]
        if column in PREDICTIVE:
            return len(cells), evidence.count(label)
        return len(cells), sum(label in each["aic"] for each in scores), -sum(cells)

    return max(labels, key=worth, default="")


def preferred(by: Mapping[str, str], scores: Sequence[Scores]) -> list[list[str]]:
    """For each cell the scores that are best there, of the cells that have them; predictions that are too close to tell say so, and
    so does leave-one-out where some cell's k-hat denies it."""
    found: list[list[str]] = [[] for _ in scores]
    for column, label in by.items():
        sign = 1.0 if SCORES[column] else -1.0
        values = sorted(((sign * each[column][label], i) for i, each in enumerate(scores) if label in each[column]), reverse=True)
        if len(values) < 2:
            continue
        why = []
        if column in PREDICTIVE and values[0][0] - values[1][0] < ALIKE:
            why.append(f"by less than {ALIKE:g} nats")
        if column == "elpd_loo" and any(each.get("pareto_k_max", {}).get(label, 0.0) > PARETO_K for each in scores):
            why.append(f"Pareto k-hat above {PARETO_K:g}")
        found[values[0][1]].append(f"{column} ({'; '.join(why)})" if why else column)
    return found
