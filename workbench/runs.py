"""Run: experiment and report together - what ``workbench.run`` returns and the command ``workbench run`` does."""

from __future__ import annotations

import datetime
import hashlib
import importlib.metadata
import os
import platform
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.data.builtin import BUILT_IN
from workbench.experiment.config import Experiment, load
from workbench.experiment.events import Checked, Ended, Event, Failed, Finished, Line, Planned, Reporter, silent
from workbench.experiment.execute import execute
from workbench.experiment.files import checksum, replaced, write_text
from workbench.experiment.lock import locked
from workbench.experiment.perform import Outcome
from workbench.experiment.plan import Task, name, plan, twins
from workbench.experiment.replicates import Replicates, checks, labelled, trials
from workbench.experiment.resolved import resolved_yaml, save_data
from workbench.experiment.store import Store
from workbench.fit import Fit
from workbench.inference.method import Method

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from workbench.compare.cell import Cell

VERSIONS = ("workbench", "numpy", "scipy", "pandas", "arviz", "xarray", "pymc", "pytensor", "nutpie", "numba")
LONGEST_CSV = 100_000
"""Rows above which a table is Parquet."""


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
        failed = {name(artefact): str(entry["status"]) for artefact, entry in store.entries.items() if entry.get("failed")}
        return cls(place, failed)

    @property
    def fits(self) -> Mapping[str, xr.DataTree]:
        """Fits by label, in a sweep by ``label,key=value``; each opened when it is asked for."""
        return _Files(self.folder / "fits", (".nc",), _open_fit)

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Tables by name; each read when it is asked for."""
        return _Files(self.folder / "tables", (".csv", ".parquet"), _open_table)

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

    def report(self) -> Path:
        """Write the tables and pages again from the fits; return the page.

        Raises
        ------
        FolderBusy
            If a run is writing to the folder.
        """
        experiment = load(self.folder / "config.yaml")
        with locked(self.folder):
            _publish(experiment, Store.open(self.folder), {}, pages=True)
        return self.folder / "report.html"


@dataclass(frozen=True, eq=False)
class _Files(Mapping[str, Any]):
    """Files of a folder by their names without suffix, opened lazily."""

    folder: Path
    suffixes: tuple[str, ...]
    opener: Any

    def _paths(self) -> dict[str, Path]:
        if not self.folder.is_dir():
            return {}
        return {path.name.removesuffix(path.suffix): path for path in sorted(self.folder.iterdir()) if path.suffix in self.suffixes}

    def __getitem__(self, name: str) -> Any:
        return self.opener(self._paths()[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths())

    def __len__(self) -> int:
        return len(self._paths())


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
    began = time.perf_counter()
    asked = load(experiment, overrides, methods)
    folder = Path(out) if out is not None else Path("reports") / asked.name
    tasks, replicates = plan(asked), checks(asked)
    with locked(folder):
        (folder / "fits").mkdir(exist_ok=True)
        (folder / "tables").mkdir(exist_ok=True)
        store = Store.open(folder)
        store.tidy()
        store.keep_only([*tasks, *replicates])
        twice = [*twins(tasks), *twins(replicates)]
        groups = [group for group in (tuple(t for t in twin if force or not store.has(t)) for twin in twice) if group]
        missing = sum(len(group) for group in groups if not isinstance(group[0], Replicates))
        tried, untried = _sizes(replicates), _sizes([task for group in groups for task in group])
        reporter(Planned(str(folder), len(tasks), len(tasks) - missing, tried, tried - untried))
        if groups:
            store.note(**_about(asked))
        fits: dict[str, Fit] = {}
        failed: dict[str, str] = {}
        for group, outcome in execute(groups, folder, jobs or os.cpu_count() or 1, reporter):
            for task in group:
                _settle(store, task, outcome, fits, failed)
                reporter(_told(store, task, outcome, replicates))
        pages = _pages(folder)
        if groups or not _published(asked, store):
            reporter(Line("writing tables and pages" if asked.report else "writing tables"))
            pages = _publish(asked, store, fits, pages=asked.report)
        seconds = time.perf_counter() - began
        if groups:
            store.note(finished=_now(), seconds=round(seconds, 2))
    lost = sum(task.name in failed for task in tasks)
    reporter(Ended(str(folder), missing - lost, len(tasks) - missing, len(failed), seconds, pages, untried))
    return Run(folder, failed)


def _sizes(tasks: Sequence[Task]) -> int:
    """How many replicates are among the tasks."""
    return sum(len(task.numbers) for task in tasks if isinstance(task, Replicates))


def _settle(store: Store, task: Task, outcome: Outcome, fits: dict[str, Fit], failed: dict[str, str]) -> None:
    store.record(task, outcome.status, outcome.seconds, failed=outcome.failed)
    if outcome.failed:
        failed[task.name] = outcome.status
    elif outcome.fit is not None:
        fits[task.artefact] = outcome.fit


def _told(store: Store, task: Task, outcome: Outcome, replicates: Sequence[Replicates]) -> Event:
    """What is said of a task that has ended."""
    if outcome.failed:
        return Failed(task.name, outcome.status, outcome.seconds)
    if not isinstance(task, Replicates):
        return Finished(task.name, outcome.status, outcome.seconds)
    done = sum(len(each.numbers) for each in replicates if labelled(each) == labelled(task) and store.names(each))
    return Checked(task.name, labelled(task), done, task.wanted, len(task.numbers), outcome.seconds / len(task.numbers))


def _publish(experiment: Experiment, store: Store, fits: Mapping[str, Fit], *, pages: bool) -> tuple[str, ...]:
    """Write tables, config and pages from the fits; a manifest entry says which fits they belong to."""
    from workbench.compare.assembly import assemble
    from workbench.compare.calibration.rows import COLUMNS as CALIBRATION
    from workbench.study.ledger import ledger

    cells = _cells(experiment, store, fits)
    tables = {**assemble(cells), "decomposition": ledger(cells)}
    for title, table in tables.items():
        write_table(store.folder / "tables", title, table)
    for title in set(CALIBRATION) - set(tables):  # of an earlier config
        for suffix in (".csv", ".parquet"):
            (store.folder / "tables" / f"{title}{suffix}").unlink(missing_ok=True)
    save_data(experiment, store.folder)
    text = resolved_yaml(experiment, store.folder)
    write_text(store.folder / "config.yaml", text)
    if pages:
        from workbench import report

        report.write(store.folder, tables, cells, _provenance(experiment, store, text))
    store.note(tables=_digest(store), config=hashlib.sha256(text.encode()).hexdigest())
    return _pages(store.folder)


def _published(experiment: Experiment, store: Store) -> bool:
    """Whether tables and pages are there and belong to these fits and this config."""
    text = resolved_yaml(experiment, store.folder)
    whole = (
        store.about.get("tables") == _digest(store) and checksum(store.folder / "config.yaml") == hashlib.sha256(text.encode()).hexdigest()
    )
    return (
        whole
        and (not experiment.report or (store.folder / "report.html").is_file())
        and (store.folder / "tables" / "likelihoods.csv").is_file()
    )


def _digest(store: Store) -> str:
    parts = [f"{artefact} {entry['key']} {entry['sha256']}" for artefact, entry in sorted(store.entries.items())]
    return hashlib.sha256("\n".join([importlib.metadata.version("workbench"), *parts]).encode()).hexdigest()


def _cells(experiment: Experiment, store: Store, fits: Mapping[str, Fit]) -> list[Cell]:
    from workbench.compare.cell import Cell, Failure

    tasks = plan(experiment)
    cells = []
    for setting in experiment.cells():
        own = [task for task in tasks if task.values == dict(setting.values)]
        found: dict[str, Fit] = {}
        failures: dict[str, Failure] = {}
        for task in own:
            entry = store.entries.get(task.artefact, {"failed": True, "status": "it was not computed; run the config again"})
            if entry["failed"]:
                estimate = task.method.estimate
                failures[task.label] = Failure(task.method.kind, estimate, entry["status"], entry.get("seconds", 0.0))
            else:
                found[task.label] = fits[task.artefact] if task.artefact in fits else _read_fit(store.folder / task.artefact)
        tried = trials(setting, store)
        cells.append(Cell(setting.values, setting.problem, setting.held_out, setting.truth, found, failures, tried, experiment.relabelling))
    return cells


def _read_fit(path: Path) -> Fit:
    from workbench.datatree import from_tree

    tree = _open_fit(path)
    try:
        return from_tree(tree.load())
    finally:
        tree.close()


def _open_fit(path: Path) -> Any:
    import xarray as xr

    return xr.open_datatree(path, engine="h5netcdf")


def _open_table(path: Path) -> Any:
    import pandas as pd

    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    # Whole columns at once, for their types; and "NA" is a user's word, where an empty cell is none.
    return pd.read_csv(path, low_memory=False, keep_default_na=False, na_values=[""])


def write_table(folder: Path, name: str, table: pd.DataFrame) -> None:
    """CSV with numbers that read back to the same bits; above 100,000 rows Parquet instead."""
    long = len(table) > LONGEST_CSV
    wanted, other = (folder / f"{name}{suffix}" for suffix in ((".parquet", ".csv") if long else (".csv", ".parquet")))
    write_rows(table, wanted)
    other.unlink(missing_ok=True)


def write_rows(table: pd.DataFrame, path: Path) -> None:
    """Write a table by its suffix, whole or not at all."""
    with replaced(path) as part:
        table.to_parquet(part, index=False) if path.suffix == ".parquet" else table.to_csv(part, index=False, lineterminator="\n")


def _provenance(experiment: Experiment, store: Store, text: str) -> Any:
    from workbench.report import Provenance

    about = store.about
    data = experiment.cells()[0].problem.data
    source = BUILT_IN.get(data.name) if "name" in experiment.config.get("data", {}) else None
    return Provenance(
        name=experiment.name,
        description=experiment.description,
        config_text=text,
        versions=about.get("versions", {}),
        seed=experiment.seed,
        machine=about.get("machine", ""),
        seconds=_seconds(experiment, store),
        command=about.get("command", ""),
        started=about.get("started", ""),
        notes=data.notes if source is None else (f"{data.name}: {source.origin}.", *data.notes),
        licence="" if source is None else source.licence,
    )


def _about(experiment: Experiment) -> dict[str, Any]:
    versions = {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in VERSIONS}}
    return {
        "name": experiment.name,
        "seed": experiment.seed,
        "versions": versions,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "command": command_of(sys.argv),
        "started": _now(),
    }


def command_of(argv: Sequence[str]) -> str:
    """What was typed, if it was ours; else a program of the user's called us."""
    program = Path(argv[0]) if argv else Path()
    if program.name == "__main__.py" and program.parent.name == "workbench":
        return shlex.join(["python", "-m", "workbench", *argv[1:]])
    return shlex.join(["workbench", *argv[1:]]) if program.stem == "workbench" else "workbench.run(...)"


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _pages(folder: Path) -> tuple[str, ...]:
    return tuple(name for name in ("report.html", "report.md") if (folder / name).is_file())


def _seconds(experiment: Experiment, store: Store) -> dict[str, float]:
    """By fit, and in all by calibration."""
    found: dict[str, float] = {}
    of_batch = {each.artefact: f"check of {labelled(each)}" for each in checks(experiment)}
    for artefact, entry in store.entries.items():
        stage = of_batch.get(artefact, name(artefact))
        found[stage] = found.get(stage, 0.0) + entry["seconds"]
    return found
