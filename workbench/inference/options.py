"""Options of a method are checked wherever the method is made: in a config, where each mistake has its place, and in Python."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, get_type_hints

from workbench.data.spelling import advice, nearest, who_has

FOREIGN_OPTIONS = {
    **dict.fromkeys(("n_init", "nrep", "nstart", "n_starts", "n_restarts", "starts", "num_restarts"), "restarts"),
    **dict.fromkeys(("init_params", "initialization", "start", "initial"), "init"),
    **dict.fromkeys(("eps", "epsilon", "tolerance", "threshold", "reltol", "tol_rel_obj"), "tol"),
    **dict.fromkeys(("n_iter", "itmax", "maxit", "maxiter", "iter", "iterations", "max_iterations", "n_steps"), "max_iter"),
    **dict.fromkeys(("n_samples", "num_samples", "samples", "iter_sampling", "n_draws"), "draws"),
    **dict.fromkeys(("warmup", "num_warmup", "iter_warmup", "burn_in", "burnin", "n_tune"), "tune"),
    **dict.fromkeys(("n_chains", "num_chains"), "chains"),
    **dict.fromkeys(("nuts_sampler", "backend"), "sampler"),
    **dict.fromkeys(("method", "algorithm", "type"), "kind"),
}
"""Options of other programs (scikit-learn, mclust, flexmix, poLCA, Stan, PyMC), and what they are called here."""

ELSEWHERE = {
    **dict.fromkeys(
        ("random_state", "random_seed", "seed", "rng"), "it is given to the fit: fit(problem, Context.default(problem, seed=...))"
    ),
    **dict.fromkeys(
        ("n_components", "covariance", "family", "blocks", "prior", "n_clusters", "K", "k"), "it is the problem's: Problem(data, ...)"
    ),
    "relabelling": "it is the comparison's: Cell(values, problem, relabelling=...)",
}
"""What is no option of a method, and where in Python it is given."""


def check_options(method: Any) -> None:
    """Hold every field of a method's dataclass to its annotation.

    Raises
    ------
    ValueError
        Naming the method, the option, its value and what is wanted.
    """
    import pydantic

    adapters = _adapters(method.__class__)
    for field in dataclasses.fields(method):
        value = getattr(method, field.name)
        try:
            adapters[field.name].validate_python(value)
        except pydantic.ValidationError as error:
            wanted = "; ".join(dict.fromkeys(detail["msg"].lower() for detail in error.errors()))
            raise ValueError(f"{type(method).__name__}: {field.name} is {value!r}; {wanted}") from None


@functools.cache
def _adapters(kind: type) -> dict[str, Any]:
    import pydantic

    hints = get_type_hints(kind, include_extras=True)
    return {field.name: pydantic.TypeAdapter(hints[field.name]) for field in dataclasses.fields(kind)}


def answer_unknown_options(methods: Mapping[str, type[Any]]) -> None:
    """Have each class of the table answer an option that it has not, with the one that was meant or the kinds that have it."""
    known = {kind: [field.name for field in dataclasses.fields(method)] for kind, method in methods.items()}
    for kind, method in methods.items():
        method.__init__ = _answering(method, known[kind], {other: names for other, names in known.items() if other != kind})


def _answering(method: type[Any], own: list[str], others: Mapping[str, list[str]]) -> Any:
    """The class's own ``__init__``, which raises a TypeError of one line for an option that is not its own."""
    made = method.__init__

    @functools.wraps(made)
    def answering(self: Any, *values: Any, **options: Any) -> None:
        for key in options:
            if key not in own:
                raise TypeError(f"{type(self).__name__} has no option {key!r}; {_meant(key, own, others)}")
        made(self, *values, **options)

    return answering


def _meant(key: str, own: list[str], others: Mapping[str, list[str]]) -> str:
    if (ours := FOREIGN_OPTIONS.get(key)) in own:
        return f"here it is called {ours}"
    if key in ELSEWHERE:
        return ELSEWHERE[key]
    if whose := who_has(key, others):
        return whose
    near = nearest(key, {name for names in others.values() for name in names})
    if near and not nearest(key, own):
        return f"did you mean {near}? {who_has(near, others)}"
    return advice(key, own)
