"""A score by swept value, method beside method."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from workbench.report.figures.canvas import drawing, key, key_height, shortened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

    from workbench.report.palette import Look


BENT = 30.0
"""Range of a score above which its axis is bent, so that cells that are close to the best can be told apart beside those far away."""


def curve(
    stem: str,
    names: Sequence[str],
    scores: Mapping[str, Sequence[float]],
    looks: Mapping[str, Look],
    label: str,
    axis: str,
    *,
    more: bool = True,
    ideal: float | None = None,
    apart: Sequence[int] = (),
) -> str:
    """One line a method over the cells in their order; a gap where a cell has no score, and before the cells that stand ``apart``.

    Scores are drawn by their distance from the best of all, which has ``more`` or less than all others, or from an ``ideal``; of a
    range above ``BENT`` the distance's inverse hyperbolic sine.
    """
    finite = [value for values in scores.values() for value in values if math.isfinite(value)]
    labels = [shortened(method) for method in scores]
    best = (max if more else min)(finite, default=math.nan) if ideal is None else ideal

    def paint(figure: Figure) -> None:
        from matplotlib.ticker import NullLocator

        axes = figure.add_subplot()
        for method, values in scores.items():
            look, gaps = looks[method], [value - best for value in values]
            places = [float(i) for i in range(len(names))]
            for i in sorted(apart, reverse=True):
                places.insert(i, i - 0.5)
                gaps.insert(i, math.nan)
            axes.plot(places, gaps, color=look.colour, linestyle=look.line, marker=look.marker, markersize=5, label=shortened(method))
        farthest = max((abs(value - best) for value in finite), default=0.0)
        if farthest > BENT:
            axes.set_yscale("asinh", linear_width=1.0)
            axes.set_yticks(*_ticks(farthest, -1 if more else 1))
            axes.yaxis.set_minor_locator(NullLocator())
        long = max(map(len, names)) > 4 and len(names) > 4
        axes.set_xticks(
            range(len(names)), [shortened(name, 14) for name in names], rotation=60 if long else 0, ha="right" if long else "center"
        )
        axes.set(xlabel=axis, ylabel=f"from the best, {best:.1f}" if finite and ideal is None else label)
        key(figure, labels)

    return drawing(stem, 2.9 + key_height(labels), paint)


def _ticks(farthest: float, sign: int) -> tuple[list[float], list[str]]:
    """0, 1, 3, 10, 30, ... up to the farthest, or without the threes where those are many; with their names."""
    steps = [float(f"{mantissa}e{power}") for power in range(math.ceil(math.log10(farthest)) + 1) for mantissa in (1, 3)]
    within = [step for step in steps if step <= farthest]
    kept = within if len(within) <= 6 else within[::2]
    return [0.0, *(sign * step for step in kept)], ["0", *(f"{sign * step:.6g}".replace("-", "\N{MINUS SIGN}") for step in kept)]
