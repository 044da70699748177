"""Fitted probabilities of binary features: a heat map of features by components."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.report.figures.canvas import panel, shortened

if TYPE_CHECKING:
    import pandas as pd
    from jaxtyping import Float
    from matplotlib.axes import Axes

MOST_NAMED = 30


def table(parameters: pd.DataFrame, features: tuple[str, ...]) -> Float[np.ndarray, "D K"]:
    """One method's probabilities of a 1 in parameters.csv, features down, components across."""
    wide = parameters.pivot(index="feature", columns="component", values="mean")
    result: Float[np.ndarray, "D K"] = wide.reindex(list(features)).to_numpy(dtype=float)
    return result


def heat(stem: str, probs: Float[np.ndarray, "D K"], features: tuple[str, ...]) -> str:
    """Dark is 0, light is 1; the numbers stand in the cells when there is room."""
    n_features, n_components = probs.shape
    named = n_features <= MOST_NAMED
    height = 0.9 + (0.21 * n_features if named else 3.2)

    def paint(axes: Axes) -> None:
        mesh = axes.pcolormesh(probs, cmap="cividis", vmin=0, vmax=1, rasterized=probs.size > 400, edgecolors="face", linewidth=0.2)
        axes.invert_yaxis()
        axes.set_xticks(np.arange(n_components) + 0.5, [str(k) for k in range(n_components)])
        axes.set_xlabel("component")
        if named:
            axes.set_yticks(np.arange(n_features) + 0.5, [shortened(feature) for feature in features])
        else:
            axes.set_ylabel(f"{n_features} features, in the data's order")
        axes.tick_params(length=0)
        if named and n_components <= 8:
            write(axes, probs)
        bar = axes.figure.colorbar(mesh, ax=axes, shrink=0.9, aspect=30, pad=0.02)
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=8, length=0)

    return panel(stem, height, paint)


def write(axes: Axes, probs: Float[np.ndarray, "D K"]) -> None:
    for (d, k), value in np.ndenumerate(probs):
        if np.isfinite(value):
            ink = "#ffffff" if value < 0.6 else "#000000"
            axes.text(k + 0.5, d + 0.5, short(float(value)), ha="center", va="center", fontsize=7.5, color=ink)


def short(value: float) -> str:
    """Two decimals, never rounded to an end that it is not at."""
    if value in (0, 1):
        return f"{value:.0f}"
    return {"0.00": "<.01", "1.00": ">.99"}.get(f"{value:.2f}", f"{value:.2f}")
