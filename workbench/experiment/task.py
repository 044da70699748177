"""Task: what a run computes and keeps - a key of what decides it, an artefact on disk, and how to get from one to the other."""

from __future__ import annotations

import abc
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

Report = Callable[[str, float], None]
"""Is told a stage and the done fraction of it."""


@dataclass(frozen=True, eq=False)
class Task[Result](abc.ABC):
    """Something to compute, once.

    Attributes
    ----------
    key : hex sha256 of everything that decides the result; never the label
    label : what it is called in the config or the tables
    values : swept dotted key -> value
    artefact : the file relative to the run's folder, ``fits/em.nc`` or ``fits/em,model.n_components=2.nc``
    """

    key: str
    label: str
    values: Mapping[str, Any]
    artefact: str

    part: ClassVar[bool] = False
    """Whether it is a part of something that is told as a whole: its own beginning and end are not, and it waits for tasks that are."""

    @property
    def name(self) -> str:
        """The artefact's name without folder and suffix."""
        return name(self.artefact)

    @property
    def travels(self) -> bool:
        """Whether another process can do it."""
        return True

    @property
    def heavy(self) -> bool:
        """Whether processes of their own pay for such tasks."""
        return True

    @property
    def graph(self) -> Hashable:
        """What one compiled graph serves, or None for a task that compiles none."""
        return None

    @abc.abstractmethod
    def compute(self, threads: int, progress: Report) -> Result:
        """The result; ``threads`` change no number of it."""

    @abc.abstractmethod
    def write(self, path: Path, result: Result) -> None:
        """Write a result, which a task of the same key may have computed, to a file."""

    def status(self, result: Result) -> str:
        """How it ended, one sentence."""
        return "done"

    def with_messages(self, result: Result, messages: Sequence[str]) -> Result:
        """The result with what libraries said meanwhile, where it keeps that."""
        return result


def name(artefact: str) -> str:
    """Return an artefact's name without folder and suffix."""
    return artefact.partition("/")[2].rpartition(".")[0]


AnyTask = Task[Any]
"""Whatever its result."""


def twins[Kind: Task[Any]](tasks: Sequence[Kind]) -> list[tuple[Kind, ...]]:
    """Return the tasks grouped by key, in order: each group is computed once."""
    groups: dict[str, list[Kind]] = {}
    for each in tasks:
        groups.setdefault(each.key, []).append(each)
    return [tuple(group) for group in groups.values()]
