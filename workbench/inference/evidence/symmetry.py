"""Symmetry: what relabelling does to unconstrained coordinates, and the densities that are alike under it.

A posterior under an exchangeable prior has K! equal parts. Let R be the region of points that are already aligned with a
reference: every point has exactly one relabelling in R (but for ties, which have no mass). So

    p(x) = K! integral over R of p(x, u) du,

with any number of components and however much the parts overlap. A proposal q is folded into R by a group H of relabellings: on R
the density of a draw from q, relabelled by the member of H that takes it there, is sum_h q(h u), and a draw that no member takes
there is lost. With H all relabellings this is q averaged over the K! labellings, as K! p / sum_h q(h u) = p / q_s says; with more
than four components H permutes only those that the draws of q confuse.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from workbench.inference.evidence.proposal import Proposal
from workbench.models import Mixture, Prior
from workbench.models.matching import assigned
from workbench.models.shapes import Coordinates, PerFit, Permutation

ALL_UP_TO = 4
"""Components up to which all K! relabellings are summed."""
MOST_FOLDED = 24
"""Relabellings of more components that are summed."""
ROUNDS = 20
"""Rounds of alignment after which it stays as it is."""
POINTS = 4
"""Mixtures by which it is found out which coordinates are whose."""
ROUGHLY = 1e-3
"""How far, relative, a coordinate may come back from: a badly conditioned scale costs digits, and two coordinates that are different
differ in some of the mixtures."""
NARROWEST = 1e-3
"""Least standard deviation of an aligned coordinate, as a share of that of all labels together."""


@dataclass(frozen=True, eq=False)
class Symmetry:
    """How relabelling acts on coordinates u: components' own coordinates change places, with no Jacobian.

    Of the weights K - 1 coordinates are given and the last is minus their sum; with that one appended, u is ``extended``, and
    relabelling is a permutation of it.

    Attributes
    ----------
    own : ndarray (K, M), places in extended u of each component's coordinates, in the same order for all
    dim : number of coordinates
    exchangeable : whether the prior treats all components alike; if not, there is nothing to be relabelled
    """

    own: np.ndarray
    dim: int
    exchangeable: bool

    @classmethod
    def of(cls, prior: Prior) -> Symmetry:
        """Found by relabelling a few mixtures: coordinates that stay when all components become component k are k's own, or shared.

        Raises
        ------
        ValueError
            If the prior's coordinates do more than change places.
        """
        count, dim = prior.n_components, prior.dim
        u = 0.3 * np.random.default_rng(0).normal(size=(POINTS, dim))
        mixture, _ = prior.unflatten(u)
        alike = np.stack([_near(prior.flatten(mixture.relabelled(np.full(count, k)))[0], u).all(axis=0) for k in range(count)])
        alike[:, : count - 1] = False  # the weights' are known
        mine = alike & ~alike.all(axis=0)
        weights = [*range(count - 1), dim]
        own = np.array([[weights[k], *np.flatnonzero(mine[k])] for k in range(count)])
        found = cls(own, dim, exchangeable(prior, mixture))
        order = np.roll(np.arange(count), 1)
        if not _near(found.relabelled(u, order), prior.flatten(mixture.relabelled(order))[0]).all():
            raise ValueError("this prior's coordinates do not change places when components do; give its family a chart that does")
        return found

    @property
    def n_components(self) -> int:
        return int(self.own.shape[0])

    @property
    def log_copies(self) -> float:
        """log K!, or 0 where nothing can be relabelled."""
        return math.lgamma(self.n_components + 1.0) if self.exchangeable else 0.0

    def extended(self, u: Coordinates) -> np.ndarray:
        """u with the last weight's coordinate appended, (*batch, dim + 1)."""
        return np.concatenate([u, -u[..., : self.n_components - 1].sum(axis=-1, keepdims=True)], axis=-1)

    def relabelled(self, u: Coordinates, order: Permutation) -> Coordinates:
        """Component ``order[k]`` becomes component k: one order (K,) for all points, or (*batch, K) of their own."""
        w = self.extended(u)
        turned = w.copy()
        if np.ndim(order) == 1:
            turned[..., self.own] = w[..., self.own[order]]
        else:
            turned[..., self.own] = np.take_along_axis(w[..., self.own], np.asarray(order)[..., None], axis=-2)
        return np.asarray(turned[..., : self.dim])

    def ordered(self, u: Coordinates) -> np.ndarray:
        """Numbers that no relabelling changes: each component coordinate sorted over the components, and those that all share."""
        w = self.extended(u)
        shared = np.setdiff1d(np.arange(self.dim), self.own)
        each = np.sort(w[..., self.own], axis=-2).reshape(*u.shape[:-1], -1)
        return np.concatenate([each, w[..., shared]], axis=-1)


