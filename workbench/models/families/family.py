"""Family: what the model's section of a config chooses; its fields are the YAML keys beside ``family``."""

from __future__ import annotations

import dataclasses
import itertools
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import numpy as np

from workbench.data import Dataset
from workbench.data.spelling import advice
from workbench.models.components import Components, beyond
from workbench.models.hyperparameters import PriorError, positive
from workbench.models.mixture import Mixture
from workbench.models.prior import ComponentsPrior, Prior
from workbench.models.shapes import Responsibilities, Rows
from workbench.models.terms import Statistics

Scale = Literal["quantity", "count", "level"]
"""What the numbers of a feature are: quantities, counts, or numbers of levels."""
EMPTY: Mapping[str, Any] = MappingProxyType({})
"""No hyperparameter is given."""


@dataclass(frozen=True)
class Address:
    """Where one number of a mixture stands, and what the tables call it.

    Attributes
    ----------
    parameter, index : the array's name, and the number's place in it after the batch
    component, feature, feature_2, level : its names; None where the parameter has no such axis
    """

    parameter: str
    index: tuple[int, ...]
    component: int | None
    feature: str | None
    feature_2: str | None
    level: str | None


@dataclass(frozen=True)
class Family(ABC):
    """A family of component densities with one parametrisation."""

    name: ClassVar[str]
    hyperparameters: ClassVar[tuple[str, ...]]
    """Names that ``prior:`` takes beside ``concentration``."""
    prior_kinds: ClassVar[tuple[str, ...]] = ()
    """Values of its hyperparameter ``kind``, if it has that; the others depend on it."""
    shapes_with_no_mode: ClassVar[tuple[str, ...]] = ()
    """Hyperparameters for which a value below 1 leaves no interior mode (statistics, section 1)."""
    scale: ClassVar[Scale] = "quantity"

    @property
    @abstractmethod
    def components_type(self) -> type[Components]:
        """The dataclass of its parameters."""

    @property
    def dims(self) -> dict[str, tuple[str, ...]]:
        """For every parameter, weights first, the names of its axes."""
        return {"weights": ("component",), **self.components_type.dims}

    @property
    def prior_keys(self) -> tuple[str, ...]:
        """What ``prior:`` takes."""
        return ("concentration", *self.hyperparameters)

    def keys_with(self, given: Mapping[str, Any]) -> tuple[str, ...]:
        """What ``prior:`` takes beside what is ``given``: all keys, or those of the prior's kind."""
        return self.prior_keys

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The columns it names itself, in the order of the features; None where it takes any."""
        return None

    def options(self) -> dict[str, Any]:
        """Its own YAML keys with their values, plain: ``type(self)(**options)`` is the same family."""
        return dataclasses.asdict(self)

    @property
    def levels(self) -> bool | tuple[str, ...]:
        """Whether all features, or which, hold levels (words or whole numbers that name something) rather than quantities."""
        return False

    def scales(self, data: Dataset) -> tuple[Scale, ...]:
        """What the numbers of every feature are."""
        return (self.scale,) * data.n_features

    def dataset(self, data: Any) -> Dataset:
        """Rows as this family sees them: its columns in its order, levels where it has them.

        Raises
        ------
        DataError
            If a column is not there, or holds what the family cannot read.
        """
        return Dataset.of(data)

    def coords(self, data: Dataset) -> dict[str, list[Any]]:
        """Names along the axes that have some, by dim."""
        return {"feature": list(data.features), "feature_2": list(data.features)}

    def addresses(self, data: Dataset, n_components: int) -> tuple[Address, ...]:
        """Every number of a mixture by name, in the order of the tables; padding has no address."""
        names: dict[str, Sequence[Any]] = {"component": range(n_components), **self.coords(data)}
        found = []
        for parameter, dims in self.dims.items():
            for index in np.ndindex(*(len(names[dim]) for dim in dims)):
                place = {dim: names[dim][i] for dim, i in zip(dims, index, strict=True)}
                found.append(Address(parameter, index, *(place.get(key) for key in ("component", "feature", "feature_2", "level"))))
        return tuple(found)

    @abstractmethod
    def refuses(self, data: Dataset) -> str | None:
        """Why this family cannot model ``data``: what is wrong; what to do. None if it can."""

    def impossible(self, data: Dataset) -> tuple[int, int, str] | None:
        """Row and column of the first cell that no component could give, and what the family takes; None if there is none."""
        return None

    def augmented(self, data: Dataset) -> np.ndarray:
        """Which rows (N,) need their missing cells drawn, beside the label, for the prior's update to be conjugate."""
        return np.zeros(data.n_rows, bool)

    def drawn_statistics(self, terms: Any, x: Rows, labels: Responsibilities, rng: np.random.Generator) -> Statistics:
        """Statistics of rows with known labels under the parameters of ``terms``, such missing cells drawn.

        ``labels`` (*batch, N, K) are how many units of each row have each label; rows that are ``augmented`` are one unit.
        """
        found: Statistics = terms.statistics(x, labels)
        return found

    def no_closed_form(self, data: Dataset) -> str | None:
        """Why p(x, labels), the parameters integrated out, has no closed form on ``data``: what is wrong; what to do. None if it has."""
        return None

    def log_base(self, data: Dataset) -> float:
        """What log p(x | labels, theta) has beside the kernel that the conjugate prior goes with: of the observed cells alone.

        log p(x, labels) = log normaliser of the updated prior - log normaliser of the prior + this.
        """
        return 0.0

    @abstractmethod
    def statistics(self, data: Dataset, responsibilities: Responsibilities) -> Statistics:
        """Statistics of complete labels or responsibilities (*batch, N, K), before there are parameters."""

    @abstractmethod
    def maximise(self, statistics: Any) -> Components:
        """The maximum-likelihood components of ``statistics``."""

    @abstractmethod
    def around(self, centres: np.ndarray, data: Dataset) -> Components:
        """Components centred on the rows ``centres`` (*batch, K, D), each with the spread of all data: a start."""

    @abstractmethod
    def default_numbers(self, data: Dataset, n_components: int, given: Mapping[str, Any] = EMPTY) -> dict[str, Any]:
        """The default hyperparameters but for those ``given``, worked out once from the fitted rows (statistics, section 1).

        Raises
        ------
        PriorError
            If the data have none of one that is not given: names the columns.
        """

    @abstractmethod
    def components_prior(self, numbers: Mapping[str, Any], data: Dataset) -> ComponentsPrior:
        """The components' prior of complete ``numbers``, for the features (and levels) of ``data``.

        Raises
        ------
        PriorError
            With the key of a number that is impossible.
        """

    @abstractmethod
    def n_parameters(self, n_components: int, data: Dataset) -> int:
        """Free parameters of the structure, weights K - 1."""

    def n_outcomes(self, data: Dataset) -> int | None:
        """How many different complete rows there can be, over the columns with an observed cell; None where that is no finite number."""
        return None

    @abstractmethod
    def coordinates(self, data: Dataset, n_components: int) -> Prior:
        """A prior used for its unconstrained coordinates alone, on any data, however degenerate."""

    def prior(self, numbers: Mapping[str, Any], n_components: int, data: Dataset) -> Prior:
        """The prior of complete ``numbers``, ``concentration`` among them, for the features (and levels) of ``data``.

        Raises
        ------
        PriorError
            With the key of a number that is unknown, missing or impossible.
        """
        known = self.keys_with(numbers)
        for key in numbers:
            if key not in known:
                raise PriorError(f"is not a hyperparameter of {self.name}; {advice(key, known)}", key)
        for key in known:
            if key not in numbers:
                raise PriorError("is missing; give it, or a default can be worked out only from regular data", key)
        concentration = positive(numbers["concentration"], "concentration", (n_components,))
        return Prior(concentration, self.components_prior(numbers, data))

    def complete(self, given: Mapping[str, Any], data: Dataset, n_components: int) -> dict[str, Any]:
        """The numbers ``given``, and the defaults of the others.

        Raises
        ------
        PriorError
            If a default is needed and the data have none.
        """
        return {**self.default_numbers(data, n_components, given), **given}

    def without_default(self, given: Mapping[str, Any], data: Dataset, n_components: int) -> list[str]:
        """Of the hyperparameters not ``given`` those of which the data have no default."""
        found = []
        for missing in (key for key in self.keys_with(given) if key not in given):
            others = {key: given.get(key) for key in self.keys_with(given) if key != missing and (key != "kind" or key in given)}
            try:
                self.default_numbers(data, n_components, others)
            except PriorError:
                found.append(missing)
        return found

    def mixture(self, parameters: Mapping[str, Any]) -> Mixture:
        """A mixture (or a batch) from its parameters by name, ``weights`` among them."""
        arrays = {name: np.asarray(value, dtype=float) for name, value in parameters.items()}
        weights = arrays.pop("weights")
        return Mixture(weights, self.components_type(**arrays))

    def outside(self, mixture: Mixture, data: Dataset) -> str | None:
        """The first number of an unbatched mixture that is outside the parameter space: where in words, what is wrong; what to do."""
        negative = beyond("weights", mixture.weights, ~(mixture.weights >= 0.0), "give shares of 0 or more")
        for parameter, place, what in itertools.chain(negative, mixture.components.outside()):
            if not place:
                return f"{parameter} {what}"
            return f"{parameter}[{', '.join(map(str, place))}] ({self._spoken(parameter, place, data)}; counted from 0) {what}"
        return None

    def _spoken(self, parameter: str, place: tuple[int, ...], data: Dataset) -> str:
        """A place, be it of one number or of all below it, in words: component, feature and level."""
        own = (each for each in self.addresses(data, place[0] + 1) if each.parameter == parameter and each.index[: len(place)] == place)
        found = next(own, None)
        words = [f"component {place[0]}"]
        if found is not None and found.index == place:
            words += [f"{name} {value!r}" for name, value in (("feature", found.feature), ("level", found.level)) if value is not None]
        return ", ".join(words)

    def no_interior_mode(self, numbers: Mapping[str, Any]) -> str | None:
        """The first hyperparameter with an entry below 1 for which the posterior need not have a mode, or None."""
        for key in ("concentration", *self.shapes_with_no_mode):
            if smallest(numbers[key]) < 1.0:
                return key
        return None


def first_cell(wrong: np.ndarray, takes: str) -> tuple[int, int, str] | None:
    """Row and column of the first flag (N, D) that is set, with what the family takes."""
    if not wrong.any():
        return None
    row, column = np.argwhere(wrong)[0]
    return int(row), int(column), takes


def smallest(value: Any) -> float:
    """The smallest of a number, or of lists of them, be they of unequal length."""
    return min(map(smallest, value)) if isinstance(value, list | tuple) else float(np.min(value))
