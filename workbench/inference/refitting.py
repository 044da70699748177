"""Refitting: a mixture fitted again to the same rows with other counts, many such fits side by side, from one start."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from workbench.data import Dataset
from workbench.inference.batches import Ends, chosen, each_its_own, placed, repeated, replaced
from workbench.inference.em.climb import LOST
from workbench.inference.em.engine import Engine
from workbench.inference.mixing import Mixing
from workbench.models import Mixture, Prior
from workbench.models.information import Information, observed_information
from workbench.models.information.louis import FLAT
from workbench.models.information.table import snapped_components
from workbench.models.mixture import gathered

CLOSE = 1e-8
"""A refit is done when the distance to its optimum, in standard errors of the full fit, is estimated to be less."""
SETTLED = 1e-9
"""Nats by which the last step may have changed the log density of a row that was left out."""
QUICK = 12
"""Stretched iterations within which a refit that stays near the full fit is done; the others are left to EM's own steps."""
NEAR = 1e-6
"""Length of EM's own step from which stretched ones finish."""
PATIENT = 5_000
"""EM's own iterations after which a refit is given up."""
LOOKED_AT = 5e7
"""Multiplications for the second derivatives of one refit up to which they are worked out: some hundredths of a second."""
MEMORY = 3
"""Differences of steps by which the next one is mended."""
RIDGE = 1e-12
"""Relative ridge of the least squares that mends it."""

GOING, DONE, SINGULAR, LOST_ONE, IMPOSSIBLE = range(5)
"""How a refit stands: not converged; converged; singular; a component lost; no density for a row that was left out."""


@dataclass(frozen=True, eq=False)
class Refitted:
    """Where refits ended, (refit,)."""

    mixture: Mixture
    codes: np.ndarray
    iterations: int


