"""``prior_sensitivity.csv``: what the prior of the parameters does to P(K | x), without a run of each prior."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.compare.cell import Cell
from workbench.compare.probabilities import KEY, intervals, probabilities
from workbench.compare.sensitivity.changes import alternatives, changed, scale, written
from workbench.compare.sensitivity.ratio import Ratio, bridged, log_ratios
from workbench.fit import Fit
from workbench.inference import Gibbs
from workbench.inference.method import Context, seed_of
from workbench.models import Prior
from workbench.problem import Problem

Row = dict[str, Any]

AS_GIVEN = "as given"
CHAINS, TUNE, DRAWS = 8, 300, 200
"""Of the Gibbs sampler under the changed prior."""
LONGER = 5
"""Times as many sweeps where its chains disagree or tell little at first, if that is still a matter of seconds."""
MOST_DRAWS = 500
"""Of each chain of a fit, evenly spaced ones if there are more."""
MOST_CELLS = 6_000
"""Cells of data times components up to which it takes a second or a few."""
RHAT = 1.05
ESS = 400.0
OVERLAP = 0.1
SIDES_APART = 3.0
"""Errors, of theirs and of the change's, by which estimates by draws of the one and of the other posterior may be apart."""
LARGEST_ERROR = 0.25
"""Nats beyond which the change is not called known."""
ADVICE = "to know, run the sweep with this row's numbers in `model: {prior: ...}`"


def unsaid(_: str) -> None:
    """Say it to nobody."""


@dataclass(frozen=True, eq=False)
class Change:
    """A changed prior of one cell: in words, what `prior:` takes, and the log evidence's change or why it is not known."""

    words: str
    numbers: Mapping[str, Any]
    ratio: Ratio | None = None
    why: str = ""


def sensitivity_rows(cells: Sequence[Cell], told: Iterable[Row], say: Callable[[str], None] = unsaid) -> Iterator[Row]:
    """Rows of every cell of a sweep over K: as given, means held 100 times as strongly and as weakly, ``scale`` the same for all K;
    where there are no means, probabilities and rates held by twice and by half as many imaginary rows.

    Parameters
    ----------
    cells : of the sweep
    told : rows of ``model_probabilities.csv``, whose log evidence is the one that is changed
    say : is told which cell is sampled under other priors, which takes seconds

    Notes
    -----
    The change of the log evidence is the log ratio of two normalising constants over labels, p(x, z | other prior) and
    p(x, z | prior), both closed under a conjugate prior: bridge sampling between the fit's draws and a short Gibbs sampler under
    the other prior, whose chains begin at different optima of MAP-EM (:mod:`workbench.compare.sensitivity.ratio`). Over the eight
    rows of the statistics, K = 2 to 5, against exact enumeration, z-scores over seeds have sd 0.8 to 1.3, and less where next to
    nothing is unsure. It is not called known where the chains of either side disagree (R-hat above 1.05), the two posteriors hardly
    overlap, estimates that rest on the draws of one side are more than three errors apart, or the error is above a quarter of a nat.
    """
    groups: dict[tuple[object, ...], list[tuple[Cell, Row]]] = {}
    rows = {tuple(row[key] for key in cell.values): row for cell in cells[:1] for row in told}
    for cell in cells:
        if KEY in cell.values and not any(key.startswith("model.prior") for key in cell.values):
            others = tuple(value for key, value in cell.values.items() if key != KEY)
            groups.setdefault(others, []).append((cell, rows[tuple(cell.values.values())]))
    for group in groups.values():
        yield from _of_group(group, say)


def _of_group(group: Sequence[tuple[Cell, Row]], say: Callable[[str], None]) -> Iterator[Row]:
    problems = [cell.problem for cell, _ in group]
    if any(problem.prior is None for problem in problems):
        return
    scales = [scale(problem) for problem in problems]
    moving = any(each != scales[0] for each in scales)
    frozen = _frozen([row for _, row in group], [problem.n_components for problem in problems]) if moving else None
    for changes in zip(*(_changes(cell, row, frozen, problems, say) for cell, row in group), strict=True):
        found = [_row(cell, row, change) for (cell, row), change in zip(group, changes, strict=True)]
        if moving and changes[0].words == AS_GIVEN:
            found = [each | {"numbers": written(own)} for each, own in zip(found, scales, strict=True)]
        yield from _probable(found)


