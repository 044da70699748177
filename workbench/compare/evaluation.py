"""One evaluator of responsibilities for every method: mean and sd over aligned draws, in blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from workbench.compare.labels import alignments
from workbench.compare.relabelling import Relabelling, Shares, reordered, stephens
from workbench.compare.scores import observed
from workbench.fit import Fit
from workbench.models.shapes import Counts, Responsibilities
from workbench.problem import Problem

BUDGET = 10_000_000
"""Numbers (draws x rows x components) evaluated at most; with more, evenly spaced draws are used."""


@dataclass(frozen=True, eq=False)
class RowView:
    """What a fit says of every fitted row.

    Attributes
    ----------
    mean : ndarray (N, K), responsibilities averaged over aligned draws
    sd : ndarray (N, K) over draws, or None for a point
    permutations : ndarray (S, K), the relabelling of each draw used
    draws : numbers (in the flattened chains) of the draws used
    loss : what Stephens' relabelling minimises, the mean over aligned draws of sum_n c_n KL(r_n || mean r_n), in nats
    label_free : name -> ndarray (S,), of each draw used what its responsibilities say whatever components are called
        (:func:`label_free_of`)
    """

    mean: Responsibilities
    sd: Responsibilities | None
    permutations: np.ndarray
    draws: np.ndarray
    loss: float
    label_free: Mapping[str, np.ndarray]

    @property
    def labels(self) -> np.ndarray:
        """The likeliest component of each row."""
        return np.asarray(self.mean.argmax(axis=1))

    @property
    def relabelled_share(self) -> float:
        """Share of draws whose labels were changed."""
        return float((self.permutations != np.arange(self.permutations.shape[1])).any(axis=1).mean())


def row_view(
    problem: Problem, fit: Fit, reference: Responsibilities | None = None, relabelling: Relabelling = "assignment"
) -> RowView | None:
    """Responsibilities of the fitted rows, draws aligned with ``reference`` (N, K); None where a fit has no draws.

    Without a reference, or with one of another K, the draw of the highest log likelihood is it. ``relabelling`` is how draws are
    aligned: each with the reference, or all with their own mean (:func:`workbench.compare.relabelling.stephens`).
    """
    if fit.draws is None:
        return None
    n_draws = int(np.prod(fit.draws.batch_shape))
    chosen = _chosen(n_draws, problem.data.n_rows * problem.n_components)
    flat = fit.draws.reshaped(n_draws)
    if reference is None or reference.shape[1] != problem.n_components:
        best = int(np.nan_to_num(fit.log_likelihood.ravel(), nan=-np.inf).argmax())
        reference = flat.take(best).responsibilities(problem.data.x)
    counts, several = problem.data.counts, relabelling == "stephens"
    shares = Shares.of(flat.take(chosen), problem.data.x, again=several)
    settled = stephens(shares, reference, counts) if several else None
    total, squares, entropy = np.zeros_like(reference), np.zeros_like(reference), 0.0
    permutations = np.empty((chosen.size, problem.n_components), dtype=int)
    seen, free = observed(problem.data), []
    for draws, found in shares.blocks():
        permutations[draws] = alignments(found, reference, counts) if settled is None else settled[draws]
        own = reordered(found, permutations[draws])
        square, open_by = own**2, row_entropies(own)
        free.append(label_free_of(own, square, open_by, seen))
        total += own.sum(axis=0)
        squares += ((own - reference) ** 2).sum(axis=0)  # about what is near the mean: the variance of a certain row is no rounding
        entropy += float((open_by @ counts).sum()) / chosen.size
    mean = total / chosen.size
    sd = None if fit.estimate == "point" else np.sqrt(np.maximum(squares / chosen.size - (mean - reference) ** 2, 0.0))
    together = {name: np.concatenate([each[name] for each in free]) for name in free[0]}
    return RowView(mean, sd, permutations, chosen, max(0.0, entropy_of(mean, counts) - entropy), together)


def label_free_of(own: Responsibilities, square: Responsibilities, open_by: np.ndarray, counts: Counts) -> dict[str, np.ndarray]:
    """What responsibilities (B, N, K) say of each draw whatever its components are called; ``square`` are their squares, ``open_by``
    (B, N) the rows' entropies, and rows that no cell was observed of count 0.

    ``occupied_components`` are those that are the likeliest of some row, ``entropy`` is sum_n c_n sum_k -r log r in nats,
    ``coclustering`` the probability that two different rows, drawn at random, share a component.
    """
    total, (n_draws, _, n_components) = float(counts.sum()), own.shape
    likeliest = own[:, counts > 0].argmax(axis=2) + n_components * np.arange(n_draws)[:, None]
    taken = np.bincount(likeliest.ravel(), minlength=n_draws * n_components).reshape(n_draws, n_components)
    found = {"occupied_components": np.count_nonzero(taken, axis=1).astype(float), "entropy": open_by @ counts}
    if total > 1.0:
        expected, own_pairs = counts @ own, (counts @ square).sum(axis=1)
        found["coclustering"] = ((expected**2).sum(axis=1) - own_pairs) / (total * (total - 1.0))
    return found


def entropy_of(responsibilities: Responsibilities, counts: Counts) -> float:
    """sum_n c_n sum_k -r_nk log r_nk, in nats."""
    return float(counts @ row_entropies(responsibilities))


def row_entropies(responsibilities: Responsibilities) -> np.ndarray:
    """sum_k -r_nk log r_nk of each row, in nats; (..., N, K) -> (..., N)."""
    return np.asarray(0.0 - (responsibilities * np.log(np.where(responsibilities > 0, responsibilities, 1.0))).sum(axis=-1))


def _chosen(n_draws: int, numbers_per_draw: int) -> np.ndarray:
    count = max(1, min(n_draws, max(100, BUDGET // max(1, numbers_per_draw))))
    return np.unique(np.linspace(0, n_draws - 1, count).astype(int))
