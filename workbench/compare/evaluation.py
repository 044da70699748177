"""One evaluator of responsibilities for every method: mean and sd over aligned draws, in blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.compare.labels import alignment
from workbench.compare.relabelling import Relabelling, Shares, stephens
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
    """

    mean: Responsibilities
    sd: Responsibilities | None
    permutations: np.ndarray
    draws: np.ndarray
    loss: float

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
    for s in range(chosen.size):
        own = shares[s]
        permutations[s] = alignment(own, reference, counts) if settled is None else settled[s]
        own = own[:, permutations[s]]
        total += own
        squares += own**2
        entropy += entropy_of(own, counts) / chosen.size
    mean = total / chosen.size
    sd = None if fit.estimate == "point" else np.sqrt(np.maximum(squares / chosen.size - mean**2, 0.0))
    return RowView(mean, sd, permutations, chosen, max(0.0, entropy_of(mean, counts) - entropy))


def entropy_of(responsibilities: Responsibilities, counts: Counts) -> float:
    """sum_n c_n sum_k -r_nk log r_nk, in nats."""
    return -float(counts @ (responsibilities * np.log(np.where(responsibilities > 0, responsibilities, 1.0))).sum(axis=1))


def _chosen(n_draws: int, numbers_per_draw: int) -> np.ndarray:
    count = max(1, min(n_draws, max(100, BUDGET // max(1, numbers_per_draw))))
    return np.unique(np.linspace(0, n_draws - 1, count).astype(int))
