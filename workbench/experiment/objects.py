"""Methods given as objects in Python: registered, and written into the config as everybody else's are."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path as File
from typing import Any

from workbench.experiment.mistakes import Fault, Path
from workbench.experiment.rewriting import Config, plain
from workbench.experiment.validation import shown
from workbench.inference.method import Method
from workbench.inference.plugins import PluginError, register_class


def with_objects(config: Config, methods: Mapping[str, Method], given: dict[Path, str]) -> tuple[Config, list[Fault]]:
    """Return the config with each object as an entry of ``methods``, in place of an entry of that label, and what is wrong.

    Parameters
    ----------
    config : with its short forms written out
    methods : label -> instance of a method's class, built in or not
    given : where it is noted, by path, what messages are to call it

    Notes
    -----
    As an entry of the config an object is checked, swept, calibrated and written into ``config.yaml`` like all others.
    """
    section = config.get("methods")
    if not methods or not isinstance(section, Mapping | None):
        return config, []  # the section's own mistake is told elsewhere
    faults: list[Fault] = []
    entries = dict(section or {})
    for label, method in methods.items():
        path: Path = ("methods", str(label))
        given[path] = f"methods={{{label!r}: ...}}"
        try:
            entries[str(label)] = _entry(method)
        except PluginError as error:
            faults.append(Fault(path, str(error)))
            entries.pop(str(label), None)
    return {**config, "methods": entries}, faults


def _entry(method: Any) -> Config:
    """Register the object's class; its kind and options as plain values."""
    if isinstance(method, type) or not dataclasses.is_dataclass(method):
        what = f"the class {method.__name__}" if isinstance(method, type) else shown(method)
        call = f"{method.__name__}()" if isinstance(method, type) else "workbench.EM(restarts=20)"
        raise PluginError(f"is {what}; give an object, as in {call}")
    kind: Any = type(method)
    register_class(kind)
    options = {field.name: plain(getattr(method, field.name)) for field in dataclasses.fields(method) if field.init}
    if options.get("file") is not None:
        options["file"] = str(File(options["file"]).resolve())  # a path in Python is relative to where Python runs
    return {"kind": kind.kind, **options}
