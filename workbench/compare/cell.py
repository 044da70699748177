"""Cell: one combination of a sweep's values, with every fit of its problem."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from workbench.compare.calibration.trial import Trials
from workbench.compare.relabelling import Relabelling
from workbench.data import Dataset
from workbench.fit import Estimate, Fit
from workbench.models import Mixture
from workbench.problem import Problem


@dataclass(frozen=True)
class Failure:
    """A method that gave no fit: a row with its reason, never the end of the run.

    Attributes
    ----------
    kind, estimate : what it would have been
    status : one sentence: what went wrong
    seconds : how long it took to fail
    """

    kind: str
    estimate: Estimate
    status: str
    seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class Cell:
    """The fits of one problem.

    Attributes
    ----------
    values : swept dotted key -> its value here; empty without a sweep
    problem : training rows, family, K, prior
    held_out : rows that no fit has seen, or None
    truth : the mixture that made synthetic data, or None
    fits : by label, in the config's order
    failures : by label
    checked : what a calibration found, by label
    relabelling : how the labels of draws are aligned
    """

    values: Mapping[str, object]
    problem: Problem
    held_out: Dataset | None = None
    truth: Mixture | None = None
    fits: Mapping[str, Fit] = field(default_factory=dict)
    failures: Mapping[str, Failure] = field(default_factory=dict)
    checked: Mapping[str, Trials] = field(default_factory=dict)
    relabelling: Relabelling = "assignment"
