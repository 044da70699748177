"""The prior of a product: the blocks' own, independent of each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from workbench.models.components import Components
from workbench.models.families.product.components import Layout, ProductComponents, ProductStatistics, ProductTerms, slices
from workbench.models.prior import ComponentsPrior
from workbench.models.shapes import Coordinates, PerComponent, PerFit


@dataclass(frozen=True, eq=False)
class ProductPrior(ComponentsPrior):
    """The priors of the blocks, independent of each other; the layout knows how their components make one whole."""

    blocks: tuple[ComponentsPrior, ...]
    families: tuple[str, ...]
    layout: Layout

    def components(self, blocks: Sequence[Components]) -> ProductComponents:
        return ProductComponents(tuple(blocks), self.layout)

    def log_densities(self, components: ProductComponents) -> PerComponent:
        return np.asarray(sum(prior.log_densities(own) for prior, own in zip(self.blocks, components.blocks, strict=True)))

    def pair_log_densities(self, components: ProductComponents) -> np.ndarray:
        return np.asarray(sum(prior.pair_log_densities(own) for prior, own in zip(self.blocks, components.blocks, strict=True)))

    def shared_log_density(self, components: ProductComponents) -> PerFit:
        return np.asarray(sum(prior.shared_log_density(own) for prior, own in zip(self.blocks, components.blocks, strict=True)))

    def log_normaliser(self) -> np.ndarray:
        return np.asarray(sum(prior.log_normaliser() for prior in self.blocks))

    def joint_log_normaliser(self, n_components: int) -> PerFit:
        return np.asarray(sum(prior.joint_log_normaliser(n_components) for prior in self.blocks))

    @property
    def conjugate(self) -> bool:
        return all(prior.conjugate for prior in self.blocks)

    def maximise(self, statistics: ProductStatistics, current: ProductComponents) -> ProductComponents:
        each = zip(self.blocks, statistics.blocks, current.blocks, strict=True)
        return self.components([prior.maximise(own, before) for prior, own, before in each])

    def drawn(self, statistics: ProductStatistics, current: ProductComponents, rng: np.random.Generator) -> ProductComponents:
        each = zip(self.blocks, statistics.blocks, current.blocks, strict=True)
        return self.components([prior.drawn(own, before, rng) for prior, own, before in each])

    def drawn_there_and_back(
        self, statistics: ProductStatistics, current: ProductComponents, rng: np.random.Generator
    ) -> ProductComponents:
        each = zip(self.blocks, statistics.blocks, current.blocks, strict=True)
        return self.components([prior.drawn_there_and_back(own, before, rng) for prior, own, before in each])

    def posterior(self, statistics: ProductStatistics) -> ProductPrior:
        blocks = (prior.posterior(own) for prior, own in zip(self.blocks, statistics.blocks, strict=True))
        return replace(self, blocks=tuple(blocks))

    def mode(self) -> ProductComponents:
        return self.components([prior.mode() for prior in self.blocks])

    def centre(self) -> ProductComponents:
        return self.components([prior.centre() for prior in self.blocks])

    def expected_terms(self, log_weights: PerComponent) -> ProductTerms:
        blocks = tuple(prior.expected_terms(np.zeros_like(log_weights)) for prior in self.blocks)
        return ProductTerms(log_weights, blocks, self.layout.columns)

    def divergence(self, prior: ProductPrior) -> PerFit:
        return np.asarray(sum(own.divergence(other) for own, other in zip(self.blocks, prior.blocks, strict=True)))

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...]) -> ProductComponents:
        return self.components([prior.sample(rng, shape) for prior in self.blocks])

    def numbers(self) -> dict[str, Any]:
        return {name: prior.numbers() for name, prior in zip(self.families, self.blocks, strict=True)}

    def dim(self, n_components: int) -> int:
        return sum(prior.dim(n_components) for prior in self.blocks)

    def boundaries(self, n_components: int) -> Coordinates:
        return np.concatenate([prior.boundaries(n_components) for prior in self.blocks])

    def bounded(self, components: ProductComponents, near: float) -> Coordinates:
        return np.concatenate([prior.bounded(own, near) for prior, own in zip(self.blocks, components.blocks, strict=True)], axis=-1)

    def flatten(self, components: ProductComponents) -> tuple[Coordinates, PerFit]:
        """The blocks' coordinates, one block after the other."""
        found = [prior.flatten(own) for prior, own in zip(self.blocks, components.blocks, strict=True)]
        return np.concatenate([u for u, _ in found], axis=-1), np.asarray(sum(jacobian for _, jacobian in found))

    def unflatten(self, u: Coordinates, n_components: int) -> tuple[ProductComponents, PerFit]:
        found = [prior.unflatten(part, n_components) for prior, part in zip(self.blocks, self._parts(u, n_components), strict=True)]
        return self.components([own for own, _ in found]), np.asarray(sum(jacobian for _, jacobian in found))

    def slope(self, u: Coordinates, statistics: ProductStatistics) -> Coordinates:
        parts = zip(self.blocks, self._parts(u, statistics.counts.shape[-1]), statistics.blocks, strict=True)
        return np.concatenate([prior.slope(part, own) for prior, part, own in parts], axis=-1)

    def log_density_slope(self, u: Coordinates, n_components: int) -> Coordinates:
        parts = zip(self.blocks, self._parts(u, n_components), strict=True)
        return np.concatenate([prior.log_density_slope(part, n_components) for prior, part in parts], axis=-1)

    def log_jacobian_slope(self, u: Coordinates, n_components: int) -> Coordinates:
        parts = zip(self.blocks, self._parts(u, n_components), strict=True)
        return np.concatenate([prior.log_jacobian_slope(part, n_components) for prior, part in parts], axis=-1)

    def _parts(self, u: Coordinates, n_components: int) -> list[np.ndarray]:
        """The coordinates of each block."""
        return [u[..., part] for part in slices([prior.dim(n_components) for prior in self.blocks])]
