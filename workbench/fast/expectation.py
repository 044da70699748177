"""The compiled E and M step of any family, with the names and results of the book's.

A family plugs in with a row in ``MODULES``: its module has

- ``expect(mixture, data, counts, how, threads) -> Expectation``; counts (1, N), or (restart, N) where every fit weighs the rows its
  own way; how an :class:`workbench.fast.assign.Assignment`;
- of its terms' class, with a row in ``MODULES_OF_TERMS``, ``expect_terms(terms, ...)``: the same of a log joint whose coefficients
  are given, as variational Bayes has them in expectation;
- ``m_step(statistics, prior, current) -> Mixture`` and ``collapsed(mixture, scale) -> flags``, where the models' own cost too much.

Modules are imported when first asked for: numba is loaded by nobody else.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterable
from types import ModuleType
from typing import Any, Literal

import numpy as np

from workbench.data import Dataset
from workbench.fast.arrays import owned
from workbench.fast.assign import RULES, UNSEEDED, Assignment
from workbench.fast.chunks import chunk_rows
from workbench.models import Components, Expectation, Mixture, Prior, Statistics, Terms, maximum
from workbench.models.families.bernoulli import BernoulliComponents, BernoulliTerms
from workbench.models.families.categorical.components import CategoricalComponents, CategoricalTerms
from workbench.models.families.gaussian.diagonal import DiagonalComponents
from workbench.models.families.gaussian.full import FullComponents
from workbench.models.families.gaussian.independent import DiagonalTerms
from workbench.models.families.gaussian.quadratic import FullTerms
from workbench.models.families.gaussian.spherical import SphericalComponents
from workbench.models.families.gaussian.tied import TiedComponents
from workbench.models.families.poisson import PoissonComponents, PoissonTerms
from workbench.models.families.product.components import ProductComponents, ProductTerms
from workbench.models.shapes import Flags

MODULES: dict[type[Components], str] = {
    FullComponents: "gaussian.full",
    TiedComponents: "gaussian.tied",
    DiagonalComponents: "gaussian.diagonal",
    SphericalComponents: "gaussian.spherical",
    BernoulliComponents: "bernoulli",
    PoissonComponents: "poisson",
    CategoricalComponents: "categorical",
    ProductComponents: "product",
}
"""For each class of components its module in this room."""

MODULES_OF_TERMS: dict[type[Any], str] = {
    FullTerms: "gaussian.matrices",
    DiagonalTerms: "gaussian.independent",
    BernoulliTerms: "bernoulli",
    PoissonTerms: "poisson",
    CategoricalTerms: "categorical",
    ProductTerms: "product",
}
"""For each class of terms the same."""

ROOM = 1 << 22
"""Numbers that the partial sums of a batch may take: 32 MB."""

Rule = Literal["soft", "hard", "power", "draw"]


def expect(
    mixture: Mixture,
    data: Dataset,
    counts: np.ndarray | None = None,
    *,
    rule: Rule = "soft",
    beta: float = 1.0,
    seeds: np.ndarray | None = None,
    threads: int = 1,
) -> Expectation:
    """The E step over all rows for a batch of mixtures (restart,).

    Parameters
    ----------
    counts : (N,) or (restart, N); the data's, if None
    rule : ``soft``, q is p(z | x); ``hard``, all on the likeliest label; ``power``, q proportional to p(z | x) ** beta;
        ``draw``, each row's units have labels drawn from p(z | x), by counts that are whole numbers; under full and tied
        covariances missing cells are drawn with them, but not beside other blocks of a product
    seeds : (restart,), uint64, by which labels are drawn; the same ones give the same labels
    threads : how many work side by side; the bits do not depend on it

    Raises
    ------
    TypeError
        If there is no compiled step for the mixture's components.
    """
    return assigned(mixture, data, _rows_of(counts, data), _assignment(rule, beta, seeds), threads)


def assigned(mixture: Mixture, data: Dataset, weigh: np.ndarray, how: Assignment, threads: int) -> Expectation:
    """The same, counts (1, N) or (restart, N)."""
    n_fits = mixture.weights.shape[0]
    together = 1 if n_fits == 1 else _fits_together(mixture, data.n_rows)
    if n_fits <= together:
        found: Expectation = _module(mixture).expect(_contiguous(mixture), data, weigh, how, threads)
        return found
    parts = []
    for start in range(0, n_fits, together):
        chosen = slice(start, start + together)
        own = weigh[chosen] if weigh.shape[0] > 1 else weigh
        parts.append(_module(mixture).expect(_contiguous(mixture.take(chosen)), data, own, how.of(chosen), threads))
    return Expectation.joined(parts)


def expect_terms(
    terms: Terms,
    data: Dataset,
    counts: np.ndarray | None = None,
    *,
    rule: Rule = "soft",
    beta: float = 1.0,
    seeds: np.ndarray | None = None,
    threads: int = 1,
) -> Expectation:
    """The E step over all rows for a batch of terms (restart,), as :func:`expect`.

    ``log_likelihood`` is the sum of log sum_k exp log joint, be that a density or not.

    Raises
    ------
    TypeError
        If there is no compiled step for such terms.
    """
    return assigned_by_terms(terms, data, _rows_of(counts, data), _assignment(rule, beta, seeds), threads)


def assigned_by_terms(terms: Terms, data: Dataset, weigh: np.ndarray, how: Assignment, threads: int) -> Expectation:
    """The same, counts (1, N) or (restart, N)."""
    module = _module_of_terms(type(terms))
    (n_fits,) = terms.batch_shape
    together = _room(n_fits, _size(terms), data.n_rows)
    parts = []
    for start in range(0, n_fits, together):
        chosen = slice(start, start + together)
        own = weigh[chosen] if weigh.shape[0] > 1 else weigh
        parts.append(module.expect_terms(terms if n_fits <= together else terms.take(chosen), data, own, how.of(chosen), threads))
    return Expectation.joined(parts)


def _rows_of(counts: np.ndarray | None, data: Dataset) -> np.ndarray:
    """Counts by fit and row, one row for all fits or one each."""
    weigh = data.counts if counts is None else counts
    return weigh if weigh.ndim == 2 else weigh[None]


def _assignment(rule: Rule, beta: float, seeds: np.ndarray | None) -> Assignment:
    own = UNSEEDED if seeds is None else np.ascontiguousarray(seeds, dtype=np.uint64)
    return Assignment(RULES[rule], float(beta) if rule == "power" else 1.0, own)


def _fits_together(mixture: Mixture, n_rows: int) -> int:
    """So many fits of a batch that their partial sums find room."""
    parameters: int = mixture.weights.size + sum(array.size for array in _arrays(mixture.components))
    return _room(mixture.weights.shape[0], parameters, n_rows)


def _room(n_fits: int, parameters: int, n_rows: int) -> int:
    """The same for fits with so many parameters in all: a chunk's sums are about as many numbers."""
    chunks = -(-n_rows // chunk_rows(n_rows))
    room: int = ROOM * n_fits // (parameters * chunks)
    return max(1, room)


def _size(terms: Any) -> int:
    """Numbers that terms are made of."""
    blocks: tuple[Any, ...] = getattr(terms, "blocks", ())
    return sum(_size(block) for block in blocks) if blocks else sum(array.size for array in vars(terms).values())


def m_step(statistics: Statistics, prior: Prior | None, current: Mixture) -> Mixture:
    """The maximum-likelihood mixture of ``statistics``, or with a prior the mode of the updated prior, or a step up to it."""
    module = _module(current)
    if hasattr(module, "m_step") and (prior is None or prior.conjugate):
        result: Mixture = module.m_step(statistics, prior, _contiguous(current))
        return result
    return maximum.m_step(statistics, prior, current)


def collapsed(mixture: Mixture, scale: np.ndarray) -> Flags:
    """Which fits have run into the boundary where the likelihood has no bound; ``scale`` (D,) are the data's deviations."""
    module = _module(mixture)
    if hasattr(module, "collapsed"):
        flags: Flags = module.collapsed(_contiguous(mixture), np.ascontiguousarray(scale))
        return flags
    return mixture.components.collapsed(scale)


def _module(mixture: Mixture) -> ModuleType:
    return _module_of(type(mixture.components))


@functools.cache
def _module_of(kind: type[Components]) -> ModuleType:
    if kind not in MODULES:
        raise TypeError(f"the fast engine has no compiled step for {kind.__name__}; use `engine: book`")
    return importlib.import_module(f"workbench.fast.{MODULES[kind]}")


@functools.cache
def _module_of_terms(kind: type[Any]) -> ModuleType:
    if kind not in MODULES_OF_TERMS:
        raise TypeError(f"the fast engine has no compiled step for {kind.__name__}; use `engine: book`")
    return importlib.import_module(f"workbench.fast.{MODULES_OF_TERMS[kind]}")


def _contiguous(mixture: Mixture) -> Mixture:
    """The same mixture, its arrays in C order and not read-only: compiled code is made once for that kind of array."""
    if mixture.weights.flags.carray and all(array.flags.carray for array in _arrays(mixture.components)):
        return mixture
    return Mixture(owned(mixture.weights), mixture.components.map(owned))


def _arrays(components: Components) -> Iterable[np.ndarray]:
    """Its parameters, as ``parameters()`` has them, with less ado: this is called in every step."""
    return components.parameters().values() if isinstance(components, ProductComponents) else vars(components).values()
