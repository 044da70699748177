"""Bernoulli components, compiled: a cell is a feature with 0 or 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.data import Dataset
from workbench.fast.assign import Assignment
from workbench.fast.codes import Coded
from workbench.fast.compiled import compiled
from workbench.fast.discrete import Discrete, logarithms, with_zeros
from workbench.fast.lanes import WIDTH
from workbench.fast.writer import Writer, kernel
from workbench.models import Expectation, Mixture
from workbench.models.families.bernoulli import BernoulliStatistics, BernoulliTerms


@kernel
def _logs(code: Writer, probs: Any, at: Any, width: Any, cells: Any, to: Any) -> None:
    """log p."""
    with code.loop(width) as vector:
        lane = code.product(vector, WIDTH)
        code.store(code.load(probs, code.plus(at, lane)).log(), cells, code.plus(to, lane))


@kernel
def _complements(code: Writer, probs: Any, at: Any, width: Any, cells: Any, to: Any) -> None:
    """log(1 - p), with the rounding of 1 - p undone (Kahan's log1p)."""
    with code.loop(width) as vector:
        lane = code.product(vector, WIDTH)
        p = code.load(probs, code.plus(at, lane))
        rest = 1.0 - p
        exact = rest.log() * (p / (1.0 - rest))
        code.store(exact.where(rest.compared("<", 1.0), 0.0 - p), cells, code.plus(to, lane))


@kernel
def _add(code: Writer, cells: Any, at: Any, width: Any, sums: Any, to: Any) -> None:
    with code.loop(width) as vector:
        lane = code.product(vector, WIDTH)
        place = code.plus(to, lane)
        code.store(code.load(sums, place) + code.load(cells, code.plus(at, lane)), sums, place)


@compiled
def _fill(probs: np.ndarray, feature: np.ndarray, value: np.ndarray, cells: np.ndarray, first: int) -> None:
    """Log densities of cells into first .. of ``cells`` (G, C', lanes)."""
    lanes = probs.shape[2]
    for g in range(probs.shape[0]):
        for c in range(feature.size):
            at, to = (g * probs.shape[1] + feature[c]) * lanes, (g * cells.shape[1] + first + c) * lanes
            if value[c] == 1.0:
                _logs(probs, at, lanes // WIDTH, cells, to)
            else:
                _complements(probs, at, lanes // WIDTH, cells, to)


@compiled
def _by_feature(cells: np.ndarray, feature: np.ndarray, value: np.ndarray, ones: np.ndarray, seen: np.ndarray) -> None:
    """Add the cells (G, C, lanes) to their features (G, D, lanes)."""
    lanes = cells.shape[2]
    for g in range(cells.shape[0]):
        for c in range(feature.size):
            at, to = (g * cells.shape[1] + c) * lanes, (g * ones.shape[1] + feature[c]) * lanes
            _add(cells, at, lanes // WIDTH, seen, to)
            if value[c] == 1.0:
                _add(cells, at, lanes // WIDTH, ones, to)


def _log_cells(known: Coded, probs: np.ndarray, cells: np.ndarray, first: int) -> None:
    """log p or log(1 - p)."""
    rest = -probs.shape[2] % WIDTH
    if rest == 0:
        _fill(np.ascontiguousarray(probs), known.feature, known.value, cells, first)
        return
    whole = np.empty((probs.shape[0], known.n_cells, probs.shape[2] + rest))
    _fill(_padded(probs), known.feature, known.value, whole, 0)
    cells[:, first : first + known.n_cells] = whole[..., :-rest]


def _summarise(known: Coded, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The weighted number of ones, and of observed cells."""
    own = _padded(cells)
    ones, seen = (np.zeros((own.shape[0], known.n_features, own.shape[2])) for _ in range(2))
    _by_feature(own, known.feature, known.value, ones, seen)
    return ones[..., : cells.shape[2]], seen[..., : cells.shape[2]]


def _padded(numbers: np.ndarray) -> np.ndarray:
    """Whole registers, in C order."""
    rest = -numbers.shape[2] % WIDTH
    padded = np.pad(numbers, ((0, 0), (0, 0), (0, rest))) if rest else numbers  # np.pad keeps Fortran's order
    return np.ascontiguousarray(padded)


STEP = Discrete(_log_cells, _summarise, BernoulliStatistics)


def expect(mixture: Mixture, data: Dataset, counts: np.ndarray, how: Assignment, threads: int) -> Expectation:
    """The E step over all rows of a batch of mixtures (restart,)."""
    return STEP.expect(logarithms(mixture.weights), mixture.components.parameters()["probs"], data, counts, how, threads)


def _given_cells(known: Coded, logs: np.ndarray, cells: np.ndarray, first: int) -> None:
    """log p or log(1 - p), of logs (G, 2 D, lanes)."""
    places = known.feature + np.where(known.value == 1.0, 0, known.n_features)
    cells[:, first : first + known.n_cells] = with_zeros(logs[:, places])


GIVEN = Discrete(_given_cells, _summarise, BernoulliStatistics)


def numbers_of(terms: BernoulliTerms) -> np.ndarray:
    """(fit, K, 2 D)."""
    return np.concatenate([terms.log_probs, terms.log_complements], axis=-1)


def expect_terms(terms: BernoulliTerms, data: Dataset, counts: np.ndarray, how: Assignment, threads: int) -> Expectation:
    """The E step over all rows of a batch of terms (restart,)."""
    return GIVEN.expect(terms.constant, numbers_of(terms), data, counts, how, threads)
