"""What the compiled E steps of all discrete families share: log densities of cells in, sums by cell out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.data import Dataset
from workbench.fast import chunks
from workbench.fast.codes import Coded, coded
from workbench.fast.lanes import WIDTH
from workbench.fast.lookup import e_step
from workbench.models.shapes import PerComponent, PerFit

SHARED = 1.4
"""One fit alone costs so much a register more than one of eight side by side."""


@dataclass(frozen=True, eq=False)
class Found:
    """An E step over a batch of fits.

    Attributes
    ----------
    log_likelihood, expected_complete, entropy : ndarray (fit,)
    counts : ndarray (fit, K)
    cells : ndarray (fit, K, C), responsibilities summed over the rows that have a cell
    """

    log_likelihood: PerFit
    expected_complete: PerFit
    entropy: PerFit
    counts: PerComponent
    cells: np.ndarray
    codes: Coded

    def by_feature(self, n_features: int, cells: np.ndarray) -> np.ndarray:
        """Numbers of cells (fit, K, C) summed over each feature's (fit, K, D)."""
        total = np.zeros((*cells.shape[:-1], n_features))
        if cells.shape[-1]:
            features, starts = np.unique(self.codes.feature, return_index=True)
            total[..., features.astype(int)] = np.add.reduceat(cells, starts, axis=-1)
        return total


def expect(log_cells: np.ndarray, weights: PerComponent, data: Dataset, counts: np.ndarray, rule: int, beta: float, threads: int) -> Found:
    """The E step of a batch of fits.

    Parameters
    ----------
    log_cells : (fit, K, C), log density of every cell
    weights : (fit, K)
    counts : (1, N) or (fit, N)
    """
    known = coded(data)
    rows = known.gathered(counts)
    with np.errstate(divide="ignore", invalid="ignore"):
        constant = np.log(weights)
    n_fits, n_components = weights.shape
    alone = n_fits % WIDTH
    if alone * -(-n_components // WIDTH) * SHARED > n_components:
        alone = 0
    parts = []
    for chosen, across in ((slice(0, n_fits - alone), False), (slice(n_fits - alone, n_fits), True)):
        if chosen.start < chosen.stop:
            own = rows[chosen] if rows.shape[0] > 1 else rows
            parts.append(_part(log_cells[chosen], constant[chosen], known, own, rule, beta, threads, across))
    totals, summed, cells = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Found(totals[:, 0], totals[:, 1], totals[:, 2], summed, cells, known)


def _part(
    log_cells: np.ndarray, constant: np.ndarray, known: Coded, counts: np.ndarray, rule: int, beta: float, threads: int, across: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Totals (fit, 3), counts (fit, K) and sums by cell (fit, K, C), with components or fits side by side."""
    n_fits, n_components, n_cells = log_cells.shape
    place, replace = (_across, _across_back) if across else (_along, _along_back)
    cells = place(np.concatenate([log_cells, np.zeros((n_fits, n_components, 1))], axis=2), 0.0)
    ready = np.ascontiguousarray(place(constant[:, :, None], -np.inf)[:, 0])
    if counts.shape[0] > 1 and not across:
        counts = np.concatenate([counts, np.repeat(counts[-1:], -n_fits % WIDTH, axis=0)])
    arguments = (cells, ready, known.codes, known.members, np.ascontiguousarray(counts), rule, beta, across)
    n_rows, n_groups = known.codes.shape
    numbers, start = ready.shape[1], 3 * WIDTH
    work, size = n_rows * n_groups * n_components * n_fits, start + numbers * (n_cells + 2)
    partial = chunks.run(e_step, cells.shape[0], n_rows, size, arguments, threads=threads, work=work)
    found = partial[:, 0]
    for chunk in range(1, partial.shape[1]):
        found = found + partial[:, chunk]
    totals = found[:, :start].reshape(-1, 3, WIDTH)
    each = totals[:, :, 0] if across else np.swapaxes(totals, 1, 2).reshape(-1, 3)[:n_fits]
    sums = replace(found[:, start:].reshape(-1, n_cells + 2, numbers), n_fits, n_components)
    return each, sums[..., 0], sums[..., 1:-1]  # the last belongs to cells that were not observed


def _across(table: np.ndarray, fill: float) -> np.ndarray:
    """(fit, K, C) -> (fit, C, K rounded up to whole registers)."""
    n_fits, n_components, n_cells = table.shape
    placed = np.full((n_fits, n_cells, n_components + -n_components % WIDTH), fill)
    placed[..., :n_components] = np.swapaxes(table, 1, 2)
    return placed


def _across_back(placed: np.ndarray, n_fits: int, n_components: int) -> np.ndarray:
    return np.swapaxes(placed[..., :n_components], 1, 2)


def _along(table: np.ndarray, fill: float) -> np.ndarray:
    """(fit, K, C) -> (eights of fits, C, K * 8); the last fit stands in for those that are not there."""
    n_fits, n_components, n_cells = table.shape
    full = np.concatenate([table, np.repeat(table[-1:], -n_fits % WIDTH, axis=0)]) if n_fits % WIDTH else table
    eights = full.reshape(-1, WIDTH, n_components, n_cells).transpose(0, 3, 2, 1)
    return np.ascontiguousarray(eights).reshape(-1, n_cells, n_components * WIDTH)


def _along_back(placed: np.ndarray, n_fits: int, n_components: int) -> np.ndarray:
    eights = placed.reshape(placed.shape[0], -1, n_components, WIDTH).transpose(0, 3, 2, 1)
    return eights.reshape(-1, n_components, placed.shape[1])[:n_fits]
