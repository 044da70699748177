"""Mixing: R-hat and effective draws of many quantities at once (Vehtari, Gelman, Simpson, Carpenter & Buerkner 2021)."""

from __future__ import annotations

import numpy as np

from workbench.inference.evidence.pareto import array_statistics

MEASURES = ("rhat", "ess_bulk", "ess_tail")


def mixing(values: np.ndarray) -> np.ndarray:
    """R-hat, bulk and tail ESS (in this order) of each quantity; nan for one that never moves.

    Parameters
    ----------
    values : ndarray (quantity, chain, draw)

    Returns
    -------
    ndarray (quantity, 3)
    """
    found = np.full((values.shape[0], len(MEASURES)), np.nan)
    moving = np.ptp(values, axis=(1, 2)) > 0
    if moving.any():
        stack, statistics = values[moving], array_statistics()
        found[moving, 0] = statistics.rhat(stack, chain_axis=1, draw_axis=2)
        found[moving, 1] = statistics.ess(stack, chain_axis=1, draw_axis=2)
        found[moving, 2] = statistics.ess(stack, chain_axis=1, draw_axis=2, method="tail", prob=(0.05, 0.95))
    return found
