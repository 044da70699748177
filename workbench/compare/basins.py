"""Basins: to which optimum of a point method's objective the draws of a sample climb, draw by draw and chain by chain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.compare.cell import Cell
from workbench.compare.optima import Optimum, same_optimum
from workbench.compare.verdict import check
from workbench.fit import Fit
from workbench.inference.em.engine import Fast
from workbench.inference.em.polish import em_polish
from workbench.inference.em.scheme import Steps
from workbench.models import Mixture
from workbench.models.mixture import gathered
from workbench.problem import Problem

Row = dict[str, Any]

DRAWS = 100
"""Draws of a chain that are followed at most."""
FEWEST = 20
"""With fewer draws a chain the shares would say little, and are left out."""
ELSEWHERE = "share of draws that climb to no optimum that restarts found"
NUMBERS = 3_000_000
"""Cells times components times draws that one step of the climb may take: seconds in all."""


@dataclass(frozen=True, eq=False)
class Basins:
    """Shares of a sample's draws by the optimum that they climb to.

    Attributes
    ----------
    sample : label of the fit whose draws they are
    by_chain : ndarray (chain, optimum + 1), the last for draws that climb to no listed optimum; rows sum to 1
    draws : how many of each chain were followed
    """

    sample: str
    by_chain: np.ndarray
    draws: int

    @property
    def shares(self) -> np.ndarray:
        """Over all chains, (optimum + 1,)."""
        return np.asarray(self.by_chain.mean(axis=0))

    @property
    def disagreement(self) -> float:
        """Largest difference of two chains' shares of one basin, in its standard error sqrt(2 s (1 - s) / draws) with s their mean;
        draws are thinned, and count as independent."""
        gaps = np.abs(self.by_chain[:, None] - self.by_chain[None])
        mean = (self.by_chain[:, None] + self.by_chain[None]) / 2.0
        error = np.sqrt(2.0 * mean * (1.0 - mean) / self.draws)
        return float(np.divide(gaps, error, out=np.zeros_like(gaps), where=gaps > 0).max())

    @property
    def resolution(self) -> float:
        """What ``disagreement`` exceeds with probability 1 % at most where all shares are equal (Bonferroni over pairs and basins)."""
        from scipy.special import ndtri

        chains, count = self.by_chain.shape
        return float(-ndtri(0.005 / (max(1, chains * (chains - 1) // 2) * count)))


def basins(cell: Cell, found: Mapping[str, Sequence[Optimum]]) -> dict[str, dict[str, Basins]]:
    """For every point method with optima of the likelihood or posterior, by label, the basins of every sample, by label.

    ``found`` are the optima of each fit. EM itself is climbed: what belongs to an optimum is what EM takes there.
    """
    samples = {label: fit for label, fit in cell.fits.items() if fit.estimate == "sample" and fit.draws is not None}
    points = {label: fit for label, fit in cell.fits.items() if fit.maximises and any(optimum.regular for optimum in found[label])}
    result: dict[str, dict[str, Basins]] = {label: {} for label in points}
    for sample, fit in samples.items():
        chosen = _chosen(cell.problem, fit)
        if chosen is None:
            continue
        for objective in dict.fromkeys(point.maximises for point in points.values()):
            ends = _climbed(cell.problem, chosen.reshaped(-1), posterior=objective == "posterior")
            for label, point in points.items():
                if point.maximises == objective:
                    where = _where(cell.problem, point, found[label], *ends).reshape(chosen.batch_shape)
                    shares = np.stack([(where == i).mean(axis=1) for i in range(len(found[label]) + 1)], axis=1)
                    result[label][sample] = Basins(sample, shares, chosen.batch_shape[1])
    return result


def weighing(cell: Cell, held: Mapping[str, Basins]) -> Basins | None:
    """The sample that says how much of the posterior is in each basin: one that can know it - exact draws, then SMC whose evidence may
    be believed - before one whose chains may never have left theirs; of several the first."""

    def rank(label: str) -> int:
        fit = cell.fits[label]
        believed = any(each.trusted for each in fit.evidence if each.estimator == "smc")  # its bridges know no more than chains do
        return 0 if fit.kind == "exact" else 1 if fit.kind == "smc" and believed else 2

    return held[min(held, key=rank)] if held else None


def basin_rows(held: Mapping[str, Mapping[str, Basins]]) -> Iterator[Row]:
    """``basins.csv``: the share of each chain's draws that climb to each optimum of a point method; ``optimum`` is empty for the rest."""
    for point, samples in held.items():
        for sample, each in samples.items():
            for chain, shares in enumerate(each.by_chain):
                for optimum, share in enumerate(shares):
                    number = optimum if optimum < shares.size - 1 else None
                    yield {"method": sample, "chain": chain, "climbs": point, "optimum": number, "share": float(share), "draws": each.draws}


def agreement_checks(held: Mapping[str, Mapping[str, Basins]], posterior: Sequence[str]) -> Iterator[Row]:
    """Whether a sample's chains are in the same basins, by the optima of one point method: of the posterior where there is one."""
    order = sorted(held, key=lambda point: point not in posterior)
    for sample in dict.fromkeys(sample for point in order for sample in held[point]):
        each = next(held[point][sample] for point in order if sample in held[point])
        if each.by_chain.shape[0] > 1:
            threshold = each.resolution
            good = each.disagreement <= threshold
            advice = (
                "chains stay in different basins, so draws do not weigh them: let smc or exact do that, or raise tune, draws and chains"
            )
            yield {"method": sample, **check("basins_disagreement", each.disagreement, threshold, good, advice)}
        yield {"method": sample, **check("basins_elsewhere", float(each.shares[-1]), None, None, ELSEWHERE)}


def _chosen(problem: Problem, fit: Fit) -> Mixture | None:
    """Evenly spaced draws (chain, draw) of a sample, as many as the budget has room for; None where those are too few."""
    assert fit.draws is not None
    chains, length = fit.draws.batch_shape
    room = NUMBERS // (problem.data.x.size * problem.n_components * chains)
    count = min(DRAWS, length, room)
    if count < FEWEST:
        return None
    kept = np.linspace(0, length - 1, count).astype(int)
    return fit.draws.take((slice(None), kept))


def _climbed(problem: Problem, draws: Mixture, *, posterior: bool) -> tuple[Mixture, np.ndarray]:
    """Where EM takes each draw, and the objective there; nan where it went wrong."""
    steps = Steps(problem, problem.prior if posterior else None, Fast())
    run = em_polish(steps)(draws)
    good = np.array([status.at_optimum for status in run.status])
    return run.mixture, np.where(good, run.objective, np.nan)


def _where(problem: Problem, point: Fit, found: Sequence[Optimum], ends: Mixture, objective: np.ndarray) -> np.ndarray:
    """The number of the optimum at which each end is, or the number of optima where it is at none of them."""
    restarts = point.restarts
    assert restarts is not None
    assert restarts.polished is not None
    heads = restarts.polished.take(np.array([optimum.restarts[0] for optimum in found]))
    values = np.concatenate([[optimum.objective for optimum in found], objective])
    both, count = gathered([heads, ends]), len(found)
    where = np.full(objective.size, count)
    for number, optimum in enumerate(found):
        if optimum.regular:
            free = count + np.flatnonzero(where == count)
            where[free[same_optimum(problem, both, values, number, free)] - count] = number
    return where
