"""Objectives of the reported restarts, method beside method, by iteration or by second."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.report.figures.canvas import drawing, key, key_height, shortened, stretched, thinned
from workbench.report.wording import axis

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from workbench.report.palette import Look


MOST_POINTS = 1000


def progress(stem: str, traces: Mapping[str, pd.DataFrame], looks: Mapping[str, Look], column: str, objective_name: str) -> str:
    """One line a method; the axis of the objective leaves out the first steps of a climb, which are far below."""

    labels = [shortened(method) for method in traces]

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        ends: list[float] = []
        starts: list[float] = []
        drawn: list[tuple[np.ndarray, np.ndarray]] = []
        last = 0.0
        for method, trace in traces.items():
            x, y = trace[column].to_numpy(), trace["objective"].to_numpy()
            kept = np.isfinite(x) & np.isfinite(y)
            x, y = x[kept], y[kept]
            if not len(y):
                continue
            look, kept = looks[method], thinned(len(y), MOST_POINTS)
            marker = look.marker if len(y) == 1 else ""
            axes.plot(x[kept], y[kept], color=look.colour, linestyle=look.line, linewidth=1.6, label=shortened(method), marker=marker)
            ends += [y[-1], np.percentile(y, 99)]
            starts.append(np.percentile(y, 15) if y[0] <= y[-1] else y.min())
            last = max(last, float(x.max()))
            drawn.append((x, y))
        frame(axes, ends, starts)
        whole = column == "iteration"
        low = axes.get_ylim()[0]
        seen = [float(x[visible].min()) for x, y in drawn if (visible := (x > 0) & (y >= low)).any()]
        stretched(axes, max(min(seen, default=last or 1.0), 1.0 if whole else 1e-4), last, whole)
        axes.set(xlabel="iteration" if whole else "seconds", ylabel=axis(objective_name))
        key(figure, labels)

    return drawing(stem, 2.9 + key_height(labels), paint)


def frame(axes: Axes, ends: list[float], starts: list[float]) -> None:
    """Limits that show how the lines arrive."""
    if ends:
        high, low = max(ends), min(min(starts), min(ends))
        span = max(high - low, 1e-6 * abs(high), 1e-4)
        axes.set_ylim(low - 0.25 * span, high + 0.08 * span)
