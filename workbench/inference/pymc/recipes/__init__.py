"""How PyMC writes each family: one file a structure, one row here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from workbench.inference.pymc.recipes import bernoulli, gaussian_diagonal, gaussian_full
from workbench.models import Bernoulli, Family, Gaussian
from workbench.problem import Problem


class Recipe(Protocol):
    """A family in PyMC's terms; a module is one."""

    def arrays(self, problem: Problem) -> dict[str, np.ndarray]:
        """Rows and hyperparameters by name, beside ``counts`` and ``concentration``."""
        ...

    def variables(self, n_components: int, n_features: int, given: Mapping[str, Any]) -> tuple[Any, ...]:
        """The components' free variables, with PyMC's priors and transforms, in the order of ``Prior.flatten``."""
        ...

    def observe(self, weights: Any, variables: tuple[Any, ...], given: Mapping[str, Any]) -> None:
        """Add the likelihood as PyMC's own graph: one row is one event, labels summed out; ``weights`` None for K = 1."""
        ...


RECIPES: dict[Family, Any] = {
    Gaussian("full"): gaussian_full,
    Gaussian("diagonal"): gaussian_diagonal,
    Bernoulli(): bernoulli,
}
