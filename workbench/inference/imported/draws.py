"""Draws: parameters that came from elsewhere, held to what the parameters of a family may be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workbench.problem import Problem

TOLERANCE = 1e-6
"""What shares may miss 1 by, and a matrix its own transpose, relative to its largest entry."""


class DrawsError(ValueError):
    """Draws that cannot be used; the message is one line: where, what is wrong; what to do."""


@dataclass(frozen=True, eq=False)
class Draws:
    """Parameters by name, (chain, draw, ...), as the family has them.

    Attributes
    ----------
    name : what the file is called in messages
    parameters : arrays by name, ``weights`` among them
    chains, numbers : the file's own names of the chains (chain,), and of the draws (chain, draw)
    statistics : the sampler's own, name -> (chain, draw)
    """

    name: str
    parameters: Mapping[str, np.ndarray]
    chains: np.ndarray
    numbers: np.ndarray
    statistics: Mapping[str, np.ndarray] = field(default_factory=dict)

    def place(self, chain: int, draw: int) -> str:
        """Where a draw stands in the file."""
        return f"{self.name}: chain {self.chains[chain]}, draw {self.numbers[chain, draw]}"


def shapes(problem: Problem) -> dict[str, tuple[int, ...]]:
    """The shape of every parameter of the problem's mixtures."""
    found: dict[str, tuple[int, ...]] = {}
    for address in problem.family.addresses(problem.data, problem.n_components):
        before = found.get(address.parameter, (0,) * len(address.index))
        found[address.parameter] = tuple(max(size, i + 1) for size, i in zip(before, address.index, strict=True))
    return found


def check(draws: Draws, problem: Problem) -> None:
    """Hold every number to its parameter: finite, shares that sum to 1, covariances positive definite, and so on.

    Raises
    ------
    DrawsError
        Naming the first chain and draw where one is not.
    """
    axes, names = problem.family.dims, problem.family.coords(problem.data)
    for name, values in draws.parameters.items():
        for wrong, what in _faults(name, values, axes[name]):
            where = np.argwhere(wrong)
            if where.size:
                chain, draw, *rest = (int(i) for i in where[0])
                raise DrawsError(
                    f"{draws.place(chain, draw)}: {name}{_entry(rest, axes[name], names)} {what(values[chain, draw][tuple(rest)])}"
                )


def _entry(index: list[int], axes: tuple[str, ...], names: Mapping[str, Sequence[Any]]) -> str:
    """The entry of a parameter in words."""
    return "".join(f", {axis} {names[axis][i] if axis in names else i}" for axis, i in zip(axes, index, strict=False))


def _faults(name: str, values: np.ndarray, axes: tuple[str, ...]) -> Iterator[tuple[np.ndarray, Callable[[Any], str]]]:
    """Which entries are wrong, and what to say of one; a later rule may take those before it for granted."""
    kind = name.partition("_")[0]
    yield ~np.isfinite(values), lambda value: f"is {value:g}; give a finite number"
    if kind in ("weights", "probs"):
        yield (values < 0.0) | (values > 1.0), lambda value: f"is {value:g}; a probability lies between 0 and 1"
    if kind == "weights" or axes[-1].endswith("level"):
        yield (
            np.abs(values.sum(axis=-1) - 1.0) > TOLERANCE,
            lambda own: f"sum to {own.sum():.8g}; give shares that sum to 1, with more digits",
        )
    if kind == "rates":
        yield values < 0.0, lambda value: f"is {value:g}; a rate is 0 or more"
    if kind == "variances":
        yield values <= 0.0, lambda value: f"is {value:g}; a variance is above 0"
    if kind == "covariances":
        size = np.abs(values).max(axis=(-1, -2), keepdims=True)
        skew = (np.abs(values - np.swapaxes(values, -1, -2)) > TOLERANCE * size).any(axis=(-1, -2))
        yield skew, lambda matrix: "is not symmetric; give covariance matrices, every entry of them"
        yield ~_definite(values), lambda matrix: "is not positive definite; give covariances, not correlations, precisions or factors"


def _definite(matrices: np.ndarray) -> np.ndarray:
    """Whether a Cholesky factor exists, matrix by matrix."""
    scale = np.sqrt(np.maximum(np.diagonal(matrices, axis1=-2, axis2=-1), 0.0))
    safe = np.where(scale > 0.0, scale, 1.0)
    smallest = np.linalg.eigvalsh(matrices / (safe[..., :, None] * safe[..., None, :]))[..., 0]
    return np.asarray((scale > 0.0).all(axis=-1) & (smallest > 0.0))
