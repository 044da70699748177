"""Chart: linear coordinates about one mixture - weights and components together."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from workbench.models.components import Components
from workbench.models.information.kernel import Kernel, Scale, simplex_directions
from workbench.models.information.table import kernel_of
from workbench.models.mixture import Mixture


def rebuilt(components: Components, parameters: Mapping[str, np.ndarray]) -> Components:
    """Components of the same kind with other parameters, by name."""
    values = iter([parameters[name] for name in components.parameters()])
    return components.map(lambda _: next(values))


@dataclass(frozen=True, eq=False)
class Chart:
    """Coordinates e about ``mixture``, weights first: linear, and in units of the mixture's own spread.

    Attributes
    ----------
    mixture : the point e = 0, unbatched
    kernel : of its components
    label_scores : ndarray (K, Pw), d log weights_k / d e
    places : ndarray (K, Pw + P), number of each coordinate of label and component k; -1 is fixed
    size : number of coordinates
    """

    mixture: Mixture
    kernel: Kernel
    label_scores: np.ndarray
    places: np.ndarray
    size: int

    @classmethod
    def about(cls, mixture: Mixture) -> Chart:
        """Coordinates about an unbatched mixture; components of weight 0 are fixed."""
        alive = mixture.weights > 0
        kernel = kernel_of(mixture.components, alive)
        basis, free = simplex_directions(mixture.weights)
        columns = basis[:, free]
        with np.errstate(divide="ignore", invalid="ignore"):
            scores = np.where(alive[:, None], columns / np.sqrt(mixture.weights)[:, None], 0.0)
        count = columns.shape[1]
        own = np.where(kernel.places >= 0, kernel.places + count, -1)
        shared = np.broadcast_to(np.arange(count), (alive.size, count))
        return cls(mixture, kernel, scores, np.concatenate([shared, own], axis=1), count + kernel.size)

    @property
    def scales(self) -> dict[str, Scale]:
        """Parameter -> the scale of its intervals."""
        return {"weights": "logit", **self.kernel.scales}

    @functools.cached_property
    def directions(self) -> dict[str, np.ndarray]:
        """Parameter -> (*its shape, size): the derivative of every entry by every coordinate."""
        count = self.label_scores.shape[1]
        moves = np.zeros((self.mixture.n_components, self.size))
        moves[:, :count] = self.mixture.weights[:, None] * self.label_scores
        result = {"weights": moves}
        for name, own in self.kernel.directions.items():
            full = np.zeros((*own.shape[:-1], self.size))
            for k in range(own.shape[0]):
                used = self.kernel.places[k] >= 0
                full[k][..., count + self.kernel.places[k][used]] = own[k][..., used]
            shared = "component" not in self.mixture.components.dims[name]
            result[name] = full[int((self.mixture.weights > 0).argmax())] if shared else full
        return result

    def moved(self, e: np.ndarray) -> Mixture:
        """The mixtures at coordinates e (*batch, size): no check that they are inside the parameter space."""
        moves = {
            name: array + np.einsum("...m,bm->b...", self.directions[name], np.atleast_2d(e)) for name, array in self._arrays().items()
        }
        shape = {name: value.reshape(*e.shape[:-1], *value.shape[1:]) for name, value in moves.items()}
        return Mixture(shape["weights"], rebuilt(self.mixture.components, shape))

    def shifted(self, mixture: Mixture, e: np.ndarray) -> Mixture:
        """Mixtures (restart,), each moved by its own e (restart, size)."""
        moves = {name: array + np.einsum("...m,bm->b...", self.directions[name], e) for name, array in mixture.parameters().items()}
        return Mixture(moves["weights"], rebuilt(mixture.components, moves))

    def coordinates(self, mixture: Mixture) -> np.ndarray:
        """Coordinates (*batch, size) of mixtures near this one: least squares, exact where nothing on the boundary has moved."""
        gaps = []
        for name, array in mixture.parameters().items():
            own = self._arrays()[name]
            gap = (array - own).reshape(*mixture.batch_shape, own.size)
            gaps.append(gap[..., self._scales[name] > 0] / self._scales[name][self._scales[name] > 0])
        return np.asarray(np.concatenate(gaps, axis=-1) @ self._inverse.T)

    @functools.cached_property
    def _scales(self) -> dict[str, np.ndarray]:
        return {name: np.linalg.norm(moves.reshape(-1, self.size), axis=1) for name, moves in self.directions.items()}

    @functools.cached_property
    def _inverse(self) -> np.ndarray:
        rows = [
            moves.reshape(-1, self.size)[self._scales[name] > 0] / self._scales[name][self._scales[name] > 0, None]
            for name, moves in self.directions.items()
        ]
        return np.asarray(np.linalg.pinv(np.concatenate(rows)))

    def _arrays(self) -> dict[str, np.ndarray]:
        return self.mixture.parameters()
