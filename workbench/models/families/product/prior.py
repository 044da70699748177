"""The prior of a product: the blocks' own, independent of each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from workbench.models.components import Components
from workbench.models.families.product.components import Layout, ProductComponents, ProductStatistics, slices
from workbench.models.prior import ComponentsPrior
from workbench.models.shapes import Coordinates, PerFit


@dataclass(frozen=True, eq=False)
class ProductPrior(ComponentsPrior):
    """The priors of the blocks, independent of each other; the layout knows how their components make one whole."""

    blocks: tuple[ComponentsPrior, ...]
    families: tuple[str, ...]
    layout: Layout

    def components(self, blocks: Sequence[Components]) -> ProductComponents:
        return ProductComponents(tuple(blocks), self.layout)

    def log_density(self, components: ProductComponents) -> PerFit:
        return np.asarray(sum(prior.log_density(own) for prior, own in zip(self.blocks, components.blocks, strict=True)))

    def log_normaliser(self) -> np.ndarray:
        return np.asarray(sum(prior.log_normaliser() for prior in self.blocks))

    def joint_log_normaliser(self, n_components: int) -> PerFit:
        return np.asarray(sum(prior.joint_log_normaliser(n_components) for prior in self.blocks))

    def posterior(self, statistics: ProductStatistics) -> ProductPrior:
        blocks = (prior.posterior(own) for prior, own in zip(self.blocks, statistics.blocks, strict=True))
        return replace(self, blocks=tuple(blocks))

    def mode(self) -> ProductComponents:
        return self.components([prior.mode() for prior in self.blocks])

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...]) -> ProductComponents:
        return self.components([prior.sample(rng, shape) for prior in self.blocks])

    def numbers(self) -> dict[str, Any]:
        return {name: prior.numbers() for name, prior in zip(self.families, self.blocks, strict=True)}

    def dim(self, n_components: int) -> int:
        return sum(prior.dim(n_components) for prior in self.blocks)

    def bounded(self, components: ProductComponents) -> Coordinates:
        return np.concatenate([prior.bounded(own) for prior, own in zip(self.blocks, components.blocks, strict=True)], axis=-1)

    def flatten(self, components: ProductComponents) -> tuple[Coordinates, PerFit]:
        """The blocks' coordinates, one block after the other."""
        found = [prior.flatten(own) for prior, own in zip(self.blocks, components.blocks, strict=True)]
        return np.concatenate([u for u, _ in found], axis=-1), np.asarray(sum(jacobian for _, jacobian in found))

    def unflatten(self, u: Coordinates, n_components: int) -> tuple[ProductComponents, PerFit]:
        parts = slices([prior.dim(n_components) for prior in self.blocks])
        found = [prior.unflatten(u[..., part], n_components) for prior, part in zip(self.blocks, parts, strict=True)]
        return self.components([own for own, _ in found]), np.asarray(sum(jacobian for _, jacobian in found))
