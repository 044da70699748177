"""Fitted Gaussians over the data: densities for one feature, ellipses for two, pairs of up to four."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import TYPE_CHECKING

import numpy as np

from workbench.report.figures.canvas import WIDTH, drawing, marks, panel
from workbench.report.palette import GREY, INK, PAPER, Look

if TYPE_CHECKING:
    import pandas as pd
    from jaxtyping import Float
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_FEATURES = 4
MOST_POINTS = 4000  # of a scatter; the caption says so when rows are left out
HALO = {"boxstyle": "circle,pad=0.12", "facecolor": PAPER, "edgecolor": "none", "alpha": 0.75}
RADII = (1.0, 2.4477)  # one standard deviation, and the one that holds 95 % of a component in two dimensions


@dataclasses.dataclass(frozen=True)
class Bells:
    """The parameters of a Gaussian mixture as they stand in parameters.csv.

    Attributes
    ----------
    weights : ndarray (K,)
    means : ndarray (K, D)
    covariances : ndarray (K, D, D)
    """

    weights: Float[np.ndarray, " K"]
    means: Float[np.ndarray, "K D"]
    covariances: Float[np.ndarray, "K D D"]


def bells(parameters: pd.DataFrame, features: tuple[str, ...]) -> Bells:
    """Read one method's rows of parameters.csv; a component or feature left empty stands for all."""
    place = {feature: i for i, feature in enumerate(features)}
    weights = parameters[parameters["parameter"] == "weights"]["mean"].to_numpy()
    n_components, n_features = len(weights), len(features)
    means = np.full((n_components, n_features), math.nan)
    covariances = np.zeros((n_components, n_features, n_features))
    names = ("parameter", "component", "feature", "feature_2", "mean")
    for name, component, first, second, value in zip(*(parameters[column] for column in names), strict=True):
        which = slice(None) if math.isnan(component) else int(component)
        if name == "means":
            means[which, place[first]] = value
        elif name == "variances":
            rows = range(n_features) if first == "" else [place[first]]
            for row in rows:
                covariances[which, row, row] = value
        elif name == "covariances":
            covariances[which, place[first], place[second]] = value
            covariances[which, place[second], place[first]] = value
    return Bells(weights, means, covariances)


def density(bell: Bells, at: Float[np.ndarray, " P"], feature: int = 0) -> Float[np.ndarray, "K P"]:
    """Weighted density of each component along one feature."""
    variance = bell.covariances[:, feature, feature, None]
    away = (at - bell.means[:, feature, None]) ** 2 / variance
    result: Float[np.ndarray, "K P"] = bell.weights[:, None] * np.exp(-away / 2) / np.sqrt(2 * math.pi * variance)
    return result


def outline(mean: Float[np.ndarray, " 2"], covariance: Float[np.ndarray, "2 2"], radius: float) -> Float[np.ndarray, "2 P"]:
    """The ellipse at `radius` standard deviations."""
    values, vectors = np.linalg.eigh(covariance)
    turn = np.linspace(0, 2 * math.pi, 73)
    circle = np.stack([np.cos(turn), np.sin(turn)])
    result: Float[np.ndarray, "2 P"] = mean[:, None] + radius * (vectors * np.sqrt(np.maximum(values, 0))) @ circle
    return result


def histogram(stem: str, x: Float[np.ndarray, " N"], counts: Float[np.ndarray, " N"], bell: Bells, look: Look, feature: str) -> str:
    """One feature: a histogram of the rows, each counted `counts` times, the mixture's density and its components'."""

    def paint(axes: Axes) -> None:
        bins = min(60, max(10, round(2 * math.sqrt(len(x)))))
        axes.hist(x, bins=bins, weights=counts, density=True, color=GREY, alpha=0.35, linewidth=0)
        at = np.linspace(*reach(x), 400)
        parts = density(bell, at)
        for k, curve in enumerate(parts if len(parts) > 1 else ()):
            axes.plot(at, curve, color=look.colour, linewidth=0.9, linestyle=("--", "-.", ":")[k % 3])
        axes.plot(at, parts.sum(axis=0), color=look.colour, linewidth=2)
        axes.set(xlabel=feature, ylabel="density", xlim=(at[0], at[-1]))

    return panel(stem, 2.9, paint)


def scatter(stem: str, x: Float[np.ndarray, "N 2"], bell: Bells, look: Look, features: tuple[str, str]) -> str:
    """Two features: the rows and an inner and an outer ellipse of each component."""

    def paint(axes: Axes) -> None:
        cloud(axes, x, 2.6)
        ellipses(axes, bell, (0, 1), look, 1.6)
        digits(axes, bell, (0, 1), 10)
        axes.set(xlabel=features[0], ylabel=features[1], xlim=reach(x[:, 0]), ylim=reach(x[:, 1]))

    return panel(stem, 3.3, paint)


def pairs(stem: str, x: Float[np.ndarray, "N D"], bell: Bells, look: Look, features: tuple[str, ...]) -> str:
    """More than two features: every pair of the first four."""
    n = min(len(features), MOST_FEATURES)

    def paint(figure: Figure) -> None:
        grid = figure.subplots(n - 1, n - 1, sharex="col", sharey="row", squeeze=False)
        for row, column in itertools.product(range(n - 1), repeat=2):
            axes = grid[row, column]
            if column > row:
                axes.set_visible(False)
                continue
            cloud(axes, x[:, [column, row + 1]], 1.6)
            ellipses(axes, bell, (column, row + 1), look, 1.2)
            digits(axes, bell, (column, row + 1), 7.5)
            axes.set(xlim=reach(x[:, column]), ylim=reach(x[:, row + 1]))
            axes.tick_params(labelsize=7)
            axes.locator_params(nbins=3)
            axes.set_xlabel(features[column] if row == n - 2 else "", fontsize=8)
            axes.set_ylabel(features[row + 1] if column == 0 else "", fontsize=8)

    return drawing(stem, WIDTH, paint)


def reach(x: Float[np.ndarray, " N"]) -> tuple[float, float]:
    """Limits of an axis, the same in every method's panel: the data and some air."""
    known = x[np.isfinite(x)]
    if not len(known):
        return 0.0, 1.0
    air = 0.1 * float(np.ptp(known)) or 1.0
    return float(known.min()) - air, float(known.max()) + air


def cloud(axes: Axes, x: Float[np.ndarray, "N 2"], size: float) -> None:
    """Rows as grey points, fainter when there are many."""
    marks(axes, x[:, 0], x[:, 1], marker="o", markersize=size, color=GREY, markeredgewidth=0, alpha=0.65 if len(x) < 1000 else 0.3)


def ellipses(axes: Axes, bell: Bells, pair: tuple[int, int], look: Look, width: float) -> None:
    for mean, covariance in zip(bell.means[:, pair], bell.covariances[:, pair][:, :, pair], strict=True):
        for radius, alpha in zip(RADII, (1.0, 0.7), strict=True):
            axes.plot(*outline(mean, covariance, radius), color=look.colour, linewidth=width * alpha, alpha=alpha)


def digits(axes: Axes, bell: Bells, pair: tuple[int, int], size: float) -> None:
    """The number of each component at its mean, clear of what is under it."""
    for k, mean in enumerate(bell.means[:, pair]):
        axes.annotate(str(k), mean, color=INK, ha="center", va="center", fontweight="bold", fontsize=size, bbox=HALO, annotation_clip=True)
