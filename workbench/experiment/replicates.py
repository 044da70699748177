"""Replicates: tasks of a calibration, a few replicates each, and their artefacts as text."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from workbench.compare.calibration.trial import DRAWS, Trial, Trials, trial
from workbench.experiment.config import Experiment
from workbench.experiment.plan import Fitting, OfMethod, artefact, key, starts, text
from workbench.experiment.setting import Setting
from workbench.experiment.store import CHECKS, Store
from workbench.experiment.task import AnyTask, Report, name
from workbench.fit import Fit
from workbench.inference.advice import Advice
from workbench.problem import Problem

BATCH = 10
"""Replicas of one task: what a kill may lose, and how often the manifest is written."""
REVISION = 1
"""Raised whenever the same replicate or fit gives other ranks."""


@dataclass(frozen=True, eq=False)
class Replicates(OfMethod[tuple[Trial, ...]]):
    """Some replicates of a problem, each drawn, fitted, and looked at.

    Attributes
    ----------
    numbers : of the replicates
    wanted : how many the whole calibration has
    """

    numbers: range
    wanted: int

    part: ClassVar[bool] = True

    @property
    def heavy(self) -> bool:
        return True

    def compute(self, threads: int, progress: Report) -> tuple[Trial, ...]:
        """Fit every replicate; one that fails is told, and the others go on."""
        done: list[Trial] = []
        for number in self.numbers:

            def report(stage: str, fraction: float, at: int = len(done)) -> None:
                progress(stage, (at + (fraction if fraction == fraction else 0.0)) / len(self.numbers))

            def fitting(made: Problem, report: Report = report) -> Fit:
                return self.method.fit(made, dataclasses.replace(self.of(made).context(threads, report), estimates=False))

            done.append(trial(self.problem, fitting, self.seed, number))
        return tuple(done)

    def of(self, made: Problem) -> Fitting:
        """The fit of one replicate, with starts and noise of its own."""
        own = key(made, self.method, self.seed)
        return Fitting(own, self.label, self.values, self.artefact, starts(made, self.method, self.seed), self.method, made)

    def write(self, path: Path, result: tuple[Trial, ...]) -> None:
        write_trials(path, result)

    def status(self, result: tuple[Trial, ...]) -> str:
        wrong = [trial.failure for trial in result if trial.failure]
        return f"{len(wrong)} of {len(result)} replicates without a fit: {wrong[0]}" if wrong else "done"


def checks(experiment: Experiment) -> list[Replicates]:
    """Return the tasks of an experiment's calibration, cell by cell, method by method; none without ``check``."""
    return [
        each
        for setting in experiment.cells()
        if setting.check
        for label in setting.check.methods or ()
        for each in of_method(setting, label)
    ]


def of_method(setting: Setting, label: str) -> list[Replicates]:
    """Return the tasks of one method in one cell. Another number of replicates leaves the whole batches as they are."""
    assert setting.check is not None
    method, problem, wanted = setting.methods[label], setting.problem, setting.check.replicates
    found = []
    for first in range(0, wanted, BATCH):
        numbers = range(first, min(first + BATCH, wanted))
        content = {
            "fit": key(problem, method, setting.seed),
            "check": setting.check.kind,
            "replicates": [numbers.start, numbers.stop],
            "draws": DRAWS,
            "revision": REVISION,
        }
        found.append(
            Replicates(
                key=hashlib.sha256(text(content).encode()).hexdigest(),
                label=label,
                values=dict(setting.values),
                artefact=artefact(label, {**setting.values, "replicates": f"{numbers.start}-{numbers.stop - 1}"}, CHECKS, ".json"),
                starts=starts(problem, method, setting.seed),
                method=method,
                problem=problem,
                numbers=numbers,
                wanted=wanted,
            )
        )
    return found


def labelled(task: AnyTask) -> str:
    """Return the method's name in the tables of a run, in a sweep with its cell."""
    return name(artefact(task.label, task.values))


def trials(setting: Setting, store: Store) -> dict[str, Trials]:
    """Read what a folder has of a cell's calibration, by method."""
    if setting.check is None:
        return {}
    return {label: _trials(of_method(setting, label), store) for label in setting.check.methods or ()}


def _trials(tasks: list[Replicates], store: Store) -> Trials:
    done = [trial for task in tasks if store.names(task) for trial in read_trials(store.folder / task.artefact)]
    lost = [_lost(store, task) for task in tasks if not store.names(task) for _ in task.numbers]
    method = tasks[0].method
    return Trials(method.estimate, tasks[0].wanted, Advice.of(method, None), tuple(done), tuple(lost))


def _lost(store: Store, task: AnyTask) -> str:
    return str(store.entries.get(task.artefact, {}).get("status", "it was not computed; run the config again"))


def write_trials(path: Path, trials: tuple[Trial, ...]) -> None:
    path.write_text(json.dumps([dataclasses.asdict(each) for each in trials], indent=1) + "\n", encoding="utf-8")


def read_trials(path: Path) -> tuple[Trial, ...]:
    return tuple(Trial(**each) for each in json.loads(path.read_text(encoding="utf-8")))
