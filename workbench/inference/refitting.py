"""Refitting: a mixture fitted again to the same rows with other counts, many such fits side by side, from one start."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np

from workbench.inference.batches import Ends, chosen, placed, repeated, replaced
from workbench.inference.boundary import INSIDE, lifted, released, rising, sides
from workbench.inference.rest import DONE, GOING, SINGULAR, Rest
from workbench.inference.stretched import Stretched
from workbench.inference.summit import Place, summit
from workbench.models import Mixture
from workbench.models.information import observed_information
from workbench.models.information.table import snapped_components
from workbench.models.mixture import combined, gathered, stacked

SETTLED = 1e-9
"""Nats by which the last step may have changed the log density of a row that was left out."""
QUICK = 12
"""Stretched iterations within which a refit that stays near the full fit is done; the others are left to EM's own steps."""
CLOSE = 1e-8
"""A refit is done when the distance to its optimum, in standard errors of the full fit, is estimated to be less."""
NEAR = 1e-4
"""Length of EM's own step from which stretched or Newton's ones finish."""
PLAIN = 300
"""EM's own iterations after which those of the refits that still go on are squared."""
LEAP = 64.0
"""The most of EM's steps that such a one may stand for."""
PATIENT = 3_000
"""Iterations after which a refit is given up."""
LOOKED_AT = 5e7
"""Multiplications for the second derivatives of one refit up to which they are worked out: some hundredths of a second."""
ROUNDS = 10
"""How often a refit may be taken inside from boundaries that are no maximum; the next end may be at others."""


@dataclass(frozen=True, eq=False)
class Refitted:
    """Where refits ended, (refit,).

    Attributes
    ----------
    codes : how each stands
    iterations : the most that one took
    """

    mixture: Mixture
    codes: np.ndarray
    iterations: int

    def replaced(self, who: np.ndarray, others: Refitted) -> Refitted:
        """The same with the refits numbered ``who`` from others."""
        order = np.arange(self.codes.size)
        order[who] = self.codes.size + np.arange(who.size)
        codes = np.concatenate([self.codes, others.codes])[order]
        return Refitted(gathered([self.mixture, others.mixture]).take(order), codes, max(self.iterations, others.iterations))


