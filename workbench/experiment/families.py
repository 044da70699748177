"""A section's family: its name and the options that stand beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from workbench.experiment.mistakes import Fault, Path
from workbench.experiment.validation import Options, build
from workbench.experiment.words import LATER_FAMILIES, unknown_value
from workbench.models.families import FAMILIES, Family


def options_of(family: type[Any]) -> tuple[str, ...]:
    """Return the YAML keys of a family or a method."""
    return tuple(field.name for field in dataclasses.fields(family) if field.init)


def build_with_family[Built: Options](
    options: type[Built],
    values: Mapping[str, Any],
    path: Path,
    section: str,
    also: tuple[str, ...] = (),
) -> tuple[Built | None, Family | None, list[Fault]]:
    """Make a section and the family that it names, whose options stand among the section's keys."""
    name = values.get("family", "gaussian")
    kind = FAMILIES.get(name) if isinstance(name, str) else None
    everyones = {key for other in FAMILIES.values() for key in options_of(other)}
    own = set(options_of(kind)) if kind else everyones
    built, faults = build(options, {k: v for k, v in values.items() if k not in everyones}, path, section, (*also, *sorted(own)))
    if kind is None:
        if isinstance(name, str):
            faults.append(Fault((*path, "family"), unknown_value("family", name, FAMILIES, LATER_FAMILIES)))
        return built, None, faults
    for key in (everyones - own) & values.keys():
        faults.append(Fault((*path, key), f"{name} has no {key}; leave it out", on_key=True))
    family, wrong = build(kind, {k: values[k] for k in values if k in own}, path, section)
    return built, family, faults + wrong
