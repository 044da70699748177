"""P(K | x) as bars, with what errors leave open, beside what BIC makes of it."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from matplotlib.patches import Patch

from workbench.report.figures.canvas import drawing, key
from workbench.report.palette import GREY, INK, component_colour

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BAR = component_colour(7)
"""Light enough for errors and crosses to be read on it."""


@dataclasses.dataclass(frozen=True)
class Bar:
    """One K: its probability, its interval or the one end that is known, and the probability by BIC; nan where there is none."""

    name: str
    probability: float
    lower: float
    upper: float
    rough: float


def bars(stem: str, found: Sequence[Bar], axis: str) -> str:
    """A bar a K; where only ends are known a pale one over what is possible."""

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        for i, bar in enumerate(found):
            one(axes, i, bar)
        handles: list[Any] = []
        if any(math.isfinite(bar.probability) for bar in found):
            handles.append(Patch(color=BAR, label="P(K | x)"))
        if not all(math.isfinite(bar.probability) for bar in found):
            handles.append(Patch(color=GREY, alpha=0.3, label="possible"))
        if any(math.isfinite(bar.rough) for bar in found):
            handles += axes.plot(range(len(found)), [bar.rough for bar in found], "x", color=INK, markersize=6, label="by BIC, rough")
        axes.set_xticks(range(len(found)), [bar.name for bar in found])
        axes.set(xlabel=axis, ylabel="probability", ylim=(0, 1.02), xlim=(-0.6, len(found) - 0.4))
        key(figure, [handle.get_label() for handle in handles], handles)

    return drawing(stem, 2.6, paint)


def one(axes: Axes, i: int, bar: Bar) -> None:
    if math.isfinite(bar.probability):
        axes.bar(i, bar.probability, width=0.6, color=BAR)
        if bar.upper > bar.lower:
            axes.vlines(i, bar.lower, bar.upper, color=INK, linewidth=1.4)
        return
    low, high = (bar.lower if math.isfinite(bar.lower) else 0.0), (bar.upper if math.isfinite(bar.upper) else 1.0)
    axes.bar(i, high - low, bottom=low, width=0.6, color=GREY, alpha=0.3)