class Refitting(Rest):
    """EM from a full fit to rows of which some units are left out."""

    def run(self, left: np.ndarray) -> Refitted:
        """Refits without the units ``left`` (refit, row): the local maximum that EM reaches from the full fit.

        First with what the full fit has at a boundary held there. Where the objective then rises into the interior, which no step
        of EM shows that starts at the boundary, EM goes on from slightly inside, until it rises from none; so the end is where EM
        leads from beside the full fit, whatever had been 0 there and whatever 1e-12.
        """
        found = self._near(left)
        for _ in range(ROUNDS):
            inside, who = self._released(found, left)
            if not who.size:
                return self._checked(found)
            found = found.replaced(who, self._inside._patient(inside, left[who]))
        codes = found.codes.copy()
        codes[self._released(found, left)[1]] = GOING
        return self._checked(replace(found, codes=codes))

    def _near(self, left: np.ndarray) -> Refitted:
        """First by stretched steps; those that are not done soon, because they lead far away, again by EM's own steps, which do
        not stop at saddles on the way, and Newton's or stretched ones for the last digits."""
        found = self._quick(repeated(self.chart.mixture, left.shape[0]), left)
        hard = np.flatnonzero(found.codes != DONE)
        if not hard.size:
            return found
        return found.replaced(hard, self._patient(repeated(self.chart.mixture, hard.size), left[hard]))

    @functools.cached_property
    def _inside(self) -> Refitting:
        """The same in coordinates that what lies at the full fit's boundaries has too: those of a point beside it."""
        where = sides(self.chart.mixture)
        where["weights"] = where["weights"] * self.alive
        beside = lifted(self.chart.mixture, INSIDE, where)
        return Refitting(observed_information(beside, self.data, self.prior, snap=False), self.data, self.prior, self.engine)

    def _released(self, found: Refitted, left: np.ndarray) -> tuple[Mixture, np.ndarray]:
        """Of the refits that are done, those that are no maxima, inside the boundaries that they should leave; and their numbers."""
        done = np.flatnonzero(found.codes == DONE)
        inside, who = released(found.mixture.take(done), self.step(left[done]), self.alive)
        return inside, done[who]

    def _checked(self, found: Refitted) -> Refitted:
        """Where a component needs rows of its own, one that was taken to weight 0 is no optimum."""
        if not self.loss_is_singular:
            return found
        gone = (found.mixture.weights[:, self.alive] <= 0).any(axis=-1)
        return replace(found, codes=np.where(gone & (found.codes == DONE), SINGULAR, found.codes))

    def _quick(self, start: Mixture, left: np.ndarray) -> Refitted:
        count = left.shape[0]
        codes, ends = np.full(count, GOING), Ends()
        state, active, step = Stretched(start, count, self.chart.size), np.arange(count), 0
        while active.size and step < QUICK:
            step += 1
            distance, bad = self._stretched(state, self.counts(left[active]))
            close = (distance < CLOSE) & (bad == GOING)
            done = (close & (self.moved(state.before, state.mixture, left[active], close) < SETTLED)) | (bad != GOING)
            codes[active[done]] = np.where(bad[done] != GOING, bad[done], DONE)
            ends.add(active[done], chosen(bad[done] == GOING, state.mixture.take(done), state.before.take(done)))
            active, state = active[~done], state.take(~done)
        ends.add(active, state.mixture)
        return Refitted(ends.mixture(), codes, step)

    def _patient(self, start: Mixture, left: np.ndarray) -> Refitted:
        """EM's own steps; Newton's or stretched ones from where those are short, if they then lead to a maximum."""
        count = left.shape[0]
        codes, ends, step = np.full(count, GOING), Ends(), 0
        active, mixture, near = np.arange(count), start, np.full(count, NEAR)
        while active.size and step < PATIENT:
            step += 1
            with np.errstate(all="ignore"):
                expectation = self.engine.expect(mixture, self.data, self.counts(left[active]))
                after = self.engine.m_step(expectation.statistics, self.prior, mixture)
                short = self.length(self.chart.coordinates(after) - self.chart.coordinates(mixture))
                bad = self.wrong(expectation, after, short)
            arrived = ((short < near[active]) | (step == PATIENT)) & (bad == GOING)
            before = mixture
            mixture, done = self._finished(before, after, left[active], arrived)
            near[active[arrived & ~done]] /= 100.0
            over = done | (bad != GOING)
            codes[active[over]] = np.where(bad[over] != GOING, bad[over], DONE)
            ends.add(active[over], mixture.take(over))
            active, mixture = active[~over], mixture.take(~over)
            if active.size and step > PLAIN:
                mixture = self._leapt(before.take(~over), mixture, left[active])
        ends.add(active, mixture)
        return Refitted(ends.mixture(), codes, step)

    def _leapt(self, zero: Mixture, one: Mixture, left: np.ndarray) -> Mixture:
        """Where EM's next steps after ``zero`` and ``one`` lead by squared extrapolation, which passes saddles as they do (Varadhan
        & Roland 2008, section 3); where the objective would be lower there, its own next step."""
        with np.errstate(all="ignore"):
            expectation = self.engine.expect(one, self.data, self.counts(left))
            two = self.engine.m_step(expectation.statistics, self.prior, one)
            u = [self.chart.coordinates(mixture) for mixture in (zero, one, two)]
            ratio = self.length(u[1] - u[0]) / self.length(u[2] - 2.0 * u[1] + u[0])
            a = np.clip(np.nan_to_num(ratio, nan=1.0, posinf=1.0), 1.0, LEAP)

            def beyond(arrays: list[np.ndarray]) -> np.ndarray:
                b = a.reshape(-1, *(1,) * (arrays[0].ndim - 1))
                return np.asarray(arrays[0] + 2.0 * b * (arrays[1] - arrays[0]) + b**2 * (arrays[2] - 2.0 * arrays[1] + arrays[0]))

            point = combined([zero, one, two], beyond)
            inside = ~np.isnan(point.log_joint(self.probe)).any(axis=(-1, -2))
            there = self.objective(self.engine.expect(point, self.data, self.counts(left)).log_likelihood, point)
            return chosen(inside & (there >= self.objective(expectation.log_likelihood, one)), point, two)

    def _finished(self, before: Mixture, after: Mixture, left: np.ndarray, arrived: np.ndarray) -> tuple[Mixture, np.ndarray]:
        """``after`` with the last digits of those that have ``arrived``, and which of them are done.

        By Newton's steps, which tell a saddle that EM passes on its way; by stretched ones along a ridge, or where second
        derivatives take long.
        """
        done, who = np.zeros(arrived.size, bool), np.flatnonzero(arrived)
        if not who.size:
            return after, done
        flat = who
        if self.data.n_rows * self.chart.size**2 < LOOKED_AT:
            found = [self._summit(after.take(i), left[i]) for i in who]
            there, ridge = (np.array([place is wanted for _, place in found]) for wanted in (Place.MAXIMUM, Place.RIDGE))
            ends = stacked([end for end, _ in found])
            there &= ~self._too_early(after.take(who), ends, left[who])
            done[who[there]], flat = True, who[ridge]
            after = placed(after, ends, who[there], there)
        if flat.size:
            last = self._quick(self._at_zero(before, after, left, flat), left[flat])
            done[flat] = last.codes == DONE
            after = placed(after, last.mixture, flat[done[flat]], done[flat])
        return after, done

    def _too_early(self, before: Mixture, ends: Mixture, left: np.ndarray) -> np.ndarray:
        """Which ends lie at a boundary that the objective rises from, and that they had not been at before: a probability that
        fell for some steps of EM was taken to 0, from where it would not have come back."""
        at, up = sides(before), rising(ends, self.step(left), self.alive)
        new = [(side != 0) & (at[name] == 0) for name, side in up.items()]
        return np.any([flags.any(axis=tuple(range(1, flags.ndim))) for flags in new], axis=0)

    def _summit(self, mixture: Mixture, left: np.ndarray) -> tuple[Mixture, Place]:
        return summit(mixture, replace(self.data, counts=self.counts(left)), self.prior, CLOSE)

    def _at_zero(self, before: Mixture, after: Mixture, left: np.ndarray, who: np.ndarray) -> Mixture:
        """``after[who]``; what still changes the density of a row that was left out is a probability on its way to 0, and taken there."""
        still = self.moved(before, after, left, np.isin(np.arange(left.shape[0]), who))[who] >= SETTLED
        if not still.any():
            return after.take(who)
        there = Mixture(after.weights, snapped_components(before.components, after.components))
        return chosen(still, there.take(who), after.take(who))

    def _stretched(self, state: Stretched, weigh: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """One stretched step of every refit, noted in ``state``: the estimated distance that was left, and what went wrong."""
        with np.errstate(all="ignore"):
            expectation = self.engine.expect(state.mixture, self.data, weigh)
            objective = self.objective(expectation.log_likelihood, state.mixture)
            fell = state.stretched & ~(objective >= state.objective - 1e-12 * np.abs(state.objective))
            if fell.any():
                state.take_back(fell)
                again = self.engine.expect(state.mixture.take(fell), self.data, weigh[fell])
                expectation = replaced(expectation, again, fell)
                objective[fell] = self.objective(again.log_likelihood, state.mixture.take(fell))
            after = self.engine.m_step(expectation.statistics, self.prior, state.mixture)
            here = self.chart.coordinates(state.mixture)
            short = self.chart.coordinates(after) - here
            long = short @ self.stretch.T
            distance = self.length(long)
            bad = self.wrong(expectation, after, distance)
            moved = self.chart.shifted(after, state.mixing.mended(long, here + long, self.scales) - (here + short))
            inside = ~np.isnan(moved.log_joint(self.probe)).any(axis=(-1, -2)) & (bad == GOING)
        state.advance(after, moved, objective, inside)
        return distance, bad
