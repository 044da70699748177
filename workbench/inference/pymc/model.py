"""One builder for the PyMC model of a problem: data and hyperparameters are ``pm.Data``, labels are summed out."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.inference.pymc.choices import Likelihood, chosen, refusal
from workbench.inference.pymc.toolchain import prepare
from workbench.models import Family
from workbench.problem import Problem

prepare()

import pymc as pm  # noqa: E402

from workbench.inference.pymc.recipes import RECIPES  # noqa: E402

Arrays = dict[str, np.ndarray]
ROWS = ("counts", "z", "ones", "seen")
"""Arrays with an axis of rows; the others keep their shape from one problem to the next."""


def build(problem: Problem, likelihood: Likelihood | None = None) -> pm.Model:
    """The PyMC model of a problem, free variables in the order of ``Prior.flatten``.

    Parameters
    ----------
    likelihood : ``op`` (one Op around the compiled E step), ``graph`` (PyMC's own, the reference), or None for the family's
        default

    Raises
    ------
    ValueError
        If the problem has no prior, or the family no such likelihood.
    """
    if (reason := refusal(problem, likelihood)) is not None:
        raise ValueError(reason)
    return _model(problem.family, chosen(problem, likelihood), arrays(problem))


def arrays(problem: Problem) -> Arrays:
    """Everything the model takes as data, float64, by name."""
    prior: Any = problem.prior
    given = {
        "counts": problem.data.counts,
        "n_rows": np.array(problem.data.counts.sum()),
        "concentration": prior.concentration,
        **RECIPES[problem.family].arrays(problem),
    }
    return {name: np.array(array, dtype=np.float64, order="C") for name, array in given.items()}


def assign(model: pm.Model, given: Arrays) -> None:
    """Give a model other data: those of another problem of the same family, K and D."""
    pm.set_data(given, model=model)


def _model(family: Family, likelihood: Likelihood, given: Arrays) -> pm.Model:
    """Rows are free to change afterwards; K and D are in the graph."""
    recipe = RECIPES[family]
    n_components = given["concentration"].size
    n_features = given["z" if "z" in given else "ones"].shape[1]
    # hyperparameters are checked where the prior is made, and transforms keep the variables inside their support
    with pm.Model(check_bounds=False) as model:
        data = {name: pm.Data(name, array, shape=_static(name, array)) for name, array in given.items()}
        weights = pm.Dirichlet("weights", data["concentration"], shape=(n_components,)) if n_components > 1 else None
        variables = recipe.variables(n_components, n_features, data)
        (recipe.compiled if likelihood == "op" else recipe.observe)(weights, variables, data)
    return model


def _static(name: str, array: np.ndarray) -> tuple[int | None, ...]:
    return (None, *array.shape[1:]) if name in ROWS else array.shape
