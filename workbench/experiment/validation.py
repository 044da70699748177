"""Plain values against a dataclass: every mistake at once, in our own words."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Protocol, get_type_hints

import pydantic

from workbench.experiment.mistakes import Fault, Path
from workbench.experiment.words import NOBODY, unknown_key, unknown_value


class Options(Protocol):
    """A dataclass whose fields are keys of a config."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]


@functools.cache
def adapters(options: type[Options]) -> dict[str, pydantic.TypeAdapter[Any]]:
    """Return the validator of every field."""
    hints = get_type_hints(options, include_extras=True)
    return {field.name: pydantic.TypeAdapter(hints[field.name]) for field in dataclasses.fields(options) if field.init}


def build[Built: Options](
    options: type[Built],
    values: Mapping[str, Any],
    path: Path,
    section: str,
    also: Collection[str] = (),
    others: Mapping[str, Collection[str]] = NOBODY,
) -> tuple[Built | None, list[Fault]]:
    """Make an instance of ``options`` of the keys and values found at ``path``.

    Parameters
    ----------
    section : which words of other programs to answer
    also : further keys that are allowed here, and looked at elsewhere
    others : keys of other kinds of such a section, by their names

    Returns
    -------
    built : the instance, or None if anything is wrong
    faults : everything that is wrong
    """
    known = adapters(options)
    allowed = [*known, *also]
    faults = [Fault((*path, key), unknown_key(section, key, allowed, others), on_key=True) for key in values if key not in allowed]
    checked: dict[str, Any] = {}
    for name, adapter in known.items():
        if name in values:
            value, wrong = check(adapter, values[name], (*path, name))
            checked[name] = value
            faults += wrong
    faults += _missing(options, values, path)
    if faults:
        return None, faults
    try:
        return options(**checked), []
    except ValueError as error:
        return None, [Fault(path, str(error))]


def check(adapter: pydantic.TypeAdapter[Any], value: Any, path: Path) -> tuple[Any, list[Fault]]:
    """Validate one value strictly, as JSON: a list may be a tuple, but "1" is no number and 1 is not true."""
    try:
        return adapter.validate_json(json.dumps(value, allow_nan=False), strict=True), []
    except ValueError as error:
        if not isinstance(error, pydantic.ValidationError):
            return None, [Fault(path, "holds a number that is not finite; give finite numbers")]
        return None, _faults(error, value, path)
    except TypeError:
        return None, [Fault(path, f"is {shown(value)}; give plain numbers, words, lists or mappings")]


def _missing(options: type[Options], values: Mapping[str, Any], path: Path) -> list[Fault]:
    required = [
        field.name
        for field in dataclasses.fields(options)
        if field.init and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    return [Fault((*path, name), f"is missing; give {name}") for name in required if name not in values]


def _faults(error: pydantic.ValidationError, value: Any, path: Path) -> list[Fault]:
    """One fault for each value that is wrong, whatever number of alternatives it was tried against."""
    wanted: dict[Path, list[str]] = {}
    found: dict[Path, Any] = {}
    for detail in error.errors(include_url=False):
        place, part = _locate(detail["loc"], value)
        found[place] = part
        sentence = _wanted(detail, part, path)
        if sentence and sentence not in wanted.setdefault(place, []):
            wanted[place].append(sentence)
    deepest = {
        place: wishes for place, wishes in wanted.items() if not any(len(p) > len(place) and p[: len(place)] == place for p in wanted)
    }
    return [Fault((*path, *place), _sentence(found[place], wishes)) for place, wishes in deepest.items()]


def _sentence(part: Any, wishes: list[str]) -> str:
    answers = [wish for wish in wishes if not wish.startswith("give ")]
    if answers:
        return answers[0]
    wish = ", or ".join(wish.removeprefix("give ") for wish in wishes)
    return f"is {shown(part)}; give {wish or 'another value'}"


def _locate(loc: tuple[str | int, ...], value: Any) -> tuple[Path, Any]:
    """Follow pydantic's location as far as it names parts of the value (it also names types)."""
    place: list[str | int] = []
    for step in loc:
        inside = isinstance(value, Mapping) and step in value
        inside = inside or (isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value))
        if inside:
            place.append(step)
            value = value[step]
    return tuple(place), value


WANTED = {
    "int_type": "give a whole number",
    "int_from_float": "give a whole number",
    "int_parsing": "give a whole number",
    "float_type": "give a number",
    "finite_number": "give a finite number",
    "bool_type": "give true or false",
    "string_type": "give a word",
    "tuple_type": "give a list",
    "list_type": "give a list",
    "dict_type": "give a mapping",
    "dataclass_type": "give a mapping",
    "too_short": "give at least {min_length}",
    "too_long": "give at most {max_length}",
    "greater_than_equal": "give {ge:g} or more",
    "greater_than": "give more than {gt:g}",
    "less_than_equal": "give {le:g} or less",
    "less_than": "give less than {lt:g}",
    "none_required": "",
}
"""pydantic's kinds of errors in our words; "" where another alternative says it better."""


def _wanted(detail: Any, part: Any, path: Path) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "literal_error":
        options = str(context["expected"]).replace(" or ", ", ").replace("'", "").split(", ")
        if isinstance(part, str):
            return unknown_value(str(path[-1]), part, options)
        return f"give {' or '.join(options)}"
    if kind in WANTED:
        return WANTED[kind].format(**context)
    return f"give another value ({detail['msg']})"


def shown(value: Any) -> str:
    """Write a value as a config would, cut short."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except TypeError:
        text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
