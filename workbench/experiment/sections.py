"""The sections of a config as frozen dataclasses: their fields are the YAML keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le, Lt, MinLen

from workbench.compare.relabelling import Relabelling


@dataclass(frozen=True)
class Synthetic:
    """Data drawn from a mixture that is kept as the truth.

    Parameters
    ----------
    family : family of the truth; its own options, such as ``covariance``, stand beside it
    n_rows : number of rows N
    n_components : number of components K of the truth
    n_features : number of columns D
    separation : how far components lie apart, in standard deviations within components
    missing : share of the cells removed at random
    """

    family: str = "gaussian"
    n_rows: Annotated[int, Ge(1), Le(10_000_000)] = 500
    n_components: Annotated[int, Ge(1), Le(1_000)] = 3
    n_features: Annotated[int, Ge(1), Le(1_000)] = 2
    separation: Annotated[float, Ge(0.0)] = 3.0
    missing: Annotated[float, Ge(0.0), Lt(1.0)] = 0.0


@dataclass(frozen=True)
class Data:
    """What is fitted: one of ``name``, ``file`` and ``synthetic``.

    Parameters
    ----------
    name : a built-in data set
    file : a CSV, Parquet, NPY or NPZ file, relative to the config
    synthetic : data with known truth
    columns : the features; default: every column of numbers (family categorical: every column) that has no other use, in a
        product the columns of its blocks
    id : the column that names the rows
    classes : the column of known classes, never used in fitting
    counts : the column that says how many times each row was seen (grouped data); whole numbers
    complete_rows : keep only rows without an empty cell
    held_out : share of the rows that no fit sees; a row goes with all its counts
    """

    name: str | None = None
    file: str | None = None
    columns: Annotated[tuple[str, ...], MinLen(1)] | None = None
    id: str | None = None
    classes: str | None = None
    counts: str | None = None
    complete_rows: bool = False
    held_out: Annotated[float, Ge(0.0), Lt(1.0)] = 0.0


@dataclass(frozen=True)
class Model:
    """The mixture: a family with its options, a number of components, a prior.

    Parameters
    ----------
    n_components : number of components K
    family : family of the components; its own options, such as ``covariance``, stand beside it
    """

    n_components: Annotated[int, Ge(1)]
    family: str = "gaussian"


@dataclass(frozen=True)
class Check:
    """Whether methods are right on data that the model itself made.

    Parameters
    ----------
    kind : ``sbc``, simulation-based calibration under the config's prior, whose numbers stay as they are
    replicates : data sets that are drawn from the model and fitted by each method
    methods : labels of the methods that are checked; default: all that give draws, or a point with standard errors
    """

    kind: Literal["sbc"] = "sbc"
    replicates: Annotated[int, Ge(1), Le(100_000)] = 200
    methods: Annotated[tuple[str, ...], MinLen(1)] | None = None


@dataclass(frozen=True)
class Top:
    """What stands at the top of a config beside data, model, methods, sweep and check.

    Parameters
    ----------
    name : name of the run's folder; default: the config's file name
    description : a sentence for the report
    seed : the one seed of all randomness
    report : whether to write the pages
    relabelling : how labels of draws are aligned, in all tables: each draw with one reference (``assignment``), or all with their own
        mean, until their responsibilities differ least from it (``stephens``)
    """

    name: str | None = None
    description: str = ""
    seed: Annotated[int, Ge(0)] = 0
    report: bool = True
    relabelling: Relabelling = "assignment"


SECTIONS = ("name", "description", "data", "model", "methods", "sweep", "check", "seed", "report", "relabelling")
"""Keys at the top of a config, in the order in which they are written."""