class Refitting:
    """EM from a full fit to rows of which some units are left out.

    Attributes
    ----------
    data : rows, each once
    """

    def __init__(self, info: Information, data: Dataset, prior: Prior | None, engine: Engine) -> None:
        self.data, self.prior, self.engine, self.chart = data, prior, engine, info.chart
        maximum = info.covariance is not None
        self.stretch = np.asarray(info.covariance) @ info.complete if maximum else np.eye(info.chart.size)
        self.metric = info.observed if maximum else info.complete
        self.scales = np.sqrt(np.diagonal(self.metric))
        self.probe = data.x[np.argsort(np.isnan(data.x).sum(axis=1), kind="stable")[:2]]
        self.spread = data.spread
        self.alive = info.chart.mixture.weights > 0  # what the full fit had lost, no refit loses

    def run(self, start: Mixture, left: np.ndarray) -> Refitted:
        """Refits without the units ``left`` (refit, row), all from ``start``.

        First by stretched steps; those that are not done soon, because they lead far away, again by EM's own steps, which do
        not stop at saddles on the way, and stretched ones for the last digits.
        """
        quick = self._quick(repeated(start, left.shape[0]), left)
        hard = np.flatnonzero((quick.codes != DONE) & (quick.codes != IMPOSSIBLE))
        if not hard.size:
            return quick
        slow = self._patient(repeated(start, hard.size), left[hard])
        codes = quick.codes.copy()
        codes[hard] = slow.codes
        mixture = gathered([quick.mixture, slow.mixture])
        where = np.arange(left.shape[0])
        where[hard] = left.shape[0] + np.arange(hard.size)
        return Refitted(mixture.take(where), codes, max(quick.iterations, slow.iterations))

    def _quick(self, start: Mixture, left: np.ndarray) -> Refitted:
        count = left.shape[0]
        codes, ends = np.full(count, GOING), Ends()
        state, active, step = _State(start, count, self.chart.size), np.arange(count), 0
        while active.size and step < QUICK:
            step += 1
            distance, bad = self._stretched(state, self._counts(left[active]))
            bad = self._named(state.before, left[active], bad)
            close = (distance < CLOSE) & (bad == GOING)
            done = (close & (self._moved(state.before, state.mixture, left[active], close) < SETTLED)) | (bad != GOING)
            codes[active[done]] = np.where(bad[done] != GOING, bad[done], DONE)
            ends.add(active[done], chosen(bad[done] == GOING, state.mixture.take(done), state.before.take(done)))
            active, state = active[~done], state.take(~done)
        ends.add(active, state.mixture)
        return Refitted(ends.mixture(), codes, step)

    def _patient(self, start: Mixture, left: np.ndarray) -> Refitted:
        """EM's own steps; stretched ones from where those are short, if they then hold."""
        count = left.shape[0]
        codes, ends, step = np.full(count, GOING), Ends(), 0
        active, mixture, near = np.arange(count), start, np.full(count, NEAR)
        while active.size and step < PATIENT:
            step += 1
            with np.errstate(all="ignore"):
                expectation = self.engine.expect(mixture, self.data, self._counts(left[active]))
                after = self.engine.m_step(expectation.statistics, self.prior, mixture)
                short = self._length(self.chart.coordinates(after) - self.chart.coordinates(mixture))
                bad = self._named(mixture, left[active], self._wrong(expectation, after, short))
            arrived = (short < near[active]) & (bad == GOING)
            mixture, done = self._finished(mixture, after, left[active], arrived)
            near[active[arrived & ~done]] /= 100.0
            over = done | (bad != GOING)
            codes[active[over]] = np.where(bad[over] != GOING, bad[over], DONE)
            ends.add(active[over], mixture.take(over))
            active, mixture = active[~over], mixture.take(~over)
        ends.add(active, mixture)
        return Refitted(ends.mixture(), codes, step)

    def _finished(self, before: Mixture, after: Mixture, left: np.ndarray, arrived: np.ndarray) -> tuple[Mixture, np.ndarray]:
        """``after`` with the last digits of those that have ``arrived``, and which of them are done.

        What still changes the density of a row that was left out is a probability on its way to 0: it is taken there.
        """
        done = np.zeros(arrived.size, bool)
        if not arrived.any():
            return after, done
        who = np.flatnonzero(arrived)
        still = self._moved(before, after, left, arrived)[who] >= SETTLED
        at_zero = Mixture(after.weights, snapped_components(before.components, after.components)) if still.any() else after
        start = chosen(still, at_zero.take(who), after.take(who)) if still.any() else after.take(who)
        last = self._quick(start, left[who])
        done[who] = (last.codes == IMPOSSIBLE) | ((last.codes == DONE) & ~self._at_saddle(last, left[who]))
        return placed(after, last.mixture, who[done[who]], done[who]), done

    def _at_saddle(self, last: Refitted, left: np.ndarray) -> np.ndarray:
        """Which refits are at a saddle that EM passes on its way; not looked at where second derivatives take long.

        A probability of 0 is left by no step of EM, so the sign of its slope does not matter here.
        """
        found = np.zeros(left.shape[0], bool)
        for i in np.flatnonzero(last.codes == DONE) if self.data.n_rows * self.chart.size**2 < LOOKED_AT else ():
            rest = replace(self.data, counts=self._counts(left[i]))
            shares = observed_information(last.mixture.take(i), rest, self.prior).shares
            found[i] = float(shares.min(initial=1.0)) < -FLAT
        return found

    def _stretched(self, state: _State, weigh: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """One stretched step of every refit, noted in ``state``: the estimated distance that was left, and what went wrong."""
        with np.errstate(all="ignore"):
            expectation = self.engine.expect(state.mixture, self.data, weigh)
            objective = self._objective(expectation.log_likelihood, state.mixture)
            fell = state.stretched & ~(objective >= state.objective - 1e-12 * np.abs(state.objective))
            if fell.any():
                state.take_back(fell)
                again = self.engine.expect(state.mixture.take(fell), self.data, weigh[fell])
                expectation = replaced(expectation, again, fell)
                objective[fell] = self._objective(again.log_likelihood, state.mixture.take(fell))
            after = self.engine.m_step(expectation.statistics, self.prior, state.mixture)
            here = self.chart.coordinates(state.mixture)
            short = self.chart.coordinates(after) - here
            long = short @ self.stretch.T
            distance = self._length(long)
            bad = self._wrong(expectation, after, distance)
            moved = self.chart.shifted(after, state.mixing.mended(long, here + long, self.scales) - (here + short))
            inside = ~np.isnan(moved.log_joint(self.probe)).any(axis=(-1, -2)) & (bad == GOING)
        state.advance(after, moved, objective, inside)
        return distance, bad

    def _counts(self, left: np.ndarray) -> np.ndarray:
        return np.asarray(np.maximum(self.data.counts - left, 0.0))

    def _length(self, e: np.ndarray) -> np.ndarray:
        return np.asarray(np.sqrt(np.maximum(np.einsum("bi,ij,bj->b", e, self.metric, e, optimize=True), 0.0)))

    def _objective(self, log_likelihood: Any, mixture: Mixture) -> np.ndarray:
        return np.array(log_likelihood if self.prior is None else log_likelihood + self.prior.log_density(mixture))

    def _wrong(self, expectation: Any, after: Mixture, length: np.ndarray) -> np.ndarray:
        bad = np.full(length.size, GOING)
        if self.prior is None:
            bad[expectation.statistics.counts[..., self.alive].min(axis=-1) < LOST] = LOST_ONE
        failed = ~np.isfinite(length) | ~np.isfinite(expectation.log_likelihood)
        bad[self.engine.collapsed(after, self.spread) | failed] = SINGULAR
        return bad

    def _named(self, mixture: Mixture, left: np.ndarray, bad: np.ndarray) -> np.ndarray:
        """Where a row that is left out altogether has no density, nothing is singular; EM never leads away from such a point."""
        for i in np.flatnonzero(bad == SINGULAR):
            absent = self.data.x[(left[i] > 0) & (left[i] >= self.data.counts)]
            with np.errstate(all="ignore"):
                if absent.size and np.isneginf(mixture.take(i).log_density(absent)).any():
                    bad[i] = IMPOSSIBLE
        return bad

    def _moved(self, before: Mixture, after: Mixture, left: np.ndarray, who: np.ndarray) -> np.ndarray:
        """The most by which the log density of a row that is left out has changed; 0 for the others."""
        found = np.zeros(who.size)
        chosen_ones = np.flatnonzero(who)
        if not chosen_ones.size:
            return found
        out = left[chosen_ones] > 0
        if (out.sum(axis=1) == 1).all():
            x = self.data.x[out.argmax(axis=1)]
            found[chosen_ones] = _gaps(*(each_its_own(mixture.take(chosen_ones), x) for mixture in (before, after)))
            return found
        for i, rows in zip(chosen_ones, out, strict=True):
            found[i] = _gaps(*(mixture.take(i).log_density(self.data.x[rows]) for mixture in (before, after))).max()
        return found


def _gaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # both may be -inf
        return np.asarray(np.where(first == second, 0.0, np.abs(first - second)))


class _State:
    """Where the refits are.

    Attributes
    ----------
    mixture, before, safe : now, one step earlier, and where EM's own last step led
    objective : of the step before
    stretched : whether the last step was
    mixing : of the stretched steps
    """

    def __init__(self, mixture: Mixture, count: int, size: int) -> None:
        self.mixture, self.before, self.safe = mixture, mixture, mixture
        self.objective, self.stretched = np.full(count, -np.inf), np.zeros(count, bool)
        self.mixing = Mixing(count, size, MEMORY, RIDGE)

    def take(self, index: np.ndarray) -> _State:
        other = _State(self.mixture.take(index), 0, 0)
        other.before, other.safe = self.before.take(index), self.safe.take(index)
        other.objective, other.stretched = self.objective[index], self.stretched[index]
        other.mixing = self.mixing.take(index)
        return other

    def take_back(self, who: np.ndarray) -> None:
        """EM's own step instead of the stretched one, and nothing of what was remembered."""
        self.mixture = chosen(who, self.safe, self.mixture)
        self.stretched = self.stretched & ~who
        self.mixing.forget(who, last=True)

    def advance(self, plain: Mixture, stretched: Mixture, objective: np.ndarray, inside: np.ndarray) -> None:
        self.before, self.safe = self.mixture, plain
        self.stretched, self.objective = inside, objective
        self.mixture = chosen(inside, stretched, plain)
