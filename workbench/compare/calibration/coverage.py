"""Coverage: whether the 95 % Wald intervals of a point hold the truth that its data were drawn from."""

from __future__ import annotations

import numpy as np

from workbench.compare.calibration.quantities import looked_at
from workbench.compare.curvature import curvature
from workbench.compare.intervals import wald
from workbench.compare.labels import alignment
from workbench.fit import Fit
from workbench.models import Mixture
from workbench.models.families.family import Address
from workbench.problem import Problem


def covered(problem: Problem, truth: Mixture, fit: Fit) -> dict[str, bool | None]:
    """By parameter, whether its interval holds the truth; None where it has none.

    Components are numbered by their true weights, the heaviest 0, and the fit is aligned to the truth by the responsibilities
    of the rows. Of a covariance matrix the entries on and above the diagonal are looked at, of two weights one.
    """
    places, intervals = _places(problem), _intervals(problem, truth, fit)
    sorted_truth = _by_weight(truth).parameters()
    found: dict[str, bool | None] = dict.fromkeys(places)
    if intervals is None:
        return found
    for name, place in places.items():
        lower, upper = (float(ends[place.index]) for ends in intervals[place.parameter])
        if np.isfinite(lower) and np.isfinite(upper):
            found[name] = bool(lower <= sorted_truth[place.parameter][place.index] <= upper)
    return found


def _places(problem: Problem) -> dict[str, Address]:
    weights = [] if problem.n_components == 1 else [0] if problem.n_components == 2 else range(problem.n_components)
    every = {place.index: place for place in problem.family.addresses(problem.data, problem.n_components) if place.parameter == "weights"}
    chosen = [every[(k,)] for k in weights]
    order = {name: i for i, name in enumerate(problem.data.features)}
    chosen += [place for place in looked_at(problem) if place.feature_2 is None or order[str(place.feature)] <= order[place.feature_2]]
    return {_spelt(place): place for place in chosen}


def _spelt(place: Address) -> str:
    parts = [part for part in (place.component, place.feature, place.feature_2, place.level) if part is not None]
    return f"{place.parameter}[{', '.join(map(str, parts))}]" if parts else place.parameter


def _by_weight(truth: Mixture) -> Mixture:
    return truth.relabelled(np.argsort(-truth.weights, kind="stable"))


def _intervals(problem: Problem, truth: Mixture, fit: Fit) -> dict[str, tuple[np.ndarray, np.ndarray]] | None:
    """Lower and upper ends in the truth's labels, or None where the point is no maximum, or there is no point."""
    curved = curvature(problem, fit, [])
    errors = curved.standard_errors
    if curved.point is None or errors is None:
        return None
    x, counts = problem.data.x, problem.data.counts
    order = alignment(fit.mixture.responsibilities(x), _by_weight(truth).responsibilities(x), counts)
    point, spread = fit.mixture.relabelled(order).parameters(), fit.family.mixture(errors).relabelled(order).parameters()
    return {name: wald(curved.point.chart.scales[name], value, spread[name]) for name, value in point.items()}