def _frozen(rows: Sequence[Row], numbers: Sequence[int]) -> int:
    """Whose scale all K get: that of the K that BIC prefers, which looks at no prior; else of the smallest above one."""
    rough = [float(row.get("bic_probability", math.nan)) for row in rows]
    if all(map(math.isfinite, rough)):
        return int(np.argmax(rough))
    return min(range(len(numbers)), key=lambda i: (numbers[i] < 2, numbers[i]))


def _changes(cell: Cell, row: Row, frozen: int | None, problems: Sequence[Problem], say: Callable[[str], None]) -> list[Change]:
    """Every prior that a cell is looked at under."""
    problem, found = cell.problem, [Change(AS_GIVEN, {}, Ratio(0.0, 0.0, 1.0, math.inf, 1.0))]
    wanted = alternatives(problem)
    if frozen is not None:
        wanted.append((f"scale as of K = {problems[frozen].n_components}", scale(problems[frozen])))
    base, why = _base(cell, row)
    if base is not None and wanted:
        where = ", ".join(f"{key}={value}" for key, value in cell.values.items())
        say(f"sampling under {len(wanted)} other priors, to see what the prior does to the evidence: {where}")
    for words, numbers in wanted:
        if base is None:
            found.append(Change(words, numbers, None, f"{why}; {ADVICE}"))
        else:
            found.append(_measured(problem, base, Change(words, numbers)))
    return found


def _base(cell: Cell, row: Row) -> tuple[Fit | None, str]:
    """The fit whose draws are from the posterior under the prior as given, or why there is none to start from."""
    problem = cell.problem
    if row.get("log_evidence") is None:
        return None, "the log evidence under the prior as given is not known"
    if (reason := Gibbs().refuses(problem)) is not None:
        return None, reason
    if problem.data.x.size * problem.n_components > MOST_CELLS:
        return (
            None,
            f"{problem.data.n_rows} rows of {problem.data.n_features} features and K = {problem.n_components} are too many for tables",
        )
    trusted = {label for label, fit in cell.fits.items() if fit.estimate == "sample" and _believed(fit)}
    label = next((each for each in (row["method"], *cell.fits) if each in trusted), None)
    if label is None:
        return None, _distrusted(cell)
    return cell.fits[label], ""


def _distrusted(cell: Cell) -> str:
    """Which estimates of which samples are not trusted, so that their draws are no base."""
    samples = {label: fit for label, fit in cell.fits.items() if fit.estimate == "sample"}
    denied = [
        each.estimator if each.estimator == label else f"{each.estimator} of {label}"
        for label, fit in samples.items()
        for each in fit.evidence
        if each.estimator != "importance" and not each.trusted
    ]
    if not denied:
        return "no method here has draws from the posterior and an evidence that is trusted; add gibbs or nuts"
    return f"no draws to start from, as {' and '.join(denied)} {'is' if len(denied) == 1 else 'are'} not trusted; more draws may mend that"


def _believed(fit: Fit) -> bool:
    """Whether draws stand for the posterior: every estimate by their own shares of it is trusted (importance sampling needs no shares)."""
    own = [each for each in fit.evidence if each.estimator != "importance"]
    return bool(own) and all(each.trusted for each in own)


