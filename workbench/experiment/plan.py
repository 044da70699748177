"""Plan: the fits that an experiment asks for, each with a key of what decides its numbers."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from workbench.experiment.config import Experiment
from workbench.experiment.files import checksum
from workbench.experiment.setting import Setting
from workbench.experiment.task import Report, Task
from workbench.fit import Fit
from workbench.inference.method import Clock, Context, Method, seed_of
from workbench.inference.plugins import travels
from workbench.problem import Problem

BESIDE_THE_NUMBERS = ("timeout",)
"""Options that change no number."""
FILES = ("file",)
"""Options that name a file: what is in it decides the numbers, not where it stands."""
LONGEST_NAME = 200
"""Characters of an artefact's name, below what file systems allow."""


@dataclass(frozen=True, eq=False)
class OfMethod[Result](Task[Result]):
    """What one method does; its label is the method's name in the config.

    Attributes
    ----------
    starts : what start i depends on beside i, the same for all methods of a cell with one ``init``
    """

    starts: tuple[object, ...]
    method: Method
    problem: Problem

    @property
    def seed(self) -> int:
        """The config's seed, in a sweep over ``seed`` the cell's."""
        return int(str(self.starts[0]))

    @property
    def versions(self) -> dict[str, str]:
        """Version of every distribution that changes the numbers."""
        return {package: importlib.metadata.version(package) for package in self.method.packages}

    @property
    def travels(self) -> bool:
        return travels(type(self.method))

    @property
    def heavy(self) -> bool:
        return self.method.compiles

    @property
    def graph(self) -> tuple[object, ...] | None:
        if not self.method.compiles:
            return None
        return (self.method.kind, self.problem.family, self.problem.n_components, self.problem.data.n_features)

    def context(self, threads: int, progress: Report) -> Context:
        """What the fit may use of the world."""
        return Context(
            start_seed=lambda i: start_seed(self, i),
            noise_seed=lambda i: noise_seed(self, i),
            threads=threads,
            clock=Clock(),
            progress=progress,
        )


@dataclass(frozen=True, eq=False)
class Fitting(OfMethod[Fit]):
    """One fit."""

    def compute(self, threads: int, progress: Report) -> Fit:
        return self.method.fit(self.problem, self.context(threads, progress))

    def write(self, path: Path, result: Fit) -> None:
        from workbench.datatree import to_tree

        tree = to_tree(self.problem, result, self.label)
        tree.attrs |= {"seed": self.seed, "key": self.key, "versions": json.dumps(self.versions)}
        tree.to_netcdf(path, engine="h5netcdf")

    def status(self, result: Fit) -> str:
        return result.status.value

    def with_messages(self, result: Fit, messages: Sequence[str]) -> Fit:
        return dataclasses.replace(result, messages=(*result.messages, *messages))


def plan(experiment: Experiment) -> list[Fitting]:
    """Return the fits of an experiment, cell by cell, methods in the config's order.

    Raises
    ------
    ValueError
        If two cells of a sweep would share a file.
    """
    tasks = [task(setting, label) for setting in experiment.cells() for label in setting.methods]
    names = [each.artefact for each in tasks]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two cells of the sweep are called {twice}; leave one of their values out")
    return tasks


def task(setting: Setting, label: str) -> Fitting:
    """Return the task of one method in one cell."""
    method, problem = setting.methods[label], setting.problem
    return Fitting(
        key=key(problem, method, setting.seed),
        label=label,
        values=dict(setting.values),
        artefact=artefact(label, setting.values),
        starts=starts(problem, method, setting.seed),
        method=method,
        problem=problem,
    )


def starts(problem: Problem, method: Method, seed: int) -> tuple[object, ...]:
    """Return what start i depends on beside i: the same for all methods of one ``init``, and for the same rows in other units."""
    inits = json.dumps(getattr(method, "init", ""), sort_keys=True, default=_plain)
    return (seed, problem.data.order, text(model(problem)), inits)


def key(problem: Problem, method: Method, seed: int) -> str:
    """Return the content key: data, numeric prior, model, kind, options, seed, revision and versions; no label, no executor."""
    options = {field.name: getattr(method, field.name) for field in dataclasses.fields(method)}
    options |= {name: checksum(Path(options[name])) for name in FILES if name in options}
    content = {
        "data": problem.data.fingerprint,
        "prior": problem.prior.numbers() if problem.prior is not None else None,
        "model": model(problem),
        "kind": method.kind,
        "options": {name: value for name, value in options.items() if name not in BESIDE_THE_NUMBERS},
        "seed": seed,
        "revision": method.revision,
        "versions": {package: importlib.metadata.version(package) for package in method.packages},
    }
    if (source := getattr(method, "source_digest", None)) is not None:  # a plugin's file: its text is its revision
        content["source"] = source
    return hashlib.sha256(text(content).encode()).hexdigest()


def model(problem: Problem) -> dict[str, Any]:
    """Return the family with its options, and K."""
    return {"family": problem.family.name, **problem.family.options(), "n_components": problem.n_components}


def start_seed(task: OfMethod[Any], i: int) -> int:
    """Return the seed of start i, for ``numpy.random.default_rng``: it belongs to seed, data, model and init, so methods share starts."""
    return seed_of(*task.starts, i)


def noise_seed(task: OfMethod[Any], i: int) -> int:
    """Return the seed of a fit's own randomness in restart or chain i: it belongs to the key, so order and executor change nothing."""
    return seed_of(task.key, i)


def artefact(label: str, values: Mapping[str, Any], folder: str = "fits", suffix: str = ".nc") -> str:
    """Return the file of a fit, or of what else a method gives, relative to the run's folder."""
    called = label + "".join(f",{key}={shown(value)}" for key, value in values.items())
    if len(called) > LONGEST_NAME:
        called = f"{called[: LONGEST_NAME - 17]}-{hashlib.sha256(called.encode()).hexdigest()[:16]}"
    return f"{folder}/{called}{suffix}"


def shown(value: object) -> str:
    """Return a swept value as it stands in a file's name."""
    written = json.dumps(value) if isinstance(value, bool) or value is None else str(value)
    return quote(written, safe=" +")


def text(content: object) -> str:
    """Return plain values as text, the same for the same values."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), default=_plain)


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)
