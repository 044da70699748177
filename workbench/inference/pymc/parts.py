"""Parts: the blocks of a product, each with a family of its own; any other family is one part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workbench.data import Dataset
from workbench.models import Family, Product
from workbench.problem import Problem


@dataclass(frozen=True, eq=False)
class Part:
    """Some features of a problem.

    Attributes
    ----------
    prefix : of its names in the model; empty where there is one part
    family, data, prior : its own
    """

    prefix: str
    family: Family
    data: Dataset
    prior: Any


def parts_of(problem: Problem) -> tuple[Part, ...]:
    """The parts of a problem, in the order of the features."""
    prior: Any = problem.prior
    if not isinstance(problem.family, Product):
        return (Part("", problem.family, problem.data, prior.components),)
    each = zip(problem.family.blocks, problem.family.parts(problem.data), prior.components.blocks, strict=True)
    return tuple(Part(f"{block.family.name}_", block.family, data, own) for block, data, own in each)
