"""Exact leave-one-out of a point: the fit once without each row, warm-started, all refits in one batch (statistics, section 6)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from workbench.data import Dataset
from workbench.inference.em.climb import LOST
from workbench.inference.em.engine import BOOK, Engine
from workbench.models import Mixture, Prior
from workbench.models.information import Information, observed_information
from workbench.models.mixture import gathered

MOST_ROWS = 2_000
"""Distinct rows up to which each is left out by itself; above, ten folds."""
FOLDS = 10
CLOSE = 1e-8
"""A refit is done when the distance to its optimum, in standard errors of the fit, is estimated to be less."""
MAX_ITER = 2_000
SHRINKS = 0.7
"""A stretched step that leaves more than this of the distance was too long: the next ones are half as stretched."""
AT_ONCE = 4_000_000
"""Entries of a block of refits' counts (refit, row)."""


@dataclass(frozen=True, eq=False)
class LeaveOneOutRefits:
    """What each row's density is under the fit without it.

    Attributes
    ----------
    elpd : ndarray (N,), log p(x_n | fit with one unit less of row n), or averaged over the folds that its units are in;
        0 for rows without an observed cell, nan where a refit has no optimum
    refits : how many there were
    folds : 0 when each row was left out by itself
    singular, lost, unfinished : refits that ran into a singular solution, lost a component, or were stopped before they had
        converged
    impossible : distinct rows that have no density at all without themselves, by a probability of 0: their elpd is -inf
    iterations : the most that a refit took
    """

    elpd: np.ndarray
    refits: int
    folds: int
    singular: int
    lost: int
    impossible: int
    unfinished: int
    iterations: int


