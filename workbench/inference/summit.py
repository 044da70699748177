"""Summit: Newton's last steps from a point of EM's to the local maximum nearby, if there is one."""

from __future__ import annotations

from enum import Enum, auto

import numpy as np

from workbench.data import Dataset
from workbench.models import Mixture, Prior
from workbench.models.information import observed_information
from workbench.models.information.louis import FLAT

STEPS = 8
"""Newton's steps within which a point near a maximum is there."""
REACH = 0.3
"""The longest of them, in standard errors: beyond, where they lead need not be where EM does."""


class Place(Enum):
    """What is nearby."""

    MAXIMUM = auto()
    SADDLE = auto()
    RIDGE = auto()
    NOTHING = auto()


def summit(mixture: Mixture, data: Dataset, prior: Prior | None, close: float) -> tuple[Mixture, Place]:
    """The local maximum near an unbatched mixture, to within ``close`` standard errors, boundaries kept; or what else is there.

    Steps are I_obs^-1 gradient, both from Louis' formula at the point itself; what is about to reach a boundary is taken there
    first. Whether the objective rises from the boundaries into the interior is not looked at.
    """
    for _ in range(STEPS):
        with np.errstate(all="ignore"):
            information = observed_information(mixture, data, prior)
            lowest = float(information.shares.min(initial=1.0))
            if not lowest > FLAT:
                return mixture, Place.SADDLE if lowest < -FLAT else Place.RIDGE
            step = np.linalg.solve(information.observed, information.gradient)
            length = float(step @ information.gradient) ** 0.5
            if not length < REACH:
                break
            mixture = information.chart.moved(step[None]).take(0)
            if not np.isfinite(mixture.log_likelihood(data.x, data.counts)):
                break
        if length < close:
            return mixture, Place.MAXIMUM
    return mixture, Place.NOTHING
