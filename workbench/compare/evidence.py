"""``evidence.csv``: every estimate of log p(x) and every bound of it, one reference a cell, and what each bound is below that."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from workbench.compare.bounds import elbo, symmetrised_elbo
from workbench.compare.cell import Cell
from workbench.compare.scores import information_criteria
from workbench.compare.settled import Settled
from workbench.fit import Evidence, Fit

Row = dict[str, Any]

BOUNDS = ("elbo", "elbo_symmetrised", "elbo_labels")
"""Estimators that bound log p(x) from below: with labels summed out, averaged over the relabellings too, and with labels in q."""
APART = 4.0
"""Combined errors by which one estimate is above another that has missed something."""
LEAST = 0.01
"""Nats below which a difference is no matter, as less than a hundredth of the posterior would have been missed; for errors that are
estimated from few parts, four of them are not as rare as of a normal."""
ROUNDING = 1e-9
ROUGH = "BIC leaves out everything that does not grow with N: a rough figure, with an error of several nats"


def estimates(cell: Cell, fit: Fit, settled: Settled | None) -> tuple[Evidence, ...]:
    """What a fit says of the log evidence, each estimator once: its own estimates, bounds from its draws, a point's BIC."""
    found = {each.estimator: each for each in fit.evidence}
    for name, bound in (("elbo", elbo(fit)), ("elbo_symmetrised", symmetrised_elbo(cell.problem, fit))):
        if bound is not None:
            found.setdefault(name, Evidence(name, bound.value, bound.mcse, False))
    if settled is not None and fit.estimate == "point":
        bic = information_criteria(cell.problem, fit, settled.rows.mean).get("bic")
        if bic is not None and math.isfinite(bic):
            found["bic"] = Evidence("bic", -bic / 2.0, math.nan, False, ROUGH)
    return tuple(found.values())


def best_estimate(found: tuple[Evidence, ...]) -> Evidence | None:
    """The one to be believed: an exact one, else of those that may stand for log p(x) the one with the smallest error."""
    trusted = [each for each in found if each.trusted and math.isfinite(each.log_evidence) and math.isfinite(each.mcse)]
    return min(trusted, key=lambda each: (each.estimator != "exact", each.mcse), default=None)


def unopposed(found: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Those that no other trusted one is far above.

    Whatever misses a part of the posterior is too low, and nothing that is trusted can be far too high.
    """
    trusted = [each for each in found if each.trusted and math.isfinite(each.log_evidence) and math.isfinite(each.mcse)]
    return tuple(each for each in trusted if not any(_opposes(other, each) for other in trusted))


def _opposes(one: Evidence, other: Evidence) -> bool:
    """Whether the first is above the second by more than four of their errors together, and by enough to matter."""
    return one.log_evidence - other.log_evidence > max(LEAST, APART * math.hypot(one.mcse, other.mcse) + ROUNDING * abs(one.log_evidence))


def reference(known: Mapping[str, tuple[Evidence, ...]]) -> Evidence | None:
    """The one estimate that every bound of a cell is measured by: :func:`named_reference` without its method."""
    found = named_reference(known)
    return None if found is None else found[1]


def named_reference(known: Mapping[str, tuple[Evidence, ...]]) -> tuple[str, Evidence] | None:
    """The method and its estimate that a cell's log evidence is taken from: exact, else trusted and of the smallest error.

    Never importance sampling from an approximation: what q misses, its own weights cannot tell, and the KL would come out too
    small by just that. Nor what lies below an ELBO by more than their errors: no log evidence does.
    """
    floor = floors(known)
    best = best_estimate(tuple(each for each in unopposed(_eligible(known)) if not any(_opposes(bound, each) for _, bound in floor)))
    return next(((label, best) for label, found in known.items() if any(each is best for each in found)), None) if best else None


def floors(known: Mapping[str, tuple[Evidence, ...]]) -> list[tuple[str, Evidence]]:
    """Method and ELBO, plain or symmetrised, of all that bounds the log evidence from below."""
    every = [(label, each) for label, found in known.items() for each in found if each.estimator in BOUNDS[:2]]
    return [(label, each) for label, each in every if math.isfinite(each.log_evidence) and math.isfinite(each.mcse)]


def _eligible(known: Mapping[str, tuple[Evidence, ...]]) -> list[Evidence]:
    """All estimates but those by importance sampling from an approximation."""
    own = {label for label, found in known.items() if any(each.estimator in BOUNDS for each in found)}
    return [each for label, found in known.items() for each in found if not (label in own and each.estimator == "importance")]


def known_estimates(rows: Iterable[Row]) -> dict[str, tuple[Evidence, ...]]:
    """Estimates by method, from rows of ``evidence.csv``."""
    known: dict[str, tuple[Evidence, ...]] = {}
    for row in rows:
        each = Evidence(row["estimator"], row["log_evidence"], row["mcse"], row["trusted"], row["note"])
        known[row["method"]] = (*known.get(row["method"], ()), each)
    return known


def evidence_rows(known: Mapping[str, tuple[Evidence, ...]]) -> Iterator[Row]:
    """A row an estimate, fits in the config's order; a KL for bounds, where the cell has a reference.

    KL(q || p(theta | x)) = log p(x) - ELBO (of ``elbo_labels``: of q over parameters and labels); the errors are independent,
    or the reference's is the smaller. ``standing`` is ``reference``, ``trusted``, ``opposed`` (by a trusted one, or an ELBO, far above it),
    ``denied`` (by its own diagnostics), ``bound`` or ``rough``.
    """
    named = named_reference(known)
    judges = [*unopposed(_eligible(known)), *(bound for _, bound in floors(known))]
    for label, found in known.items():
        for each in found:
            row = {"method": label, "estimator": each.estimator, "log_evidence": each.log_evidence, "mcse": each.mcse}
            row |= {"trusted": each.trusted, "standing": _standing(each, named, judges), "note": each.note}
            if each.estimator in BOUNDS and named is not None:
                truth = named[1]
                kl, error = truth.log_evidence - each.log_evidence, math.hypot(truth.mcse, each.mcse)
                row |= {"kl": kl, "kl_mcse": error, "reference": truth.estimator, "reference_method": named[0]}
            yield row


def _standing(each: Evidence, named: tuple[str, Evidence] | None, judges: Iterable[Evidence]) -> str:
    """What an estimate is beside the others of its cell."""
    if named is not None and each is named[1]:
        return "reference"
    if each.estimator in BOUNDS:
        return "bound"
    if each.estimator == "bic":
        return "rough"
    if not (each.trusted and math.isfinite(each.log_evidence)):
        return "denied"
    return "opposed" if any(_opposes(other, each) for other in judges) else "trusted"
