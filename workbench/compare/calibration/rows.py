"""``calibration.csv``, ``calibration_ecdf.csv``, ``coverage.csv``, and the verdicts in ``diagnostics.csv``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workbench.compare.calibration.trial import Trials
from workbench.compare.calibration.uniformity import LEVEL, TESTS, at_most, band, places
from workbench.compare.calibration.verdicts import Covered, Ranked, coverages, failures, low_effective_share, ranked
from workbench.compare.intervals import COVERAGE
from workbench.compare.verdict import check

Row = dict[str, Any]

COLUMNS = {
    "calibration": "method quantity replicate rank ranks covered",
    "calibration_ecdf": "method quantity place difference lower upper",
    "coverage": "method quantity intervals coverage error",
}
"""Tables that a run has with ``check``."""
FEW_EFFECTIVE = 0.1
"""Share of the replicates that may have fewer effective draws than ranks are taken among."""


def calibration_rows(label: str, trials: Trials) -> Iterator[tuple[str, Row]]:
    """All rows of one method, each with its table."""
    tested = ranked(trials)
    for each in tested:
        yield (
            "calibration",
            {"method": label, "quantity": each.quantity, "replicate": each.replicates, "rank": each.ranks, "ranks": each.n_draws},
        )
        yield "calibration_ecdf", {"method": label, "quantity": each.quantity, **_curve(each, len(tested))}
    for trial in trials.fitted:
        for name, held in trial.covered.items():
            yield (
                "calibration",
                {"method": label, "quantity": name, "replicate": trial.replicate, "covered": None if held is None else int(held)},
            )
    for covered in coverages(trials):
        row = {"quantity": covered.quantity, "intervals": covered.intervals, "coverage": covered.share, "error": covered.error}
        yield "coverage", {"method": label, **row}
    for row in _diagnostics(trials, tested):
        yield "diagnostics", {"method": label, **row}


def _curve(each: Ranked, n_quantities: int) -> Row:
    """The distribution function of the ranks minus a uniform one's, and the band that it stays in where nothing is wrong."""
    at, size = places(each.n_draws), each.ranks.size
    low, high = band(size, each.n_draws, LEVEL / (TESTS * n_quantities))
    shares = at_most(each.ranks, each.n_draws) / size
    return {"place": at, "difference": shares - at, "lower": low / size - at, "upper": high / size - at}


def _diagnostics(trials: Trials, tested: list[Ranked]) -> Iterator[Row]:
    wrong = list(failures(trials))
    if wrong:
        first = f"left out, which biases the rest where it is no chance; the first says: {wrong[0]}"
        yield check("calibration_without_fit", len(wrong), 0, False, first)
    few = low_effective_share(trials)
    if few is not None:
        why = "in these replicates the thinned draws depend on each other, which makes ranks pile up at both ends"
        advice = f"{trials.advice.more('draws')}: {why}"
        yield check("calibration_few_effective_draws", few, FEW_EFFECTIVE, few <= FEW_EFFECTIVE, advice)
    for each in tested:
        yield check(f"calibration_{each.quantity}", each.p, LEVEL, each.good, _advice(each, trials))
    for covered in coverages(trials):
        yield check(f"coverage_{covered.quantity}", covered.share, COVERAGE, covered.good, _of_coverage(covered, trials))


def _advice(each: Ranked, trials: Trials) -> str:
    if each.good is None:
        return "the replicates are too few to tell; raise replicates"
    advice = trials.advice
    better = f"{advice.more('tune', 'draws', word='and')}, and look at whether chains sit in different basins"
    return f"the draws are {each.direction}; {advice.richer() if trials.estimate == 'approximation' else better}"


def _of_coverage(covered: Covered, trials: Trials) -> str:
    if covered.good is None:
        return f"there are intervals in {covered.intervals} of {len(trials.fitted)} replicates, too few to tell; raise replicates"
    return (
        f"the 95 % intervals are {covered.direction}: they hold the truth in {100.0 * covered.share:.1f} ± {100.0 * covered.error:.1f} % "
        f"of the {covered.intervals} replicates that have one (of {len(trials.fitted)}); they are right where every "
        "component has many rows and lies apart: fit fewer components, or take nuts' intervals"
    )
