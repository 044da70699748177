"""Labellings: every way to give rows to K components, as many at a time as stay in cache, those that differ by names alone once.

A row that counts c times is c units that cannot be told apart: what matters is how many of them each component has.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from workbench.models.mixture import BLOCK


@dataclass(frozen=True, eq=False)
class Labellings:
    """Some of the labellings.

    Attributes
    ----------
    shares : ndarray (labelling, R, K), how many units of each distinct row each component has
    log_ways : ndarray (labelling,), log of how many labellings of the units each stands for
    """

    shares: np.ndarray
    log_ways: np.ndarray


def how_many(counts: np.ndarray, n_components: int, symmetric: bool, most: int) -> int:
    """Labellings of rows that count ``counts`` times, with ``symmetric`` up to the components' names; ``most`` + 1 if they are more.

    Up to names they are the orbits of a (R, K) table's columns: by Burnside's lemma the mean, over all permutations of the
    columns, of the number of tables that a permutation leaves as they are.
    """
    units = Counter(int(count) for count in counts)
    if n_components == 1:
        return 1
    orders = math.factorial(n_components) if symmetric else 1
    log_total = sum(times * _log_choices(c, n_components) for c, times in units.items())
    if log_total > math.log(most + 1) + math.log(orders):  # up to names there are at least a K!-th as many
        return most + 1
    if not symmetric:
        total: int = math.prod(math.comb(c + n_components - 1, c) ** times for c, times in units.items())
        return min(most + 1, total)
    if _ways(range(1, n_components + 1), sum(c * times for c, times in units.items())) > most:  # were all rows the same
        return most + 1
    fixed = 0
    for cycles in _cycle_types(n_components, n_components):
        size: int = orders // math.prod(length**times * math.factorial(times) for length, times in Counter(cycles).items())
        fixed += size * math.prod(_ways(cycles, c) ** times for c, times in units.items())
    return min(most + 1, fixed // orders)


def _log_choices(units: int, n_components: int) -> float:
    """Log of the ways to share ``units`` out among the components."""
    return math.lgamma(units + n_components) - math.lgamma(units + 1) - math.lgamma(n_components)


def _ways(parts: range | tuple[int, ...], total: int) -> int:
    """Ways to write ``total`` as a sum of ``parts``, each any number of times."""
    found = [1] + [0] * total
    for part in parts:
        for n in range(part, total + 1):
            found[n] += found[n - part]
    return found[total]


def _cycle_types(size: int, longest: int) -> Iterator[tuple[int, ...]]:
    """The cycle lengths of all kinds of permutations of ``size`` things."""
    if size == 0:
        yield ()
    for length in range(min(size, longest), 0, -1):
        for rest in _cycle_types(size - length, length):
            yield (length, *rest)


def labellings(counts: np.ndarray, n_components: int, symmetric: bool) -> Iterator[Labellings]:
    """All labellings of rows that count ``counts`` (R,) times, always in the same order.

    With ``symmetric`` one of those that differ by the components' names alone, that with its columns in falling order: a row
    may only break ties between neighbouring columns that all rows before it left equal.
    """
    n_rows, units = counts.size, [int(count) for count in counts]
    if n_components == 1:
        yield Labellings(counts.astype(float)[None, :, None], np.zeros(1))
        return
    size = max(64, BLOCK // (2 * n_rows * n_components))
    ties = np.array([(1 << (n_components - 1)) - 1 if symmetric else 0])
    stack = [(0, np.zeros((1, n_rows, n_components)), ties)]
    while stack:
        row, shares, ties = stack.pop()
        if row == n_rows:
            yield Labellings(shares, _log_ways(counts, shares, ties, symmetric))
            continue
        widest = max(choices(units[row], int(tie), n_components)[0].shape[0] for tie in np.unique(ties))
        at_once = max(1, size // widest)
        if ties.size > at_once:
            stack.append((row, shares[at_once:], ties[at_once:]))
        stack.append((row + 1, *_with_row(row, units[row], shares[:at_once], ties[:at_once])))


def _with_row(row: int, units: int, shares: np.ndarray, ties: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every labelling of the rows before with every choice for ``row``."""
    grown, left = [], []
    for tie in np.unique(ties):
        options, tied = choices(units, int(tie), shares.shape[-1])
        mine = np.repeat(shares[ties == tie], options.shape[0], axis=0)
        mine[:, row] = np.tile(options, (mine.shape[0] // options.shape[0], 1))
        grown.append(mine)
        left.append(np.tile(tied, mine.shape[0] // options.shape[0]))
    return np.concatenate(grown), np.concatenate(left)


@functools.lru_cache(maxsize=4096)
def choices(units: int, ties: int, n_components: int) -> tuple[np.ndarray, np.ndarray]:
    """The ways to give ``units`` of a row to the components (V, K), and the ties that each leaves (V,).

    Bit j of ``ties`` is set where columns j and j + 1 have been equal so far: there numbers may not rise.
    """
    found = np.array(list(_falling(units, ties, n_components, units)), dtype=float)
    bits = 1 << np.arange(n_components - 1)
    return found, ((found[:, :-1] == found[:, 1:]) @ bits) & ties


def _falling(units: int, ties: int, columns: int, most: int) -> Iterator[tuple[int, ...]]:
    """Numbers of ``columns`` components that sum to ``units``, the first at most ``most``."""
    if columns == 1:
        if units <= most:
            yield (units,)
        return
    for first in range(min(units, most), -1, -1):
        rest = units - first
        for others in _falling(rest, ties >> 1, columns - 1, first if ties & 1 else rest):
            yield (first, *others)


def _log_ways(counts: np.ndarray, shares: np.ndarray, ties: np.ndarray, symmetric: bool) -> np.ndarray:
    """Ways to choose the units, c! over the product of the shares' factorials, times the names that tell the columns apart."""
    from scipy.special import gammaln

    several = counts > 1
    log_ways = np.zeros(ties.size)
    if several.any():
        log_ways += gammaln(counts[several] + 1.0).sum() - gammaln(shares[:, several] + 1.0).sum(axis=(1, 2))
    if symmetric:
        names, which = np.unique(ties, return_inverse=True)
        log_ways += np.array([_log_names(int(tie), shares.shape[-1]) for tie in names])[which]
    return log_ways


def _log_names(ties: int, n_components: int) -> float:
    """Log of K! over the permutations of columns that are equal."""
    runs = "".join(str(ties >> j & 1) for j in range(n_components - 1)).split("0")
    return math.lgamma(n_components + 1) - sum(math.lgamma(len(run) + 2) for run in runs)
