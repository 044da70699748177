"""Setting: one cell of a sweep, ready to run; and everything that is wrong with one."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from workbench.data.dataset import DataError, Dataset
from workbench.data.levels import encoded_like
from workbench.data.table import SourceError
from workbench.experiment.checking import choose_check, unchecked
from workbench.experiment.families import build_with_family
from workbench.experiment.labels import build_methods
from workbench.experiment.mistakes import Fault, Path
from workbench.experiment.rewriting import Config
from workbench.experiment.sections import Check, Data, Model, Synthetic, Top
from workbench.experiment.sources import Choice, Loaded, Sources
from workbench.experiment.validation import build, shown
from workbench.experiment.words import unknown_key
from workbench.inference.method import Method
from workbench.models.families import FAMILIES, Family
from workbench.models.hyperparameters import PriorError
from workbench.models.mixture import Mixture
from workbench.problem import Problem


@dataclass(frozen=True, eq=False)
class Setting:
    """One cell of a sweep.

    Attributes
    ----------
    values : the swept keys' values, by dotted key; empty without a sweep
    problem : data to fit, family, number of components, prior
    methods : by label, in the config's order
    seed : of all randomness
    held_out : rows that no fit sees, or None
    truth : the mixture that synthetic data came from, or None
    check : the calibration that is asked for, its methods named, or None
    """

    values: Mapping[str, Any]
    problem: Problem
    methods: Mapping[str, Method]
    seed: int
    held_out: Dataset | None = None
    truth: Mixture | None = None
    check: Check | None = None


def settle(config: Config, sources: Sources, values: Mapping[str, Any]) -> tuple[Setting | None, list[Fault]]:
    """Make the setting of a config without its sweep, or say all that is wrong with it."""
    top, faults = build(Top, {key: config[key] for key in config if key in ("seed",)}, (), "config")
    choice, wrong = choose_data(config)
    faults += wrong
    model, family, wrong = choose_model(config)
    faults += wrong
    methods, wrong = build_methods(config, sources.folder)
    faults += wrong
    calibration, wrong = choose_check(config, methods)
    faults += wrong
    loaded, wrong = _load(sources, replace(choice, model=family), top.seed if top else 0) if choice else (None, [])
    faults += wrong
    loaded, wrong = _arranged(loaded, family) if loaded and family else (loaded, [])
    faults += wrong
    problem, wrong = _pose(loaded, family, model, config) if loaded and family and model else (None, [])
    faults += wrong
    if problem is not None:
        faults += [Fault(_path(label, method), reason) for label, method in methods.items() if (reason := _refusal(method, problem))]
        faults += unchecked(calibration, problem)
    if faults or problem is None or top is None or loaded is None:
        return None, faults
    return Setting(values, problem, methods, top.seed, loaded.held_out, loaded.truth, calibration), []


def _path(label: str, method: Method) -> Path:
    """Where a refusal belongs: a method that reads a file has nothing else to refuse."""
    return ("methods", label, "file") if hasattr(method, "file") else ("methods", label)


def _refusal(method: Method, problem: Problem) -> str | None:
    try:
        return method.refuses(problem)
    except (TypeError, ValueError) as error:  # options that are no numbers where numbers are meant, such as a ragged list
        return f"has an option that is not understood ({str(error).splitlines()[0]}); check its numbers"


def choose_data(config: Config) -> tuple[Choice | None, list[Fault]]:
    """Check the data section."""
    values, path = config.get("data"), ("data",)
    if not isinstance(values, Mapping):
        what = "is missing" if values is None else f"is {shown(values)}"
        return None, [Fault(path, f"{what}; give a built-in data set's name, or a mapping with name, file or synthetic")]
    faults = []
    if isinstance(values.get("held_out"), Mapping):
        faults.append(Fault((*path, "held_out"), "held-out cells are not available yet; hold out rows, as in `held_out: 0.2`"))
        values = {key: value for key, value in values.items() if key != "held_out"}
    kinds = [key for key in ("name", "file", "synthetic", "frame") if values.get(key) is not None]
    if len(kinds) != 1:
        what = f"has {' and '.join(kinds)}" if kinds else "has none of name, file and synthetic"
        faults.append(Fault(path, f"{what}; give one of them"))
    also = ("synthetic", "frame") if "frame" in values else ("synthetic",)
    data, wrong = build(Data, {k: v for k, v in values.items() if k not in also}, path, "data", also)
    faults += wrong
    synthetic, family, wrong = _choose_synthetic(values)
    faults += wrong
    return (None, faults) if faults or data is None else (Choice(data, synthetic, family), [])


def _choose_synthetic(values: Mapping[str, Any]) -> tuple[Synthetic | None, Family | None, list[Fault]]:
    drawn, path = values.get("synthetic"), ("data", "synthetic")
    if drawn is None:
        return None, None, []
    if not isinstance(drawn, Mapping):
        return None, None, [Fault(path, f"is {shown(drawn)}; give a mapping, as in {{family: gaussian, n_rows: 500}}")]
    faults = [
        Fault(("data", key), "synthetic data have no such column; leave it out", True)
        for key in ("columns", "id", "classes", "counts")
        if key in values
    ]
    synthetic, family, wrong = build_with_family(Synthetic, drawn, path, "synthetic")
    return synthetic, family, faults + wrong


def choose_model(config: Config) -> tuple[Model | None, Family | None, list[Fault]]:
    """Check the model section, but for its prior's numbers, which depend on the data."""
    values = config.get("model")
    if not isinstance(values, Mapping):
        what = "is missing" if values is None else f"is {shown(values)}"
        return None, None, [Fault(("model",), f"{what}; give a mapping, as in {{family: gaussian, n_components: 2}}")]
    model, family, faults = build_with_family(Model, values, ("model",), "model", ("prior",))
    prior = values.get("prior", "default")
    if not isinstance(prior, Mapping) and prior not in ("default", None):
        faults.append(Fault(("model", "prior"), f"is {shown(prior)}; give default, or hyperparameters by name"))
    if faults or family is None:
        return None, family, faults
    return model, family, _prior_faults(family, prior if isinstance(prior, Mapping) else {})


