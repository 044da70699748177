"""Fitted Poisson mixtures over counts: how many rows hold each number, and how many the mixture expects."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from workbench.report.figures.canvas import drawing
from workbench.report.palette import GREY

if TYPE_CHECKING:
    import pandas as pd
    from jaxtyping import Float
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from workbench.report.palette import Look

MOST_FEATURES = 6
MOST_BARS = 60
"""Numbers that have a bar of their own; wider ranges are grouped."""


def expected(weights: Float[np.ndarray, " K"], rates: Float[np.ndarray, " K"], at: Float[np.ndarray, " P"]) -> Float[np.ndarray, "K P"]:
    """Weighted probability of each number by component."""
    logs = np.array([math.lgamma(value + 1.0) for value in at])
    rate = np.maximum(rates, 1e-300)[:, None]  # a rate of 0: all at 0
    result: Float[np.ndarray, "K P"] = weights[:, None] * np.exp(at * np.log(rate) - rate - logs)
    return result


def bars(
    stem: str, x: Float[np.ndarray, "N D"], counts: Float[np.ndarray, " N"], parameters: pd.DataFrame, look: Look, features: list[str]
) -> str:
    """A panel for each of the first features; ``x`` has their columns, rows counted ``counts`` times."""
    weights = parameters[parameters["parameter"] == "weights"]["mean"].to_numpy(dtype=float)
    rates = parameters[parameters["parameter"] == "rates"]
    shown = features[:MOST_FEATURES]

    def paint(figure: Figure) -> None:
        grid = figure.subplots(len(shown), 1, squeeze=False)
        for d, feature in enumerate(shown):
            own = rates[rates["feature"] == feature].sort_values("component")["mean"].to_numpy(dtype=float)
            one(grid[d, 0], x[:, d], counts, (weights, own), look, feature)

    return drawing(stem, 0.4 + (2.5 if len(shown) == 1 else 1.7 * len(shown)), paint)


def one(
    axes: Axes,
    x: Float[np.ndarray, " N"],
    counts: Float[np.ndarray, " N"],
    mixture: tuple[Float[np.ndarray, " K"], Float[np.ndarray, " K"]],
    look: Look,
    feature: str,
) -> None:
    """One feature: grey bars are rows, the thick line what is expected of them, broken lines its parts."""
    known = np.isfinite(x)
    top = int(x[known].max()) if known.any() else 0
    width = -(-(top + 1) // MOST_BARS)
    edges = np.arange(0, top + width + 1, width)
    seen = np.histogram(x[known], bins=edges, weights=counts[known])[0]
    at = np.arange(edges[-1], dtype=float)
    parts = counts[known].sum() * expected(*mixture, at).reshape(len(mixture[0]), -1, width).sum(axis=-1)
    middle = edges[:-1] + (width - 1) / 2.0
    axes.bar(middle, seen, width=0.86 * width, color=GREY, alpha=0.35, linewidth=0)
    for k, part in enumerate(parts if len(parts) > 1 else ()):
        axes.plot(middle, part, color=look.colour, linewidth=0.9, linestyle=("--", "-.", ":")[k % 3])
    axes.plot(middle, parts.sum(axis=0), color=look.colour, linewidth=1.6, marker="o", markersize=3.5 if len(middle) <= 30 else 0)
    axes.set(xlabel=feature, ylabel="rows")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
