"""Problem: what an inference method is given - training rows, a family, K and one prior."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.data import DataError, Dataset
from workbench.data.spelling import advice, who_has
from workbench.models import FAMILIES, Family, Mixture, Prior, PriorError
from workbench.models.shapes import Coordinates, PerFit


class ProblemError(ValueError):
    """Data, family and K that do not go together; one line: what is wrong; what to do."""


@dataclass(frozen=True, eq=False, init=False)
class Problem:
    """A mixture model of data, with a prior.

    Parameters
    ----------
    data : Dataset, array (N, D) or (N,), or DataFrame
        The rows to be fitted; whoever makes a problem owns any split.
    family : Family or its name, options by keyword (``covariance="diagonal"``)
    n_components : int, K
    prior : ``"default"``, hyperparameters by name, a Prior, or None
        Numbers left out of a mapping are the default's. None leaves likelihood methods only.

    Attributes
    ----------
    no_prior : why there is no prior; empty if there is one

    Raises
    ------
    ProblemError
        If the family cannot model the data, K exceeds the number of rows, or the prior is none of the above.
    PriorError
        If a hyperparameter is impossible or unknown; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> problem = Problem(np.array([1.0, 2.0, 8.0, 9.0]), "gaussian", n_components=2)
    >>> problem.prior.numbers()["mean_strength"]
    0.01
    """

    data: Dataset
    family: Family
    n_components: int
    prior: Prior | None
    no_prior: str

    def __init__(
        self,
        data: Any,
        family: str | Family = "gaussian",
        n_components: int = 1,
        prior: str | Mapping[str, Any] | Prior | None = "default",
        **options: Any,
    ) -> None:
        chosen = _family(family, options) if isinstance(family, str) else family
        rows = chosen.dataset(data)
        _check(rows, chosen, n_components)
        numbers, reason = _numbers(rows, chosen, n_components, prior)
        for name, value in (
            ("data", rows),
            ("family", chosen),
            ("n_components", n_components),
            ("prior", numbers),
            ("no_prior", reason),
        ):
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        data, prior = self.data, "no prior" if self.prior is None else "with a prior"
        return f"Problem({data.name}: {data.n_rows} rows x {data.n_features}, {self.family}, n_components={self.n_components}, {prior})"

    @property
    def coordinates(self) -> Prior:
        """The prior as a chart of unconstrained coordinates; a stand-in of the data's scale where there is no prior."""
        return self.prior if self.prior is not None else self.family.coordinates(self.data, self.n_components)

    @property
    def n_parameters(self) -> int:
        """Free parameters, weights K - 1."""
        return self.family.n_parameters(self.n_components, self.data)

    def log_likelihood(self, mixture: Mixture) -> PerFit:
        """Sum of log p(x_n) over the rows for a batch of mixtures."""
        return mixture.log_likelihood(self.data.x, self.data.counts)

    def log_prior(self, mixture: Mixture) -> PerFit:
        """Log prior density in natural coordinates; nan where there is no prior."""
        return np.full(mixture.batch_shape, np.nan) if self.prior is None else self.prior.log_density(mixture)

    def rows(self, data: Any) -> Dataset:
        """Other rows as this problem's family sees them: the same columns in the same order, the same levels.

        Parameters
        ----------
        data : Dataset, DataFrame (whose other columns are left out), or array with the columns in the problem's order

        Raises
        ------
        DataError
            If a column is missing or not numeric, or a cell holds what the family cannot give.
        UnseenLevelError
            If a cell holds a level that no fitted row has.
        """
        rows = self._read(data)
        self.check_possible(rows, lambda row: f"row {rows.rows[row]}")
        return rows

    def check_possible(self, rows: Dataset, place: Callable[[int], str]) -> None:
        """Hold other rows to what the family can give.

        Raises
        ------
        DataError
            With the place of the first cell that it cannot.
        """
        if (found := self.family.impossible(rows)) is not None:
            row, column, takes = found
            raise DataError(
                f"{place(row)}: column {rows.features[column]!r} holds {rows.x[row, column]:g} and {takes}; mend or empty the cell"
            )

    def _read(self, data: Any) -> Dataset:
        from workbench.data.levels import encoded_like

        own = self.data
        if isinstance(data, Dataset):
            return encoded_like(data.only(own.features), own)
        if hasattr(data, "columns"):
            absent = [name for name in own.features if name not in data.columns]
            if absent:
                raise DataError(f"there is no column {absent[0]!r}; give the columns that were fitted: {', '.join(own.features)}")
            data = data[list(own.features)]
        known = {name: names for name, names in zip(own.features, own.levels or [None] * own.n_features, strict=True) if names}
        return Dataset.of(data, own.features, levels=known)

    def target(self) -> Target:
        """The posterior over unconstrained coordinates.

        Raises
        ------
        PriorError
            If there is no prior.
        """
        if self.prior is None:
            raise PriorError(self.no_prior)
        return Target(self, self.prior)


