"""``prior_sensitivity.csv``: what the prior of the parameters does to P(K | x), without a run of each prior."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.compare.cell import Cell
from workbench.compare.probabilities import KEY, Candidate, shares
from workbench.compare.sensitivity.changes import alternatives, changed, scale, written
from workbench.compare.sensitivity.under import Base, Under, named
from workbench.fit import Evidence
from workbench.models import Prior
from workbench.problem import Problem

Row = dict[str, Any]

AS_GIVEN = "as given"


@dataclass(frozen=True, eq=False)
class Look:
    """One problem under one other prior.

    Attributes
    ----------
    values : swept key -> value of the problem's cell
    words : what is changed
    numbers : of the prior, to be laid over the problem's own
    base : from where the evidence is looked for
    """

    values: Mapping[str, object]
    words: str
    numbers: Mapping[str, Any]
    base: Base

    @functools.cached_property
    def prior(self) -> Prior:
        return changed(self.base.problem, self.numbers)

    @property
    def slow(self) -> bool:
        """Whether it takes seconds."""
        return self.base.at_once(self.prior) is None

    def found(self) -> Under:
        """What is known of the evidence there."""
        return self.base.under(self.prior)


Finder = Callable[[Sequence[Look]], Sequence[Under]]
"""Answers looks, wherever that is done."""


def here(looks: Sequence[Look]) -> list[Under]:
    """One after the other in this process."""
    return [look.found() for look in looks]


def sensitivity_rows(cells: Sequence[Cell], told: Iterable[Row], find: Finder = here) -> Iterator[Row]:
    """Rows of every cell of a sweep over K: as given, means held 100 times as strongly and as weakly, ``scale`` the same for all K;
    where there are no means, probabilities and rates held by twice and by half as many imaginary rows.

    Parameters
    ----------
    cells : of the sweep
    told : rows of ``model_probabilities.csv``, whose log evidence is the one that is changed
    find : answers what is known of all cells under all other priors, which takes seconds

    Notes
    -----
    - The change of the log evidence is by particles that go from the posterior under the run's prior to that under the other, in
      ten steps or more along a path of priors, with ten sweeps of Gibbs at each (Neal 2001): labels are weighed by p(x, z | next prior) /
      p(x, z | prior), both closed under a conjugate prior, else parameters by their priors' ratio. They begin at a fit's draws, in islands
      that share nothing, whose spread is the error, as it is SMC's.
    - It is not called known where the way back differs by more than three errors (particles have stayed behind in what the prior no
      longer makes likely), islands differ more than SMC's may, the error is above a quarter of a nat, or the log evidence is below the
      ELBO of variational Bayes under the other prior. SMC under the other prior is tried next, where that takes seconds.
    - Over the eight rows of the statistics, K = 2 to 5, 20 seeds each against exact enumeration, z-scores have sd 0.6 to 1.1 (all: 0.98),
      and less where next to nothing is unsure; particles that lag cost half an error (0.015 nats) with means held 100 times as strongly.

    References
    ----------
    - Neal, R. M. (2001). Annealed importance sampling. Statistics and Computing 11, 125-139.
    - Del Moral, P., Doucet, A. & Jasra, A. (2006). Sequential Monte Carlo samplers. Journal of the Royal Statistical Society B 68,
      411-436.
    """
    groups: dict[tuple[object, ...], list[tuple[Cell, Row]]] = {}
    rows = {tuple(row[key] for key in cell.values): row for cell in cells[:1] for row in told}
    for cell in cells:
        if KEY in cell.values and not any(key.startswith("model.prior") for key in cell.values):
            others = tuple(value for key, value in cell.values.items() if key != KEY)
            groups.setdefault(others, []).append((cell, rows[tuple(cell.values.values())]))
    wanted = [_of_group(group) for group in groups.values() if all(cell.problem.prior is not None for cell, _ in group)]
    answers = iter(find([look for _, looks in wanted for under in looks for look in under]))
    for given, looks in wanted:
        yield from _probable(given)
        for under in looks:
            yield from _probable([_row(look.values, look.words, look.numbers, next(answers)) for look in under])


def _of_group(group: Sequence[tuple[Cell, Row]]) -> tuple[list[Row], list[tuple[Look, ...]]]:
    """Rows of all K as given, and what is looked at: prior by prior, all K of each."""
    problems = [cell.problem for cell, _ in group]
    scales = [scale(problem) for problem in problems]
    moving = any(each != scales[0] for each in scales)
    frozen = _frozen([row for _, row in group], [problem.n_components for problem in problems]) if moving else None
    given = [_given(cell, row, own if moving else {}) for (cell, row), own in zip(group, scales, strict=True)]
    return given, list(zip(*(_looks(cell, row, frozen, problems) for cell, row in group), strict=True))


def _frozen(rows: Sequence[Row], numbers: Sequence[int]) -> int:
    """Whose scale all K get: that of the K that BIC prefers, which looks at no prior; else of the smallest above one."""
    rough = [float(row.get("bic_probability", math.nan)) for row in rows]
    if all(map(math.isfinite, rough)):
        return int(np.argmax(rough))
    return min(range(len(numbers)), key=lambda i: (numbers[i] < 2, numbers[i]))


def _given(cell: Cell, row: Row, scale: Mapping[str, Any]) -> Row:
    """Under the run's own prior."""
    known = _estimate(row)
    found = Under(bound=row.get("bound", math.nan)) if known is None else Under(known[1], named(*known), bound=row.get("bound", math.nan))
    return _row(cell.values, AS_GIVEN, scale, found)


def _looks(cell: Cell, row: Row, frozen: int | None, problems: Sequence[Problem]) -> list[Look]:
    """At a cell under every other prior."""
    problem, wanted = cell.problem, alternatives(cell.problem)
    if frozen is not None:
        wanted.append((f"scale as of K = {problems[frozen].n_components}", scale(problems[frozen])))
    base = Base.of(problem, cell.fits, _estimate(row))
    return [Look(cell.values, words, numbers, base) for words, numbers in wanted]


def _estimate(row: Row) -> tuple[str, Evidence] | None:
    """Method and estimate of the log evidence that a row of ``model_probabilities.csv`` has."""
    if row.get("log_evidence") is None:
        return None
    return row["method"], Evidence(row["estimator"], row["log_evidence"], row["mcse"])


def _row(values: Mapping[str, object], words: str, numbers: Mapping[str, Any], found: Under) -> Row:
    row: Row = {**values, "prior": words, "numbers": written(numbers) if numbers else "", "bound": found.bound}
    row["note"] = f"{found.why}; {found.advice}" if found.why else ""
    if found.evidence is not None:
        row |= {"log_evidence": found.evidence.log_evidence, "mcse": found.evidence.mcse, "by": found.by}
    if found.change is not None:
        row |= {"change": found.change.log_evidence, "change_mcse": found.change.mcse}
    return row


def _probable(rows: list[Row]) -> list[Row]:
    """P(K | x) under one prior, or what is known of it where the log evidence of some K is not."""
    candidates = []
    for row in rows:
        known = "log_evidence" in row
        found = ("", Evidence("", row["log_evidence"], row["mcse"])) if known else None
        bound = ("", Evidence("elbo", row["bound"], 0.0, trusted=False)) if math.isfinite(row["bound"]) else None
        candidates.append(Candidate({}, found, bound, "", {}))
    return [row | share for row, share in zip(rows, shares(candidates), strict=True)]