def refits(
    data: Dataset, mixture: Mixture, prior: Prior | None = None, *, engine: Engine = BOOK, information: Information | None = None
) -> LeaveOneOutRefits:
    """Fit ``mixture`` again without each row, by EM from ``mixture``, to the same objective.

    EM's steps are stretched by I_obs^-1 I_complete of the full fit (Louis 1982, section 5; Meng & Rubin 1991), which turns them
    into Newton's up to O(1/N): a handful of iterations, whatever EM's own rate. A stretched step that leaves the parameter
    space or lowers the objective is taken back for EM's own, so the limit is EM's.

    Parameters
    ----------
    mixture : an optimum of the likelihood, or with ``prior`` (whose numbers stay as they are) of the posterior
    information : of the mixture, if it is at hand
    """
    info = observed_information(mixture, data, prior) if information is None else information
    distinct, group = distinct_rows(data)
    seen = ~np.isnan(distinct.x).all(axis=1)
    left = _left_out(distinct, seen)
    folded = left.shape[0] != int(seen.sum())
    batch = _Batch(info, distinct, prior, engine)
    size = max(1, AT_ONCE // distinct.n_rows)
    parts = [batch.run(mixture, left[i : i + size]) for i in range(0, left.shape[0], size)]
    ends = [end for end, _, _ in parts]
    codes = np.concatenate([code for _, code, _ in parts])
    ends_elpd = _folded(ends, codes, distinct, left) if folded else _single(ends, codes, distinct.x[seen], size)
    elpd = np.zeros(distinct.n_rows)
    elpd[seen] = ends_elpd[seen] if folded else ends_elpd
    return LeaveOneOutRefits(
        elpd=elpd[group],
        refits=left.shape[0],
        folds=FOLDS if folded else 0,
        singular=int((codes == _SINGULAR).sum()),
        lost=int((codes == _LOST).sum()),
        impossible=int(np.isneginf(elpd).sum()),
        unfinished=int((codes == _GOING).sum()),
        iterations=max(steps for _, _, steps in parts),
    )


def distinct_rows(data: Dataset) -> tuple[Dataset, np.ndarray]:
    """Each distinct row once, its counts added up, and where each row of ``data`` is among them."""
    empty = np.isnan(data.x)
    keys = np.concatenate([np.where(empty, 0.0, data.x + 0.0), empty], axis=1)  # one nan, one zero
    _, first, group = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    group = group.ravel()
    return replace(data.take(first), counts=np.bincount(group, weights=data.counts)), group


_GOING, _DONE, _SINGULAR, _LOST, _IMPOSSIBLE = range(5)


def _left_out(distinct: Dataset, seen: np.ndarray) -> np.ndarray:
    """Units of each distinct row that each refit leaves out, (refit, row)."""
    if seen.sum() <= MOST_ROWS:
        return np.asarray(np.eye(distinct.n_rows)[seen])
    rng = np.random.default_rng(int(distinct.fingerprint[:15], 16))
    whole = np.where(seen, np.round(distinct.counts), 0.0).astype(np.int64)
    sizes = np.diff(np.linspace(0, whole.sum(), FOLDS + 1).round().astype(np.int64))
    left = np.zeros((FOLDS, distinct.n_rows))
    for fold, size in enumerate(sizes):
        chosen = rng.multivariate_hypergeometric(whole, int(size), method="marginals")
        left[fold], whole = chosen, whole - chosen
    return left


def _single(ends: list[Mixture], codes: np.ndarray, x: np.ndarray, size: int) -> np.ndarray:
    """log p(x_i | end i); nan where there is no end."""
    values = [
        end.take(slice(i, i + 1)).log_density(x[at + i][None])[0, 0]
        for at, end in zip(range(0, x.shape[0], size), ends, strict=True)
        for i in range(end.batch_shape[0])
    ]
    return np.asarray(np.where((codes == _SINGULAR) | (codes == _LOST), np.nan, values))


def _folded(ends: list[Mixture], codes: np.ndarray, distinct: Dataset, left: np.ndarray) -> np.ndarray:
    """Each row's mean log density over the folds that its units are in."""
    total = np.zeros(distinct.n_rows)
    mixture = gathered(ends)
    for fold, units in enumerate(left):
        rows = np.flatnonzero(units)
        bad = codes[fold] in (_SINGULAR, _LOST)
        for chosen in np.array_split(rows, max(1, rows.size // 10_000)):
            density = np.full(chosen.size, np.nan) if bad else mixture.take(fold).log_density(distinct.x[chosen])
            total[chosen] += units[chosen] * density
    units = left.sum(axis=0)
    return np.asarray(np.divide(total, units, out=np.full(units.shape, np.nan), where=units > 0))


class _Batch:
    """Refits side by side; finished ones leave."""

    def __init__(self, info: Information, data: Dataset, prior: Prior | None, engine: Engine) -> None:
        self.data, self.prior, self.engine, self.chart = data, prior, engine, info.chart
        maximum = info.covariance is not None
        self.stretch = np.asarray(info.covariance) @ info.complete if maximum else np.eye(info.chart.size)
        self.metric = info.observed if maximum else info.complete
        most = np.argsort(np.isnan(data.x).sum(axis=1), kind="stable")[:2]
        self.probe = data.x[most]
        self.scale = _spread(data)

    def run(self, start: Mixture, left: np.ndarray) -> tuple[Mixture, np.ndarray, int]:
        """Ends of the refits, how each ended, and the most iterations."""
        count = left.shape[0]
        codes = np.full(count, _GOING)
        ends: list[tuple[np.ndarray, Mixture]] = []
        state = _State(start.take(np.zeros(count, int)) if start.batch_shape else _repeated(start, count), count)
        active, step = np.arange(count), 0
        while active.size and step < MAX_ITER:
            step += 1
            weigh = np.maximum(self.data.counts - left[active], 0.0)
            distance, bad = self._step(state, weigh)
            unsure = np.flatnonzero(bad == _SINGULAR)
            bad[unsure[self._impossible(state.before.take(unsure), weigh[unsure])]] = _IMPOSSIBLE
            done = (distance < CLOSE) | (bad != _GOING)
            codes[active[done]] = np.where(bad[done] != _GOING, bad[done], _DONE)
            ends.append((active[done], _chosen(bad[done] == _GOING, state.mixture.take(done), state.before.take(done))))
            active, state = active[~done], state.take(~done)
        if active.size:
            ends.append((active, state.mixture))
        who = np.concatenate([index for index, _ in ends])
        return gathered([end for _, end in ends]).take(np.argsort(who, kind="stable")), codes, step

    def _step(self, state: _State, weigh: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """One step of every refit, noted in ``state``: the estimated distance that was left, and what went wrong."""
        with np.errstate(all="ignore"):
            expectation = self.engine.expect(state.mixture, self.data, weigh)
            objective = self._objective(expectation.log_likelihood, state.mixture)
            fell = state.stretched & ~(objective >= state.objective - 1e-12 * np.abs(state.objective))
            if fell.any():
                state.take_back(fell)
                again = self.engine.expect(state.mixture.take(fell), self.data, weigh[fell])
                expectation = _replaced(expectation, again, fell)
                objective[fell] = self._objective(again.log_likelihood, state.mixture.take(fell))
            after = self.engine.m_step(expectation.statistics, self.prior, state.mixture)
            short = self.chart.coordinates(after) - self.chart.coordinates(state.mixture)
            long = short @ self.stretch.T
            distance = np.sqrt(np.maximum(np.einsum("bi,ij,bj->b", long, self.metric, long), 0.0))
            state.judge(distance)
            bad = np.full(objective.size, _GOING)
            if self.prior is None:
                bad[expectation.statistics.counts.min(axis=-1) < LOST] = _LOST
            bad[self.engine.collapsed(after, self.scale) | ~np.isfinite(distance) | ~np.isfinite(objective)] = _SINGULAR
            moved = self.chart.shifted(after, state.reach[:, None] * (long - short))
            inside = ~np.isnan(moved.log_joint(self.probe)).any(axis=(-1, -2)) & (bad == _GOING)
        state.advance(after, moved, objective, inside)
        return distance, bad

    def _objective(self, log_likelihood: Any, mixture: Mixture) -> np.ndarray:
        return np.array(log_likelihood if self.prior is None else log_likelihood + self.prior.log_density(mixture))

    def _impossible(self, mixture: Mixture, weigh: np.ndarray) -> np.ndarray:
        """Which mixtures give no density to a row that is left out altogether; EM never leads away from such."""
        found = np.zeros(weigh.shape[0], bool)
        for i, own in enumerate(weigh):
            absent = self.data.x[own <= 0.0]
            found[i] = absent.size > 0 and bool(np.isneginf(mixture.take(i).log_density(absent)).any())
        return found


class _State:
    """Where the refits are.

    Attributes
    ----------
    mixture, before, safe : now, one step earlier, and where EM's own last step led
    objective : of the step before
    stretched : whether the last step was
    reach : by how much of the stretch steps go
    distance : estimated one step earlier
    """

    def __init__(self, mixture: Mixture, count: int) -> None:
        self.mixture, self.before, self.safe = mixture, mixture, mixture
        self.objective, self.distance = np.full(count, -np.inf), np.full(count, np.inf)
        self.stretched, self.reach = np.zeros(count, bool), np.ones(count)

    def take(self, index: np.ndarray) -> _State:
        other = _State(self.mixture.take(index), 0)
        other.before, other.safe = self.before.take(index), self.safe.take(index)
        other.objective, other.distance = self.objective[index], self.distance[index]
        other.stretched, other.reach = self.stretched[index], self.reach[index]
        return other

    def take_back(self, who: np.ndarray) -> None:
        """EM's own step instead of the stretched one, and shorter ones from here."""
        self.mixture = _chosen(who, self.safe, self.mixture)
        self.stretched = self.stretched & ~who
        self.reach[who] /= 2.0

    def judge(self, distance: np.ndarray) -> None:
        """Stretched steps that bring too little were too long."""
        self.reach[self.stretched & (distance > SHRINKS * self.distance)] /= 2.0
        self.distance = distance

    def advance(self, plain: Mixture, stretched: Mixture, objective: np.ndarray, inside: np.ndarray) -> None:
        self.before, self.safe = self.mixture, plain
        self.stretched, self.objective = inside, objective
        self.mixture = _chosen(inside, stretched, plain)


def _chosen(who: np.ndarray, yes: Mixture, no: Mixture) -> Mixture:
    """Fit by fit the one or the other."""
    if who.all() or not who.any():
        return yes if who.all() else no
    order = np.argsort(np.concatenate([np.flatnonzero(who), np.flatnonzero(~who)]), kind="stable")
    return gathered([yes.take(who), no.take(~who)]).take(order)


def _replaced(all_of_them: Any, some: Any, who: np.ndarray) -> Any:
    order = np.argsort(np.concatenate([np.flatnonzero(who), np.flatnonzero(~who)]), kind="stable")
    return type(all_of_them).joined([some, all_of_them.take(~who)]).take(order) if not who.all() else some


def _repeated(mixture: Mixture, count: int) -> Mixture:
    return mixture.reshaped(1, *mixture.batch_shape).take(np.zeros(count, int))


def _spread(data: Dataset) -> np.ndarray:
    """Standard deviations of the observed cells, 1 where a column does not vary."""
    observed = ~np.isnan(data.x)
    total = np.maximum((data.counts[:, None] * observed).sum(axis=0), 1e-300)
    mean = np.where(observed, data.counts[:, None] * data.x, 0.0).sum(axis=0) / total
    variance = np.where(observed, data.counts[:, None] * (data.x - mean) ** 2, 0.0).sum(axis=0) / total
    return np.where(variance > 0, np.sqrt(variance), 1.0)
