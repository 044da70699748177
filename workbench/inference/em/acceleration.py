"""Acceleration: extrapolate EM's own steps, safeguarded so that the objective never falls."""

from __future__ import annotations

from typing import Literal

import numpy as np

from workbench.inference.em.scheme import LEAP, Iteration, Scheme, Steps, plain
from workbench.inference.mixing import Mixing
from workbench.models import Mixture, Prior
from workbench.models.mixture import combined
from workbench.models.shapes import Coordinates, Flags

AccelerationName = Literal["none", "squarem", "anderson"]

LONGEST = 4.0
"""First limit of SQUAREM's step length; it grows fourfold whenever a step at the limit is accepted (Varadhan & Roland 2008)."""
MEMORY = 5
"""Differences that Anderson's method keeps."""
RIDGE = 1e-10
"""Relative ridge of Anderson's least squares."""


def accelerated(name: AccelerationName, start: Mixture, steps: Steps) -> Scheme:
    """EM with the acceleration ``name``."""
    return {"none": plain, "squarem": squarem, "anderson": anderson}[name](start, steps)


def squarem(start: Mixture, steps: Steps) -> Scheme:
    """Squared extrapolation, scheme S3 (Varadhan & Roland 2008, section 3), in unconstrained coordinates.

    A cycle: theta_1 and theta_2 by two EM steps from theta_0; with r = theta_1 - theta_0 and v = theta_2 - theta_1 - r the
    point theta_0 - 2 a r + a^2 v, a = -|r| / |v|; from there one EM step to the next theta_0. A point whose objective is
    below theta_1's is dropped for theta_2, a step of plain EM. Coordinates on the boundary are left to EM.
    """
    chart = steps.chart
    zero, longest = steps.evaluate(start), np.full(start.weights.shape[0], LONGEST)
    while True:
        keep = yield zero
        zero, longest = _kept(zero, keep), longest[_index(keep)]
        one = steps.evaluate(steps.maximise(zero))
        keep = yield one
        zero, one, longest = _kept(zero, keep), _kept(one, keep), longest[_index(keep)]
        two = steps.maximise(one)
        length, point = _squared(chart, zero.mixture, one.mixture, two, longest)
        middle, accepted = _safeguarded(steps, point, two, one.objective, length > 1.0)
        accepted |= length == 1.0  # EM's own step; where that is the limit, longer ones are tried again
        longest = np.where(accepted & (length >= longest), longest * 4.0, np.where(accepted, longest, np.maximum(longest / 2.0, 1.0)))
        keep = yield middle
        middle, longest = _kept(middle, keep), longest[_index(keep)]
        zero = steps.evaluate(steps.maximise(middle))


def _squared(chart: Prior, zero: Mixture, one: Mixture, two: Mixture, longest: np.ndarray) -> tuple[np.ndarray, Mixture]:
    """Step lengths (restart,) and the extrapolated mixtures; 1 is EM's own second step."""
    with np.errstate(all="ignore"):
        u0, u1, u2 = (chart.flatten(mixture)[0] for mixture in (zero, one, two))
        fixed = _fixed(chart, u0, u1, u2)
        r = np.where(fixed, 0.0, u1 - u0)
        v = np.where(fixed, 0.0, u2 - u1) - r
        length = np.linalg.norm(r, axis=-1) / np.linalg.norm(v, axis=-1)
        length = np.clip(np.nan_to_num(length, nan=1.0, posinf=1.0), 1.0, longest)
        a = length[:, None]
        u = np.where(fixed, u2, np.where(fixed, 0.0, u0) + 2.0 * a * r + a**2 * v)
        point, _ = chart.unflatten(u)
    return length, _repaired(point, two)


def _fixed(chart: Prior, *points: Coordinates) -> np.ndarray:
    """Coordinates that stay where EM puts them: of probabilities at 0 or 1, or as good as there.

    Those run off without end, a constant step at a time: they say nothing of how far the others are from where they go.
    """
    return np.asarray(~np.all([np.abs(u) < chart.boundaries for u in points], axis=0))


def _repaired(point: Mixture, image: Mixture) -> Mixture:
    """The point, with EM's own image where it is no number: in a simplex with a probability of 0."""
    return combined([point, image], lambda pair: np.where(np.isnan(pair[0]), pair[1], pair[0]))


def anderson(start: Mixture, steps: Steps) -> Scheme:
    """Anderson's mixing of the last few EM steps (Walker & Ni 2011), dropped for plain EM where the objective would fall.

    g is the EM map in unconstrained coordinates, f(u) = g(u) - u; see :class:`workbench.inference.mixing.Mixing`. Coordinates
    on the boundary are left to EM.
    """
    chart = steps.chart
    now = steps.evaluate(start)
    history = Mixing(start.weights.shape[0], chart.dim, MEMORY, RIDGE)
    while True:
        keep = yield now
        now, history = _kept(now, keep), history.take(_index(keep))
        image = steps.maximise(now)
        with np.errstate(all="ignore"):
            u, g = chart.flatten(now.mixture)[0], chart.flatten(image)[0]
            fixed = _fixed(chart, u, g)
            mended = history.mended(np.where(fixed, 0.0, g - u), np.where(fixed, 0.0, g))
            point, _ = chart.unflatten(np.where(fixed, g, mended))
        point = _repaired(point, image)
        after, accepted = _safeguarded(steps, point, image, now.objective, history.filled)
        history.forget(~accepted & history.filled)
        now = after


def _safeguarded(steps: Steps, point: Mixture, fallback: Mixture, floor: np.ndarray, wanted: Flags) -> tuple[Iteration, Flags]:
    """The E step at ``point`` where it is ``wanted`` and not below ``floor``, else at ``fallback``; and who was accepted."""
    tried, accepted = np.flatnonzero(wanted), np.zeros(floor.size, bool)
    parts = []
    if tried.size:
        there = steps.evaluate(point.take(tried)).led(LEAP)
        good = there.objective >= floor[tried]
        accepted[tried] = good
        parts.append((tried[good], there if good.all() else there.take(good)))
    rest = np.flatnonzero(~accepted)
    if rest.size:
        parts.append((rest, steps.evaluate(fallback.take(rest))))
    return Iteration.numbered(parts), accepted


def _index(keep: np.ndarray | None) -> np.ndarray | slice:
    return slice(None) if keep is None else keep


def _kept(iteration: Iteration, keep: np.ndarray | None) -> Iteration:
    return iteration if keep is None else iteration.take(keep)
