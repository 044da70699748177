"""Method: what an inference method is. Context: what a fit may use of the world."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from workbench.fit import Estimate, Fit
from workbench.problem import Problem


class Clock:
    """Seconds by phase. ``clock("compile")`` covers all before the first warm evaluation, ``clock("run")`` the rest."""

    def __init__(self) -> None:
        self._seconds = {"compile": 0.0, "run": 0.0}

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[phase] += time.perf_counter() - start

    @property
    def seconds(self) -> dict[str, float]:
        return dict(self._seconds)


def seed_of(*parts: object) -> int:
    """A seed of 63 bits from anything that has a stable text: what restart i starts from, whoever runs it."""
    digest = hashlib.sha256("|".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def silent(stage: str, fraction: float) -> None:
    """Report progress to nobody."""


@dataclass(frozen=True)
class Context:
    """What a fit may use of the world.

    Attributes
    ----------
    start_seed : i -> seed of start i, the same for every method with the same data, whatever their units, model and init
    noise_seed : i -> seed of the method's own randomness in restart or chain i
    threads : threads a fit may use
    clock : where compile and run seconds are kept
    progress : called with a stage's name and the fraction done (nan if unknown)
    estimates : whether estimates of the evidence, and a point's refits without each row, are wanted at the end of a fit
    """

    start_seed: Callable[[int], int]
    noise_seed: Callable[[int], int]
    threads: int = 1
    clock: Clock = field(default_factory=Clock)
    progress: Callable[[str, float], None] = silent
    estimates: bool = True

    @classmethod
    def default(cls, problem: Problem, seed: int = 0) -> Context:
        """A context for use on arrays, without a config."""
        model = (problem.family, problem.n_components)
        return cls(
            lambda i: seed_of("start", seed, problem.data.order, *model, i),
            lambda i: seed_of("noise", seed, problem.data.fingerprint, *model, i),
        )


class Method(Protocol):
    """An inference method: a frozen dataclass whose fields are its YAML keys, with defaults and constraints."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]
    kind: ClassVar[str]
    estimate: ClassVar[Estimate]
    """What its draws are: ``point``, ``approximation`` or ``sample``."""
    revision: ClassVar[int]
    """Raised whenever the same options and seed give other numbers."""
    packages: ClassVar[tuple[str, ...]]
    """Distributions whose version changes the numbers."""
    compiles: ClassVar[bool]
    """Whether a fit compiles a graph, which dominates small problems and is reused within a process."""

    def refuses(self, problem: Problem) -> str | None:
        """Why this method cannot fit ``problem``: what is wrong; what to do. None if it can."""
        ...

    def fit(self, problem: Problem, context: Context | None = None) -> Fit:
        """Fit ``problem``."""
        ...
