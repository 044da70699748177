"""Who shares a component with whom: a heat map of rows by rows, in blocks of a reference's labels."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from workbench.report.figures.canvas import panel
from workbench.report.palette import GREY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float
    from matplotlib.axes import Axes

HEIGHT = 3.5
ROOM = 0.035
"""Share of the rows that a block needs for its name."""


@dataclasses.dataclass(frozen=True, eq=False)
class Matrix:
    """Probabilities that two rows share a component.

    Attributes
    ----------
    rows : ndarray (n,), the rows' numbers
    values : ndarray (n, n)
    """

    rows: Float[np.ndarray, " n"]
    values: Float[np.ndarray, "n n"]


def heat(stem: str, matrix: Matrix, blocks: Sequence[tuple[str, float, float]]) -> str:
    """Dark is 0, light is 1, on one scale for all methods; ``blocks`` are a component's name and its first and last place."""
    n_rows = matrix.rows.size

    def paint(axes: Axes) -> None:
        image = axes.imshow(matrix.values, cmap="cividis", vmin=0, vmax=1, interpolation="nearest", extent=(0, n_rows, n_rows, 0))
        for _, _, end in blocks[:-1]:
            axes.axhline(end, color=GREY, linewidth=0.6)
            axes.axvline(end, color=GREY, linewidth=0.6)
        named = [(name, (start + end) / 2) for name, start, end in blocks if end - start >= ROOM * n_rows]
        axes.set_yticks([place for _, place in named], [name for name, _ in named])
        axes.set_xticks([])
        axes.set_ylabel("component of the reference")
        axes.set_xlabel(f"{n_rows} rows, in the same order")
        axes.tick_params(length=0)
        bar = axes.figure.colorbar(image, ax=axes, shrink=0.9, aspect=30, pad=0.03, ticks=[0, 0.25, 0.5, 0.75, 1])
        bar.set_label("probability of one component", fontsize=8.5)
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=8, length=0)

    return panel(stem, HEIGHT, paint)
