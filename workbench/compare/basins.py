"""Basins: to which optimum of a point method's objective the draws of a sample climb, draw by draw and chain by chain."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workbench.compare.cell import Cell
from workbench.compare.optima import Optimum
from workbench.compare.places import NOWHERE, climbed, placed
from workbench.compare.verdict import check
from workbench.fit import Fit
from workbench.models import Mixture
from workbench.models.mixture import gathered
from workbench.problem import Problem

Row = dict[str, Any]

DRAWS = 100
"""Draws of a chain that are followed at most."""
FEWEST = 20
"""With fewer draws a chain the shares would say little, and are left out."""
ELSEWHERE = 0.05
"""Share of draws that climb to optima which restarts missed, beyond which the optima found do not tell where the posterior is."""
OF_NOTE = 0.01
"""Share of some sample's draws from which an optimum that restarts missed is told apart; one above the best found always is."""
MOST = 20
"""Missed optima that are told apart."""
HIGHER = 1e-3
"""Nats from which one optimum is above another."""
NUMBERS = 3_000_000
"""Cells times components times draws that one step of the climb may take: seconds in all."""


@dataclass(frozen=True, eq=False)
class Basins:
    """Shares of a sample's draws by the optimum that they climb to.

    Attributes
    ----------
    sample : label of the fit whose draws they are
    by_chain : ndarray (chain, place + 1): the optima that restarts found, those that they missed, best first, and the rest; rows sum to 1
    draws : how many of each chain were followed
    objectives : of the optima, found and missed (place,)
    missed : how many of those restarts missed
    elsewhere : share of the draws that climb to regular optima which no restart found, told apart or not
    irregular : share of the draws that EM takes to no regular optimum
    """

    sample: str
    by_chain: np.ndarray
    draws: int
    objectives: np.ndarray = field(default_factory=lambda: np.empty(0))
    missed: int = 0
    elsewhere: float = 0.0
    irregular: float = 0.0

    @property
    def shares(self) -> np.ndarray:
        """Over all chains, (place + 1,)."""
        return np.asarray(self.by_chain.mean(axis=0))

    @property
    def found(self) -> int:
        """How many optima restarts found."""
        return int(self.by_chain.shape[1]) - 1 - self.missed

    @property
    def above_best(self) -> float:
        """By how much the highest optimum that draws climb to is above the best that restarts found; 0 if that is the highest."""
        found, missed = np.split(self.objectives, [self.found])
        climbed_to = missed[self.shares[self.found : -1] > 0.0]
        return max(0.0, float(climbed_to.max() - found[0])) if climbed_to.size else 0.0

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

    @property
    def agrees(self) -> bool:
        """Whether the chains' shares differ by no more than chance allows."""
        return self.disagreement <= self.resolution


def basins(cell: Cell, found: Mapping[str, Sequence[Optimum]]) -> dict[str, dict[str, Basins]]:
    """For every point method with optima of the likelihood or posterior, by label, the basins of every sample, by label.

    ``found`` are the optima of each fit. EM itself is climbed: what belongs to an optimum is what EM takes there.
    """
    samples = {label: fit for label, fit in cell.fits.items() if fit.estimate == "sample" and fit.draws is not None}
    chosen = {label: kept for label, fit in samples.items() if (kept := _chosen(cell.problem, fit)) is not None}
    points = {label: fit for label, fit in cell.fits.items() if fit.maximises and any(optimum.regular for optimum in found[label])}
    result: dict[str, dict[str, Basins]] = {label: {} for label in points}
    if not chosen:
        return result
    for objective in dict.fromkeys(point.maximises for point in points.values()):
        starts = gathered([draws.reshaped(-1) for draws in chosen.values()])
        ends = climbed(cell.problem, starts, posterior=objective == "posterior")
        for label, point in points.items():
            if point.maximises == objective:
                places, missed = placed(cell.problem, point, found[label], ends)
                result[label] = _shared(places, missed, found[label], {sample: draws.batch_shape for sample, draws in chosen.items()})
    return result


def _shared(places: np.ndarray, missed: np.ndarray, found: Sequence[Optimum], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Basins]:
    """The basins of samples whose draws, of such (chain, draw), are at these places, one sample after the other."""
    splits = np.split(places, np.cumsum([np.prod(shape) for shape in shapes.values()])[:-1])
    own = {sample: part.reshape(shape) for (sample, shape), part in zip(shapes.items(), splits, strict=True)}
    best = max(optimum.objective for optimum in found if optimum.regular)
    noted = _noted(
        [np.bincount(part[part >= len(found)] - len(found), minlength=missed.size) / part.size for part in splits], missed > best + HIGHER
    )
    kept = [*range(len(found)), *(noted + len(found))]
    objectives = np.concatenate([[optimum.objective for optimum in found], missed[noted]])
    result = {}
    for sample, where in own.items():
        shares = np.stack([(where == place).mean(axis=1) for place in kept], axis=1)
        by_chain = np.column_stack([shares, (~np.isin(where, kept)).mean(axis=1)])
        elsewhere, irregular = float((where >= len(found)).mean()), float((where == NOWHERE).mean())
        result[sample] = Basins(sample, by_chain, where.shape[1], objectives, noted.size, elsewhere, irregular)
    return result


