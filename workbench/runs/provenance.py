"""Where a run's numbers come from: versions, machine, command, seconds."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.data.builtin import BUILT_IN
from workbench.experiment.config import Experiment
from workbench.experiment.replicates import checks, labelled
from workbench.experiment.store import MEASURES, Store
from workbench.experiment.task import name

VERSIONS = ("workbench", "numpy", "scipy", "pandas", "arviz", "xarray", "pymc", "pytensor", "nutpie", "numba")


def about(experiment: Experiment) -> dict[str, Any]:
    versions = {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in VERSIONS}}
    return {
        "name": experiment.name,
        "seed": experiment.seed,
        "versions": versions,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "command": command_of(sys.argv),
        "started": now(),
    }


def provenance(experiment: Experiment, store: Store, text: str) -> Any:
    from workbench.report import Provenance

    kept = store.about
    data = experiment.cells()[0].problem.data
    source = BUILT_IN.get(data.name) if "name" in experiment.config.get("data", {}) else None
    return Provenance(
        name=experiment.name,
        description=experiment.description,
        config_text=text,
        versions=kept.get("versions", {}),
        seed=experiment.seed,
        machine=kept.get("machine", ""),
        seconds=_seconds(experiment, store),
        command=kept.get("command", ""),
        started=kept.get("started", ""),
        notes=data.notes if source is None else (f"{data.name}: {source.origin}.", *data.notes),
        licence="" if source is None else source.licence,
    )


def _seconds(experiment: Experiment, store: Store) -> dict[str, float]:
    """By fit, and in all by calibration and of what was measured of fits."""
    found: dict[str, float] = {}
    measured = store.of(MEASURES)
    of_batch = {each.artefact: f"check of {labelled(each)}" for each in checks(experiment)}
    for artefact, entry in store.entries.items():
        stage = "evidence under other priors" if artefact in measured else of_batch.get(artefact, name(artefact))
        found[stage] = found.get(stage, 0.0) + entry["seconds"]
    return found


def command_of(argv: Sequence[str]) -> str:
    """What was typed, if it was ours; else a program of the user's called us."""
    program = Path(argv[0]) if argv else Path()
    if program.name == "__main__.py" and program.parent.name == "workbench":
        return shlex.join(["python", "-m", "workbench", *argv[1:]])
    return shlex.join(["workbench", *argv[1:]]) if program.stem == "workbench" else "workbench.run(...)"


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
