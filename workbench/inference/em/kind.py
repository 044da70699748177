"""Kind: what the kinds of EM have in common - options checked, problems refused, and a fit from what each says of its ascent."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from workbench.fit import Estimate, Fit
from workbench.inference.em.point import Ascent, fit_point
from workbench.inference.em.starts import misfit
from workbench.inference.method import Context
from workbench.inference.options import check_options
from workbench.problem import Problem


class Kind(ABC):
    """A kind of EM: a frozen dataclass of its options, with ``restarts`` and ``init`` among them, that knows its ascent."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]
    kind: ClassVar[str]
    estimate: ClassVar[Estimate] = "point"
    revision: ClassVar[int] = 5
    packages: ClassVar[tuple[str, ...]] = ("numpy", "scipy", "numba")
    compiles: ClassVar[bool] = False
    has_errors: ClassVar[bool] = True
    """Whether its point is a maximum of the likelihood or the posterior, which has standard errors."""

    restarts: int
    init: Any

    def __post_init__(self) -> None:
        check_options(self)

    def refuses(self, problem: Problem) -> str | None:
        """Why this kind cannot fit ``problem``: what is wrong; what to do. None if it can."""
        if getattr(self, "objective", "likelihood") == "posterior":
            if problem.prior is None:
                return problem.no_prior
            key = problem.family.no_interior_mode(problem.prior.numbers())
            if key is not None:
                return f"objective: posterior needs {key} of at least 1 (below it no interior mode is guaranteed); raise prior.{key}"
        if self.init == "prior" and problem.prior is None:
            return problem.no_prior
        return misfit(self.init, problem) if isinstance(self.init, Mapping) else None

    @abstractmethod
    def ascent(self, problem: Problem, context: Context) -> Ascent:
        """How this kind climbs on ``problem``."""

    def fit(self, problem: Problem, context: Context | None = None) -> Fit:
        """Run every restart, polish the ends, and report the best regular optimum.

        Raises
        ------
        ValueError
            If the kind refuses the problem.
        """
        context = context or Context.default(problem)
        if (reason := self.refuses(problem)) is not None:
            raise ValueError(reason)
        return fit_point(self, problem, context, self.ascent(problem, context))
