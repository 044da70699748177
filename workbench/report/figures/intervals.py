"""Parameters of every method on one axis a component: points, intervals, truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.report.figures.canvas import panel, shortened
from workbench.report.palette import INK

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes

    from workbench.report.palette import Look


def forest(stem: str, rows: pd.DataFrame, looks: Mapping[str, Look], name: str) -> str:
    """Rows of one parameter and one feature: a group a component, a mark a method, the truth as a line where it is known."""
    methods = list(dict.fromkeys(rows["method"]))
    components = sorted(set(rows["component"].fillna(-1)))

    def paint(axes: Axes) -> None:
        for j, method in enumerate(methods):
            own, look = rows[rows["method"] == method], looks[method]
            place = [components.index(c) for c in own["component"].fillna(-1)]
            y = np.array(place) + 0.7 * ((j + 0.5) / len(methods) - 0.5)
            axes.hlines(y, own["lower"], own["upper"], color=look.colour, linewidth=1.6)
            axes.plot(own["mean"], y, look.marker, color=look.colour, markersize=5, label=shortened(method, 14))
        truth = rows.dropna(subset=["truth"]).drop_duplicates("component")
        for component, value in zip(truth["component"].fillna(-1), truth["truth"], strict=True):
            at = components.index(component)
            axes.vlines(value, at - 0.45, at + 0.45, color=INK, linewidth=1.2, linestyle=":", label="truth" if at == 0 else "")
        axes.set_yticks(range(len(components)), ["all" if c < 0 else str(int(c)) for c in components])
        axes.set_ylim(len(components) - 0.4, -0.6)
        axes.set(xlabel=name, ylabel="component")
        axes.locator_params(axis="x", nbins=5)
        axes.figure.legend(loc="outside upper center", ncols=4, handlelength=0.8, handletextpad=0.3, columnspacing=0.8)

    return panel(stem, 1.1 + len(components) * (0.2 + 0.11 * len(methods)) + 0.2 * ((len(methods) - 1) // 4), paint)
