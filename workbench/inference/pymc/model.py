"""One builder for the PyMC model of a problem: data and hyperparameters are ``pm.Data``, labels are summed out."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from workbench.inference.pymc.choices import Likelihood, chosen, refusal
from workbench.inference.pymc.parts import Part, parts_of
from workbench.inference.pymc.toolchain import prepare
from workbench.problem import Problem

prepare()

import pymc as pm  # noqa: E402

from workbench.inference.pymc import compiled, kernel_rows  # noqa: E402
from workbench.inference.pymc.numbers import NUMBERS  # noqa: E402
from workbench.inference.pymc.recipes import RECIPES  # noqa: E402
from workbench.inference.pymc.recipes.coordinates import Coordinates  # noqa: E402
from workbench.inference.pymc.recipes.rows import log_mixture  # noqa: E402

Arrays = dict[str, np.ndarray]
TABLES = ("codes", "members")
"""Arrays of which no axis keeps its length from one problem to the next; other rows keep all but the first."""


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
    return _model(problem, chosen(problem, likelihood))


def shape_of(problem: Problem, likelihood: Likelihood | None) -> Hashable:
    """What the compiled code depends on: problems alike in it share the code, whatever their rows and numbers.

    A graph of complete rows cannot take others; the Op takes any.
    """
    form = chosen(problem, likelihood)
    size = (problem.n_components, problem.data.n_features, problem.data.n_levels)
    priors = tuple(type(part.prior) for part in parts_of(problem))
    return (problem.family, priors, form, *size, form == "op" or problem.data.complete)


def arrays(problem: Problem, likelihood: Likelihood | None = None) -> Arrays:
    """Everything the model takes as data, float64, by name."""
    return {**_floats(_numbers(problem)), **row_arrays(problem, likelihood)}


def row_arrays(problem: Problem, likelihood: Likelihood | None = None) -> Arrays:
    """What of that depends on the rows, and not on the prior."""
    return _floats(_rows(problem, chosen(problem, likelihood)))


def _floats(given: Arrays) -> Arrays:
    return {name: np.array(array, dtype=np.float64, order="C") for name, array in given.items()}


def assign(model: pm.Model, given: Arrays) -> None:
    """Give a model other data: those of another problem of the same shape. A cell that was not observed may be nan, which
    ``pm.set_data`` refuses."""
    for name, array in given.items():
        model[name].set_value(array)


def _numbers(problem: Problem) -> Arrays:
    prior: Any = problem.prior
    found = {"concentration": prior.concentration}
    for part in parts_of(problem):
        found |= _named(part, NUMBERS[type(part.prior)](part.prior, part.data))
    return found


def _rows(problem: Problem, likelihood: Likelihood) -> Arrays:
    if likelihood == "op":
        return kernel_rows.rows(problem)
    found = {"counts": problem.data.counts}
    for part in parts_of(problem):
        found |= _named(part, RECIPES[type(part.prior)].rows(part.prior, part.data))
    return found


def _named(part: Part, given: Arrays) -> Arrays:
    return {part.prefix + name: array for name, array in given.items()}


def _model(problem: Problem, likelihood: Likelihood) -> pm.Model:
    """Rows are free to change afterwards; K and D are in the graph."""
    n_components, numbers, parts = problem.n_components, _numbers(problem), parts_of(problem)
    # hyperparameters are checked where the prior is made, and transforms keep the variables inside their support
    with pm.Model(check_bounds=False) as model:
        data = {name: _data(name, array, name in numbers) for name, array in arrays(problem, likelihood).items()}
        weights = pm.Dirichlet("weights", data["concentration"], shape=(n_components,)) if n_components > 1 else None
        own = [{name.removeprefix(part.prefix): value for name, value in data.items()} for part in parts]
        found = [RECIPES[type(p.prior)].variables(p.prefix, n_components, p.data, given) for p, given in zip(parts, own, strict=True)]
        if likelihood == "graph":
            terms = [RECIPES[type(p.prior)].term(at, given) for p, at, given in zip(parts, found, own, strict=True)]
            log_mixture(terms, weights, data["counts"])
        else:
            together = Coordinates()
            for at in found:
                together = together.beside(at)
            given = {**data, **next((own for part, own in zip(parts, own, strict=True) if part.family.name == "gaussian"), {})}
            compiled.add(tuple(part.family for part in parts), n_components, weights, together, given)
    return model


def _data(name: str, array: np.ndarray, fixed: bool) -> Any:
    free = (None,) * array.ndim if name in TABLES else (None, *array.shape[1:])
    keeps = fixed or array.ndim == 0 or name.endswith(("whitener", "factor"))
    made = pm.Data(name, np.nan_to_num(array), shape=array.shape if keeps else free)
    made.set_value(array)
    return made
