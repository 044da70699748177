"""A score by swept value, method beside method."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from workbench.report.figures.canvas import panel, shortened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from workbench.report.palette import Look


def curve(stem: str, names: Sequence[str], scores: Mapping[str, Sequence[float]], looks: Mapping[str, Look], label: str, key: str) -> str:
    """One line a method over the cells in their order; a gap where a cell has no score."""

    def paint(axes: Axes) -> None:
        for method, values in scores.items():
            look = looks[method]
            axes.plot(
                range(len(names)), values, color=look.colour, linestyle=look.line, marker=look.marker, markersize=5, label=shortened(method)
            )
        long = max(map(len, names)) > 4 and len(names) > 4
        axes.set_xticks(
            range(len(names)), [shortened(name, 14) for name in names], rotation=60 if long else 0, ha="right" if long else "center"
        )
        axes.set(xlabel=key, ylabel=label)
        if any(math.isfinite(value) for values in scores.values() for value in values):
            axes.legend(loc="best")

    return panel(stem, 2.9, paint)
