"""How far a restart of ADVI goes: each learning rate is kept until window means of the ELBO stop rising."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.fit import Status

if TYPE_CHECKING:
    from workbench.inference.pymc.step import Gaussian, Step

TRACED = 1000
"""Points of the trace a restart keeps at most, each a mean over the steps since the last."""
PATIENCE = 2
"""Windows in a row without a rise after which a rate is left."""


@dataclass(frozen=True)
class Schedule:
    """Learning rates in turn, the steps of a window, and the most steps in all."""

    rates: tuple[float, ...]
    window: int
    max_iter: int

    @property
    def stride(self) -> int:
        """Steps between points of the trace."""
        return max(1, self.window // 10, -(-self.max_iter // TRACED))


@dataclass(frozen=True, eq=False)
class Ascent:
    """Where a restart ended and how it came there.

    Attributes
    ----------
    q : the approximation
    status : CONVERGED, NOT_SETTLED or NOT_FINITE
    iteration, seconds, elbo : the trace; ``elbo`` is the mean of the one-draw estimates since the point before, or by minibatches the
        ELBO on all rows of the window's average
    windows : (rate, ELBO, standard error) of the windows by which it was judged; by minibatches no error, as the noise is the same
    """

    q: Gaussian
    status: Status
    iteration: np.ndarray
    seconds: np.ndarray
    elbo: np.ndarray
    windows: tuple[tuple[float, float, float], ...]

    @property
    def rise(self) -> tuple[float, float]:
        """How far the last windows are above the best before them, and above what a rate is kept, in nats; nan of a single window."""
        last = [(elbo, np.nan_to_num(error)) for rate, elbo, error in self.windows if rate == self.windows[-1][0]]
        every = last if len(last) > PATIENCE else [(elbo, np.nan_to_num(error)) for _, elbo, error in self.windows]
        return max(rises(every), key=lambda pair: pair[0] - pair[1], default=(np.nan, np.nan))

    @property
    def verdict(self) -> str:
        """The last windows in a sentence."""
        last = [window for window in self.windows if window[0] == self.windows[-1][0]][-1 - PATIENCE :]
        elbos, error = ", ".join(f"{elbo:.2f}" for _, elbo, _ in last), last[-1][2]
        exactness = f" (standard error {error:.2f})" if np.isfinite(error) else ""
        return f"ELBO of the last windows, at the rate {self.windows[-1][0]:g}: {elbos}{exactness}"


def ascend(step: Step, start: Gaussian, seed: int, schedule: Schedule, progress: Callable[[float], None]) -> Ascent:
    """Climb from ``start``; one-draw estimates of the ELBO are noisy, so only window means are compared."""
    step.begin(start, seed)
    begun, points, windows, done = time.perf_counter(), [], [], 0
    status = Status.CONVERGED
    for rate in schedule.rates:
        step.rate.set_value(np.float64(rate))
        here: list[tuple[float, float]] = []
        while status is Status.CONVERGED and not settled(here):
            if done >= schedule.max_iter:
                status = Status.NOT_SETTLED
                break
            values = []
            for n_steps in _pieces(min(schedule.window, schedule.max_iter - done), schedule.stride):
                values.append(step.run(n_steps))
                done += n_steps
                points.append((done, time.perf_counter() - begun, float(values[-1].mean())))
            window = np.concatenate(values)
            here.append((float(window.mean()), float(window.std() / np.sqrt(window.size))))
            windows.append((rate, *here[-1]))
            progress(done / schedule.max_iter)
            if not np.isfinite(here[-1][0]):
                status = Status.NOT_FINITE
    iteration, seconds, elbo = (np.array(column) for column in zip(*points, strict=True))
    return Ascent(step.q, status, iteration.astype(np.int64), seconds, elbo, tuple(windows))


def settled(windows: list[tuple[float, float]]) -> bool:
    """Whether the last windows' means lie within two standard errors of the best before them, or below."""
    return len(windows) > PATIENCE and all(rise <= limit for rise, limit in rises(windows))


def rises(windows: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """How far each of the last windows (mean, standard error) is above the best before them, beside two standard errors of that."""
    after = min(PATIENCE, len(windows) - 1)
    if after < 1:
        return []
    best, error = max(windows[:-after])
    return [(float(mean - best), float(2.0 * np.hypot(error, own))) for mean, own in windows[-after:]]


def _pieces(total: int, size: int) -> list[int]:
    return [min(size, total - start) for start in range(0, total, size)]
