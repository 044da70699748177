"""One q from many paths: a mixture of the normals of different modes, all in the labelling of the best."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from workbench.fit import Evidence
from workbench.inference.evidence.proposal import StudentMixture
from workbench.inference.evidence.symmetry import Region, Symmetry
from workbench.inference.pathfinder.paths import Found
from workbench.models.shapes import Coordinates
from workbench.models.terms import log_sum_exp

SAME_VALUE, SAME_PLACE = 0.25, 0.5
"""Two paths end at one mode if the log densities there (nats), and the places, in standard deviations of the normal of the better, differ
by less: half a standard deviation is an eighth of a nat below a normal's top."""
GAP, MOST = 15.0, 12
"""Nats of the ELBO below the best beyond which a mode is no matter, and modes that are kept at most."""
NUMBERS = 4_000_000
"""Numbers that all covariances together may have: a thousand coordinates or more leave room for few modes."""
MOST_PERMUTED = 6
"""Components up to which all K! relabellings are summed."""


@dataclass(frozen=True, eq=False)
class Mixed:
    """q = sum_j shares_j N_j: the shares are proportional to exp ELBO_j, which is the best for modes that do not overlap.

    Attributes
    ----------
    symmetry : of the posterior
    density : the mixture, in unconstrained coordinates
    """

    symmetry: Symmetry
    density: StudentMixture

    @classmethod
    def of(cls, symmetry: Symmetry, found: list[Found], elbo: np.ndarray) -> Mixed:
        """Of paths with their ELBOs (path,), nan where there is no normal; at least one has one."""
        chosen = different(symmetry, found, elbo)
        first = found[chosen[0]].normal
        assert first is not None
        region = Region.about(symmetry, first.mean)
        means, factors = zip(*(_within(region, found[i]) for i in chosen), strict=True)
        shares = np.exp(elbo[chosen] - elbo[chosen[0]])
        return cls(symmetry, StudentMixture(shares / shares.sum(), np.stack(means), np.stack(factors), math.inf))

    def symmetrised(self, u: Coordinates, log_density: np.ndarray) -> Evidence | None:
        """The ELBO of q averaged over the labellings, by draws u (n, dim) of q with their log p(x, u); None where that is no
        approximation of the posterior, as the prior tells components apart, or too many to be summed."""
        count = self.symmetry.n_components
        if not self.symmetry.exchangeable or count > MOST_PERMUTED:
            return None
        each = [self.density.log_density(self.symmetry.relabelled(u, np.array(order))) for order in itertools.permutations(range(count))]
        ratios = log_density - log_sum_exp(np.stack(each, axis=-1)) + math.log(len(each))
        return Evidence("elbo_symmetrised", float(ratios.mean()), float(ratios.std(ddof=1) / math.sqrt(ratios.size)), trusted=False)


def different(symmetry: Symmetry, found: list[Found], elbo: np.ndarray) -> list[int]:
    """Paths to different modes, but for labels: of each mode the one with the best ELBO, the best first."""
    most = max(1, min(MOST, NUMBERS // symmetry.dim**2))
    kept: list[int] = []
    for i in np.argsort(-np.nan_to_num(elbo, nan=-np.inf), kind="stable"):
        if len(kept) == most or not elbo[i] >= np.nanmax(elbo) - GAP:
            break
        if not any(same(symmetry, found[j], found[i]) for j in kept):
            kept.append(int(i))
    return kept


def same(symmetry: Symmetry, known: Found, other: Found) -> bool:
    """Whether another path ends at the mode of a known one, but for labels; by how far apart they end, in standard deviations of the
    known one's normal."""
    if known.normal is None or not abs(other.path.value[-1] - known.path.value[-1]) < SAME_VALUE:
        return False
    first = known.path.u[-1]
    steps = Region.about(symmetry, first).aligned(other.path.u[-1:]) - first
    return bool(known.normal.lengths(steps)[0] < SAME_PLACE)


def _within(region: Region, found: Found) -> tuple[np.ndarray, np.ndarray]:
    """A path's normal in the region's labelling: mean (dim,) and lower factor of the covariance. Relabelling is linear."""
    assert found.normal is not None
    order = region.orders(found.normal.mean[None])[0]
    root = region.symmetry.relabelled(found.normal.root().T, order).T
    factor = np.linalg.qr(root.T, mode="r").T
    return region.symmetry.relabelled(found.normal.mean, order), factor * np.sign(np.diagonal(factor))
