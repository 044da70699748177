"""Product: blocks of columns, each with a family of its own, independent of each other given the label."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from workbench.data import DataError, Dataset
from workbench.data.levels import with_levels
from workbench.models.components import Components
from workbench.models.families.bernoulli import Bernoulli
from workbench.models.families.categorical import Categorical
from workbench.models.families.family import EMPTY, Address, Family, Scale
from workbench.models.families.gaussian import Gaussian
from workbench.models.families.poisson import Poisson
from workbench.models.families.product.components import Layout, ProductComponents, ProductStatistics, block_data
from workbench.models.families.product.prior import ProductPrior
from workbench.models.hyperparameters import PriorError
from workbench.models.mixture import Mixture
from workbench.models.prior import ComponentsPrior, Prior
from workbench.models.shapes import Responsibilities, Rows

PARTS: dict[str, type[Family]] = {"gaussian": Gaussian, "bernoulli": Bernoulli, "categorical": Categorical, "poisson": Poisson}
"""Families that a block can have."""


@dataclass(frozen=True)
class Block:
    """Some columns and their family."""

    family: Family
    columns: tuple[str, ...]


@dataclass(frozen=True, init=False)
class Product(Family):
    """Mixed columns: blocks of columns by family, independent of each other given the label (Hunt & Jorgensen 1999).

    Parameters
    ----------
    blocks : families by name, each with its columns: ``{gaussian: [a, b], categorical: [c]}``; a family with options of its
        own is written ``gaussian: {columns: [a, b], covariance: diagonal}``

    Hyperparameters
    ---------------
    concentration : of the Dirichlet over the weights; 1
    gaussian, categorical, poisson, bernoulli : the hyperparameters of a block by its family, ``{gaussian: {dof: 5}}``; its defaults

    Notes
    -----
    - p(x | k) = product over the blocks of p(x_block | k): within a component blocks are independent.
    - M step, MAP, singular solutions, missing cells: those of each block's family on its own columns.

    References
    ----------
    - Hunt, L. & Jorgensen, M. (1999). Mixture model clustering using the MULTIMIX program. Australian & New Zealand Journal of
      Statistics 41, 153-171.
    - McLachlan, G. J. & Peel, D. (2000). Finite Mixture Models. Wiley, section 5.5 (mixed variables).
    """

    name: ClassVar[str] = "product"
    hyperparameters: ClassVar[tuple[str, ...]] = tuple(PARTS)

    blocks: tuple[Block, ...]

    def __init__(self, blocks: Mapping[str, Any] | tuple[Block, ...]) -> None:
        made = tuple(_block(name, value) for name, value in blocks.items()) if isinstance(blocks, Mapping) else blocks
        if not made:
            raise ValueError("blocks are empty; name at least one family with its columns")
        object.__setattr__(self, "blocks", made)
        names = [block.family.name for block in self.blocks]
        columns = [column for block in self.blocks for column in block.columns]
        for what, words in (("family", names), ("column", columns)):
            twice = next((word for word in words if words.count(word) > 1), None)
            if twice is not None:
                raise ValueError(f"{what} {twice!r} is in two blocks; leave it in one")

    @property
    def components_type(self) -> type[Components]:
        return ProductComponents

    @property
    def prior_keys(self) -> tuple[str, ...]:
        return ("concentration", *(block.family.name for block in self.blocks))

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(column for block in self.blocks for column in block.columns)

    def options(self) -> dict[str, Any]:
        return {"blocks": {block.family.name: _written(block) for block in self.blocks}}

    @property
    def names(self) -> tuple[dict[str, str], ...]:
        """For each block its parameters' names here: their own, or PARAMETER_FAMILY where two blocks have one of that name."""
        all_names = [name for block in self.blocks for name in block.family.components_type.dims]
        return tuple(
            {name: name if all_names.count(name) == 1 else f"{name}_{block.family.name}" for name in block.family.components_type.dims}
            for block in self.blocks
        )

    @property
    def axes(self) -> tuple[dict[str, str], ...]:
        """For each block its axes' names here: FAMILY_feature, and so on."""
        return tuple({dim: f"{block.family.name}_{dim}" for dim in ("feature", "feature_2", "level")} for block in self.blocks)

    @property
    def layout(self) -> Layout:
        return Layout(tuple(len(block.columns) for block in self.blocks), self.names, self.axes)

    @property
    def dims(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {"weights": ("component",)}
        for block, names, axes in zip(self.blocks, self.names, self.axes, strict=True):
            own = block.family.components_type.dims
            found |= {names[name]: tuple(axes.get(dim, dim) for dim in dims) for name, dims in own.items()}
        return found

    @property
    def levels(self) -> tuple[str, ...]:
        return tuple(column for block in self.blocks if block.family.levels for column in block.columns)

    def scales(self, data: Dataset) -> tuple[Scale, ...]:
        return tuple(block.family.scale for block in self.blocks for _ in block.columns)

    def dataset(self, data: Any) -> Dataset:
        """The blocks' columns, block after block; levels in those that have them."""
        rows = Dataset.of(data, levels=self.levels)
        chosen = rows.only(self.columns)  # unknown columns first: one of them may be what is left out
        left_out = [feature for feature in rows.features if feature not in self.columns]
        if left_out:
            raise DataError(f"columns {', '.join(left_out)} are in no block; name them in one, or leave them out of `columns`")
        return with_levels(chosen, self.levels)

    def parts(self, data: Dataset) -> list[Dataset]:
        """The data of each block."""
        return [block_data(data, block.columns) for block in self.blocks]

    def coords(self, data: Dataset) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {"feature": list(data.features)}
        for block, axes, own in zip(self.blocks, self.axes, self.parts(data), strict=True):
            found |= {axes[dim]: names for dim, names in block.family.coords(own).items()}
        return found

    def addresses(self, data: Dataset, n_components: int) -> tuple[Address, ...]:
        found = [Address("weights", (k,), k, None, None, None) for k in range(n_components)]
        for block, names, own in zip(self.blocks, self.names, self.parts(data), strict=True):
            places = block.family.addresses(own, n_components)
            found += [replace(place, parameter=names[place.parameter]) for place in places if place.parameter != "weights"]
        return tuple(found)

    def refuses(self, data: Dataset) -> str | None:
        for block, own in zip(self.blocks, self.parts(data), strict=True):
            if (reason := block.family.refuses(own)) is not None:
                return f"block {block.family.name}: {reason}"
        return None

    def impossible(self, data: Dataset) -> tuple[int, int, str] | None:
        for block, columns, own in zip(self.blocks, self.layout.columns, self.parts(data), strict=True):
            if (found := block.family.impossible(own)) is not None:
                row, column, takes = found
                return row, int(np.arange(data.n_features)[columns][column]), takes
        return None

    def augmented(self, data: Dataset) -> np.ndarray:
        return np.any([block.family.augmented(own) for block, own in zip(self.blocks, self.parts(data), strict=True)], axis=0)

    def drawn_statistics(self, terms: Any, x: Rows, labels: Responsibilities, rng: np.random.Generator) -> ProductStatistics:
        each = zip(self.blocks, terms.blocks, terms.columns, strict=True)
        blocks = (block.family.drawn_statistics(own, x[:, columns], labels, rng) for block, own, columns in each)
        return ProductStatistics(labels.sum(axis=-2), tuple(blocks))

    def no_closed_form(self, data: Dataset) -> str | None:
        for block, own in zip(self.blocks, self.parts(data), strict=True):
            if (reason := block.family.no_closed_form(own)) is not None:
                return f"block {block.family.name}: {reason}"
        return None

    def log_base(self, data: Dataset) -> float:
        return sum(block.family.log_base(own) for block, own in zip(self.blocks, self.parts(data), strict=True))

    def components(self, blocks: Sequence[Components]) -> ProductComponents:
        """Components of the blocks as one."""
        return ProductComponents(tuple(blocks), self.layout)

    def mixture(self, parameters: Mapping[str, Any]) -> Mixture:
        blocks = []
        for block, names in zip(self.blocks, self.names, strict=True):
            own = {name: np.asarray(parameters[ours], dtype=float) for name, ours in names.items()}
            blocks.append(block.family.components_type(**own))
        return Mixture(np.asarray(parameters["weights"], dtype=float), self.components(blocks))

    def statistics(self, data: Dataset, responsibilities: Responsibilities) -> ProductStatistics:
        blocks = (block.family.statistics(own, responsibilities) for block, own in zip(self.blocks, self.parts(data), strict=True))
        return ProductStatistics((responsibilities * data.counts[:, None]).sum(axis=-2), tuple(blocks))

    def maximise(self, statistics: ProductStatistics) -> ProductComponents:
        return self.components([block.family.maximise(own) for block, own in zip(self.blocks, statistics.blocks, strict=True)])

    def around(self, centres: np.ndarray, data: Dataset) -> ProductComponents:
        each = zip(self.blocks, self.layout.columns, self.parts(data), strict=True)
        return self.components([block.family.around(centres[..., part], own) for block, part, own in each])

    def default_numbers(self, data: Dataset, n_components: int, given: Mapping[str, Any] = EMPTY) -> dict[str, Any]:
        found: dict[str, Any] = {"concentration": 1.0}
        for block, own in zip(self.blocks, self.parts(data), strict=True):
            numbers = block.family.default_numbers(own, n_components)
            found[block.family.name] = {key: value for key, value in numbers.items() if key != "concentration"}
        return found

    def complete(self, given: Mapping[str, Any], data: Dataset, n_components: int) -> dict[str, Any]:
        """Numbers of a block that are not given are the block's defaults."""
        found: dict[str, Any] = {"concentration": given.get("concentration", 1.0)}
        for block, own in zip(self.blocks, self.parts(data), strict=True):
            name = block.family.name
            some = given.get(name, {})
            if not isinstance(some, Mapping):
                raise PriorError(f"is {some!r}; give hyperparameters by name: {', '.join(block.family.hyperparameters)}", name)
            if "concentration" in some:
                raise PriorError("is of the weights, which are no block's; give it beside the blocks", f"{name}.concentration")
            try:
                numbers = block.family.complete({"concentration": 1.0, **some}, own, n_components)
            except PriorError as error:
                raise PriorError(error.what, f"{name}.{error.key}" if error.key else None) from None
            found[name] = {key: value for key, value in numbers.items() if key != "concentration"}
        return {**found, **{key: value for key, value in given.items() if key not in found}}

    def without_default(self, given: Mapping[str, Any], data: Dataset, n_components: int) -> list[str]:
        found = []
        for block, own in zip(self.blocks, self.parts(data), strict=True):
            some = {"concentration": 1.0, **given.get(block.family.name, {})}
            found += [f"{block.family.name}.{key}" for key in block.family.without_default(some, own, n_components)]
        return found

    def components_prior(self, numbers: Mapping[str, Any], data: Dataset) -> ComponentsPrior:
        priors = []
        for block, own in zip(self.blocks, self.parts(data), strict=True):
            name = block.family.name
            try:
                priors.append(block.family.prior({"concentration": 1.0, **numbers[name]}, 1, own).components)
            except PriorError as error:
                raise PriorError(error.what, f"{name}.{error.key}" if error.key else name) from None
        return self._together(priors)

    def _together(self, priors: Sequence[ComponentsPrior]) -> ProductPrior:
        return ProductPrior(tuple(priors), tuple(block.family.name for block in self.blocks), self.layout)

    def no_interior_mode(self, numbers: Mapping[str, Any]) -> str | None:
        if np.min(numbers["concentration"]) < 1.0:
            return "concentration"
        for block in self.blocks:
            key = block.family.no_interior_mode({"concentration": 1.0, **numbers[block.family.name]})
            if key is not None:
                return f"{block.family.name}.{key}"
        return None

    def n_parameters(self, n_components: int, data: Dataset) -> int:
        own = (block.family.n_parameters(n_components, part) for block, part in zip(self.blocks, self.parts(data), strict=True))
        return n_components - 1 + sum(number - (n_components - 1) for number in own)

    def n_outcomes(self, data: Dataset) -> int | None:
        each = [block.family.n_outcomes(own) for block, own in zip(self.blocks, self.parts(data), strict=True)]
        return None if None in each else math.prod(number for number in each if number is not None)

    def coordinates(self, data: Dataset, n_components: int) -> Prior:
        priors = (block.family.coordinates(own, n_components).components for block, own in zip(self.blocks, self.parts(data), strict=True))
        return Prior(np.ones(n_components), self._together(list(priors)))


def _block(name: str, value: Any) -> Block:
    if name not in PARTS:
        raise ValueError(f"there is no family {name!r} for a block; there are {', '.join(PARTS)}")
    options = dict(value) if isinstance(value, Mapping) else {"columns": value}
    columns = options.pop("columns", ())
    if isinstance(columns, str) or not columns:
        raise ValueError(f"block {name} names no columns; give a list of them")
    return Block(PARTS[name](**options), tuple(str(column) for column in columns))


def _written(block: Block) -> Any:
    options = block.family.options()
    return {"columns": list(block.columns), **options} if options else list(block.columns)


__all__ = ["PARTS", "Block", "Product", "ProductComponents", "ProductPrior", "ProductStatistics"]
