"""Perform: one task done in this process, its artefact on disk; what libraries say goes to the log and into the fit."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.experiment.files import replaced
from workbench.experiment.plan import Task
from workbench.experiment.replicates import Replicates, write_trials
from workbench.fit import Fit

LOG = "run.log"


@dataclass(frozen=True, eq=False)
class Outcome:
    """How a task ended.

    Attributes
    ----------
    status : one sentence
    seconds : wall seconds
    failed : whether there is no fit
    fit : the fit, where it is at hand without reading its file
    """

    status: str
    seconds: float
    failed: bool = False
    fit: Fit | None = None


def perform(tasks: Sequence[Task], folder: Path, progress: Callable[[str, float], None], threads: int = 1) -> Outcome:
    """Do the first of ``tasks`` (all have one key) and write an artefact for each; a failure is an outcome, not an exception.

    ``threads`` change no number.
    """
    began = time.perf_counter()
    task = tasks[0]
    work = _try_replicates if isinstance(task, Replicates) else _fit
    try:
        return dataclasses.replace(work(tasks, folder, progress, threads), seconds=time.perf_counter() - began)
    except Exception as error:
        _log(folder, f"{task.name} failed\n{traceback.format_exc()}")
        return Outcome(_reason(error), time.perf_counter() - began, failed=True)


def _fit(tasks: Sequence[Task], folder: Path, progress: Callable[[str, float], None], threads: int) -> Outcome:
    task = tasks[0]
    with _heard() as heard, _one_thread():
        fit = task.method.fit(task.problem, task.context(threads, progress))
    if heard:
        _log(folder, f"{task.name}: " + f"\n{task.name}: ".join(heard))
        fit = dataclasses.replace(fit, messages=(*fit.messages, *dict.fromkeys(heard)))
    for each in tasks:
        _write(each, fit, folder)
    return Outcome(fit.status.value, 0.0, fit=fit)


def _try_replicates(tasks: Sequence[Task], folder: Path, progress: Callable[[str, float], None], threads: int) -> Outcome:
    task = tasks[0]
    assert isinstance(task, Replicates)
    with _heard() as heard, _one_thread():
        trials = task.trials(threads, progress)
    if heard:
        _log(folder, f"{task.name}: " + f"\n{task.name}: ".join(dict.fromkeys(heard)))
    for each in tasks:
        with replaced(folder / each.artefact) as part:
            write_trials(part, trials)
    wrong = [trial.failure for trial in trials if trial.failure]
    return Outcome(f"{len(wrong)} of {len(trials)} replicates without a fit: {wrong[0]}" if wrong else "done", 0.0)


def _write(task: Task, fit: Fit, folder: Path) -> None:
    from workbench.datatree import to_tree

    with replaced(folder / task.artefact) as part:
        tree = to_tree(task.problem, fit, task.label)
        tree.attrs |= {"seed": task.seed, "key": task.key, "versions": json.dumps(task.versions)}
        tree.to_netcdf(part, engine="h5netcdf")


def _reason(error: Exception) -> str:
    said = " ".join(str(error).strip().partition("\n")[0].split()) or "no reason given"  # a stack below it belongs in the log
    return f"{type(error).__name__}: {said[:500]}; the traceback is in {LOG}"


@contextlib.contextmanager
def _heard() -> Iterator[list[str]]:
    """Collect warnings instead of showing them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        lines: list[str] = []
        yield lines
        lines += [f"{warning.category.__name__}: {' '.join(str(warning.message).split())}" for warning in caught]


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """One BLAS thread: the same bits on any executor, and no fits in each other's way."""
    import threadpoolctl

    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        yield


def _log(folder: Path, text: str) -> None:
    with (folder / LOG).open("a", encoding="utf-8") as handle:
        handle.write(text.rstrip("\n") + "\n")