def _noted(shares: Sequence[np.ndarray], higher: np.ndarray) -> np.ndarray:
    """Which of the missed optima, best first, are told apart: the best of all if it is above those found, then those of most draws."""
    if not higher.size:
        return np.empty(0, int)
    most = np.max(shares, axis=0)
    most[0] = np.inf if higher[0] else most[0]
    heaviest = np.argsort(-most, kind="stable")[:MOST]
    return np.sort(heaviest[(most[heaviest] >= OF_NOTE) | higher[heaviest]])


def weighing(cell: Cell, held: Mapping[str, Basins], doubted: Collection[str] = ()) -> Basins | None:
    """The sample that says how much of the posterior is in each basin, if one can.

    Exact draws know it, then SMC whose evidence may be believed, unless its islands disagree. Chains may never have left their basins:
    they are asked only where there are no such, where they agree among each other, within samples and between them, and none is of the
    ``doubted``, whose R-hat is too large.
    """

    def rank(label: str) -> int:
        fit = cell.fits[label]
        believed = any(each.trusted for each in fit.evidence if each.estimator == "smc")  # its bridges know no more than chains do
        return 0 if fit.kind == "exact" else 1 if fit.kind == "smc" and believed else 2

    if not held:
        return None
    first = min(held, key=rank)
    if rank(first) < 2:
        return held[first] if rank(first) == 0 or held[first].agrees else None
    usable = [each for label, each in held.items() if label not in doubted and each.agrees]
    return usable[0] if usable and _together(usable).agrees else None


def _together(several: Sequence[Basins]) -> Basins:
    """The chains of several samples as those of one."""
    return Basins("", np.concatenate([each.by_chain for each in several]), min(each.draws for each in several))


def basin_rows(held: Mapping[str, Mapping[str, Basins]]) -> Iterator[Row]:
    """``basins.csv``: the share of each chain's draws that climb to each optimum of a point method.

    ``optimum`` is its number in ``optima.csv``; optima that the restarts missed have a number of their own in ``missed``, best first;
    both are empty for the rest. ``objective`` is the optimum's.
    """
    for point, samples in held.items():
        for sample, each in samples.items():
            for chain, shares in enumerate(each.by_chain):
                for place, share in enumerate(shares):
                    yield {
                        "method": sample,
                        "chain": chain,
                        "climbs": point,
                        "optimum": place if place < each.found else None,
                        "missed": place - each.found if each.found <= place < shares.size - 1 else None,
                        "objective": float(each.objectives[place]) if place < each.objectives.size else None,
                        "share": float(share),
                        "draws": each.draws,
                    }


def agreement_checks(held: Mapping[str, Mapping[str, Basins]], points: Mapping[str, Fit]) -> Iterator[Row]:
    """Whether a sample's chains are in the same basins, and whether restarts found those, by the optima of one point method of
    ``points``: of the posterior where there is one."""
    order = sorted(held, key=lambda point: points[point].maximises != "posterior")
    for sample in dict.fromkeys(sample for point in order for sample in held[point]):
        point = next(point for point in order if sample in held[point])
        each = held[point][sample]
        if each.by_chain.shape[0] > 1:
            advice = (
                "chains stay in different basins, so draws do not weigh them: let smc or exact do that, or raise tune, draws and chains"
            )
            yield {"method": sample, **check("basins_disagreement", each.disagreement, each.resolution, each.agrees, advice)}
        more = more_starts(point, points[point])
        yield {"method": sample, **check("basins_elsewhere", each.elsewhere, ELSEWHERE, each.elsewhere <= ELSEWHERE, more)}
        yield {"method": sample, **check("basins_above_best", each.above_best, HIGHER, each.above_best <= HIGHER, more)}
        if each.irregular > 0.0:
            advice = "these draws climb to singular or spurious ends, which are no optima; em with objective: posterior has none"
            yield {"method": sample, **check("basins_irregular", each.irregular, None, None, advice)}


def more_starts(label: str, point: Fit) -> str:
    """What finds optima that restarts missed, by the options that the method has and has not used."""
    init, moves = point.options.get("init"), point.options.get("split_merge")
    components = 0 if point.draws is None else point.draws.n_components  # moves need three
    copies = not isinstance(init, str) or init == "uniform"  # starts that are all the same
    given = ["init: prior"] if init != "prior" else []
    given += [f"split_merge: {max(5, 2 * moves)}"] if moves is not None and components > 2 else []
    ways = [] if copies else [f"raise restarts of {label}"]
    ways += [f"give {label if copies else 'it'} {' or '.join(given)}"] if given else []
    return ", or ".join(ways)


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
