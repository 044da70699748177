"""Synthetic data: rows drawn from a mixture that is kept as the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from workbench.data.dataset import DataError, Dataset
from workbench.models.families import Family
from workbench.models.mixture import Mixture

CANDIDATES = 64
"""Sets of random means of which the most evenly spread is taken."""

LEVELS = 3
"""Levels of a synthetic categorical feature."""

EVENNESS = 10.0
"""Concentration of the Dirichlet that weights are drawn from: uneven, but no component nearly empty."""


def synthetic(
    family: Family,
    n_rows: int,
    n_components: int,
    n_features: int,
    separation: float,
    missing: float,
    rng: np.random.Generator,
) -> tuple[Dataset, Mixture]:
    """Draw a mixture, then rows from it.

    Parameters
    ----------
    separation : how far components lie apart. Gaussian: the smallest distance of two means, in units of the root mean
        variance of a feature within components (which is 1). Bernoulli: the root mean square difference of two
        components' logits of a probability. Categorical (``LEVELS`` levels a feature): the same of centred log
        probabilities. Poisson: the smallest distance of two components' 2 sqrt(rate), whose standard deviation is about 1.
    missing : share of the cells that are then removed at random, never the last one of its row

    Returns
    -------
    data : Dataset whose ``classes`` are the components that rows came from
    truth : Mixture

    Raises
    ------
    DataError
        If the family has no synthetic data, or so many cells cannot be missing.
    """
    if family.name not in TRUTHS:
        raise DataError(f"there are no synthetic data for {family.name}; there are {', '.join(TRUTHS)}")
    weights = rng.dirichlet(np.full(n_components, EVENNESS))
    truth = family.mixture({"weights": weights, **TRUTHS[family.name](family, n_components, n_features, separation, rng)})
    x, labels = truth.sample(rng, n_rows)
    data = Dataset.of(_emptied(x, missing, rng), classes=[str(label) for label in labels], name="synthetic")
    names = tuple(str(code) for code in range(LEVELS))
    return replace(data, levels=(names,) * n_features) if family.levels else data, truth


def _gaussian(family: Family, n_components: int, n_features: int, separation: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Spread means, and covariances scattered about the identity."""
    means = _spread(n_components, n_features, rng) * separation
    dof = n_features + 8.0
    noise = rng.standard_normal((n_components, n_features, int(dof)))
    covariances = noise @ np.swapaxes(noise, -1, -2) / dof
    covariances /= np.trace(covariances, axis1=-2, axis2=-1).mean() / n_features
    variances = np.diagonal(covariances, axis1=-2, axis2=-1)
    if "covariances" in family.dims:
        shared = "component" not in family.dims["covariances"]
        return {"means": means, "covariances": covariances.mean(axis=0) if shared else covariances}
    return {"means": means, "variances": variances if "feature" in family.dims["variances"] else variances.mean(axis=-1)}


def _spread(n_components: int, n_features: int, rng: np.random.Generator) -> np.ndarray:
    """Return K points whose smallest distance is 1: of several random sets the one that needs the least room."""
    sets = rng.standard_normal((CANDIDATES, n_components, n_features))
    if n_components == 1:
        return np.zeros((1, n_features))
    closest = np.array([_smallest_distance(points) for points in sets])
    best = int(closest.argmax())
    return np.asarray((sets[best] - sets[best].mean(axis=0)) / closest[best])


def _smallest_distance(points: np.ndarray) -> float:
    squares = (points**2).sum(axis=1)
    distances = squares[:, None] + squares - 2.0 * points @ points.T
    np.fill_diagonal(distances, np.inf)
    nearest = np.unravel_index(distances.argmin(), distances.shape)
    return float(np.linalg.norm(points[nearest[0]] - points[nearest[1]]))  # again from the difference: no digits lost


def _bernoulli(family: Family, n_components: int, n_features: int, separation: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Probabilities with normal logits."""
    logits = rng.standard_normal((n_components, n_features)) * separation / np.sqrt(2.0)
    return {"probs": 1.0 / (1.0 + np.exp(-logits))}


def _categorical(family: Family, n_components: int, n_features: int, separation: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Probabilities with normal log ratios, mixed with a little of equal ones, so that every level is seen."""
    logits = rng.standard_normal((n_components, n_features, LEVELS)) * separation / np.sqrt(2.0)
    shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return {"probs": 0.95 * shares / shares.sum(axis=-1, keepdims=True) + 0.05 / LEVELS}


def _poisson(family: Family, n_components: int, n_features: int, separation: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Rates whose 2 sqrt(rate) lie apart, the smallest in each feature at 2."""
    roots = _spread(n_components, n_features, rng) * separation
    return {"rates": ((roots - roots.min(axis=0) + 2.0) / 2.0) ** 2}


def _emptied(x: np.ndarray, missing: float, rng: np.random.Generator) -> np.ndarray:
    """Return ``x`` without that share of its cells, at random, each row keeping one."""
    n_rows, n_features = x.shape
    wanted = round(missing * x.size)
    if wanted > n_rows * (n_features - 1):
        raise DataError(f"{missing:g} of the cells would empty whole rows of {n_features} features; ask for fewer")
    keeper = np.zeros(x.shape, bool)
    keeper[np.arange(n_rows), rng.integers(n_features, size=n_rows)] = True
    cells = np.flatnonzero(~keeper)
    emptied = np.array(x)
    emptied.flat[rng.permutation(cells)[:wanted]] = np.nan
    return emptied


TRUTHS: dict[str, Callable[[Family, int, int, float, np.random.Generator], dict[str, np.ndarray]]] = {
    "gaussian": _gaussian,
    "bernoulli": _bernoulli,
    "categorical": _categorical,
    "poisson": _poisson,
}