def _measured(problem: Problem, base: Fit, change: Change) -> Change:
    """The change with its ratio, or with why it is not known."""
    assert problem.prior is not None
    assert base.draws is not None
    other = changed(problem, change.numbers)
    if other.numbers() == problem.prior.numbers():
        return dataclasses.replace(change, ratio=Ratio(0.0, 0.0, 1.0, math.inf, 1.0))
    try:
        ratio = ratio_of(problem, base, other)
    except (FloatingPointError, np.linalg.LinAlgError) as error:
        return dataclasses.replace(change, why=f"the sampler under the other prior failed ({error}); {ADVICE}")
    unsure = not ratio.rhat <= RHAT or ratio.effective < ESS
    if unsure and problem.data.x.size * problem.n_components <= MOST_CELLS / LONGER:
        ratio = ratio_of(problem, base, other, LONGER)
    if not ratio.rhat <= RHAT:  # nan where chains have stood still apart
        why = f"chains under one of the two priors disagree (R-hat {ratio.rhat:.2f}, above {RHAT})"
    elif ratio.overlap < OVERLAP or not math.isfinite(ratio.value):
        why = f"the posteriors under the two priors hardly overlap ({ratio.overlap:.2g})"
    elif not abs(ratio.apart) <= SIDES_APART * max(ratio.apart_mcse, ratio.mcse):  # nan where either side stands still
        why = f"by draws of the one posterior the change is {abs(ratio.apart):.2g} nats away from that by the other's: draws lack a part"
    elif not ratio.mcse <= LARGEST_ERROR:
        why = f"the change has an error of {ratio.mcse:.2g} nats, above {LARGEST_ERROR}"
    else:
        return dataclasses.replace(change, ratio=ratio)
    return dataclasses.replace(change, why=f"{why}; {ADVICE}")


def ratio_of(problem: Problem, base: Fit, other: Prior, longer: int = 1, seed: int = 0) -> Ratio:
    """log p(x | other prior) - log p(x | the problem's), from a fit's draws and a Gibbs sampler under the other prior."""
    assert problem.prior is not None
    assert base.draws is not None
    rng = np.random.default_rng(seed_of("prior", seed, problem.data.fingerprint, problem.family, problem.n_components))
    draws = base.draws.take((slice(None), slice(None, None, max(1, math.ceil(base.draws.batch_shape[1] / MOST_DRAWS)))))
    if problem.n_components == 1 and problem.prior.conjugate and problem.family.no_closed_form(problem.data) is None:
        exact = log_ratios(problem, draws.take((slice(1), slice(1))), problem.prior, other, rng)  # there is one labelling
        return Ratio(float(exact.item()), 0.0, 1.0, math.inf, 1.0)
    there = Problem(problem.data, problem.family, problem.n_components, other)
    context = dataclasses.replace(Context.default(there, seed), estimates=False)
    theirs = Gibbs(chains=CHAINS, draws=DRAWS * longer, tune=TUNE * longer).fit(there, context).draws
    assert theirs is not None
    ratio = bridged(*(log_ratios(problem, each, problem.prior, other, rng) for each in (draws, theirs)))
    unseen = 1.0 / ratio.effective  # what no draw has seen may be as much as one effective draw of either posterior
    return dataclasses.replace(ratio, mcse=math.hypot(ratio.mcse, unseen))


def _row(cell: Cell, told: Row, change: Change) -> Row:
    row: Row = {**cell.values, "prior": change.words, "numbers": written(change.numbers) if change.numbers else "", "note": change.why}
    if change.ratio is None:
        return row
    ratio = change.ratio
    if told.get("log_evidence") is not None:
        row |= {"log_evidence": told["log_evidence"] + ratio.value, "mcse": math.hypot(told["mcse"], ratio.mcse)}
    if change.words != AS_GIVEN:
        row |= {"change": ratio.value, "change_mcse": ratio.mcse, "rhat": ratio.rhat, "overlap": ratio.overlap}
    return row


def _probable(rows: list[Row]) -> list[Row]:
    """P(K | x) under one prior, where the log evidence of every K is known."""
    if not all("log_evidence" in row for row in rows):
        return rows
    values, errors = [row["log_evidence"] for row in rows], [row["mcse"] for row in rows]
    parts = zip(rows, probabilities(values), *intervals(values, errors), strict=True)
    return [row | {"probability": float(p), "lower": float(low), "upper": float(high)} for row, p, low, high in parts]