def exchangeable(prior: Prior, mixture: Mixture) -> bool:
    """Whether a prior gives a few mixtures (n,) the same density however their components are named.

    Two permutations stand for all: a turn and a swap generate the group.
    """
    count = prior.n_components
    swapped = np.arange(count)
    swapped[:2] = swapped[:2][::-1]
    with np.errstate(all="ignore"):
        known = prior.log_density(mixture)
        turned = [prior.log_density(mixture.relabelled(order)) for order in (np.roll(np.arange(count), 1), swapped)]
    return bool(np.allclose(turned, known, rtol=1e-9, atol=1e-6))


def _near(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(np.abs(a - b) <= ROUGHLY * (1.0 + np.abs(b)))


@dataclass(frozen=True, eq=False)
class Region:
    """The points that are aligned with a reference: of every point's K! relabellings just one.

    The best relabelling is that under which the components' coordinates are likeliest, were they independent normals (as in
    Stephens 2000, section 4, with normals for the posterior).

    Attributes
    ----------
    symmetry : of the posterior
    means, sds : ndarray (K, M), of the reference
    """

    symmetry: Symmetry
    means: np.ndarray
    sds: np.ndarray

    @classmethod
    def around(cls, symmetry: Symmetry, u: Coordinates) -> Region:
        """About points (n, dim) as they are labelled."""
        values = symmetry.extended(u)[..., symmetry.own]
        pooled = values.std(axis=(0, 1))
        return cls(symmetry, values.mean(axis=0), np.maximum(values.std(axis=0), NARROWEST * np.where(pooled > 0, pooled, 1.0)))

    @classmethod
    def about(cls, symmetry: Symmetry, u: Coordinates) -> Region:
        """About one point (dim,), all coordinates alike."""
        values = symmetry.extended(u)[symmetry.own]
        return cls(symmetry, values, np.ones_like(values))

    @classmethod
    def aligning(cls, symmetry: Symmetry, u: Coordinates, first: int) -> Region:
        """From the labels of point ``first``: align all, take the mean and sd of the aligned, and again until nothing changes."""
        if symmetry.n_components == 1 or not symmetry.exchangeable:
            return cls.around(symmetry, u)
        values = symmetry.extended(u)[..., symmetry.own]
        pooled = values.std(axis=(0, 1))
        sds = np.broadcast_to(np.where(pooled > 0, pooled, 1.0), values.shape[1:])
        region, orders = cls(symmetry, values[first], sds), np.zeros(0)
        for _ in range(ROUNDS):
            found = region.orders(u)
            if np.array_equal(found, orders):
                break
            orders, region = found, cls.around(symmetry, symmetry.relabelled(u, found))
        return region

    def orders(self, u: Coordinates) -> Permutation:
        """The relabelling of each point (n, dim) that takes it into the region, (n, K)."""
        if not self.symmetry.exchangeable:
            return np.broadcast_to(np.arange(self.symmetry.n_components), (u.shape[0], self.symmetry.n_components))
        values = self.symmetry.extended(u)[..., self.symmetry.own]
        weights = 1.0 / self.sds**2
        squares = values**2 @ weights.T - 2.0 * values @ (self.means * weights).T  # (n, K own, K to be)
        score = -(squares + (self.means**2 * weights + 2.0 * np.log(self.sds)).sum(axis=-1)) / 2.0
        return assigned(np.swapaxes(score, -1, -2))

    def aligned(self, u: Coordinates) -> Coordinates:
        """The points, relabelled into the region."""
        return self.symmetry.relabelled(u, self.orders(u))


@dataclass(frozen=True, eq=False)
class Fold:
    """A group of relabellings that takes draws of a proposal into a region: all that permute components within ``blocks``.

    Attributes
    ----------
    region : where the draws are to be
    blocks : components, each in one block
    """

    region: Region
    blocks: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, region: Region, u: Coordinates) -> Fold:
        """For draws u (n, dim) of a proposal: of up to four components all relabellings, else those of components that draws
        outside of the region confuse, the most frequent first."""
        count = region.symmetry.n_components
        if not region.symmetry.exchangeable:
            return cls(region, tuple((k,) for k in range(count)))
        if count <= ALL_UP_TO:
            return cls(region, (tuple(range(count)),))
        return cls(region, _blocks(region.orders(u), count))

    @property
    def orders(self) -> list[Permutation]:
        """The group, each member as the component that becomes component k."""
        found = []
        for parts in itertools.product(*(itertools.permutations(block) for block in self.blocks)):
            order = np.arange(self.region.symmetry.n_components)
            for block, part in zip(self.blocks, parts, strict=True):
                order[list(block)] = part
            found.append(order)
        return found

    def log_density(self, log_q: Callable[[Coordinates], PerFit], u: Coordinates) -> PerFit:
        """log (1 / K! sum over the group of q(relabelled u)), (n,): of q averaged over the labellings, as far as it is summed."""
        total = np.full(u.shape[:-1], -np.inf)
        for order in self.orders:
            total = np.logaddexp(total, log_q(self.region.symmetry.relabelled(u, order)))
        return np.asarray(total - self.region.symmetry.log_copies)

    def lost(self, u: Coordinates) -> np.ndarray:
        """Which draws (n, dim) no member of the group takes into the region."""
        if len(self.blocks) == 1 or not self.region.symmetry.exchangeable:
            return np.zeros(u.shape[0], bool)
        block_of = np.empty(self.region.symmetry.n_components, int)
        for number, block in enumerate(self.blocks):
            block_of[list(block)] = number
        return np.asarray((block_of[self.region.orders(u)] != block_of).any(axis=-1))


