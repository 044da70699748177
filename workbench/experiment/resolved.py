"""The resolved config: every default and the prior's numbers written out; running it again gives the same fits."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from workbench.data.builtin import BUILT_IN
from workbench.experiment import memory
from workbench.experiment.config import Experiment
from workbench.experiment.families import options_of
from workbench.experiment.positions import Dialect
from workbench.experiment.rewriting import Config, plain
from workbench.experiment.setting import Setting, choose_data
from workbench.experiment.sweeping import names_file
from workbench.inference.method import Method


class Writer(yaml.SafeDumper):
    """PyYAML's writer, which quotes what our dialect would read as something else."""

    yaml_implicit_resolvers = Dialect.resolvers()

    def ignore_aliases(self, data: Any) -> bool:
        return True


def to_yaml(value: Any) -> str:
    """Write plain values: sections in blocks, options in one line."""
    return yaml.dump(value, Dumper=Writer, sort_keys=False, default_flow_style=None, width=120, allow_unicode=True)


def resolved_yaml(experiment: Experiment, folder: Path | None = None) -> str:
    """Return the text of a run's ``config.yaml``.

    Parameters
    ----------
    folder : where it will stand; file paths are written relative to it, or as they were given if None
    """
    text = "# Every default and the prior's numbers written out; running this gives the same fits.\n"
    text += to_yaml(_resolved(experiment, folder))
    return text + _numbers_by_cell(experiment)


def save_data(experiment: Experiment, folder: Path) -> Path | None:
    """Write data that came in memory beside the resolved config, which names that file; None if they came from elsewhere."""
    frame = experiment.config.get("data", {}).get("frame")
    return None if frame is None else memory.write(frame, folder)


def _resolved(experiment: Experiment, folder: Path | None) -> Config:
    first = experiment.settings[0]
    methods = {
        label: {"kind": method.kind, **options(method), **_file(experiment, label, folder)} for label, method in first.methods.items()
    }
    sections = {
        "name": experiment.name,
        "description": experiment.description,
        "data": _data(experiment, folder),
        "model": _model(experiment),
        "methods": methods,
        "sweep": {key: _swept_values(experiment, key, folder) for key in experiment.sweep},
        "check": {} if first.check is None else {key: plain(value) for key, value in asdict(first.check).items()},
        "seed": first.seed,
        "report": experiment.report,
        "relabelling": experiment.relabelling,
    }
    return {key: value for key, value in sections.items() if value not in ("", {})}


def options(method: Method) -> dict[str, Any]:
    """Return a method's options as plain values, by YAML key."""
    return {key: plain(getattr(method, key)) for key in options_of(type(method))}


def _file(experiment: Experiment, label: str, folder: Path | None) -> Config:
    """The file that a method reads, as its path is written."""
    given = experiment.config["methods"][label].get("file")
    return {} if given is None else {"file": given if folder is None else _relative(experiment.folder / given, folder)}


def _swept_values(experiment: Experiment, key: str, folder: Path | None) -> list[Any]:
    values = experiment.sweep[key]
    return [_relative(experiment.folder / value, folder) for value in values] if names_file(key) and folder is not None else list(values)


def _swept(experiment: Experiment, section: str) -> bool:
    return any(key.startswith(f"{section}.") for key in experiment.sweep)


def _data(experiment: Experiment, folder: Path | None) -> Config:
    given = dict(experiment.config.get("data", {}))
    frame = given.pop("frame", None)
    if frame is not None:
        written = memory.tabulate(frame)
        given = {"file": memory.FILE, "id": written.id, "classes": written.classes, "counts": written.counts, **given}
    elif folder is not None and given.get("file") is not None:
        given["file"] = _relative(experiment.folder / given["file"], folder)
    if not _swept(experiment, "data"):
        given = {**_data_defaults(experiment, given), **given}
    return {key: value for key, value in given.items() if value is not None}


def _data_defaults(experiment: Experiment, given: Config) -> Config:
    choice, _ = choose_data(dict(experiment.config))
    if choice is None:  # a valid experiment has one
        return {}
    if choice.synthetic is not None and choice.family is not None:
        drawn = {"family": choice.family.name, **choice.family.options(), **asdict(choice.synthetic)}
        given.pop("synthetic")
        return {"synthetic": drawn, "complete_rows": choice.data.complete_rows, "held_out": choice.data.held_out}
    known = BUILT_IN.get(choice.data.name or "")
    return {
        **{key: given[key] for key in ("name", "file") if key in given},
        "columns": list(experiment.settings[0].problem.data.features),
        "id": known.id if known else None,
        "classes": known.classes if known else None,
        "counts": known.counts if known else None,
        "complete_rows": choice.data.complete_rows,
        "held_out": choice.data.held_out,
    }


def _relative(file: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(file.resolve(), folder.resolve())).as_posix()
    except ValueError:  # another drive
        return str(file.resolve())


def _model(experiment: Experiment) -> Config:
    given: Config = dict(experiment.config.get("model", {}))
    if "model.family" not in experiment.sweep:
        family = experiment.settings[0].problem.family
        given = {"family": family.name, **family.options(), **given}
    prior = given.pop("prior", None) or "default"
    numbers = [_numbers(setting) for setting in experiment.settings]
    same = all(each == numbers[0] for each in numbers) and not _swept(experiment, "model.prior")
    return {**given, "prior": numbers[0] if same and numbers[0] else prior}


def _numbers(setting: Setting) -> Mapping[str, Any]:
    return setting.problem.prior.numbers() if setting.problem.prior is not None else {}


def _numbers_by_cell(experiment: Experiment) -> str:
    """Return the prior's numbers of every cell as comments, where they are not the same in all."""
    numbers = [_numbers(setting) for setting in experiment.settings]
    if all(each == numbers[0] for each in numbers):
        return ""
    text = "# The prior's numbers by cell (`model: {prior: ...}` works them out again, from the rows that are fitted):\n"
    for setting, each in zip(experiment.settings, numbers, strict=True):
        cell = ", ".join(f"{key}={value}" for key, value in setting.values.items())
        text += f"#   {cell}: {yaml.dump(dict(each), Dumper=Writer, sort_keys=False, default_flow_style=True, width=10**6)}"
    return text
