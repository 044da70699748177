"""A section's family: its name and the options that stand beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import MinLen

from workbench.data.spelling import who_has
from workbench.experiment.mistakes import Fault, Path
from workbench.experiment.validation import Options, build, shown
from workbench.experiment.words import CHOOSE, LATER_FAMILIES, unknown_value
from workbench.models.families import FAMILIES, Family, Product
from workbench.models.families.product import PARTS, Block

BLOCKS = "blocks"
"""The key of a product's families."""


@dataclass(frozen=True)
class Columns:
    """What a block has beside its family's own options.

    Parameters
    ----------
    columns : the block's features
    """

    columns: Annotated[tuple[str, ...], MinLen(1)]


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
        whose = who_has(key, {other: options_of(theirs) for other, theirs in FAMILIES.items()})
        faults.append(Fault((*path, key), f"{name} has no {key}; {whose}: {CHOOSE[section]}", on_key=True))
    family: Family | None
    if kind is Product:
        family, wrong = _build_product(values.get(BLOCKS), path)
    else:
        family, wrong = build(kind, {k: values[k] for k in values if k in own}, path, section)
    return built, family, faults + wrong


def _build_product(values: Any, path: Path) -> tuple[Family | None, list[Fault]]:
    """Make a product of its blocks, each a list of columns, or a mapping of ``columns`` and the family's options."""
    if not isinstance(values, Mapping) or not values:
        what = "is missing" if values is None else f"is {shown(values)}"
        example = "give families with their columns, as in {gaussian: [a, b], categorical: [c]}"
        return None, [Fault((*path, BLOCKS), f"{what}; {example}")]
    blocks: list[Block] = []
    faults: list[Fault] = []
    for name, value in values.items():
        at = (*path, BLOCKS, name)
        if name not in PARTS:
            faults.append(Fault(at, unknown_value("family", name, PARTS, LATER_FAMILIES), on_key=True))
            continue
        given = value if isinstance(value, Mapping) else {"columns": value}
        own = options_of(PARTS[name])
        others = {part: options_of(theirs) for part, theirs in PARTS.items()}
        named, wrong = build(Columns, {k: v for k, v in given.items() if k not in own}, at, "model", own, others)
        family, more = build(PARTS[name], {k: given[k] for k in given if k in own}, at, "model")
        faults += wrong + more
        if named is not None and family is not None:
            blocks.append(Block(family, named.columns))
    if faults:
        return None, faults
    try:
        return Product(tuple(blocks)), []
    except ValueError as error:
        return None, [Fault((*path, BLOCKS), str(error))]
