"""Scores and curvature of blocks of columns: independent given the label, so scores stand beside each other."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from workbench.models.information.kernel import Kernel, Scale
from workbench.models.shapes import Responsibilities, Rows


class ProductKernel(Kernel):
    """The kernels of the blocks, one after the other; ``names`` are the blocks' parameters as the product spells them."""

    def __init__(self, blocks: list[Kernel], columns: list[slice], names: list[dict[str, str]]) -> None:
        self.blocks, self.columns, self.names = blocks, columns, names
        starts = np.cumsum([0, *(block.size for block in blocks)])
        places = [np.where(block.places >= 0, block.places + start, -1) for block, start in zip(blocks, starts, strict=False)]
        self.places, self.size = np.concatenate(places, axis=1), int(starts[-1])
        widths = np.cumsum([0, *(block.places.shape[1] for block in blocks)])
        self.parts = [slice(int(a), int(b)) for a, b in itertools.pairwise(widths)]
        self.directions = {}
        for block, part, own in zip(blocks, self.parts, names, strict=True):
            for name, moves in block.directions.items():
                wide = np.zeros((*moves.shape[:-1], int(widths[-1])))
                wide[..., part] = moves
                self.directions[own[name]] = wide

    @property
    def scales(self) -> dict[str, Scale]:  # type: ignore[override]
        pairs = zip(self.blocks, self.names, strict=True)
        return {own[name]: scale for block, own in pairs for name, scale in block.scales.items()}

    @property
    def bounded(self) -> bool:
        return any(block.bounded for block in self.blocks)

    def evaluate(self, x: Rows, weights: Responsibilities) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        found = [block.evaluate(x[:, columns], weights) for block, columns in zip(self.blocks, self.columns, strict=True)]
        scores, curvature, complete = zip(*found, strict=True)
        return np.concatenate(scores, axis=-1), self._joined(curvature), self._joined(complete)

    def prior(self, prior: Any) -> tuple[np.ndarray, np.ndarray]:
        found = [block.prior(own) for block, own in zip(self.blocks, prior.blocks, strict=True)]
        return np.concatenate([gradient for gradient, _ in found], axis=-1), self._joined([curvature for _, curvature in found])

    def factors(self, x: Rows) -> tuple[np.ndarray, np.ndarray]:
        found = [block.factors(x[:, columns]) for block, columns in zip(self.blocks, self.columns, strict=True)]
        return np.sum([logs for logs, _ in found], axis=0), np.sum([zeros for _, zeros in found], axis=0)

    def inward(self, x: Rows, lifted: np.ndarray, responsibilities: Responsibilities) -> np.ndarray:
        parts = zip(self.blocks, self.columns, strict=True)
        return np.concatenate([block.inward(x[:, columns], lifted, responsibilities) for block, columns in parts])

    def prior_inward(self, prior: Any) -> np.ndarray:
        return np.concatenate([block.prior_inward(own) for block, own in zip(self.blocks, prior.blocks, strict=True)])

    def _joined(self, found: Sequence[np.ndarray]) -> np.ndarray:
        """The blocks' curvatures (K, P, P) on the diagonal of one."""
        curvature = np.zeros((self.places.shape[0], self.places.shape[1], self.places.shape[1]))
        for part, own in zip(self.parts, found, strict=True):
            curvature[:, part, part] = own
        return curvature


def product(components: Any, alive: np.ndarray, kernel_of: Callable[[Any, np.ndarray], Kernel]) -> ProductKernel:
    blocks = [kernel_of(block, alive) for block in components.blocks]
    return ProductKernel(blocks, list(components.layout.columns), [dict(names) for names in components.layout.names])


def snapped_product(components: Any, after: Any, snapped: Callable[[Any, Any], Any]) -> Any:
    """Block by block."""
    return components.of([snapped(before, own) for before, own in zip(components.blocks, after.blocks, strict=True)])


def sides_product(components: Any, sides: Callable[[Any], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Block by block, under the names that the product gives their parameters."""
    pairs = zip(components.blocks, components.layout.names, strict=True)
    return {names[name]: array for block, names in pairs for name, array in sides(block).items()}
