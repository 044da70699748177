"""A ladder of estimates of the log evidence and of its bounds: nats along, a rung each, the KL of a bound at the right."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from workbench.report.figures.canvas import drawing, shortened
from workbench.report.palette import GREY, INK, PAPER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from workbench.report.palette import Look

STANDS = ("reference", "trusted")
DENIED = ("denied", "opposed")
FAR = 25.0
"""Nats below the highest estimate beyond which a bound stands at the edge."""
WIDE = 6.2
"""Inches: names at the left and the KLs at the right leave the middle to the nats."""
NEAR = 6.0
"""Nats from the highest of what is believed or bounds within which a denied estimate is on the axis too."""
NUMBERS = 8.0
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

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.set_xlim(low, high)
        axes.set_ylim(len(rungs) - 0.4, -0.6)
        truth = next((rung.value for rung in rungs if rung.standing == "reference"), math.nan)
        if math.isfinite(truth):
            axes.axvline(truth, color=INK, linewidth=0.8, linestyle=(0, (1, 1.5)))
        for y, rung in enumerate(rungs):
            if low <= rung.value <= high:
                inside(axes, y, rung, looks[rung.method].colour, truth)
            else:
                beyond(axes, y, rung, low)
        axes.set_yticks(range(len(rungs)), [shortened(rung.name, 40) for rung in rungs])
        axes.tick_params(axis="y", length=0)
        axes.locator_params(axis="x", nbins=4)
        axes.set_xlabel("nats")

    return drawing(stem, 0.7 + 0.27 * len(rungs), paint, WIDE)


def inside(axes: Axes, y: int, rung: Rung, colour: str, truth: float) -> None:
    """A mark: filled with bars what may be believed, an arrow a bound, hollow and grey the rest."""
    if rung.standing == "bound":
        if math.isfinite(truth):
            axes.hlines(y, rung.value, truth, color=colour, linewidth=0.8, alpha=0.7)
            beside(axes, y, rung.kl, INK)
        axes.plot(rung.value, y, ">", color=colour, markersize=5.5)
        return
    believed = rung.standing in STANDS
    ink = colour if believed else GREY
    if math.isfinite(rung.error) and rung.error > 0:
        axes.hlines(y, rung.value - BARS * rung.error, rung.value + BARS * rung.error, color=ink, linewidth=1.6 if believed else 0.9)
    axes.plot(rung.value, y, "x" if rung.standing == "rough" else "o", color=ink, markersize=5, markerfacecolor=ink if believed else PAPER)


def beyond(axes: Axes, y: int, rung: Rung, low: float) -> None:
    """The value of a rung that the axis does not reach, at the edge where it would be."""
    if rung.value > low:
        beside(axes, y, f"{rung.value:.1f} \N{RIGHTWARDS ARROW}", GREY)
    else:
        axes.text(low, y, f"\N{LEFTWARDS ARROW} {rung.value:.1f}", ha="left", va="center", fontsize=NUMBERS, color=GREY)


def beside(axes: Axes, y: int, text: str, colour: str) -> None:
    """Text to the right of the axes, where no line crosses it."""
    axes.text(1.02, y, text, transform=axes.get_yaxis_transform(), ha="left", va="center", fontsize=NUMBERS, color=colour)


def limits(rungs: Sequence[Rung]) -> tuple[float, float]:
    """An axis that holds what is believed and what is denied nearby, with their bars, and the bounds that are not far; without anything
    believed or a bound all that there is."""
    believed = [end for rung in rungs if rung.standing in STANDS for end in ends(rung)]
    bounds = [rung.value for rung in rungs if rung.standing == "bound"]
    top = max([*believed, *bounds], default=math.nan)
    denied = [rung for rung in rungs if rung.standing in DENIED and abs(rung.value - top) <= NEAR]
    nearby = [min(max(end, top - NEAR), top + NEAR) for rung in denied for end in ends(rung)]
    shown = [*believed, *nearby, *(value for value in bounds if value > top - FAR)] or [rung.value for rung in rungs]
    low, high = min(shown), max(shown)
    room = max(0.12 * (high - low), 0.02, 1e-9 * abs(high))
    return low - room, high + room


def ends(rung: Rung) -> tuple[float, float]:
    error = rung.error if math.isfinite(rung.error) else 0.0
    return rung.value - BARS * error, rung.value + BARS * error
