"""The methods section: labels, kinds and options."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path as File
from typing import Any

from workbench.data.spelling import nearest, there_are
from workbench.experiment.families import options_of
from workbench.experiment.mistakes import Fault
from workbench.experiment.rewriting import Config
from workbench.experiment.validation import build, shown
from workbench.experiment.words import FOREIGN_VALUES, LATER_KINDS, unknown_value
from workbench.inference import METHODS
from workbench.inference.method import Method
from workbench.inference.plugins import PluginError, discover

LABEL = re.compile(r"[a-z][a-z0-9_]*")
RESERVED = ("classes",)
"""Labels that mean something else in the tables."""


def build_methods(config: Config, folder: File) -> tuple[dict[str, Method], list[Fault]]:
    """Make every method that can be made, by label, and say what is wrong with the others; files are relative to ``folder``."""
    section = config.get("methods")
    if isinstance(section, list) and (twice := [i for i, label in enumerate(section) if label in section[:i]]):
        return {}, [Fault(("methods", i), f"{shown(section[i])} is there twice; leave out one, or give each a label") for i in twice]
    if not isinstance(section, Mapping):
        what = "is missing" if section is None else f"is {shown(section)}"
        return {}, [Fault(("methods",), f"{what}; give methods by label, as in {{em: {{restarts: 100}}}}")]
    if not section:
        return {}, [Fault(("methods",), f"no method is named; {there_are(METHODS)}")]
    methods: dict[str, Method] = {}
    faults: list[Fault] = []
    for label, options in section.items():
        wrong = _label_faults(label)
        method, more = _build_method(label, options)
        faults += wrong + more
        if method is not None:
            methods[label] = located(method, folder)
    return methods, faults


def located(method: Method, folder: File) -> Method:
    """The method with the file that it reads, if any, found from here."""
    file = getattr(method, "file", None)
    return method if file is None else dataclasses.replace(method, file=str(folder / file))


def _label_faults(label: str) -> list[Fault]:
    if label in RESERVED:
        return [Fault(("methods", label), f"{label} is a reserved label; choose another, and give its kind", True)]
    if not LABEL.fullmatch(label):
        return [Fault(("methods", label), "a label is lower-case letters, digits and _, a letter first; rename it", True)]
    return []


def _build_method(label: str, options: Any) -> tuple[Method | None, list[Fault]]:
    path = ("methods", label)
    if not isinstance(options, Mapping):
        return None, [Fault(path, f"is {shown(options)}; give options as a mapping, as in {{restarts: 100}}")]
    kind = options.get("kind", label)
    if isinstance(kind, str) and kind not in METHODS:
        try:
            discover()
        except PluginError as error:
            return None, [Fault(path, str(error))]
    if not isinstance(kind, str) or kind not in METHODS:
        return None, [_kind_fault(label, options)]
    method, faults = build(METHODS[kind], {k: v for k, v in options.items() if k != "kind"}, path, "method", ("kind",), others_than(kind))
    return method, faults


def others_than(kind: str) -> dict[str, tuple[str, ...]]:
    """Return the options of the other kinds."""
    return {name: options_of(method) for name, method in METHODS.items() if name != kind}


def _kind_fault(label: str, options: Mapping[str, Any]) -> Fault:
    if "kind" in options:
        kind, path = options["kind"], ("methods", label, "kind")
        if not isinstance(kind, str):
            return Fault(path, f"is {shown(kind)}; {there_are(METHODS)}")
        return Fault(path, unknown_value("kind", kind, METHODS, LATER_KINDS))
    if label in LATER_KINDS or label in FOREIGN_VALUES["kind"] or nearest(label, METHODS) not in (None, *_prefixes(label)):
        return Fault(("methods", label), unknown_value("kind", label, METHODS, LATER_KINDS), True)
    return Fault(("methods", label), f"the label is no kind of method; give `kind:` ({', '.join(METHODS)})", True)


def _prefixes(label: str) -> list[str]:
    """Kinds that a label such as em_map begins with: it was meant as a label."""
    return [kind for kind in METHODS if label.startswith(f"{kind}_")]
