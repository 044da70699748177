"""Store: a run's folder and its manifest, which says what is there, so that a second run computes only the rest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.experiment.files import MANIFEST, checksum, sweep_parts, write_text
from workbench.experiment.task import AnyTask, twins

FITS, CHECKS, MEASURES = "fits", "checks", "measures"
"""Folders of fits, of a calibration's replicates, and of what is measured of fits; the manifest has a section of each."""
FOLDERS = (FITS, CHECKS, MEASURES)


@dataclass(frozen=True, eq=False)
class Store:
    """A run's folder.

    Attributes
    ----------
    folder : where everything of the run is
    entries : artefact -> what the manifest says of it: ``key``, ``sha256``, ``status``, ``failed``, ``seconds``, ``label``, ``values``
    about : the rest of the manifest
    """

    folder: Path
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path) -> Store:
        """Read a folder's manifest; one that is damaged or not there counts as empty, and all is computed again."""
        try:
            read = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            entries = {**read.pop(FITS), **read.pop(CHECKS, {}), **read.pop(MEASURES, {})}
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            return cls(folder)
        return cls(folder, entries, read)

    def tidy(self) -> None:
        """Remove what a killed run left half written; only for who holds the folder's lock, as it may belong to a run at work."""
        for place in (self.folder, *(self.folder / name for name in ("tables", *FOLDERS))):
            sweep_parts(place)

    def has(self, task: AnyTask) -> bool:
        """Whether the task's artefact is there, whole, and of the task's key. A damaged file is set aside."""
        if not self.names(task):
            return False
        path = self.folder / task.artefact
        found, noted = checksum(path), self.entries[task.artefact].get("sha256")
        if found and found != noted:
            path.replace(path.with_name(f"{path.name}.damaged"))
        return bool(found) and found == noted

    def names(self, task: AnyTask) -> bool:
        """Whether the manifest says that the task's artefact is there."""
        entry = self.entries.get(task.artefact)
        return entry is not None and not entry.get("failed") and entry.get("key") == task.key

    def missing[Kind: AnyTask](self, tasks: Sequence[Kind], *, force: bool = False) -> list[tuple[Kind, ...]]:
        """The tasks that are still to be done, by key; with ``force`` all."""
        left = (tuple(task for task in group if force or not self.has(task)) for group in twins(tasks))
        return [group for group in left if group]

    def record(self, task: AnyTask, status: str, seconds: float, *, failed: bool) -> None:
        """Note how a task ended, on the disk before this returns."""
        path = self.folder / task.artefact
        if failed:
            path.unlink(missing_ok=True)
        self.entries[task.artefact] = {
            "key": task.key,
            "sha256": "" if failed else checksum(path),
            "status": status,
            "failed": failed,
            "seconds": round(seconds, 3),
            "label": task.label,
            "values": dict(task.values),
        }
        self.save()

    def of(self, folder: str) -> dict[str, dict[str, Any]]:
        """The entries of one folder."""
        return {artefact: entry for artefact, entry in self.entries.items() if artefact.startswith(f"{folder}/")}

    def keep_only(self, tasks: Sequence[AnyTask], *folders: str) -> None:
        """Remove from folders what the config no longer asks for, so that they show one experiment."""
        wanted = {task.artefact for task in tasks}
        for artefact in [name for folder in folders for name in self.of(folder) if name not in wanted]:
            (self.folder / artefact).unlink(missing_ok=True)
            del self.entries[artefact]

    def note(self, **about: Any) -> None:
        """Keep something in the manifest beside the artefacts."""
        self.about.update(about)
        self.save()

    def save(self) -> None:
        sections = {folder: own for folder in FOLDERS if (own := self.of(folder)) or folder == FITS}
        write_text(self.folder / MANIFEST, json.dumps({**self.about, **sections}, indent=1) + "\n")