class Averaged(Protocol):
    """A density over unconstrained coordinates that is the same for all relabellings of a point, as far as they are summed."""

    def log_density(self, u: Coordinates) -> PerFit:
        """Of points (n, dim): (n,)."""
        ...

    def sample(self, rng: np.random.Generator, size: int) -> Coordinates:
        """Points (size, dim), at any labelling."""
        ...

    def lost(self, u: Coordinates) -> np.ndarray:
        """Which draws (n, dim) the density does not know, (n,)."""
        ...


@dataclass(frozen=True, eq=False)
class Folded:
    """A proposal that knows one labelling, folded into a region."""

    fold: Fold
    proposal: Proposal

    def log_density(self, u: Coordinates) -> PerFit:
        return self.fold.log_density(self.proposal.log_density, self.fold.region.aligned(u))

    def sample(self, rng: np.random.Generator, size: int) -> Coordinates:
        return self.proposal.sample(rng, size)

    def lost(self, u: Coordinates) -> np.ndarray:
        return self.fold.lost(u)


def _blocks(orders: Permutation, count: int) -> tuple[tuple[int, ...], ...]:
    """Components joined, pair by pair as often as draws confuse them, while the group stays small enough."""
    times = np.zeros((count, count))
    for k in range(count):
        times[k] += np.bincount(orders[:, k], minlength=count)
    times += times.T
    pairs = sorted(itertools.combinations(range(count), 2), key=lambda pair: -times[pair])
    blocks = [{k} for k in range(count)]
    for a, b in pairs:
        if times[a, b] == 0:
            break
        first, second = (next(block for block in blocks if k in block) for k in (a, b))
        joined = [block for block in blocks if block not in (first, second)] + [first | second]
        if first is not second and _size(joined) <= MOST_FOLDED:
            blocks = joined
    return tuple(tuple(sorted(block)) for block in sorted(blocks, key=min))


def _size(blocks: Iterable[set[int]]) -> int:
    return math.prod(math.factorial(len(block)) for block in blocks)
