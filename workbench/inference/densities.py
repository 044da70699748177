"""Densities of draws: by the problem's own lines, where there are many by the compiled E step."""

from __future__ import annotations

import numpy as np

from workbench.inference.em.engine import engine
from workbench.models import Mixture
from workbench.models.shapes import PerFit
from workbench.problem import Problem

LITTLE = 1 << 22
"""Draws x rows x components below which the compiled E step is not worth loading."""


def densities(problem: Problem, draws: Mixture, threads: int = 1, *, at_hand: bool = False) -> tuple[PerFit, PerFit]:
    """Log likelihood, and log likelihood plus log prior density (nan without a prior), of a batch of any shape.

    Parameters
    ----------
    at_hand : the compiled E step has been loaded, and is taken however little there is to do
    """
    if not at_hand and draws.weights.size * problem.data.n_rows < LITTLE:
        log_likelihood = np.asarray(problem.log_likelihood(draws))
    else:
        with np.errstate(all="ignore"):  # a draw may well be impossible: then it is -inf
            found = engine("fast", threads).expect(draws.reshaped(-1), problem.data)
        log_likelihood = np.asarray(found.log_likelihood).reshape(draws.batch_shape)
    return log_likelihood, np.asarray(log_likelihood + problem.log_prior(draws))
