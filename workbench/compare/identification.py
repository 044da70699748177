"""Whether a model of levels has more parameters than any number of rows could determine."""

from __future__ import annotations

from collections.abc import Iterator

from workbench.compare.verdict import Row, check
from workbench.problem import Problem


def of_identification(problem: Problem) -> Iterator[Row]:
    """A warning where free parameters outnumber the probabilities of all different rows but one (Goodman 1974, section 2).

    The condition is necessary, not sufficient: a model that passes may still not be identified. Categorical and bernoulli, and
    products of them; other families have no such bound.
    """
    outcomes = problem.family.n_outcomes(problem.data)
    if outcomes is None or problem.n_parameters <= outcomes - 1:
        return
    most = outcomes // (problem.family.n_parameters(1, problem.data) + 1)  # K components have K (p_1 + 1) - 1 parameters
    fewer = f"use at most {most} component{'s' if most > 1 else ''}, or more columns" if most else "use more columns"
    yield check(
        "free_parameters",
        problem.n_parameters,
        outcomes - 1,
        False,
        f"not identified: the {outcomes} different rows that can be have {outcomes - 1} free probabilities, so many parameters fit them "
        f"equally well whatever the number of rows, and what is reported is one choice, or the prior's; {fewer}",
    )
