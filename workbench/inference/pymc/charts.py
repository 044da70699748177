"""Charts: what PyMC's free variables of a problem are and how they are transformed, in the numbers that compiled code takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import betaln, gammaln

from workbench.fast.posterior.chart import LOG_ODDS, LOG_SHARES, LOGARITHM, NORMAL, SHARES
from workbench.inference.pymc.numbers import NUMBERS
from workbench.inference.pymc.parts import parts_of
from workbench.models.families.bernoulli import Beta
from workbench.models.families.categorical import Dirichlets
from workbench.models.families.gaussian.diagonal import NormalInverseGamma
from workbench.models.families.gaussian.full import NormalInverseWishart
from workbench.models.families.gaussian.semiconjugate import (
    NormalAndInverseGamma,
    NormalAndInverseWishart,
    SphericalNormalAndInverseGamma,
    TiedNormalAndInverseWishart,
)
from workbench.models.families.gaussian.spherical import SphericalNormalInverseGamma
from workbench.models.families.gaussian.tied import TiedNormalInverseWishart
from workbench.models.families.poisson import Gamma
from workbench.models.prior import ComponentsPrior
from workbench.problem import Problem

LOG_2PI = np.log(2.0 * np.pi)
NAMES = ("log_weights", "c", "t", "eps", "probs", "rates", "levels")
"""The order of theta."""


@dataclass(frozen=True, eq=False)
class Variable:
    """One of PyMC's free variables, or several alike.

    Attributes
    ----------
    name : in theta
    kind : of :mod:`workbench.fast.posterior.chart`
    a, b : hyperparameters by theta (rows, columns)
    sizes : of shares, how many columns belong together
    """

    name: str
    kind: int
    a: np.ndarray
    b: np.ndarray
    sizes: tuple[int, ...] = ()

    @classmethod
    def of(cls, name: str, kind: int, shape: tuple[int, int], a: Any = 0.0, b: Any = 0.0) -> Variable:
        return cls(name, kind, np.broadcast_to(a, shape), np.broadcast_to(b, shape))

    @property
    def dim(self) -> int:
        return int(self.a.shape[0]) * (int(self.a.shape[1]) - len(self.sizes))

    def pieces(self, at: int, to: int) -> Iterator[tuple[int, int, int, int]]:
        """With coordinates from ``at`` and thetas from ``to``; of shares column by column, PyMC's order, and none of a single one."""
        if not self.sizes:
            yield self.kind, self.a.size, at, to
        for first, size in zip(np.cumsum([0, *self.sizes]), self.sizes, strict=False):
            for row in range(self.a.shape[0]):
                if size > 1:
                    yield self.kind, size, at, to + row * self.a.shape[1] + int(first)
                    at += size - 1

    def constant(self) -> float:
        """What of the log density over its coordinates depends on hyperparameters alone."""
        if self.kind == NORMAL:
            return float(-self.a.size * LOG_2PI / 2.0)
        if self.kind == LOGARITHM:
            return float((self.a * np.log(self.b) - gammaln(self.a)).sum())
        if self.kind == LOG_ODDS:
            return float(-betaln(self.a, self.b).sum())
        together = np.split(self.a, np.cumsum(self.sizes)[:-1], axis=1)
        return float(sum((gammaln(own.sum(axis=1)) - gammaln(own).sum(axis=1) + np.log(own.shape[1])).sum() for own in together))


@dataclass(frozen=True, eq=False)
class Chart:
    """As :mod:`workbench.fast.posterior.density` takes it."""

    dim: int
    pieces: np.ndarray
    numbers: np.ndarray
    lengths: np.ndarray
    constant: float

    @classmethod
    def of(cls, problem: Problem) -> Chart:
        prior: Any = problem.prior
        variables = [
            Variable("log_weights", LOG_SHARES, prior.concentration[None], np.zeros((1, problem.n_components)), (problem.n_components,))
        ]
        for part in parts_of(problem):
            numbers = NUMBERS[type(part.prior)](part.prior, part.data)
            variables += VARIABLES[type(part.prior)](problem.n_components, numbers, part.prior, part.data.n_features)
        by_name = {variable.name: variable for variable in variables}
        starts, end = {}, 0
        for name in NAMES:
            starts[name] = end
            end += by_name[name].a.size if name in by_name else 0
        pieces: list[tuple[int, int, int, int]] = []
        at, found = 0, np.zeros((3, end))
        for variable in variables:
            here = slice(starts[variable.name], starts[variable.name] + variable.a.size)
            found[:, here] = [np.full(variable.a.size, variable.name == "levels"), variable.a.ravel(), variable.b.ravel()]
            pieces += variable.pieces(at, here.start)
            at += variable.dim
        shapes = [by_name[name].a.shape if name in by_name else (0, 0) for name in NAMES]
        lengths = [problem.n_components, shapes[1][0], *(columns for _, columns in shapes[1:])]
        constant = sum(variable.constant() for variable in variables)
        return cls(at, np.array(pieces, np.int64).reshape(-1, 4), found, np.array(lengths, np.int64), constant)


def _matrices(shared: bool) -> Callable[..., list[Variable]]:
    def variables(n_components: int, numbers: Mapping[str, Any], prior: Any, size: int) -> list[Variable]:
        matrices = 1 if shared else n_components
        return [
            Variable.of("c", LOGARITHM, (matrices, size), numbers["half_dof"], numbers["half"]),
            Variable.of("t", NORMAL, (matrices, size * (size - 1) // 2)),
            Variable.of("eps", NORMAL, (n_components, size)),
        ]

    return variables


def _axes(shared: bool) -> Callable[..., list[Variable]]:
    def variables(n_components: int, numbers: Mapping[str, Any], prior: Any, size: int) -> list[Variable]:
        return [
            Variable.of("c", LOGARITHM, (n_components, 1 if shared else size), numbers["half_dof"], numbers["half"]),
            Variable.of("eps", NORMAL, (n_components, size)),
        ]

    return variables


def _binary(n_components: int, numbers: Mapping[str, Any], prior: Any, size: int) -> list[Variable]:
    return [Variable.of("probs", LOG_ODDS, (n_components, size), numbers["a"], numbers["b"])]


def _counts(n_components: int, numbers: Mapping[str, Any], prior: Any, size: int) -> list[Variable]:
    return [Variable.of("rates", LOGARITHM, (n_components, size), numbers["shape"], numbers["rate"])]


def _levels(n_components: int, numbers: Mapping[str, Any], prior: Any, size: int) -> list[Variable]:
    alpha = np.broadcast_to(prior.alpha[prior.there], (n_components, sum(prior.n_levels)))
    return [Variable("levels", SHARES, alpha, np.zeros(alpha.shape), prior.n_levels)]


VARIABLES: dict[type[ComponentsPrior], Callable[..., list[Variable]]] = {
    NormalInverseWishart: _matrices(shared=False),
    TiedNormalInverseWishart: _matrices(shared=True),
    NormalInverseGamma: _axes(shared=False),
    SphericalNormalInverseGamma: _axes(shared=True),
    NormalAndInverseWishart: _matrices(shared=False),
    TiedNormalAndInverseWishart: _matrices(shared=True),
    NormalAndInverseGamma: _axes(shared=False),
    SphericalNormalAndInverseGamma: _axes(shared=True),
    Beta: _binary,
    Gamma: _counts,
    Dirichlets: _levels,
}
"""By the class of the components' prior, as ``RECIPES``: in the order of ``Prior.flatten``."""
