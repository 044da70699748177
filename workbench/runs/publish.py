"""Tables and pages of a run, from its fits; the manifest says which fits they belong to."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.experiment.config import Experiment
from workbench.experiment.files import checksum, write_text
from workbench.experiment.plan import plan
from workbench.experiment.replicates import trials
from workbench.experiment.resolved import resolved_yaml, save_data
from workbench.experiment.store import MEASURES, Store
from workbench.fit import Fit
from workbench.runs.files import read_fit, write_table
from workbench.runs.provenance import provenance

if TYPE_CHECKING:
    from workbench.compare.cell import Cell
    from workbench.compare.sensitivity import Finder


def publish(experiment: Experiment, store: Store, fits: Mapping[str, Fit], find: Finder, *, pages: bool) -> tuple[str, ...]:
    """Write tables, config and pages from the fits and what ``find`` tells of them; a manifest entry says to which they belong."""
    from workbench.compare.assembly import assemble
    from workbench.compare.calibration.rows import COLUMNS as CALIBRATION
    from workbench.study.ledger import ledger

    cells = _cells(experiment, store, fits)
    tables = {**assemble(cells, find), "decomposition": ledger(cells)}
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

        report.write(store.folder, tables, cells, provenance(experiment, store, text))
    store.note(tables=_digest(store), config=hashlib.sha256(text.encode()).hexdigest())
    return pages_of(store.folder)


def published(experiment: Experiment, store: Store) -> bool:
    """Whether tables and pages are there and belong to these fits and this config, and nothing of theirs failed."""
    if any(entry["failed"] for entry in store.of(MEASURES).values()):
        return False
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
                found[task.label] = fits[task.artefact] if task.artefact in fits else read_fit(store.folder / task.artefact)
        tried = trials(setting, store)
        cells.append(Cell(setting.values, setting.problem, setting.held_out, setting.truth, found, failures, tried, experiment.relabelling))
    return cells


def pages_of(folder: Path) -> tuple[str, ...]:
    return tuple(name for name in ("report.html", "report.md") if (folder / name).is_file())
