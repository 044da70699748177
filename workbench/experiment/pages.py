"""Pages of documentation, one a family and one a method, made from their docstrings and their fields."""

from __future__ import annotations

import dataclasses
import inspect
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from workbench.experiment.schema import descriptions
from workbench.inference import METHODS
from workbench.models.families import FAMILIES
from workbench.models.families.product import Block

KINDS: dict[str, Mapping[str, Any]] = {"families": FAMILIES, "methods": METHODS}
Sections = dict[str, list[str]]


def page(kind: str, name: str) -> str:
    """Return the page of a family (``kind`` "families") or a method ("methods") as Markdown."""
    thing: Any = KINDS[kind][name]
    said = sections(thing)
    summary, *more = said["Summary"]
    lines = [f"# {name}", "", _prose(summary), *map(_prose, more), ""]
    lines += ["In a config:", "", "```yaml", *_example(kind, name, thing), "```", ""]
    lines += _options(thing) + (_of_family(thing, said) if kind == "families" else _of_method(thing))
    for title, heading in (("Notes", "Formulas"), ("References", "Sources")):
        if title in said:
            lines += [f"## {heading}", "", *(_prose(line) for line in said[title]), ""]
    return "\n".join(lines).rstrip() + "\n"


def write_pages(folder: Path) -> list[Path]:
    """Write every page, and an index of them; return their paths."""
    written, index = [], ["# Families and methods", "", "Made by `workbench list --pages`: the docstrings of what a config can name.", ""]
    for kind, things in KINDS.items():
        (folder / kind).mkdir(parents=True, exist_ok=True)
        index += [f"## {kind.capitalize()}", ""]
        for name, thing in things.items():
            path = folder / kind / f"{name}.md"
            path.write_text(page(kind, name), encoding="utf-8")
            written.append(path)
            index.append(f"- [{name}]({kind}/{name}.md): {_prose(sections(thing)['Summary'][0])}")
        index.append("")
    (folder / "README.md").write_text("\n".join(index).rstrip() + "\n", encoding="utf-8")
    return [*written, folder / "README.md"]


def sections(thing: Any) -> Sections:
    """The lines of a numpydoc docstring by section; what stands before the first is the summary."""
    lines = inspect.cleandoc(thing.__doc__ or "").splitlines()
    found: Sections = {"Summary": []}
    own = found["Summary"]
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        if after and set(after) == {"-"}:
            own = found[line] = []
        elif not (line and set(line) == {"-"}):
            own.append(line)
    return {title: _stripped(text) for title, text in found.items()}


def _stripped(lines: list[str]) -> list[str]:
    """Without empty lines at either end."""
    while lines and not lines[0].strip():
        lines = lines[1:]
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    return lines


def _prose(line: str) -> str:
    return line.replace("``", "`")


def _example(kind: str, name: str, thing: Any) -> Iterator[str]:
    required = {field.name for field in dataclasses.fields(thing) if field.default is dataclasses.MISSING}
    if kind == "methods":
        yield f"methods: {{{name}: {{{'file: draws.nc' if 'file' in required else ''}}}}}"
    elif "blocks" in required:
        yield "model: {family: product, blocks: {gaussian: [a, b], categorical: [c]}, n_components: 2}"
    else:
        yield f"model: {{family: {name}, n_components: 2}}"


def _options(thing: Any) -> list[str]:
    """A table of the fields: values, default, meaning."""
    fields, hints = dataclasses.fields(thing), get_type_hints(thing, include_extras=True)
    if not fields:
        return []
    said: dict[str, str] = {}
    for each in reversed(thing.__mro__):  # a kind that shares another's options need not repeat them
        said |= descriptions(each)
    lines = ["## Options", "", "| option | values | default | meaning |", "| --- | --- | --- | --- |"]
    for field in fields:
        default = "(required)" if field.default is dataclasses.MISSING else f"`{_shown(field.default)}`"
        lines.append(f"| `{field.name}` | {_values(hints[field.name])} | {default} | {said.get(field.name, '')} |")
    return [*lines, ""]


def _shown(value: Any) -> str:
    if isinstance(value, bool | None):
        return {True: "true", False: "false", None: "null"}[value]
    return str(list(value)) if isinstance(value, tuple) else str(value)


def _values(hint: Any) -> str:
    """A type and its limits in words."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return " ".join([_values(arguments[0]), *filter(None, map(_limit, arguments[1:]))])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(_values(argument) for argument in arguments if argument is not type(None))
    if origin is tuple:
        return f"list of {_values(arguments[0])}" if arguments[1:] == (...,) and arguments[0] is not Block else "families by name"
    words = {int: "whole number", float: "number", str: "text", bool: "`true`, `false`"}
    return words.get(hint, "parameters by name" if origin is dict else str(hint))


def _limit(limit: Any) -> str:
    words = {"ge": "from {}", "gt": "above {}", "le": "up to {}", "lt": "below {}"}
    return ", ".join(text.format(f"{getattr(limit, name):g}") for name, text in words.items() if getattr(limit, name, None) is not None)


def _of_family(thing: Any, said: Sections) -> list[str]:
    lines = []
    if "Hyperparameters" in said:
        lines += ["## Prior", "", "| hyperparameter | meaning and default |", "| --- | --- |"]
        rows: list[list[str]] = []
        for line in said["Hyperparameters"]:
            name, colon, text = line.partition(" : ")
            if colon and not line.startswith(" "):
                rows.append([name, text])
            elif rows:
                rows[-1][1] += " " + line.strip()
        lines += [f"| `{name}` | {_prose(text)} |" for name, text in rows] + [""]
    return lines


def _of_method(thing: Any) -> list[str]:
    estimate = {
        "point": "a point: one mixture",
        "approximation": "draws from an approximation of the posterior",
        "sample": "draws from the posterior",
    }
    return [f"Gives {estimate[thing.estimate]}.", ""]
