"""Advice: what to change about a fit, said of options that its method has and of kinds that take its problem."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from workbench.problem import Problem

SAMPLERS = ("nuts", "gibbs", "smc")
RICHER = {"advi": ("fullrank_advi", *SAMPLERS), "pathfinder": ("fullrank_advi", *SAMPLERS)}
"""By kind of an approximation, what else there is whose q is of a richer kind, or which needs none."""


@dataclass(frozen=True)
class Advice:
    """What can be changed about one fit.

    Attributes
    ----------
    kind : its method's registry name; empty of draws that no method here made
    options : names of the method's options
    problem : what other kinds would have to take, or None if that is not known
    """

    kind: str
    options: Collection[str]
    problem: Problem | None

    @classmethod
    def of(cls, method: Any, problem: Problem | None) -> Advice:
        return cls(method.kind, [field.name for field in dataclasses.fields(method)], problem)

    def more(self, *names: str, word: str = "or", elsewhere: str = "make more draws", kinds: Collection[str] = ()) -> str:
        """`raise tune or draws, or use smc`, of those options that the method has, and those of the kinds that are others.

        Where it has none of the options, the draws were made elsewhere: what to do there.
        """
        own = [name for name in names if name in self.options]
        first = f"raise {listed(own, word)}" if own else f"{elsewhere} where these were made"
        return ", or ".join(filter(None, (first, self.instead(*kinds))))

    def instead(self, *kinds: str) -> str:
        """`use gibbs or smc`, of those that are another kind and take the problem; empty without any."""
        others = [kind for kind in kinds if kind != self.kind and self._takes(kind)]
        return f"use {listed(others, 'or')}" if others else ""

    def richer(self) -> str:
        """What to use where the method's q is too poor for the posterior."""
        return self.instead(*RICHER.get(self.kind, SAMPLERS))

    def _takes(self, kind: str) -> bool:
        from workbench.inference import METHODS

        return self.problem is None or METHODS[kind]().refuses(self.problem) is None


def listed(words: list[str], word: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    return f" {word} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