@dataclass(frozen=True, eq=False)
class Target:
    """The unnormalised posterior in unconstrained coordinates, batched, without PyMC."""

    problem: Problem
    prior: Prior

    @property
    def dim(self) -> int:
        return self.prior.dim

    def mixture(self, u: Coordinates) -> Mixture:
        return self.prior.unflatten(u)[0]

    def log_density(self, u: Coordinates) -> PerFit:
        """log p(x, theta(u)) + log |d theta / d u|, constants included."""
        mixture, log_jacobian = self.prior.unflatten(u)
        return np.asarray(self.problem.log_likelihood(mixture) + self.prior.log_density(mixture) + log_jacobian)

    def gradient(self, u: Coordinates) -> Coordinates:
        """Gradient of :meth:`log_density`, (*batch, dim): that of the log likelihood from one E step's statistics (Fisher's identity)."""
        statistics = self.mixture(u).statistics(self.problem.data.x, self.problem.data.counts)
        prior = self.prior
        return np.asarray(prior.slope(u, statistics) + prior.log_density_slope(u) + prior.log_jacobian_slope(u))


def _family(name: str, options: Mapping[str, Any]) -> Family:
    if name not in FAMILIES:
        raise ProblemError(f"there is no family {name!r}; {advice(name, FAMILIES)}")
    for key in options:
        if key not in _options(name):
            whose = who_has(key, {other: _options(other) for other in FAMILIES})
            raise ProblemError(f"{name} has no option {key!r}; {whose or advice(key, _options(name))}")
    try:
        return FAMILIES[name](**options)
    except (TypeError, ValueError) as error:
        own = ", ".join(_options(name)) or "no options"
        raise ProblemError(f"{name} cannot be made of {dict(options)} ({error}); it takes {own}") from None


def _options(name: str) -> list[str]:
    return [field.name for field in dataclasses.fields(FAMILIES[name])]


def _check(data: Dataset, family: Family, n_components: int) -> None:
    if isinstance(n_components, bool) or not isinstance(n_components, int | np.integer):
        raise ProblemError(f"n_components is {n_components!r}; give a whole number")
    if n_components < 1:
        raise ProblemError(f"n_components is {n_components}; there must be at least 1")
    if n_components > data.n_rows:
        raise ProblemError(f"n_components is {n_components} and there are {data.n_rows} rows to fit; choose at most one component a row")
    if data.n_observed_rows == 0:
        raise ProblemError(f"no cell of columns {', '.join(data.features)} was observed; choose others")
    if (reason := family.refuses(data)) is not None:
        raise ProblemError(reason)


def _numbers(data: Dataset, family: Family, n_components: int, prior: str | Mapping[str, Any] | Prior | None) -> tuple[Prior | None, str]:
    if prior is None:
        return None, "this problem was made without a prior; give one"
    if isinstance(prior, Prior):
        return prior, ""
    if not isinstance(prior, Mapping) and prior != "default":
        raise ProblemError(f"prior is {prior!r}; give 'default', hyperparameters by name, a Prior, or None")
    given = dict(prior) if isinstance(prior, Mapping) else {}
    try:
        numbers = family.complete(given, data, n_components)
    except PriorError as error:
        if error.key is not None:
            raise
        if given:
            missing = family.without_default(given, data, n_components)
            raise PriorError(f"{error}; still missing: {', '.join(missing)}" if missing else str(error)) from None
        return None, str(error)
    return family.prior(numbers, n_components, data), ""
