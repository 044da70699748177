"""Incremental EM: q of one block of rows is moved at a time, and theta after every block (Neal & Hinton 1998, section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Gt

from workbench.data import Dataset
from workbench.inference.em.climb import Stop
from workbench.inference.em.engine import EngineName, engine
from workbench.inference.em.kind import Kind
from workbench.inference.em.point import Ascent
from workbench.inference.em.polish import em_polish
from workbench.inference.em.scheme import LEAP, Iteration, Scheme, Steps
from workbench.inference.em.starts import Init
from workbench.inference.method import Context
from workbench.models import Mixture, Statistics
from workbench.models.shapes import PerFit, Responsibilities
from workbench.problem import Problem


@dataclass(frozen=True)
class IncrementalEM(Kind):
    """EM a block of rows at a time: q of the block, then theta from the statistics of all blocks (Neal & Hinton 1998).

    Both half steps raise L(q, theta) with q as it stands: of other blocks still from older parameters. So it climbs ``bound``,
    while the log likelihood may fall. An iteration is one sweep over the blocks, worth up to as many steps of EM; the log
    likelihood beside its bound costs another pass over the rows. Under one covariance matrix with missing cells q, and so the
    bound, is over labels and missing cells.

    Parameters
    ----------
    restarts : number of starts
    init : kind of start, or parameters by name as the start of all
    blocks : number of blocks; row n is in block n modulo ``blocks``
    tol : a restart stops when its bound (nats, summed) changes by less in a sweep
    max_iter : sweeps after which a restart stops without having converged
    engine : ``fast`` (compiled E steps) or ``book`` (the same in NumPy, to read along)

    Notes
    -----
    - E step of block b: q(z_n) = p(z_n | x_n, theta) for its rows, which gives its statistics S_b anew; M step: theta maximises
      E_q log p(x, z | theta) of S = sum_b S_b.
    - Never falls: `bound` = sum_b [log p(x_b | theta_b) + Q(theta; S_b) - Q(theta_b; S_b)], theta_b the parameters of the block's last
      E step and Q(theta; S_b) = E_q log p(x_b, z | theta).
    - log p(x | theta) = L(q, theta) + KL(q || p(z | x, theta)) with KL > 0 until theta rests: q of most blocks is from an older theta.

    References
    ----------
    - Neal, R. M. & Hinton, G. E. (1998). A view of the EM algorithm that justifies incremental, sparse, and other variants. In
      Learning in Graphical Models, 355-368.
    """

    kind: ClassVar[str] = "incremental_em"

    restarts: Annotated[int, Ge(1)] = 100
    init: Init | dict[str, Any] = "mixed"
    blocks: Annotated[int, Ge(1)] = 10
    tol: Annotated[float, Gt(0)] = 1e-8
    max_iter: Annotated[int, Ge(1)] = 10_000
    engine: EngineName = "fast"

    def ascent(self, problem: Problem, context: Context) -> Ascent:
        """Every restart sweep by sweep."""
        steps = Steps(problem, None, engine(self.engine, context.threads))

        def scheme(start: Mixture, restarts: Sequence[int], show: bool) -> Scheme:
            return sweeping(start, steps, self.blocks, show)

        stop = Stop(tol=self.tol, max_iter=self.max_iter)
        return Ascent(steps, scheme, stop, "bound", em_polish(steps))


def sweeping(start: Mixture, steps: Steps, n_blocks: int, show: bool) -> Scheme:
    """Sweep after sweep; q of every block begins as the posterior of the labels under ``start``."""
    state = _State.begun(start, steps, n_blocks, show)
    while True:
        keep = yield state.iteration(steps)
        if keep is not None:
            state = state.take(keep)
        state = state.swept(steps)


@dataclass(frozen=True, eq=False)
class _Part:
    """q of one block, by what is known of it: its statistics, and the part of the bound that no later theta changes.

    The bound at the block's own E step is log p(x_b | theta_b); at another theta it differs by E_q log p(x_b, z | theta) alone,
    which the statistics give but for a constant of the data. So ``fixed`` = log p(x_b | theta_b) - E_q log p(x_b, z | theta_b).
    """

    statistics: Statistics
    fixed: PerFit

    def take(self, index: np.ndarray) -> _Part:
        return _Part(self.statistics.take(index), np.asarray(self.fixed)[index])


@dataclass(frozen=True, eq=False)
class _State:
    """Parameters, and q block by block; ``shares`` (restart, N, K) is q itself where it is to be shown."""

    mixture: Mixture
    blocks: tuple[tuple[np.ndarray, Dataset], ...]
    parts: tuple[_Part, ...]
    shares: Responsibilities | None

    @classmethod
    def begun(cls, start: Mixture, steps: Steps, n_blocks: int, show: bool) -> _State:
        n_rows = steps.data.n_rows
        rows = [np.arange(first, n_rows, n_blocks) for first in range(min(n_blocks, n_rows))]
        blocks = tuple((own, steps.data.take(own)) for own in rows)
        parts = tuple(_expected(start, block, steps) for _, block in blocks)
        shares = np.asarray(start.responsibilities(steps.data.x)) if show else None
        return cls(start, blocks, parts, shares)

    def take(self, index: np.ndarray) -> _State:
        shares = None if self.shares is None else self.shares[index]
        return replace(self, mixture=self.mixture.take(index), parts=tuple(part.take(index) for part in self.parts), shares=shares)

    def iteration(self, steps: Steps) -> Iteration:
        """The bound of q as it stands, at the parameters as they stand, with their log likelihood beside it."""
        with np.errstate(all="ignore"):
            expected = self.mixture.terms().expected(_merged([part.statistics for part in self.parts]))
            bound = np.sum([part.fixed for part in self.parts], axis=0) + expected
        return replace(steps.evaluate(self.mixture).led(LEAP), objective=bound, shares=self.shares)

    def swept(self, steps: Steps) -> _State:
        """E and M step block by block. The total is the blocks before, renewed, and those after, as they were: each merged once
        and nothing subtracted, so that no digits go."""
        after: list[Statistics | None] = [None]
        for part in self.parts[:0:-1]:
            after.append(_joint(part.statistics, after[-1]))
        mixture, before, parts = self.mixture, None, []
        shares = None if self.shares is None else self.shares.copy()
        for (rows, block), rest in zip(self.blocks, after[::-1], strict=True):
            part = _expected(mixture, block, steps)
            if shares is not None:
                shares[:, rows] = mixture.responsibilities(block.x)
            before = part.statistics if before is None else before.merge(part.statistics)
            parts.append(part)
            with np.errstate(all="ignore"):
                mixture = steps.engine.m_step(_joint(before, rest), steps.prior, mixture)
        return replace(self, mixture=mixture, parts=tuple(parts), shares=shares)


def _expected(mixture: Mixture, block: Dataset, steps: Steps) -> _Part:
    """q of a block: the posterior of its labels (and missing cells) under ``mixture``."""
    with np.errstate(all="ignore"):
        found = steps.engine.expect(mixture, block)
        return _Part(found.statistics, np.asarray(found.log_likelihood - mixture.terms().expected(found.statistics)))


def _joint(one: Statistics, other: Statistics | None) -> Statistics:
    return one if other is None else one.merge(other)


def _merged(parts: list[Statistics]) -> Statistics:
    total = parts[0]
    for part in parts[1:]:
        total = total.merge(part)
    return total