def _prior_faults(family: Family, given: Mapping[str, Any]) -> list[Fault]:
    """Keys of the prior that its family, or its kind, has not."""
    path: Path = ("model", "prior")
    try:
        known = family.keys_with(given)
    except PriorError as error:
        return [Fault((*path, *filter(None, (error.key,))), error.what)]
    kinds = {f"kind: {kind}": family.keys_with({"kind": kind}) for kind in family.prior_kinds}
    families = {name: other.hyperparameters for name, other in FAMILIES.items() if name not in (family.name, "product")}
    return [Fault((*path, key), unknown_key("prior", key, known, kinds | families), True) for key in given if key not in known]


def _load(sources: Sources, choice: Choice, seed: int) -> tuple[Loaded | None, list[Fault]]:
    try:
        return sources.load(choice, seed), []
    except SourceError as error:
        return None, [_fault(each, choice) for each in (error, *error.others)]
    except DataError as error:
        return None, [Fault(("data",), str(error))]


def _fault(error: SourceError, choice: Choice) -> Fault:
    path: Path = ("data", error.key) if error.index is None else ("data", error.key, error.index)
    named_by_blocks = choice.data.columns is None and choice.columns is not None
    return Fault(("model", "blocks") if error.key == "columns" and named_by_blocks else path, str(error))


def _arranged(loaded: Loaded, family: Family) -> tuple[Loaded | None, list[Fault]]:
    """Rows as the family sees them: its own columns in its own order, levels where it has them."""
    try:
        train = family.dataset(loaded.train)
        held_out = None if loaded.held_out is None else encoded_like(family.dataset(loaded.held_out), train)
    except DataError as error:
        return None, [Fault(("data",) if family.columns is None else ("model", "blocks"), str(error))]
    return replace(loaded, train=train, held_out=held_out), []


def _known(family: Family, numbers: Mapping[str, Any]) -> dict[str, Any] | None:
    """The numbers that the prior has, None if there is no such kind; the others have been told."""
    try:
        known = family.keys_with(numbers)
    except PriorError:
        return None
    return {key: copy.copy(value) for key, value in numbers.items() if key in known}


def _pose(loaded: Loaded, family: Family, model: Model, config: Config) -> tuple[Problem | None, list[Fault]]:
    """Put data and model together."""
    data, n_components, faults = loaded.train, model.n_components, []
    if n_components > data.n_rows:
        faults.append(Fault(("model", "n_components"), f"{n_components} components for {data.n_rows} rows; ask for fewer"))
    refusal = family.refuses(data)
    if refusal:
        faults.append(Fault(("model", "family"), refusal))
    if faults:
        return None, faults
    numbers = config["model"].get("prior") or "default"
    given = _known(family, numbers) if isinstance(numbers, Mapping) else None
    if given is None and isinstance(numbers, Mapping):
        return None, []
    while True:  # one turn for each impossible number, so that all are told at once
        try:
            problem = Problem(data, family, n_components, "default" if given is None else given)
        except PriorError as error:
            block, _, key = (error.key or "").rpartition(".")
            faults.append(Fault(("model", "prior", *filter(None, (block, key))), error.what))
            section = given.get(block) if block and given else given
            if not isinstance(section, dict) or key not in section:
                return None, faults
            del section[key]
        else:
            return (None, faults) if faults else (problem, [])
