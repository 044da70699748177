"""Ranks of the truth among a method's draws: their distribution function minus a uniform one's, and the band around 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.report.figures.canvas import drawing, key, key_height, shortened
from workbench.report.palette import GREY

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.figure import Figure

    from workbench.report.palette import Look


def departures(stem: str, rows: pd.DataFrame, looks: Mapping[str, Look]) -> str:
    """A line a method; a band for each number of ranks."""
    methods = list(dict.fromkeys(rows["method"]))
    labels = [shortened(method) for method in methods]

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        bands = set()
        for method in methods:
            own, look = rows[rows["method"] == method], looks[method]
            band = (tuple(own["lower"]), tuple(own["upper"]))
            if band not in bands:
                axes.fill_between(own["place"], own["lower"], own["upper"], color=GREY, alpha=0.22, linewidth=0, step="post")
            bands.add(band)
            axes.step(
                own["place"],
                own["difference"],
                where="post",
                color=look.colour,
                linestyle=look.line,
                linewidth=1.4,
                label=shortened(method),
            )
        axes.axhline(0.0, color=GREY, linewidth=0.6)
        axes.set(xlim=(0, 1), xlabel="rank of the truth, as a share", ylabel="distribution − uniform")
        axes.locator_params(axis="y", nbins=5)
        key(figure, labels)

    return drawing(stem, 2.2 + key_height(labels), paint)
