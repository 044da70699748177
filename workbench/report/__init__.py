"""The report room: one page from the tables of a run. It draws numbers it is given and computes none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.report.provenance import Provenance

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from workbench.compare.cell import Cell

__all__ = ["Provenance", "write"]


def write(
    folder: Path,
    tables: Mapping[str, pd.DataFrame],
    cells: Sequence[Cell],
    provenance: Provenance,
    options: Mapping[str, object] | None = None,
) -> Path:
    """Write `report.html`, `report.md` and `figures/` of a finished run.

    Parameters
    ----------
    folder
        The run's folder; it is made if it is not there.
    tables
        The tables of the run by name, as `compare.tables.assemble` returns them or as they are read back from disk.
        A table that is not there counts as one without rows.
    cells
        The cells of the sweep in their order (one without a sweep); of each, its swept values and its data are drawn.
    provenance
        What the page says about where the numbers come from.
    options
        The config's `report:` mapping. This edition reads none of them.

    Returns
    -------
    Path
        `folder / "report.html"`: one file that loads nothing, from the network or from beside it.

    Notes
    -----
    The same arguments give the same bytes.
    """
    from workbench.report import page  # matplotlib, jinja2: not before a page is wanted

    return page.write(folder, tables, cells, provenance)
