"""Fitted probabilities of levels: for each feature a bar a component, cut into its levels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.report.figures.canvas import drawing, shortened
from workbench.report.palette import PAPER, component_colour

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_FEATURES = 12
MOST_LEVELS = 10
"""Levels that have a colour and a name of their own; further ones share one."""
PALE = {component_colour(i) for i in (1, 2, 4, 6, 7, 8)}
"""Colours that black is read on."""
ROOM = 0.12
"""Share of the width from which on a part has room for its level's name."""


def bars(stem: str, parameters: pd.DataFrame, features: list[str]) -> str:
    """Rows of parameters.csv that have a level; the first features."""
    shown = features[:MOST_FEATURES]
    n_components = int(parameters["component"].max()) + 1

    def paint(figure: Figure) -> None:
        grid = figure.subplots(len(shown), 1, sharex=True, squeeze=False)
        for axes, feature in zip(grid[:, 0], shown, strict=True):
            one(axes, parameters[parameters["feature"] == feature], n_components)
            axes.set_title(shortened(feature, 40), loc="left", fontsize=8.5, pad=2)
        grid[-1, 0].set_xlabel("probability")

    return drawing(stem, 0.5 + len(shown) * (0.36 + 0.17 * n_components), paint)


def one(axes: Axes, rows: pd.DataFrame, n_components: int) -> None:
    """One feature: component 0 at the top, levels from left to right in their order."""
    levels = list(dict.fromkeys(rows["level"]))
    wide = rows.pivot(index="component", columns="level", values="mean").reindex(columns=levels).to_numpy(dtype=float)
    starts = np.cumsum(wide, axis=1) - wide
    for i, level in enumerate(levels):
        colour = component_colour(min(i, MOST_LEVELS - 1))
        axes.barh(range(n_components), wide[:, i], left=starts[:, i], height=0.82, color=colour, linewidth=0.4, edgecolor=PAPER)
        for k in np.flatnonzero(wide[:, i] >= ROOM).tolist():
            ink = "#000000" if colour in PALE else "#ffffff"
            name = shortened(level, max(6, int(55 * wide[k, i])))
            axes.text(starts[k, i] + wide[k, i] / 2, k, name, ha="center", va="center", fontsize=7.5, color=ink, clip_on=True)
    axes.set(xlim=(0, 1), ylim=(n_components - 0.5, -0.5))
    axes.set_yticks(range(n_components), [str(k) for k in range(n_components)])
    axes.tick_params(length=0, labelsize=8)
