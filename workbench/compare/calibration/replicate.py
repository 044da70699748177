"""Replicate: other data that the model could have given, of the same shape as the data at hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from workbench.data import Dataset
from workbench.models import Mixture, PriorError
from workbench.problem import Problem


def replicate(problem: Problem, rng: np.random.Generator) -> tuple[Mixture, Problem]:
    """theta from the prior, labels and rows from the mixture, and the problem of fitting those rows under the same prior.

    As many rows as in ``problem``, with its cells that were not observed. A row that counts c times is c rows, each drawn by
    itself: the likelihood has it to the power of c. Where there are counts, rows that came out equal are then one row again.

    The prior is ``problem``'s as it stands: worked out again from the rows drawn, it would not be what theta came from.

    Parameters
    ----------
    problem : with a proper prior

    Returns
    -------
    truth : Mixture without batch axes
    problem : Problem of the rows drawn

    Raises
    ------
    PriorError
        If there is no prior.
    """
    if problem.prior is None:
        raise PriorError(problem.no_prior)
    truth = problem.prior.sample(rng)
    return truth, Problem(_rows(problem, truth, rng), problem.family, problem.n_components, problem.prior)


def _rows(problem: Problem, truth: Mixture, rng: np.random.Generator) -> Dataset:
    data = problem.data
    empty = np.repeat(np.isnan(data.x), data.counts.astype(int), axis=0)
    x, _ = truth.sample(rng, empty.shape[0])
    x[empty] = np.nan
    drawn = replace(Dataset.of(x, data.features, name=data.name), levels=data.levels)
    if (data.counts == 1).all():
        return drawn
    grouped = drawn.distinct()[0]
    return grouped if grouped.n_rows >= problem.n_components else drawn  # fewer rows than components no problem may have
