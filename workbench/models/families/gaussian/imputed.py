"""Missing cells drawn given what was seen of the row, its label and the parameters: then complete rows are what is summed up."""

from __future__ import annotations

import functools

import numpy as np
from jaxtyping import Float

from workbench.models.families.gaussian.missing import Pattern, complete, patterns
from workbench.models.families.gaussian.quadratic import FullStatistics, FullTerms, statistics
from workbench.models.families.gaussian.triangular import inverse, transposed
from workbench.models.shapes import Responsibilities, Rows

Completed = Float[np.ndarray, "*batch N D"]
"""Rows with their missing cells filled in, each fit of the batch its own way."""


def drawn_statistics(terms: FullTerms, x: Rows, labels: Responsibilities, rng: np.random.Generator) -> FullStatistics:
    """Statistics of rows, ``labels`` (*batch, N, K) the number of units of each row with each label, missing cells drawn.

    A row of which only a part was seen is one unit; of a row of which nothing was, the label is all there is.
    """
    if complete(x):
        return statistics(x, labels)
    parts = [_of_pattern(terms, part, x, labels[..., part.rows, :], rng) for part in patterns(terms.factors, x)]
    return functools.reduce(FullStatistics.merge, parts)


def _of_pattern(terms: FullTerms, part: Pattern, x: Rows, labels: np.ndarray, rng: np.random.Generator) -> FullStatistics:
    if not part.unseen.size:
        return statistics(x[part.rows], labels)
    if part.seen.size:
        return completed_statistics(_completed(terms, part, x[part.rows], labels, rng), labels)
    counts = labels.sum(axis=-2)
    shape = (*counts.shape, x.shape[1])
    return FullStatistics(counts, np.zeros(shape), np.zeros((*shape, shape[-1])), np.zeros_like(counts))


def _completed(terms: FullTerms, part: Pattern, x: Rows, labels: Responsibilities, rng: np.random.Generator) -> Completed:
    """x_m | x_o, label k ~ N(centre_m - R_mm^-1 R_mo (x_o - centre_o), R_mm^-1 R_mm^-T), R the pattern's factor of the precision."""
    cut = part.unseen.size
    root = transposed(inverse(transposed(part.factor[..., :cut, :cut])))  # (*batch, K or 1, M, M)
    slopes = -root @ part.factor[..., :cut, cut:]
    noise = rng.standard_normal((*labels.shape[:-1], cut))
    label = labels.argmax(axis=-1)[..., None]
    centres = np.take_along_axis(terms.centres, label, axis=-2)  # (*batch, N, D)
    own = (label if root.shape[-3] > 1 else np.zeros_like(label))[..., None]
    shift = np.take_along_axis(slopes, own, axis=-3) @ (x[:, part.seen] - centres[..., part.seen])[..., None]
    shift += np.take_along_axis(root, own, axis=-3) @ noise[..., None]
    found = np.array(np.broadcast_to(x, centres.shape))
    found[..., part.unseen] = centres[..., part.unseen] + shift[..., 0]
    return found


def completed_statistics(x: Completed, labels: Responsibilities) -> FullStatistics:
    """Weighted counts, means and scatters of complete rows, each fit of the batch with rows of its own."""
    weights = np.swapaxes(labels, -1, -2)  # (*batch, K, N)
    counts = weights.sum(axis=-1)
    means = np.divide(weights @ x, counts[..., None], out=np.zeros((*counts.shape, x.shape[-1])), where=counts[..., None] > 0)
    deviations = x[..., None, :, :] - means[..., None, :]
    return FullStatistics(counts, means, transposed(deviations * weights[..., None]) @ deviations, counts)
