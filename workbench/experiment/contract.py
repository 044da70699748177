"""Contract: what every method keeps, checked on small data of every family (``workbench check-method``, and the tests of this package)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workbench.experiment.perform import heard
from workbench.inference import METHODS
from workbench.inference.method import Method
from workbench.models import FAMILIES, Family, Product
from workbench.models.families.gaussian import STRUCTURES, Gaussian
from workbench.problem import Problem

MIXED = Product({"gaussian": ["a"], "categorical": ["c"], "poisson": ["e"], "bernoulli": ["d"]})


@dataclass(frozen=True)
class Checked:
    """One family's verdict on a method.

    Attributes
    ----------
    family : its name, with options
    verdict : ``kept``, ``refused`` or ``broken``
    reason : why it refuses, or what is broken; empty where all is kept
    warned : what its code warned of, each once
    """

    family: str
    verdict: str
    reason: str = ""
    warned: tuple[str, ...] = ()


def every_family() -> list[Family]:
    """All covariance structures, the discrete families, and a product of one block each."""
    gaussians: list[Family] = [Gaussian(name) for name in STRUCTURES]  # type: ignore[arg-type]
    return [*gaussians, *(family() for name, family in FAMILIES.items() if name not in ("gaussian", "product")), MIXED]


def small_problem(family: Family, **options: Any) -> Problem:
    """Forty rows of two groups, in columns that the family takes."""
    import pandas as pd

    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 40)
    x = rng.normal(size=(40, 2)) + 4.0 * labels[:, None]
    counts = rng.poisson(1.0 + 6.0 * labels[:, None], size=(40, 2)).astype(float)
    words = np.array(["u", "v", "w"])[np.clip(np.round(x / 2.0), 0, 2).astype(int)]
    columns = {"a": x[:, 0], "c": words[:, 0], "d": (x[:, 1] > 2.0).astype(float), "e": counts[:, 1]}
    data = {"bernoulli": (x > 2.0).astype(float), "poisson": counts, "categorical": words, "product": pd.DataFrame(columns)}
    return Problem(data.get(family.name, x), family, 2, **options)


def check_method(kind: str, families: list[Family] | None = None) -> Iterator[Checked]:
    """Fit small data of every family and hold the fit to the contract.

    Raises
    ------
    KeyError
        If there is no such method.
    """
    method = METHODS[kind]()
    for family in every_family() if families is None else families:
        problem, name = (
            small_problem(family),
            family.name + "".join(f" {value}" for value in family.options().values() if isinstance(value, str)),
        )
        try:
            if (reason := method.refuses(problem)) is not None:
                broken = "" if "; " in reason else "the reason does not say what to do: write `what is wrong; what to do`"
                yield Checked(name, "broken" if broken else "refused", broken or reason)
                continue
            with heard() as said:
                fault = next(faults(method, problem), "")
        except Exception as error:  # whatever a stranger's code does
            fault, said = f"{type(error).__name__}: {error}", []
        yield Checked(name, "broken" if fault else "kept", fault, tuple(said))


def faults(method: Method, problem: Problem) -> Iterator[str]:
    """What a fit of ``problem`` breaks, in words."""
    fit = method.fit(problem)
    yield from _shape(method, problem, fit)
    yield from _densities(problem, fit)
    yield from _seeds(method, problem, fit)
    yield from _tables(method, problem, fit)


def _shape(method: Method, problem: Problem, fit: Any) -> Iterator[str]:
    if (fit.kind, fit.estimate) != (method.kind, method.estimate):
        yield f"the fit says it is {fit.kind}, {fit.estimate}, the method {method.kind}, {method.estimate}"
    if fit.draws is None:
        yield "the fit has no draws"
        return
    if len(fit.draws.batch_shape) != 2:
        yield f"draws have the batch shape {fit.draws.batch_shape}; give (chain, draw)"
    if fit.estimate == "point" and fit.draws.batch_shape != (1, 1):
        yield f"a point is one chain of one draw, not {fit.draws.batch_shape}"
    if (fit.log_q is not None) != (fit.estimate == "approximation"):
        yield "log_q is for approximations, and they need it"
    for name in ("log_likelihood", "log_posterior"):
        if np.shape(getattr(fit, name)) != fit.draws.batch_shape:
            yield f"{name} has the shape {np.shape(getattr(fit, name))}, the draws {fit.draws.batch_shape}"
    if set(fit.seconds) != {"compile", "run"}:
        yield "seconds are not by compile and run; take context.clock.seconds"


def _densities(problem: Problem, fit: Any) -> Iterator[str]:
    log_likelihood = problem.log_likelihood(fit.draws)
    for name, wanted in (("log_likelihood", log_likelihood), ("log_posterior", log_likelihood + problem.log_prior(fit.draws))):
        if not np.allclose(getattr(fit, name), wanted, rtol=1e-10, equal_nan=True):
            yield f"{name} is not that of the draws: off by up to {np.nanmax(np.abs(getattr(fit, name) - wanted)):.3g} nats"


def _seeds(method: Method, problem: Problem, fit: Any) -> Iterator[str]:
    again = method.fit(problem)
    same = again.draws is not None and all(
        np.array_equal(value, again.draws.parameters()[name], equal_nan=True) for name, value in fit.draws.parameters().items()
    )
    if not same:
        yield "two fits with the same seeds differ; draw all randomness from context.start_seed(i) and context.noise_seed(i)"


def _tables(method: Method, problem: Problem, fit: Any) -> Iterator[str]:
    """The fit as a file and back gives the same tables."""
    import arviz as az

    from workbench.compare.assembly import assemble
    from workbench.compare.cell import Cell
    from workbench.datatree import from_tree, to_tree

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fit.nc"
        to_tree(problem, fit, "label").to_netcdf(path, engine="h5netcdf")
        tree = az.from_netcdf(path).load()
    tables, again = (assemble([Cell({}, problem, fits={method.kind: each})]) for each in (fit, from_tree(tree)))
    yield from (f"table {name} is another after the fit was written and read" for name in tables if not tables[name].equals(again[name]))


def sentence(checked: Checked) -> str:
    """One line of ``workbench check-method``."""
    reason = f" ({checked.reason})" if checked.reason else ""
    warned = f"; it warned: {', '.join(checked.warned)}" if checked.warned else ""
    return f"{checked.family}: {checked.verdict}{reason}{warned}"
