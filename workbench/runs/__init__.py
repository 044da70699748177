"""Run: experiment and report together - what ``workbench.run`` returns and the command ``workbench run`` does."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.experiment.config import Experiment, load
from workbench.experiment.events import Checked, Ended, Event, Failed, Finished, Line, Planned, Reporter, silent
from workbench.experiment.execute import execute
from workbench.experiment.lock import locked
from workbench.experiment.perform import Outcome
from workbench.experiment.plan import plan
from workbench.experiment.replicates import Replicates, checks, labelled
from workbench.experiment.store import CHECKS, FITS, Store
from workbench.experiment.task import AnyTask, name
from workbench.fit import Fit
from workbench.inference.method import Method
from workbench.runs.files import Files, open_fit, open_table
from workbench.runs.measuring import Measuring
from workbench.runs.provenance import about, now
from workbench.runs.publish import pages_of, publish, published

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run, on disk.

    Attributes
    ----------
    folder : where everything is
    failures : reason by fit, of methods that gave none
    """

    folder: Path
    failures: Mapping[str, str]

    @classmethod
    def open(cls, folder: str | Path) -> Run:
        """The run in a folder.

        Raises
        ------
        FileNotFoundError
            If there is no run in it.
        """
        place = Path(folder)
        store = Store.open(place)
        if not store.entries:
            what = "is a file, not a run's folder" if place.is_file() else "holds no run (no readable manifest.json)"
            raise FileNotFoundError(f"{place} {what}; give a folder that `workbench run` wrote")
        asked = store.of(FITS) | store.of(CHECKS)
        failed = {name(artefact): str(entry["status"]) for artefact, entry in asked.items() if entry.get("failed")}
        return cls(place, failed)

    @property
    def fits(self) -> Mapping[str, xr.DataTree]:
        """Fits by label, in a sweep by ``label,key=value``; each opened when it is asked for."""
        return Files(self.folder / "fits", (".nc",), open_fit)

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Tables by name; each read when it is asked for."""
        return Files(self.folder / "tables", (".csv", ".parquet"), open_table)

    def predict(self, data: Any, method: str | None = None) -> pd.DataFrame:
        """Label, responsibilities and log density of rows that need not have been fitted, from the fits on disk alone.

        Parameters
        ----------
        data : a CSV, Parquet, NPY or NPZ file, a DataFrame, an array or a Dataset, with the columns that were fitted
        method : a label, or the whole name of a fit of a sweep; by default every fit that has something to predict with

        Returns
        -------
        predictions : ``method, row, id, label, responsibility, log_density, responsibility_0, ...``, swept keys before them; labels
            as in the run's tables (see :func:`workbench.predict`)

        Raises
        ------
        ValueError
            If there is no such fit, or it found nothing.
        DataError
            If the data cannot be used.
        OSError
            If a fit's file is damaged.
        """
        return self.predictions(data, method)[0]

    def predictions(self, data: Any, method: str | None = None) -> tuple[pd.DataFrame, list[str]]:
        """What :meth:`predict` gives, and a sentence for each of all fits that has nothing to predict with."""
        from workbench.experiment.saved import predictions

        return predictions(self.folder, data, method)

    def report(self, reporter: Reporter = silent) -> Path:
        """Write the tables and pages again from the fits; return the page. What takes seconds is told to ``reporter``.

        Raises
        ------
        FolderBusy
            If a run is writing to the folder.
        """
        experiment = load(self.folder / "config.yaml")
        with locked(self.folder):
            store = Store.open(self.folder)
            reporter(Line("writing tables and pages"))
            publish(experiment, store, {}, Measuring(store, os.cpu_count() or 1, reporter), pages=True)
        return self.folder / "report.html"


def run(
    experiment: str | Path | Mapping[str, Any] | Experiment,
    out: str | Path | None = None,
    *,
    jobs: int | None = None,
    force: bool = False,
    reporter: Reporter = silent,
    overrides: Sequence[str] = (),
    methods: Mapping[str, Method] | None = None,
) -> Run:
    """Run an experiment: fits, a calibration's replicates, tables, pages; what is there already is kept.

    Parameters
    ----------
    experiment : a config's path, the same as a dict (whose ``data`` may be a DataFrame or an array), or an Experiment
    out : the run's folder; ``reports/NAME`` by default
    jobs : processes side by side; by default one a core
    force : compute every fit again
    reporter : is told what happens, as plain events
    overrides : ``"dotted.key=VALUE"``, as ``--set``
    methods : label -> method, an object of a built-in class or of one's own, beside the config's (or in place of one of that label);
        a class of a script or notebook, which no other process can find, is fitted in this one

    Raises
    ------
    ConfigError
        With every mistake of the config, before anything is computed.
    FolderBusy
        If another run is writing to the folder.
    """
    began, side_by_side = time.perf_counter(), jobs or os.cpu_count() or 1
    asked = load(experiment, overrides, methods)
    folder = Path(out) if out is not None else Path("reports") / asked.name
    tasks, replicates = plan(asked), checks(asked)
    with locked(folder):
        (folder / FITS).mkdir(exist_ok=True)
        (folder / "tables").mkdir(exist_ok=True)
        store = Store.open(folder)
        store.tidy()
        store.keep_only([*tasks, *replicates], FITS, CHECKS)
        groups: list[tuple[AnyTask, ...]] = [*store.missing(tasks, force=force), *store.missing(replicates, force=force)]
        missing = sum(len(group) for group in groups if not isinstance(group[0], Replicates))
        tried, untried = _sizes(replicates), _sizes([task for group in groups for task in group])
        reporter(Planned(str(folder), len(tasks), len(tasks) - missing, tried, tried - untried))
        if groups:
            store.note(**about(asked))
        fits: dict[str, Fit] = {}
        failed: dict[str, str] = {}
        for group, outcome in execute(groups, folder, side_by_side, reporter):
            for task in group:
                _settle(store, task, outcome, fits, failed)
                reporter(_told(store, task, outcome, replicates))
        pages, measuring = pages_of(folder), Measuring(store, side_by_side, reporter, force)
        if groups or not published(asked, store):
            reporter(Line("writing tables and pages" if asked.report else "writing tables"))
            pages = publish(asked, store, fits, measuring, pages=asked.report)
        seconds = time.perf_counter() - began
        if groups or measuring.done:
            store.note(finished=now(), seconds=round(seconds, 2))
    lost = sum(task.name in failed for task in tasks)
    reporter(Ended(str(folder), missing - lost, len(tasks) - missing, len(failed), seconds, pages, untried, measuring.done))
    return Run(folder, failed)


def _sizes(tasks: Sequence[AnyTask]) -> int:
    """How many replicates are among the tasks."""
    return sum(len(task.numbers) for task in tasks if isinstance(task, Replicates))


def _settle(store: Store, task: AnyTask, outcome: Outcome, fits: dict[str, Fit], failed: dict[str, str]) -> None:
    store.record(task, outcome.status, outcome.seconds, failed=outcome.failed)
    if outcome.failed:
        failed[task.name] = outcome.status
    elif isinstance(outcome.result, Fit):
        fits[task.artefact] = outcome.result


def _told(store: Store, task: AnyTask, outcome: Outcome, replicates: Sequence[Replicates]) -> Event:
    """What is said of a task that has ended."""
    if outcome.failed:
        return Failed(task.name, outcome.status, outcome.seconds)
    if not isinstance(task, Replicates):
        return Finished(task.name, outcome.status, outcome.seconds)
    done = sum(len(each.numbers) for each in replicates if labelled(each) == labelled(task) and store.names(each))
    return Checked(task.name, labelled(task), done, task.wanted, len(task.numbers), outcome.seconds / len(task.numbers))
