"""A blank figure in the house style, and its SVG text: small, deterministic, in the page's own ink."""

from __future__ import annotations

import html
import io
import math
import re
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from workbench.report.palette import GREY, INK, LIGHT, PAPER

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from matplotlib.axes import Axes

WIDTH = 4.4  # inches: at one CSS pixel a point it just fits a phone
STYLE: dict[Any, Any] = {
    "axes.edgecolor": GREY,
    "axes.facecolor": "none",
    "axes.formatter.useoffset": False,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "none",
    "font.size": 9.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "text.color": INK,
    "text.parse_math": False,  # a name with two dollar signs is a name
    "xtick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.color": GREY,
    "ytick.labelcolor": INK,
}
TICK_ROOM = 0.17
"""Share of the axis between two ticks, so that their numbers stay apart."""
FEWEST_TICKS = 3
PLAIN = 30.0
"""Times as long as before its first point that an axis may be and still be linear."""
FONTS = re.compile(r"font-family: [^;\"]*;? ?")
NOT_TURNED = re.compile(r' transform="rotate\(-?0 [^)"]*\)"')
LINES = re.compile(r"[ML] \S+ \S+(?: \nL [^\s\"]+ [^\s\"]+)+")
LONG = re.compile(r"(?<![\w.])-?\d+\.\d{3,}\b")
MOST_MARKS = 1500  # more than this many points are drawn as a picture inside the SVG


def drawing(stem: str, height: float, paint: Callable[[Figure], None], width: float = WIDTH) -> str:
    """SVG text of a figure that `paint` fills; the same bytes for the same strokes, whatever the user's matplotlibrc says."""
    buffer = io.StringIO()
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a glyph that matplotlib's font lacks is in the reader's
        mpl.rcdefaults()
        for name, value in {**STYLE, "svg.hashsalt": stem}.items():
            mpl.rcParams[name] = value
        figure = Figure(figsize=(width, height), dpi=144, layout="constrained")
        FigureCanvasSVG(figure)
        paint(figure)
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def panel(stem: str, height: float, paint: Callable[[Axes], None]) -> str:
    """SVG text of a figure with one pair of axes."""
    return drawing(stem, height, lambda figure: paint(figure.add_subplot()))


def inlined(svg: str, stem: str, title: str) -> str:
    """The drawing as an element of the page: no prologue, names of its own, inks that follow light and dark."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, count=1, flags=re.DOTALL)
    used = set(re.findall(r'(?:href="|url\()#([^")]*)', svg))
    svg = re.sub(r' id="([^"]*)"', lambda match: match[0] if match[1] in used else "", svg)
    svg = re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{stem}-", svg)
    svg = slimmed(svg).replace(INK, "currentColor").replace(PAPER, "var(--paper)")
    for index, colour in enumerate(LIGHT):
        svg = svg.replace(colour, f"var(--method-{index})")
    box = re.search(r'viewBox="[^"]*"', svg)
    start = f'<svg {box[0] if box else ""} role="img" aria-label="{html.escape(title)}">'
    return start + svg[svg.index(">") + 1 :]


def slimmed(svg: str) -> str:
    """Without the fonts that the page replaces, with two decimals of a point, each style once for marks that share it; words between
    the tags stay as they are."""
    svg = re.sub(r"<(?!image)[^>]*>", lambda tag: LONG.sub(lambda number: f"{float(number[0]):.2f}", FONTS.sub("", tag[0])), svg)
    svg = re.sub(r">\s+<", "><", NOT_TURNED.sub("", svg.replace("xlink:href", "href")))
    svg = LINES.sub(lambda run: run[0].replace(" \nL ", " "), svg)  # a point after a point is a line to it
    return re.sub(r"<g([^>]*)>((?:<use [^>]*/>)+)</g>", _styled_once, svg)


def _styled_once(group: re.Match[str]) -> str:
    """A group of marks with the one style that all of them have."""
    styles = set(re.findall(r' style="[^"]*"', group[2]))
    if len(styles) != 1 or "style=" in group[1] or group[2].count("style=") != group[2].count("<use "):
        return group[0]
    (style,) = styles
    return f"<g{group[1]}{style}>{group[2].replace(style, '')}</g>"


def standing(svg: str) -> str:
    """The drawing as a file of its own: on white, in black."""
    start = svg.index(">", svg.index("<svg")) + 1
    return svg[:start] + '<rect width="100%" height="100%" fill="#ffffff"/>' + svg[start:]


def shortened(text: str, most: int = 18) -> str:
    """A label that fits: its start, and its end after an ellipsis."""
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-(most - most // 2 - 1) :]}"


def thinned(length: int, most: int) -> Int[np.ndarray, " n"]:
    """At most `most` places of a long series, dense at its start as on a logarithmic axis, the last one among them."""
    if length <= most:
        return np.arange(length)
    return np.unique(np.geomspace(1, length, most).astype(int)) - 1


def stretched(axes: Axes, first: float, last: float, whole: bool = False) -> None:
    """An axis from 0 on that leaves room for what is seen from `first` on: plain where that is most of it, else linear up to `first` and
    logarithmic from there, with plain numbers at ticks that keep clear of each other."""
    axes.set_xlim(0, max(last, first))
    if first < last <= PLAIN * first:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=whole))
    else:
        axes.set_xscale("symlog", linthresh=first)
        axes.xaxis.set_major_locator(FixedLocator(round_ticks(first, max(last, first), whole)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_locator(NullLocator())


def round_ticks(linear: float, last: float, whole: bool = False) -> list[float]:
    """0 and powers of ten up to `last`, or where those are fewer than three their doubles and fives too, each with room for its number.

    Parameters
    ----------
    linear : up to where the axis is linear; a decade beyond is as long as that part
    whole : whether only whole numbers will do
    """

    def place(value: float) -> float:
        return value / linear if value <= linear else 1.0 + math.log10(value / linear)

    decades = range(0 if whole else math.floor(math.log10(linear)) - 1, math.floor(math.log10(last)) + 1)
    found: list[float] = []
    for digits in ((1,), (1, 2, 5)):
        found = [0.0]
        for value in (float(f"{digit}e{power}") for power in decades for digit in digits):
            if value <= last * (1 + 1e-9) and place(value) - place(found[-1]) >= TICK_ROOM * place(last):
                found.append(value)
        if len(found) >= FEWEST_TICKS:
            break
    return found


def key(figure: Figure, labels: Sequence[str], handles: Sequence[Any] | None = None, handle: float = 1.6, below: bool = False) -> None:
    """A legend above or below the axes, in as many columns as its longest label leaves room for."""
    options: dict[str, Any] = {"loc": f"outside {'lower' if below else 'upper'} center", "handlelength": handle, "handletextpad": 0.5}
    options |= {"ncols": key_columns(labels, handle), "columnspacing": 1.0}
    if handles is not None:
        options["handles"] = handles
    figure.legend(**options)


def key_columns(labels: Sequence[str], handle: float = 1.6) -> int:
    width = 0.17 * handle + 0.3 + 0.068 * max(map(len, labels), default=0)  # inches
    return max(1, min(len(labels), int(WIDTH / width)))


def key_height(labels: Sequence[str], handle: float = 1.6) -> float:
    """Inches that a legend takes beyond its first line."""
    return 0.18 * (-(-len(labels) // key_columns(labels, handle)) - 1)


def marks(axes: Axes, x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], **how: Any) -> None:
    """Points, drawn as a picture inside the SVG when they are many."""
    axes.plot(x, y, linestyle="none", rasterized=len(x) > MOST_MARKS, **how)
