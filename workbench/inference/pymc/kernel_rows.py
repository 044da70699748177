"""What compiled likelihoods take: which kernel a problem has, and its arrays."""

from __future__ import annotations

import numpy as np

from workbench.fast.codes import encode
from workbench.fast.fisher.discrete import BINARY, COUNT, LEVEL
from workbench.fast.gaussian.missing import sort
from workbench.inference.pymc import units
from workbench.inference.pymc.parts import Part, parts_of
from workbench.models import Family, Gaussian
from workbench.problem import Problem

MATRICES = ("full", "tied")
KINDS = {"bernoulli": BINARY, "poisson": COUNT, "categorical": LEVEL}
GAUSSIAN = {"matrices": ("root", "whitener", "y", "starts", "masks"), "independent": ("root", "z")}
DISCRETE = ("codes", "members", "kind", "column", "value")


def kernel_of(families: tuple[Family, ...]) -> str:
    """The name of the kernel for parts of these families."""
    gaussian = [("matrices" if family.covariance in MATRICES else "independent") for family in families if isinstance(family, Gaussian)]
    return "_".join([*gaussian, *(["discrete"] if len(gaussian) < len(families) else [])])


def rows(problem: Problem) -> dict[str, np.ndarray]:
    """The Op's arrays by name; rows are sorted by pattern where a covariance needs that, and distinct where all is discrete."""
    parts = parts_of(problem)
    gaussian = next((part for part in parts if isinstance(part.family, Gaussian)), None)
    discrete = [part for part in parts if part is not gaussian]
    order, own = (np.arange(problem.data.n_rows), {}) if gaussian is None else _gaussian(gaussian, problem.data.counts)
    found = {**own, **(_discrete(discrete, order, distinct=gaussian is None) if discrete else {})}
    place = found.pop("place", None)
    counts = problem.data.counts[order]
    return {**found, "counts": counts if place is None else np.bincount(place, weights=counts)}


def _gaussian(part: Part, counts: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The order of rows, and the arrays."""
    assert isinstance(part.family, Gaussian)
    matrices = part.family.covariance in MATRICES
    own_units = units.of_matrix(part.prior) if matrices else units.of_axes(part.prior)
    offset = {"offset": (units.log_volumes(part.data, own_units) * counts).sum()}
    rows = units.standardised(part.prior, part.data, own_units)
    if not matrices:
        return np.arange(rows.shape[0]), {"z": rows, **offset}
    own = sort(rows)
    factor = units.factor(part.prior)
    whitener = np.tril(np.linalg.solve(factor, np.eye(factor.shape[0])))
    return own.order, {"y": own.x, "starts": own.starts, "masks": own.seen.astype(np.float64), "whitener": whitener, **offset}


def _discrete(parts: list[Part], order: np.ndarray, distinct: bool) -> dict[str, np.ndarray]:
    x = np.concatenate([part.data.x for part in parts], axis=1)
    known = encode(x[order], distinct)
    kinds = np.concatenate([np.full(part.data.n_features, KINDS[part.family.name]) for part in parts])
    columns = np.concatenate([_columns(part) for part in parts])
    kind, value = kinds[known.feature], known.value
    column = columns[known.feature] + np.where(kind == LEVEL, value, 0.0)
    found = {"codes": known.codes, "members": known.members, "kind": kind, "column": column, "value": value}
    return {**found, "place": known.place} if distinct else found


def _columns(part: Part) -> np.ndarray:
    """The first column of each feature in the coordinates of its kind."""
    return np.cumsum([0, *part.data.n_levels[:-1]]) if part.family.name == "categorical" else np.arange(part.data.n_features)
