"""Parameters of every method on one axis a component: points, intervals, truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.report.figures.canvas import drawing, key, key_height, shortened
from workbench.report.palette import INK

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.figure import Figure

    from workbench.report.palette import Look


def forest(stem: str, rows: pd.DataFrame, looks: Mapping[str, Look], name: str) -> str:
    """Rows of one parameter and one feature: a group a component, a mark a method, the truth as a line where it is known."""
    methods = list(dict.fromkeys(rows["method"]))
    labels = [shortened(method, 14) for method in methods] + ["truth"] * bool(rows["truth"].notna().any())
    components = sorted(set(rows["component"].fillna(-1)))

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
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
        key(figure, labels, handle=0.8)

    return drawing(stem, 1.1 + len(components) * (0.2 + 0.11 * len(methods)) + key_height(labels, 0.8), paint)
