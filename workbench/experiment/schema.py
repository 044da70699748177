"""JSON schema of a config, for editors; it follows from the registries and the sections."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from workbench.data.builtin import BUILT_IN
from workbench.experiment.families import BLOCKS, Columns
from workbench.experiment.labels import LABEL
from workbench.experiment.sections import Check, Data, Model, Synthetic, Top
from workbench.experiment.validation import Options, adapters
from workbench.inference import METHODS
from workbench.models.families import FAMILIES, Family, Product
from workbench.models.families.product import PARTS

Schema = dict[str, Any]

NUMBERS: Schema = {"anyOf": [{"type": "number"}, {"type": "array"}]}
"""A hyperparameter: a number, a list or a list of lists."""


def schema() -> Schema:
    """Return the schema as plain values."""
    top = properties(Top)
    sections = {
        "name": top["name"],
        "description": top["description"],
        "data": _data(),
        "model": _model(),
        "methods": _methods(),
        "sweep": {
            "type": "object",
            "description": "Dotted keys to lists of values; every combination is run",
            "additionalProperties": {"type": "array", "minItems": 1, "items": {"type": ["number", "string", "boolean", "null"]}},
        },
        "check": {"description": "Simulation-based calibration of the methods", "anyOf": [{"const": "sbc"}, _closed(properties(Check))]},
        "seed": top["seed"],
        "report": top["report"],
        "relabelling": top["relabelling"],
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",  # what YAML's language server reads best
        "title": "A workbench experiment",
        **_closed(sections, required=["data", "model", "methods"]),
        "definitions": {
            kind: _closed({"kind": {"const": kind}, **properties(method)}, required(method)) for kind, method in METHODS.items()
        },
    }


def required(options: type[Options]) -> list[str]:
    """Return the keys of a dataclass that have no default."""
    return [field.name for field in dataclasses.fields(options) if field.default is dataclasses.MISSING and field.init]


def properties(options: type[Options]) -> dict[str, Schema]:
    """Return the schema of every key of a dataclass, with its default and what its docstring says of it."""
    said = descriptions(options)
    found: dict[str, Schema] = {}
    for field in dataclasses.fields(options):
        if not field.init:
            continue
        found[field.name] = adapters(options)[field.name].json_schema()
        if field.default is not dataclasses.MISSING and field.default is not None:
            found[field.name]["default"] = field.default
        if field.name in said:
            found[field.name]["description"] = said[field.name]
    return found


def descriptions(options: type[Any]) -> dict[str, str]:
    """Read ``name, other : what`` lines, continued by deeper ones, from a numpydoc Parameters section."""
    lines = re.split(r"\n *\w+\n *-{4,}\n", (options.__doc__ or "").partition("Parameters\n")[2])[0].splitlines()
    found: dict[str, str] = {}
    names: list[str] = []
    for line in lines:
        head, colon, rest = line.strip().partition(" : ")
        if colon and not line.startswith(" " * 8):
            names = [name.strip() for name in head.split(",")]
            found.update(dict.fromkeys(names, rest.strip()))
        elif line.startswith(" " * 8) and names:
            found.update({name: f"{found[name]} {line.strip()}".strip() for name in names})
        elif not line.strip():
            names = []
    return {name: text.replace("``", "") for name, text in found.items()}


def _closed(keys: Mapping[str, Schema], required: list[str] | None = None) -> Schema:
    closed: Schema = {"type": "object", "properties": dict(keys), "additionalProperties": False}
    return {**closed, "required": required} if required else closed


def _family_keys() -> dict[str, Schema]:
    keys: dict[str, Schema] = {"family": {"enum": list(FAMILIES), "default": "gaussian"}}
    for family in FAMILIES.values():
        keys.update(_blocks() if family is Product else properties(family))
    return keys


def _blocks() -> dict[str, Schema]:
    """Return the schema of a product's blocks: for each family its columns, alone or beside its options."""
    columns = properties(Columns)
    own = {
        name: {"anyOf": [columns["columns"], _closed({**columns, **properties(family)}, required=["columns"])]}
        for name, family in PARTS.items()
    }
    return {BLOCKS: {"description": descriptions(Product)[BLOCKS], "minProperties": 1, **_closed(own)}}


def _data() -> Schema:
    name = {"enum": list(BUILT_IN), "description": "A built-in data set"}
    keys = {**properties(Data), "name": name, "synthetic": _closed({**properties(Synthetic), **_family_keys()})}
    one = [{"required": [kind]} for kind in ("name", "file", "synthetic")]
    return {"description": "What is fitted", "anyOf": [name, {**_closed(keys), "oneOf": one}]}


def _model() -> Schema:
    plain = [family for family in FAMILIES.values() if family is not Product]
    hyperparameters: dict[str, Schema] = {"concentration": NUMBERS}
    for family in plain:
        hyperparameters |= _hyperparameters(family)
    hyperparameters |= {name: _closed(_hyperparameters(family)) for name, family in PARTS.items()}
    prior = {
        "description": "default, or hyperparameters by name; those not named keep their defaults",
        "anyOf": [{"const": "default"}, _closed(hyperparameters)],
        "default": "default",
    }
    return {"description": "The mixture", **_closed({**properties(Model), **_family_keys(), "prior": prior})}


def _hyperparameters(family: type[Family]) -> dict[str, Schema]:
    kinds = {"kind": {"enum": list(family.prior_kinds), "default": family.prior_kinds[0]}} if family.prior_kinds else {}
    return {key: kinds.get(key, NUMBERS) for key in family.hyperparameters}


def _methods() -> Schema:
    named = {kind: {"anyOf": [{"type": "null"}, _kind(kind), *_others(kind)]} for kind in METHODS}
    labelled = {
        "type": "object",
        "minProperties": 1,
        "properties": named,
        "patternProperties": {f"^(?!({'|'.join(METHODS)})$){LABEL.pattern}$": {"anyOf": _others()}},
        "additionalProperties": False,
    }
    listed = {"type": "array", "minItems": 1, "items": {"enum": list(METHODS)}}
    return {"description": "Methods by label; a label that is a kind needs no kind", "anyOf": [labelled, listed, {"enum": list(METHODS)}]}


def _kind(kind: str) -> Schema:
    return {"$ref": f"#/definitions/{kind}"}


def _others(label: str | None = None) -> list[Schema]:
    """Return the kinds that must be named, for a label that is none of them."""
    return [{"allOf": [_kind(kind), {"required": ["kind"]}]} for kind in METHODS if kind != label]
