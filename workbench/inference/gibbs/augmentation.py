"""One sweep of data augmentation for a batch of chains: labels given theta, then theta given labels (Diebolt & Robert 1994)."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from workbench.models import Family, Mixture, Prior, Statistics
from workbench.models.mixture import rows_per_block
from workbench.models.shapes import LogJoint, Responsibilities, Rows
from workbench.problem import Problem


@dataclass(frozen=True, eq=False)
class Augmented:
    """The rows that labels are drawn for.

    Rows without an observed cell are left out: they say nothing of theta, and with their labels integrated out the posterior is
    the same. Equal rows are one, which counts as often as they all; but rows whose missing cells are drawn too stand by
    themselves, unit by unit.

    Attributes
    ----------
    x : ndarray (N, D)
    units : ndarray (N,), int64, how many labels each draws
    """

    family: Family
    x: Rows
    units: np.ndarray

    @classmethod
    def of(cls, problem: Problem) -> Augmented:
        data = problem.data.take(np.flatnonzero(~np.isnan(problem.data.x).all(axis=1)))
        alone = problem.family.augmented(data)
        rows = np.repeat(np.flatnonzero(alone), data.counts[alone].astype(int))
        x, units = data.x[rows], np.ones(rows.size, np.int64)
        if not alone.all():
            merged = data.take(np.flatnonzero(~alone)).distinct()[0]
            x, units = np.concatenate([merged.x, x]), np.concatenate([merged.counts.astype(np.int64), units])
        return cls(problem.family, x, units)


def sweep(mixture: Mixture, rows: Augmented, prior: Prior, rng: np.random.Generator) -> Mixture:
    """Theta of the next sweep for a batch (chain,) of mixtures; the labels in between are not kept."""
    statistics = labelled_statistics(mixture, rows, rng)
    return prior.drawn(statistics, mixture, rng)


def labelled_statistics(mixture: Mixture, rows: Augmented, rng: np.random.Generator) -> Statistics:
    """Statistics of the rows under drawn labels, and where the family needs them under drawn cells; in blocks that stay in cache."""
    terms, parts = mixture.terms(), []
    size = rows_per_block(mixture.weights.size * rows.x.shape[1])
    for start in range(0, rows.x.shape[0], size):
        block = slice(start, start + size)
        labels = drawn_labels(terms.log_joint(rows.x[block]), rows.units[block], rng)
        parts.append(rows.family.drawn_statistics(terms, rows.x[block], labels, rng))
    return functools.reduce(lambda total, part: total.merge(part), parts)


def drawn_labels(log_joint: LogJoint, units: np.ndarray, rng: np.random.Generator) -> Responsibilities:
    """For every row how many of its units have each label, (*batch, N, K): multinomial with p(z_n = k | x_n, theta).

    Raises
    ------
    FloatingPointError
        If a row has no density under any component.
    """
    top = log_joint.max(axis=-1, keepdims=True)
    if not np.isfinite(top).all():
        raise FloatingPointError("a row has no density under any component of a draw; look at the data's scale and at the prior")
    shares = np.exp(log_joint - top)
    below = np.cumsum(shares, axis=-1)
    label = (rng.random((*below.shape[:-1], 1)) * below[..., -1:] >= below[..., :-1]).sum(axis=-1)
    labels: Responsibilities = (label[..., None] == np.arange(shares.shape[-1])).astype(float)
    several = np.flatnonzero(units > 1)
    if several.size:
        chances = shares[..., several, :] / below[..., several, -1:]
        labels[..., several, :] = rng.multinomial(units[several], chances)
    return labels


def relabelled(mixture: Mixture, prior: Prior, rng: np.random.Generator) -> Mixture:
    """A random permutation of each chain's components, accepted by the prior's ratio: always, where ``concentration`` is one number.

    The likelihood and the components' prior know no names (Fruehwirth-Schnatter 2001).
    """
    count = mixture.n_components
    order = rng.permuted(np.broadcast_to(np.arange(count), (*mixture.batch_shape, count)), axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(mixture.weights)
        gains = (prior.concentration * (np.take_along_axis(logs, order, axis=-1) - logs)).sum(axis=-1)
    if (prior.concentration != prior.concentration[0]).any():
        accepted = np.log(rng.random(mixture.batch_shape)) < gains
        order = np.where(accepted[..., None], order, np.arange(count))
    return mixture.relabelled(order)
