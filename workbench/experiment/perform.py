"""Perform: one task done in this process, its artefact on disk; what libraries say goes to the log and into the fit."""

from __future__ import annotations

import contextlib
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.experiment.files import replaced
from workbench.experiment.task import AnyTask, Report

LOG = "run.log"


@dataclass(frozen=True, eq=False)
class Outcome:
    """How a task ended.

    Attributes
    ----------
    status : one sentence
    seconds : wall seconds
    failed : whether there is no artefact
    result : what the task gives, where it is at hand without reading its file
    """

    status: str
    seconds: float
    failed: bool = False
    result: Any = None


def perform(tasks: Sequence[AnyTask], folder: Path, progress: Report, threads: int = 1) -> Outcome:
    """Do the first of ``tasks`` (all have one key) and write an artefact for each; a failure is an outcome, not an exception.

    ``threads`` change no number.
    """
    began, task = time.perf_counter(), tasks[0]
    try:
        with heard() as said, _one_thread():
            result = task.compute(threads, progress)
        if said:
            _log(folder, f"{task.name}: " + f"\n{task.name}: ".join(said))
            result = task.with_messages(result, said)
        for each in tasks:
            with replaced(folder / each.artefact) as part:
                each.write(part, result)
    except Exception as error:
        _log(folder, f"{task.name} failed\n{traceback.format_exc()}")
        return Outcome(_reason(error), time.perf_counter() - began, failed=True)
    return Outcome(task.status(result), time.perf_counter() - began, result=result)


def _reason(error: Exception) -> str:
    said = " ".join(str(error).strip().partition("\n")[0].split()) or "no reason given"  # a stack below it belongs in the log
    return f"{type(error).__name__}: {said[:500]}; the traceback is in {LOG}"


@contextlib.contextmanager
def heard() -> Iterator[list[str]]:
    """Collect warnings, each once, instead of showing them; they are there when the block ends."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        lines: list[str] = []
        yield lines
        lines += dict.fromkeys(f"{warning.category.__name__}: {' '.join(str(warning.message).split())}" for warning in caught)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """One BLAS thread: the same bits on any executor, and no fits in each other's way."""
    import threadpoolctl

    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        yield


def _log(folder: Path, text: str) -> None:
    with (folder / LOG).open("a", encoding="utf-8") as handle:
        handle.write(text.rstrip("\n") + "\n")
