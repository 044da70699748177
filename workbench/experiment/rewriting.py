"""Short forms written out, and values put in place of others: configs as nested plain values."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path as File
from typing import Any

import numpy as np

from workbench.data.dataset import Dataset
from workbench.experiment.mistakes import Path

Config = dict[str, Any]


def plain(value: Any) -> Any:
    """Return a Python value as YAML would give it: dicts, lists, words and numbers."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, File):
        return str(value)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain(inner) for inner in value]
    return value


def from_python(config: Mapping[str, Any]) -> Config:
    """Return a config given as a dict; data in memory stay as they are, under ``data: {frame: ...}``."""
    rest = plain({key: value for key, value in config.items() if key != "data"})
    if "data" in config:
        data = config["data"]
        if isinstance(data, Mapping):
            rest["data"] = {key: value if key == "frame" else plain(value) for key, value in data.items()}
        else:
            rest["data"] = data if isinstance(data, str) else str(data) if isinstance(data, File) else {"frame": data}
    return dict(rest)


def written_out(config: Config) -> Config:
    """Return the config with its short forms written out: ``data: NAME``, ``methods: [KIND, ...]``, ``check: KIND``, empty
    sections."""
    config = dict(config)
    if isinstance(config.get("data"), str):
        config["data"] = {"name": config["data"]}
    methods = config.get("methods")
    if isinstance(methods, str):
        methods = [methods]
    if isinstance(methods, list) and all(isinstance(label, str) for label in methods) and len(set(methods)) == len(methods):
        methods = {label: {} for label in methods}
    if isinstance(methods, dict):
        config["methods"] = {label: {} if options is None else options for label, options in methods.items()}
    if isinstance(config.get("check"), str):
        config["check"] = {"kind": config["check"]}
    for section in ("sweep", "check"):
        if config.get(section) is None:
            config.pop(section, None)
    return config


def split_key(key: str) -> Path:
    """Return the path of a dotted key; what follows ``sweep.`` is one key, dots and all."""
    head, _, rest = key.partition(".")
    return (head, rest) if head == "sweep" and rest else tuple(key.split("."))


def with_value(config: Config, path: Path, value: Any) -> Config:
    """Return the config with ``value`` at ``path``; sections on the way are made.

    Raises
    ------
    KeyError
        If something on the way is not a section; its argument is the dotted key of that.
    """
    changed = copy.copy(config)
    section = changed
    for depth, step in enumerate(path[:-1], start=1):
        inner = section.get(str(step))
        if inner is None or inner == "default":
            inner = {}
        if not isinstance(inner, dict):
            raise KeyError(".".join(map(str, path[:depth])))
        section[str(step)] = section = dict(inner)
    section[str(path[-1])] = value
    return changed


def in_memory(data: Any) -> bool:
    """Whether ``data`` are values rather than the name of some."""
    return isinstance(data, np.ndarray | Dataset | list) or hasattr(data, "to_numpy")
