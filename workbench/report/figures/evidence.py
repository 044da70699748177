"""A ladder of estimates of the log evidence and of its bounds: nats along, a rung each."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from workbench.report.figures.canvas import panel, shortened
from workbench.report.palette import GREY, INK, PAPER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from workbench.report.palette import Look

STANDS = ("reference", "trusted")
FAR = 25.0
"""Nats below the highest estimate beyond which a bound stands at the edge."""
BARS = 2.0
"""Standard errors to each side."""


@dataclasses.dataclass(frozen=True)
class Rung:
    """One estimate: its name, its method, its value with error, what it stands as, and the KL of a bound as text."""

    name: str
    method: str
    value: float
    error: float
    standing: str
    kl: str = ""


def ladder(stem: str, rungs: Sequence[Rung], looks: Mapping[str, Look]) -> str:
    """The rungs from top to bottom; a line through the reference."""
    low, high = limits(rungs)

    def paint(axes: Axes) -> None:
        axes.set_xlim(low, high)
        axes.set_ylim(len(rungs) - 0.4, -0.6)
        truth = next((rung.value for rung in rungs if rung.standing == "reference"), math.nan)
        if math.isfinite(truth):
            axes.axvline(truth, color=INK, linewidth=0.8, linestyle=(0, (1, 1.5)))
        for y, rung in enumerate(rungs):
            if low <= rung.value <= high:
                inside(axes, y, rung, looks[rung.method].colour, truth)
            else:
                beyond(axes, y, rung, low, high)
        axes.set_yticks(range(len(rungs)), [shortened(rung.name, 30) for rung in rungs])
        axes.tick_params(axis="y", length=0)
        axes.locator_params(axis="x", nbins=4)
        axes.set_xlabel("nats")

    return panel(stem, 0.7 + 0.27 * len(rungs), paint)


def inside(axes: Axes, y: int, rung: Rung, colour: str, truth: float) -> None:
    """A mark: filled with bars what may be believed, an arrow a bound, hollow and grey the rest."""
    if rung.standing == "bound":
        if math.isfinite(truth):
            axes.hlines(y, rung.value, truth, color=colour, linewidth=0.8, alpha=0.7)
            axes.text((rung.value + truth) / 2, y - 0.12, rung.kl, ha="center", va="bottom", fontsize=7.5)
        axes.plot(rung.value, y, ">", color=colour, markersize=5.5)
        return
    believed = rung.standing in STANDS
    ink = colour if believed else GREY
    if math.isfinite(rung.error) and rung.error > 0:
        axes.hlines(y, rung.value - BARS * rung.error, rung.value + BARS * rung.error, color=ink, linewidth=1.6 if believed else 0.9)
    axes.plot(rung.value, y, "x" if rung.standing == "rough" else "o", color=ink, markersize=5, markerfacecolor=ink if believed else PAPER)


def beyond(axes: Axes, y: int, rung: Rung, low: float, high: float) -> None:
    """The value of a rung that the axis does not reach, at the edge where it would be."""
    left = rung.value < low
    text = f"← {rung.value:.1f}" if left else f"{rung.value:.1f} →"
    room = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.8}
    axes.text(low if left else high, y, text, ha="left" if left else "right", va="center", fontsize=7.5, color=GREY, bbox=room)


def limits(rungs: Sequence[Rung]) -> tuple[float, float]:
    """An axis that holds what is believed, with its bars, and the bounds that are not far; without any of these all that there is."""
    believed = [end for rung in rungs if rung.standing in STANDS for end in ends(rung)]
    bounds = [rung.value for rung in rungs if rung.standing == "bound"]
    top = max([*believed, *bounds], default=math.nan)
    shown = [*believed, *(value for value in bounds if value > top - FAR)] or [rung.value for rung in rungs]
    low, high = min(shown), max(shown)
    room = max(0.12 * (high - low), 0.02, 1e-9 * abs(high))
    return low - room, high + room


def ends(rung: Rung) -> tuple[float, float]:
    error = rung.error if math.isfinite(rung.error) else 0.0
    return rung.value - BARS * error, rung.value + BARS * error
