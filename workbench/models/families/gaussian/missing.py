"""Missing cells under a Gaussian: rows grouped by what was seen of them, and what a factor of the precision says of the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from workbench.models.families.gaussian.triangular import diagonal, inverse, transposed, upper
from workbench.models.shapes import PerComponent, Rows

LOG_2PI = float(np.log(2.0 * np.pi))

ROTATED = 1 << 18
"""Numbers of rotated factors held at a time: data with as many patterns as rows stay in cache."""


@dataclass(frozen=True, eq=False)
class Pattern:
    """Rows of which the same features were seen, under Gaussians whose precision is B'B.

    ``factor`` is R of B = QR with the columns of what was not seen first. With deviations d_m and d_o from the centre,

        |B d|^2 = |R_mm d_m + R_mo d_o|^2 + |R_oo d_o|^2,

    and both the integral over d_m and its conditional moments can be read off (Bishop 2006, eqs 2.94-2.98). Nothing but B is
    used, so it holds for expected terms as well, and no square is expanded: R_oo keeps the digits of B.

    Attributes
    ----------
    rows : numbers of the rows
    seen, unseen : numbers of the features, in order
    factor : ndarray (*batch, K or 1, D, D), upper triangular; where all was seen, B itself
    """

    rows: np.ndarray
    seen: np.ndarray
    unseen: np.ndarray
    factor: np.ndarray

    @property
    def marginal(self) -> np.ndarray:
        """R_oo (*batch, K or 1, O, O): its square is the precision of what was seen."""
        cut = self.unseen.size
        return self.factor[..., cut:, cut:]

    @property
    def log_volume(self) -> PerComponent:
        """Log of the integral of exp(-|R_mm d_m|^2 / 2) over d_m, (*batch, K or 1)."""
        cut = self.unseen.size
        with np.errstate(divide="ignore", invalid="ignore"):
            pivots = np.log(diagonal(self.factor)[..., :cut]).sum(axis=-1)
        return np.asarray(cut * LOG_2PI / 2.0 - pivots)

    def regression(self) -> tuple[np.ndarray, np.ndarray]:
        """All features by those seen: the coefficients (*batch, K or 1, D, O), and the covariance of what is left (..., D, D).

        Of the unseen -R_mm^-1 R_mo and R_mm^-1 R_mm^-T; the seen are themselves, without error.
        """
        cut, size = self.unseen.size, self.factor.shape[-1]
        root = transposed(inverse(transposed(self.factor[..., :cut, :cut])))
        coefficients = np.zeros((*self.factor.shape[:-1], size - cut))
        coefficients[..., self.seen, np.arange(size - cut)] = 1.0
        coefficients[..., self.unseen, :] = -root @ self.factor[..., :cut, cut:]
        left = np.zeros(self.factor.shape)
        left[..., self.unseen[:, None], self.unseen] = root @ transposed(root)
        return coefficients, left


def complete(x: Rows) -> bool:
    """Whether every cell was seen."""
    return not np.isnan(x).any()


def patterns(factors: Float[np.ndarray, "*batch K D D"], x: Rows) -> Iterator[Pattern]:
    """Group rows by what was seen of them, and turn the factors of the precisions for each group."""
    masks, groups = grouped(x)
    unseen_first = np.argsort(masks, axis=1, kind="stable")
    size = max(1, ROTATED // max(1, factors.size))
    for start in range(0, len(groups), size):
        chosen = slice(start, start + size)
        turned = upper(np.moveaxis(factors[..., unseen_first[chosen]], -2, 0))
        for mask, rows, order, factor in zip(masks[chosen], groups[chosen], unseen_first[chosen], turned, strict=True):
            cut = int((~mask).sum())
            yield Pattern(rows, order[cut:], order[:cut], factors if mask.all() else factor)


def grouped(x: Rows) -> tuple[np.ndarray, list[np.ndarray]]:
    """The distinct patterns (P, D), True where seen, and for each the numbers of its rows, in order."""
    seen = ~np.isnan(x)
    packed = np.packbits(seen, axis=1)
    words = -(-packed.shape[1] // 8)
    padded = np.zeros((x.shape[0], 8 * words), np.uint8)
    padded[:, : packed.shape[1]] = packed
    keys = padded.view(np.uint64)
    _, first, which = np.unique(keys[:, 0] if words == 1 else keys, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(which.reshape(-1), kind="stable")
    cuts = np.cumsum(np.bincount(which.reshape(-1)))[:-1]
    return seen[first], np.split(order, cuts)
