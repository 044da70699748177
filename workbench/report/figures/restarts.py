"""Where restarts end: each one's way up, and beside it the strip of final objectives."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import LineCollection

from workbench.report.figures.canvas import drawing, key, stretched, thinned
from workbench.report.palette import GREY, INK, Look
from workbench.report.wording import axis

if TYPE_CHECKING:
    import pandas as pd
    from jaxtyping import Float
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GOLDEN = (math.sqrt(5) - 1) / 2
MARKS = {"regular": "o", "singular": "^", "spurious": "D", "no optimum": "x"}
MOST_WAYS = 200
MOST_POINTS = 300  # of one way
MOST_STEPS = 4000  # points of all ways together; above, they are drawn as a picture


@dataclasses.dataclass(frozen=True)
class Ends:
    """The final objectives of one method's restarts and what each ended at.

    Attributes
    ----------
    restart : ndarray (restart,), their numbers
    objective : ndarray (restart,), polished, as the optima's, where the method polishes its ends
    fate : list of the keys of MARKS
    reported : the number of the restart that is reported, or nan
    """

    restart: Float[np.ndarray, " R"]
    objective: Float[np.ndarray, " R"]
    fate: list[str]
    reported: float


def ends(restarts: pd.DataFrame, optima: pd.DataFrame, reported: float = math.nan) -> Ends:
    """Join one method's restarts to its optima; without `reported` the best regular end is taken for the one that is."""
    known = {}
    for number, singular, spurious in zip(optima["optimum"], optima["singular"], optima["spurious"], strict=True):
        known[number] = "singular" if singular is True else "spurious" if spurious is True else "regular"
    optimum = restarts["optimum"].to_numpy(dtype=float)
    plain = "no optimum" if known else "regular"
    fate = [known.get(number, plain) for number in optimum]
    stopped, polished = (restarts[column].to_numpy(dtype=float) for column in ("objective", "polished_objective"))
    objective = np.where(np.isfinite(polished), polished, stopped)
    good = [i for i, end in enumerate(fate) if end == "regular" and math.isfinite(objective[i])]
    best = max(good, key=lambda i: objective[i], default=None)
    number = restarts["restart"].to_numpy(dtype=float)
    if math.isnan(reported) and best is not None:
        reported = float(number[best])
    return Ends(number, objective, fate, reported)


def window(final: Ends, trace: pd.DataFrame) -> tuple[float, float]:
    """The part of the objective's axis where the differences between restarts are, the noise of their last steps with it."""
    counts = np.array([end == "regular" for end in final.fate]) & np.isfinite(final.objective)
    if not counts.any():
        counts = np.isfinite(final.objective)
    if not counts.any():
        return 0.0, 1.0
    values = final.objective[counts]
    ways = trace.dropna(subset=["objective"])
    noise = lasts(ways[ways["restart"].isin(final.restart[counts])])
    high, low = max([values.max(), *noise]), min([values.min(), *noise])
    climbed = high - np.percentile(ways["objective"], 10) if len(ways) else 0.0
    span = max(high - low, 0.3 * climbed, 1e-6 * abs(high), 1e-4)
    return min(low - 0.3 * (high - low), high - span), high + 0.08 * span


def lasts(ways: pd.DataFrame) -> tuple[float, ...]:
    """Between what values nearly all of the last steps lie, a tenth of each restart's: wide for what settles around a solution only."""
    if ways.empty:
        return ()
    last = ways.groupby("restart")["iteration"].transform("max")
    late = ways.loc[ways["iteration"] > 0.9 * last, "objective"]
    return tuple(float(value) for value in np.percentile(late, (5, 99))) if len(late) else ()


def strip(axes: Axes, final: Ends, look: Look, low: float, high: float) -> None:
    """Final objectives, spread sideways so that equal ones can be counted; those out of the window at its edge."""
    shown = np.clip(final.objective, low, high)
    for fate, mark in MARKS.items():
        place = [i for i, end in enumerate(final.fate) if end == fate and math.isfinite(shown[i])]
        if place:
            aside = [(i * GOLDEN) % 1 for i in range(len(place))]
            colour = look.colour if fate == "regular" else INK
            axes.plot(
                aside,
                shown[place],
                mark,
                color=colour,
                markersize=4,
                alpha=0.75,
                markeredgewidth=0.9 if mark == "x" else 0.4,
                clip_on=False,
                label=fate,
            )
    axes.set(xlim=(-0.25, 1.25), xticks=[])
    axes.set_xlabel("final", labelpad=8)  # clear of marks at the edge
    axes.spines.bottom.set_visible(False)


def climbs(axes: Axes, trace: pd.DataFrame, final: Ends, look: Look, low: float) -> None:
    """The objective of every restart by iteration, the reported one on top; what is below ``low`` is not seen."""
    numbers = list(dict.fromkeys(trace["restart"]))
    groups = {number: group[["iteration", "objective"]].to_numpy() for number, group in trace.groupby("restart", sort=False)}
    drawn = [groups[number][thinned(len(groups[number]), MOST_POINTS)] for number in numbers[:MOST_WAYS]]
    lines = LineCollection(drawn, colors=GREY, linewidths=0.6, alpha=0.5, rasterized=sum(map(len, drawn)) > MOST_STEPS)
    axes.add_collection(lines)
    if final.reported in groups:
        way = groups[final.reported]
        axes.plot(*way[thinned(len(way), 5 * MOST_POINTS)].T, color=look.colour, linewidth=1.8)
    seen = trace.loc[(trace["iteration"] > 0) & (trace["objective"] >= low), "iteration"]
    stretched(axes, float(seen.min()) if len(seen) else 1.0, float(trace["iteration"].max()), whole=True)


def ways(stem: str, trace: pd.DataFrame, final: Ends, look: Look, objective_name: str) -> str:
    """Traces at the left and the strip at the right, on one axis of the objective."""
    low, high = window(final, trace)

    def paint(figure: Figure) -> None:
        if len(trace):
            left, right = figure.subplots(1, 2, sharey=True, width_ratios=(2.6, 1))
            climbs(left, trace, final, look, low)
            left.set_xlabel("iteration")
        else:
            left = right = figure.add_subplot()
        strip(right, final, look, low, high)
        left.set(ylim=(low, high), ylabel=axis(objective_name))
        marks = [mark for mark in MARKS if mark in final.fate]
        if marks not in ([], ["regular"]):
            key(figure, marks, handle=0.8, below=True)

    return drawing(stem, 3.0, paint)
