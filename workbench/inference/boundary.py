"""Boundary: probabilities of 0 and 1, rates and weights of 0, which no step of EM leaves, and the way inside from there.

At a maximum the objective does not rise from any of them into the interior (Karush, Kuhn & Tucker). EM multiplies a small
probability by gained / given, the sums of the two parts of that slope, so that one step from slightly inside shows its sign.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from workbench.models import Mixture
from workbench.models.information.chart import rebuilt
from workbench.models.information.kernel import SNAP_BELOW
from workbench.models.information.table import sides_of
from workbench.models.shapes import Flags

LIFT = 1e-8
"""How far inside the slope is looked at."""
RISING = 1e-6
"""Relative growth in one step from there that is none of rounding's: 1 - p has but eight digits."""
INSIDE = 1e-4
"""How far inside what should rise begins: far enough to get on, and near enough for the rest of the fit not to notice."""

Step = Callable[[Mixture], Mixture]
"""EM's step, of a batch of mixtures."""


def sides(mixture: Mixture) -> dict[str, np.ndarray]:
    """Where each weight, probability and rate is: -1 at its lower boundary, 1 at the upper, 0 inside; (*batch, ...).

    Of a component of weight 0 the weight alone: the objective does not know the rest.
    """
    dead = mixture.weights < SNAP_BELOW
    own = sides_of(mixture.components)
    return {"weights": -dead.astype(int), **{name: np.where(_along(dead, side.ndim), 0, side) for name, side in own.items()}}


def _along(flags: Flags, n_axes: int) -> Flags:
    """Flags (*batch, K) beside arrays of ``n_axes`` axes, (*batch, K, ...)."""
    return flags.reshape(flags.shape + (1,) * (n_axes - flags.ndim))


def lifted(mixture: Mixture, depth: float, where: dict[str, np.ndarray]) -> Mixture:
    """The mixture with the boundaries ``where`` taken inside by ``depth``, the others giving way in proportion."""
    found = dict(mixture.parameters())
    for name, side in where.items():
        inside = np.where(side < 0, depth, np.where(side > 0, 1.0 - depth, found[name]))
        if name == "weights" or mixture.dims[name][-1].endswith("level"):
            inside = inside / inside.sum(axis=-1, keepdims=True)
        found[name] = inside
    return Mixture(found.pop("weights"), rebuilt(mixture.components, found))


def rising(mixture: Mixture, step: Step, alive: Flags | None = None) -> dict[str, np.ndarray]:
    """Of the boundaries of a batch (fit,), those from which the objective rises into the interior; sides, the others 0.

    Weights of 0 of components that are not ``alive`` (K,) are let alone.
    """
    at = sides(mixture)
    if alive is not None:
        at["weights"] = at["weights"] * alive
    if not any(side.any() for side in at.values()):
        return at
    start = lifted(mixture, LIFT, at)
    with np.errstate(all="ignore"):
        after = step(start).parameters()
    for name, side in at.items():
        before, now = start.parameters()[name], after[name]
        up = np.where(side < 0, now > before * (1.0 + RISING), (1.0 - now) > (1.0 - before) * (1.0 + RISING))
        at[name] = np.where(up, side, 0)
    return at


def released(mixture: Mixture, step: Step, alive: Flags | None = None) -> tuple[Mixture, np.ndarray]:
    """Fits of a batch (fit,) that are no maxima, inside the boundaries from which they should rise, and their numbers."""
    where = rising(mixture, step, alive)
    who = np.flatnonzero(np.any([side.any(axis=tuple(range(1, side.ndim))) for side in where.values()], axis=0))
    return lifted(mixture.take(who), INSIDE, {name: side[who] for name, side in where.items()}), who
