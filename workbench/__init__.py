"""workbench: compare inference for mixture models, every difference in nats.

Public names are loaded when they are first used, so that importing the package is cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.compare.calibration import calibrate as calibrate
    from workbench.compare.coclustering import coclustering as coclustering
    from workbench.compare.coclustering import coclustering_of as coclustering_of
    from workbench.compare.imputations import imputations as imputations
    from workbench.compare.labels import adjusted_rand as adjusted_rand
    from workbench.compare.labels import alignment as alignment
    from workbench.compare.optima import optima as optima
    from workbench.compare.prediction import predict as predict
    from workbench.compare.predictive import leave_one_out as leave_one_out
    from workbench.compare.scores import held_out_lpd as held_out_lpd
    from workbench.data import DataError as DataError
    from workbench.data import Dataset as Dataset
    from workbench.datatree import from_tree as from_tree
    from workbench.datatree import to_tree as to_tree
    from workbench.experiment.config import Experiment as Experiment
    from workbench.experiment.config import load as load
    from workbench.experiment.mistakes import ConfigError as ConfigError
    from workbench.fit import Fit as Fit
    from workbench.fit import Status as Status
    from workbench.inference import ADVI as ADVI
    from workbench.inference import EM as EM
    from workbench.inference import METHODS as METHODS
    from workbench.inference import NUTS as NUTS
    from workbench.inference import VBEM as VBEM
    from workbench.inference import AnnealedEM as AnnealedEM
    from workbench.inference import Context as Context
    from workbench.inference import Exact as Exact
    from workbench.inference import FullRankADVI as FullRankADVI
    from workbench.inference import Gibbs as Gibbs
    from workbench.inference import Gradient as Gradient
    from workbench.inference import HardEM as HardEM
    from workbench.inference import Imported as Imported
    from workbench.inference import IncrementalEM as IncrementalEM
    from workbench.inference import KMeans as KMeans
    from workbench.inference import Pathfinder as Pathfinder
    from workbench.inference import SampledEM as SampledEM
    from workbench.inference import StochasticEM as StochasticEM
    from workbench.models import FAMILIES as FAMILIES
    from workbench.models import Bernoulli as Bernoulli
    from workbench.models import Categorical as Categorical
    from workbench.models import Gaussian as Gaussian
    from workbench.models import Mixture as Mixture
    from workbench.models import Poisson as Poisson
    from workbench.models import Prior as Prior
    from workbench.models import PriorError as PriorError
    from workbench.models import Product as Product
    from workbench.models.information import observed_information as observed_information
    from workbench.problem import Problem as Problem
    from workbench.problem import ProblemError as ProblemError
    from workbench.runs import Run as Run
    from workbench.runs import run as run
    from workbench.study import decomposition as decomposition

_ROOMS = {
    "compare.calibration": ("calibrate",),
    "compare.coclustering": ("coclustering", "coclustering_of"),
    "compare.imputations": ("imputations",),
    "compare.labels": ("adjusted_rand", "alignment"),
    "compare.optima": ("optima",),
    "compare.prediction": ("predict",),
    "compare.predictive": ("leave_one_out",),
    "compare.scores": ("held_out_lpd",),
    "data": ("DataError", "Dataset"),
    "datatree": ("from_tree", "to_tree"),
    "experiment.config": ("Experiment", "load"),
    "experiment.mistakes": ("ConfigError",),
    "fit": ("Fit", "Status"),
    "inference": (
        "ADVI",
        "AnnealedEM",
        "Context",
        "EM",
        "Exact",
        "FullRankADVI",
        "Gibbs",
        "Gradient",
        "HardEM",
        "Imported",
        "IncrementalEM",
        "KMeans",
        "METHODS",
        "NUTS",
        "VBEM",
        "Pathfinder",
        "SampledEM",
        "StochasticEM",
    ),
    "models": ("FAMILIES", "Bernoulli", "Categorical", "Gaussian", "Mixture", "Poisson", "Prior", "PriorError", "Product"),
    "models.information": ("observed_information",),
    "problem": ("Problem", "ProblemError"),
    "runs": ("Run", "run"),
    "study": ("decomposition",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = sorted(_ROOM_OF)


def __getattr__(name: str) -> Any:
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'workbench' has no attribute {name!r}")
    return getattr(importlib.import_module(f"workbench.{_ROOM_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
