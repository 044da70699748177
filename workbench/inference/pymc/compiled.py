"""The likelihood as one Op: which kernel a problem has, the arrays it takes, and the Op's place in the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from workbench.fast.codes import encode
from workbench.fast.fisher.discrete import BINARY, COUNT, LEVEL
from workbench.fast.gaussian.missing import sort
from workbench.fast.lanes import WIDTH
from workbench.inference.pymc.likelihood import LogLikelihood
from workbench.inference.pymc.parts import Part, parts_of
from workbench.inference.pymc.recipes import categorical, gaussian_independent, gaussian_matrices
from workbench.inference.pymc.recipes.coordinates import Coordinates
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
    module = gaussian_matrices if part.family.covariance in MATRICES else gaussian_independent
    offset = {"offset": (module.log_volumes(part.prior, part.data) * counts).sum()}
    rows = module.standardised(part.prior, part.data)
    if module is gaussian_independent:
        return np.arange(rows.shape[0]), {"z": rows, **offset}
    own = sort(rows)
    factor = gaussian_matrices.factor(part.prior)
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
    return categorical.columns(part.data.n_levels) if part.family.name == "categorical" else np.arange(part.data.n_features)


def add(families: tuple[Family, ...], n_components: int, weights: Any, at: Coordinates, given: Mapping[str, Any]) -> None:
    """Add the likelihood to the model; weights None for K = 1."""
    kernel = kernel_of(families)
    log_weights = pt.zeros((1,), dtype="float64") if weights is None else pt.log(weights)
    coordinates: list[Any] = [log_weights]
    names: list[str] = []
    if "matrices" in kernel or "independent" in kernel:
        matrices = "matrices" in kernel
        coordinates += [at.c, at.t, at.eps] if matrices else [at.c, at.eps]
        names += GAUSSIAN["matrices" if matrices else "independent"]
    if "discrete" in kernel:
        nothing = pt.zeros((n_components, 0), dtype="float64")
        coordinates += [nothing if own is None else own for own in (at.probs, at.rates, at.levels)]
        names += DISCRETE
    own = {**given, **(_places(given) if kernel == "discrete" else {})}
    outputs: Any = LogLikelihood(kernel)(*coordinates, *(own[name] for name in (*names, "counts")))
    pm.Potential("log_likelihood", outputs[0] - given["offset"] if "offset" in given else outputs[0])


def _places(given: Mapping[str, Any]) -> dict[str, Any]:
    """Codes as places in a table of registers, and members, as whole numbers."""
    return {"codes": pt.cast(given["codes"], "int64") * np.int64(WIDTH), "members": pt.cast(given["members"], "int64")}
