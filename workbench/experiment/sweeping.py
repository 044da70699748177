"""Sweeps: dotted keys to lists of values, and the product of them."""

from __future__ import annotations

import itertools
import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from workbench.data.spelling import advice
from workbench.experiment.families import options_of
from workbench.experiment.mistakes import Fault, dotted
from workbench.experiment.rewriting import Config, split_key, with_value
from workbench.experiment.sections import Data, Model, Synthetic
from workbench.experiment.setting import Setting, settle
from workbench.experiment.sources import Sources
from workbench.experiment.validation import shown
from workbench.inference import METHODS
from workbench.models.families import FAMILIES

MOST = 1000
"""Cells of one sweep."""

Sweep = dict[str, list[Any]]


def names_file(key: str) -> bool:
    """Whether a dotted key holds the path of a file, which is relative to where the config stands."""
    return key == "data.file" or (key.startswith("methods.") and key.endswith(".file"))


def sweepable(config: Config) -> list[str]:
    """Return every dotted key that a sweep may name, for this config's methods."""
    family_keys = sorted({key for family in FAMILIES.values() for key in options_of(family)})
    prior_keys = sorted({key for family in FAMILIES.values() for key in ("concentration", *family.hyperparameters)})
    keys = [*(f"model.{key}" for key in (*options_of(Model), *family_keys)), *(f"model.prior.{key}" for key in prior_keys)]
    keys += [f"data.{key}" for key in options_of(Data)]
    keys += [f"data.synthetic.{key}" for key in (*options_of(Synthetic), *family_keys)]
    methods = config.get("methods")
    for label, options in (methods if isinstance(methods, Mapping) else {}).items():
        kind = options.get("kind", label) if isinstance(options, Mapping) else label
        keys += [f"methods.{label}.{key}" for key in (options_of(METHODS[kind]) if isinstance(kind, str) and kind in METHODS else ())]
    return [*keys, "seed"]


def read_sweep(config: Config) -> tuple[Sweep, list[Fault]]:
    """Check the sweep section, but for what its values do."""
    section = config.get("sweep")
    if section is None:
        return {}, []
    if not isinstance(section, Mapping):
        return {}, [Fault(("sweep",), f"is {shown(section)}; give dotted keys to lists, as in {{model.n_components: [1, 2, 3]}}")]
    known = sweepable(config)
    faults: list[Fault] = []
    for key, values in section.items():
        if key not in known:
            faults.append(Fault(("sweep", key), f"there is no key {key}; {_key_advice(key, known, config)}", True))
        faults += _list_faults(key, values)
    if not faults and math.prod(len(values) for values in section.values()) > MOST:
        faults.append(Fault(("sweep",), f"makes more than {MOST} combinations; shorten its lists"))
    return ({}, faults) if faults else (dict(section), [])


def _key_advice(key: str, known: Sequence[str], config: Config) -> str:
    steps, methods = key.split("."), config.get("methods")
    if steps[0] == "methods" and len(steps) > 1 and isinstance(methods, Mapping) and steps[1] not in methods:
        return f"no method is labelled {steps[1]}: {advice(steps[1], methods)}"
    tails = [name for name in known if name.rpartition(".")[2] == steps[-1]]
    return f"did you mean {tails[0]}?" if tails else advice(key, known)


def _list_faults(key: str, values: Any) -> list[Fault]:
    path = ("sweep", key)
    if not isinstance(values, list):
        return [Fault(path, f"is {shown(values)}; give a list of values")]
    if not values:
        return [Fault(path, "has no values; give at least one, or leave the key out")]
    faults = []
    for index, value in enumerate(values):
        if isinstance(value, list | dict):
            faults.append(Fault((*path, index), f"is {shown(value)}; give single numbers or words"))
        elif any(value == other and type(value) is type(other) for other in values[:index]):
            faults.append(Fault((*path, index), f"{shown(value)} is there twice; leave out one"))
    return faults


def settle_all(config: Config, sources: Sources) -> tuple[list[Setting], list[Fault]]:
    """Make the setting of every combination of the sweep's values (the first key varies slowest), or say all that is wrong."""
    sweep, faults = read_sweep(config)
    section = config.get("sweep")
    promised = set(section) if faults and isinstance(section, Mapping) else set()  # a faulty sweep still names its keys
    indices = list(itertools.product(*(range(len(values)) for values in sweep.values())))
    settings: list[Setting] = []
    found: list[tuple[dict[str, int], Fault]] = []
    for combination in indices:
        chosen = dict(zip(sweep, combination, strict=True))
        values = {key: sweep[key][index] for key, index in chosen.items()}
        called = {key: _tails(sweep[key])[index] if names_file(key) else values[key] for key, index in chosen.items()}
        try:
            setting, wrong = settle(_applied(config, values), sources, called)
        except KeyError as error:
            return [], [*faults, Fault(("sweep",), f"{error.args[0]} is not a section; write it as a mapping")]
        found += [(chosen, fault) for fault in wrong if dotted(fault.path) not in promised]
        settings += [setting] if setting else []
    return settings, faults + _told_once(found, sweep, len(indices))


def _tails(files: Sequence[Any]) -> list[Any]:
    """Paths by as many of their last parts as tell them apart: what they are called wherever the config stands."""
    parts = [PurePath(os.path.normpath(str(file))).parts for file in files]
    for length in range(1, max(map(len, parts)) + 1):
        tails = ["/".join(each[-length:]) for each in parts]
        if len(set(tails)) == len(tails):
            return tails
    return list(files)


def _applied(config: Config, values: Mapping[str, Any]) -> Config:
    for key, value in values.items():
        config = with_value(config, split_key(key), value)
    return config


def _told_once(found: list[tuple[dict[str, int], Fault]], sweep: Sweep, n_combinations: int) -> list[Fault]:
    """Put faults of swept values where these stand, name the cell of faults that only some have, and tell each once."""
    times = Counter(fault for _, fault in found)
    told: dict[Fault, None] = {}
    for chosen, fault in found:
        swept = next((key for key in chosen if dotted(fault.path).startswith(key)), None)
        if swept is not None:
            rest = fault.path[len(split_key(swept)) :]
            told[replace(fault, path=("sweep", swept, chosen[swept], *rest), on_key=False)] = None
        elif times[fault] == n_combinations:
            told[fault] = None
        elif not any(other.path == fault.path and other.message.startswith(fault.message) for other in told):
            cell = ", ".join(f"{key}={shown(sweep[key][index])}" for key, index in chosen.items())
            told[replace(fault, message=f"{fault.message} (with {cell})")] = None
    return list(told)
