"""Events: what a run tells whoever prints, as plain values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Planned:
    """The run's fits are known.

    Attributes
    ----------
    folder : the run's folder
    fits : how many the config asks for
    kept : how many of them are there already
    replicates, replicates_kept : the same of a calibration's, of all methods together
    """

    folder: str
    fits: int
    kept: int
    replicates: int = 0
    replicates_kept: int = 0


@dataclass(frozen=True)
class Started:
    """A task has begun: a fit, whose name is its label, in a sweep ``label,key=value``, or a ``part`` of what is told as a whole."""

    name: str
    part: bool = False


@dataclass(frozen=True)
class Progress:
    """How far a task is.

    Attributes
    ----------
    stage : "compiling", "sampling", ...
    fraction : done of this stage, nan if unknown
    """

    name: str
    stage: str
    fraction: float


@dataclass(frozen=True)
class Finished:
    """A fit is on disk.

    Attributes
    ----------
    status : how it ended, a sentence
    seconds : wall seconds
    """

    name: str
    status: str
    seconds: float


@dataclass(frozen=True)
class Checked:
    """Some replicates are on disk.

    Attributes
    ----------
    name : the task's
    method : label, in a sweep ``label,key=value``
    done, wanted : replicates of the method that are there, and all
    size : replicates of this task
    seconds : wall seconds of a replicate
    """

    name: str
    method: str
    done: int
    wanted: int
    size: int
    seconds: float


@dataclass(frozen=True)
class Measured:
    """A part of what takes seconds to tell of finished fits is on disk.

    Attributes
    ----------
    done, wanted : parts that are over, and all that were to be computed
    """

    name: str
    done: int
    wanted: int


@dataclass(frozen=True)
class Failed:
    """A fit, or a part of what is told as a whole, gave nothing; ``reason`` is one line, the traceback is in ``run.log``."""

    name: str
    reason: str
    seconds: float


@dataclass(frozen=True)
class Line:
    """A sentence about the run."""

    text: str


@dataclass(frozen=True)
class Ended:
    """The run is over.

    Attributes
    ----------
    folder : the run's folder
    computed, kept, failed : numbers of fits
    seconds : wall seconds
    pages : files of the report, relative to the folder
    replicates : a calibration's that were computed
    measures : log evidences under other priors that were
    """

    folder: str
    computed: int
    kept: int
    failed: int
    seconds: float
    pages: tuple[str, ...] = ()
    replicates: int = 0
    measures: int = 0


Event = Planned | Started | Progress | Finished | Checked | Measured | Failed | Line | Ended
Reporter = Callable[[Event], None]


def silent(event: Event) -> None:
    """Tell nobody."""
