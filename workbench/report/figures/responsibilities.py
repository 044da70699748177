"""Responsibilities of several methods side by side, rows in an order that puts disagreement first."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.patches import Patch

from workbench.report.figures.canvas import drawing, key, shortened
from workbench.report.palette import GREY, component_colour

if TYPE_CHECKING:
    import pandas as pd
    from jaxtyping import Float
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_CLOSE = 40  # rows drawn wide enough to tell apart
MOST_ROWS = 1000  # rows of the whole picture
DEPTH = 50  # pixels from 0 to 1
VISIBLE = 1 / DEPTH  # a difference that moves a colour's edge


@dataclasses.dataclass(frozen=True)
class Shares:
    """Responsibilities of some methods for the same rows.

    Attributes
    ----------
    methods : list of str, length M
    rows : ndarray (N,), the rows' numbers
    values : ndarray (M, N, K)
    """

    methods: list[str]
    rows: Float[np.ndarray, " N"]
    values: Float[np.ndarray, "M N K"]

    @property
    def quarrel(self) -> Float[np.ndarray, " N"]:
        """By row, how far the methods lie apart, summed over components: what the rows are sorted by."""
        spread: Float[np.ndarray, " N"] = np.ptp(self.values, axis=0).sum(axis=-1) / 2
        return spread

    @property
    def order(self) -> Float[np.ndarray, " N"]:
        """By likeliest component of the first method, then by its responsibility: blocks with soft edges between."""
        first = self.values[0]
        label = first.argmax(axis=-1)
        result: Float[np.ndarray, " N"] = np.lexsort((np.where(label % 2, 1, -1) * first.max(axis=-1), label))
        return result


def shares(responsibilities: pd.DataFrame, methods: list[str]) -> Shares | None:
    """Read the methods' rows of responsibilities.csv; None when there is nothing to draw."""
    arrays: list[Float[np.ndarray, "N K"]] = []
    rows, kept = np.zeros(0), []
    for method in methods:
        own = responsibilities[responsibilities["method"] == method]
        if own.empty:
            continue
        wide = own.pivot(index="row", columns="component", values="mean")
        if not arrays or wide.shape == arrays[0].shape:
            arrays.append(wide.to_numpy(dtype=float))
            rows = wide.index.to_numpy(dtype=float)
            kept.append(method)
    return Shares(kept, rows, np.stack(arrays)) if arrays and arrays[0].size else None


def bands(stem: str, share: Shares, which: Float[np.ndarray, " n"], names: list[str]) -> str:
    """A band a method, a column a row, a colour a component; the columns are named when there are few."""
    n_methods = len(share.methods)

    def paint(figure: Figure) -> None:
        stack = figure.subplots(n_methods, 1, squeeze=False)[:, 0]
        for axes, method, values in zip(stack, share.methods, share.values, strict=True):
            band(axes, values[which], shortened(method))
        if names:
            stack[-1].set_xticks(range(len(which)), [shortened(name, 12) for name in names], rotation=90, fontsize=6.5)
        patches = [Patch(color=component_colour(k), label=str(k)) for k in range(share.values.shape[-1])]
        key(figure, [str(patch.get_label()) for patch in patches], patches, handle=0.8)
        stack[-1].set_xlabel("row" if names else f"{len(which)} rows")

    return drawing(stem, 1.0 + 0.34 * n_methods + (0.45 if names else 0), paint)


def band(axes: Axes, values: Float[np.ndarray, "n K"], name: str) -> None:
    """Responsibilities as a stack of colours, from component 0 at the bottom."""
    edges = np.cumsum(values, axis=-1)
    heights = (np.arange(DEPTH) + 0.5) / DEPTH
    which = (heights[:, None, None] > edges[None, :, :-1]).sum(axis=-1)
    colours = np.array([[int(component_colour(k)[i : i + 2], 16) for i in (1, 3, 5)] for k in range(values.shape[1])], dtype=np.uint8)
    axes.imshow(colours[which], origin="lower", aspect="auto", interpolation="nearest", extent=(-0.5, len(values) - 0.5, 0, 1))
    axes.set(xticks=[], yticks=[])
    axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8.5)
    for spine in axes.spines.values():
        spine.set_edgecolor(GREY)
