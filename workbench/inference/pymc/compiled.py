"""The likelihood as one Op: its place in the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from workbench.fast.lanes import WIDTH
from workbench.inference.pymc.kernel_rows import DISCRETE, GAUSSIAN, kernel_of
from workbench.inference.pymc.likelihood import LogLikelihood  # prepares PyTensor
from workbench.inference.pymc.recipes.coordinates import Coordinates
from workbench.models import Family

import pymc as pm  # isort: skip
import pytensor.tensor as pt  # isort: skip


def add(families: tuple[Family, ...], n_components: int, weights: Any, at: Coordinates, given: Mapping[str, Any]) -> None:
    """Add the likelihood to the model; weights None for K = 1."""
    kernel = kernel_of(families)
    log_weights = pt.zeros((1,), dtype="float64") if weights is None else pt.log(weights)
    coordinates: list[Any] = [log_weights]
    names: list[str] = []
    if "matrices" in kernel or "independent" in kernel:
        matrices = "matrices" in kernel
        coordinates += [at.c, at.t, at.eps] if matrices else [at.c, at.eps]
        names += GAUSSIAN["matrices" if matrices else "independent"]
    if "discrete" in kernel:
        nothing = pt.zeros((n_components, 0), dtype="float64")
        coordinates += [nothing if own is None else own for own in (at.probs, at.rates, at.levels)]
        names += DISCRETE
    own = {**given, **(_places(given) if kernel == "discrete" else {})}
    outputs: Any = LogLikelihood(kernel)(*coordinates, *(own[name] for name in (*names, "counts")))
    pm.Potential("log_likelihood", outputs[0] - given["offset"] if "offset" in given else outputs[0])


def _places(given: Mapping[str, Any]) -> dict[str, Any]:
    """Codes as places in a table of registers, and members, as whole numbers."""
    return {"codes": pt.cast(given["codes"], "int64") * np.int64(WIDTH), "members": pt.cast(given["members"], "int64")}
