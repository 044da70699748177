"""Changed priors: how strongly the means, or probabilities and rates, are held, and a scale that does not change with K."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.models import Prior
from workbench.problem import Problem

FACTOR = 100.0
"""Of ``mean_strength``, up and down: 1 against 0.01 costs (D/2) log 100 nats a component (statistics, section 1)."""
DOUBLED = 2.0
"""Of the numbers of imaginary rows in a prior of probabilities or rates, up and down: half of the default's two is Jeffreys' prior of one
probability. A hundred times as many would leave all components alike."""
IMAGINARY = {"bernoulli": ("a", "b"), "categorical": ("alpha",), "poisson": ("shape", "rate")}
"""The hyperparameters of each discrete family that count imaginary rows: all of them times a factor leave the prior's mean as it is."""

Numbers = Mapping[str, Any]


def alternatives(problem: Problem) -> list[tuple[str, dict[str, Any]]]:
    """The changes that a problem is looked at under: means held 100 times as strongly and as weakly, or where there are none
    probabilities and rates held by twice and by half as many imaginary rows."""
    pairs = ((spread(problem, FACTOR), spread(problem, 1.0 / FACTOR)), (weight(problem, DOUBLED), weight(problem, 1.0 / DOUBLED)))
    return next(([each for each in pair if each is not None] for pair in pairs if pair[0] is not None), [])


def spread(problem: Problem, factor: float) -> tuple[str, dict[str, Any]] | None:
    """The hyperparameter that spreads the means, changed so that it holds them ``factor`` times as strongly.

    Returns
    -------
    What was changed in words, and ``prior:`` numbers to be laid over the others; None for a family without means. Under an
    independent prior it is ``mean_covariance``, which is as much wider as the means are held less.
    """
    numbers, name = _of_means(problem)
    if "mean_strength" in numbers:
        key, value = "mean_strength", numbers["mean_strength"] * factor
    elif "mean_covariance" in numbers:
        key, value, factor = "mean_covariance", _times(numbers["mean_covariance"], 1.0 / factor), 1.0 / factor
    else:
        return None
    words = _said(key, factor)
    return words, {name: {key: value}} if name else {key: value}


def weight(problem: Problem, factor: float) -> tuple[str, dict[str, Any]] | None:
    """The hyperparameters that hold probabilities and rates, all times a factor: that many times the imaginary rows, of the same mean.

    Returns
    -------
    As of :func:`spread`; None for a family that has neither. In a product those of all discrete blocks.
    """
    numbers = {} if problem.prior is None else problem.prior.numbers()
    names: list[str] = []
    changes: dict[str, Any] = {}
    for keys in IMAGINARY.values():
        if set(keys) <= set(numbers):
            names += keys
            changes |= {key: _times(numbers[key], factor) for key in keys}
    for block, keys in IMAGINARY.items():
        own = numbers.get(block)
        if isinstance(own, Mapping):
            names += keys
            changes[block] = {key: _times(own[key], factor) for key in keys}
    return (_said(", ".join(names), factor), changes) if names else None


def scale(problem: Problem) -> dict[str, Any]:
    """``prior:`` numbers that keep this problem's ``scale`` for every K; empty for a family without one."""
    numbers, name = _of_means(problem)
    if "scale" not in numbers:
        return {}
    return {name: {"scale": numbers["scale"]}} if name else {"scale": numbers["scale"]}


def changed(problem: Problem, numbers: Numbers) -> Prior:
    """The problem's prior with other numbers laid over its own."""
    own = {} if problem.prior is None else problem.prior.numbers()
    laid = {key: {**own[key], **value} if isinstance(value, Mapping) else value for key, value in numbers.items()}
    return problem.family.prior({**own, **laid}, problem.n_components, problem.data)


def written(numbers: Numbers) -> str:
    """Numbers as ``prior:`` takes them in a config: one line of YAML."""
    import yaml

    return yaml.safe_dump(dict(numbers), default_flow_style=True, width=10**6, sort_keys=False).strip()


def _of_means(problem: Problem) -> tuple[Numbers, str]:
    """The numbers of the Gaussian part, and the block's name in a product's ``prior:``."""
    numbers = {} if problem.prior is None else problem.prior.numbers()
    block = numbers.get("gaussian")
    return (block, "gaussian") if isinstance(block, Mapping) else (numbers, "")


def _said(key: str, factor: float) -> str:
    return f"{key} x {factor:g}" if factor > 1.0 else f"{key} / {1.0 / factor:g}"


def _times(value: Any, factor: float) -> Any:
    """A number, or lists of numbers, times a factor."""
    return [_times(each, factor) for each in value] if isinstance(value, list) else value * factor


def between(problem: Problem, other: Prior, time: float) -> Prior:
    """The prior at a time from 0, the problem's own, to 1, another: each hyperparameter by its ratio to the power of the time."""
    assert problem.prior is not None
    numbers = _between(problem.prior.numbers(), other.numbers(), time)
    return problem.family.prior(numbers, problem.n_components, problem.data)


def _between(one: Any, other: Any, time: float) -> Any:
    """Numbers in the same place of two priors: those that a change has multiplied, multiplied by a part of it."""
    if isinstance(one, Mapping):
        return {key: _between(value, other[key], time) for key, value in one.items()}
    if isinstance(one, list):
        return [_between(a, b, time) for a, b in zip(one, other, strict=True)]
    if isinstance(one, str) or one == other:
        return one
    return one * (other / one) ** time
