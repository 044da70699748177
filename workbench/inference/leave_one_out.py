"""Exact leave-one-out of a point: the fit once without each row, warm-started, all refits in one batch (statistics, section 6)."""

from __future__ import annotations

import numpy as np

from workbench.data import Dataset
from workbench.fit import LeaveOneOutRefits
from workbench.inference.batches import each_its_own
from workbench.inference.em.engine import BOOK, Engine
from workbench.inference.refitting import Refitting
from workbench.inference.rest import DONE, GOING, SINGULAR
from workbench.models import Mixture, Prior
from workbench.models.information import Information, observed_information
from workbench.models.mixture import gathered
from workbench.problem import Problem

MOST_ROWS = 2_000
"""Distinct rows up to which each is left out by itself; above, ten folds."""
MOST_PARAMETERS = 2_000
"""Free parameters up to which there is a matrix of second derivatives."""
MOST_CELLS = 4e9
"""Refits times rows times components times features of one E step of all refits, up to which a point is refitted."""
FOLDS = 10
GONE = 1e-6
"""Rows that a component has which a refit has lost: its weight still shrinks where the rest has settled."""
AT_ONCE = 4_000_000
"""Entries of a block of refits' counts (refit, row)."""


def of_point(problem: Problem, mixture: Mixture, prior: Prior | None, engine: Engine) -> LeaveOneOutRefits | None:
    """The refits of a fit's point, where it is a maximum and the data are not too large for it; see :func:`too_large`."""
    if problem.n_parameters > MOST_PARAMETERS or problem.data.counts.sum() < 2 or too_large(problem):
        return None
    information = observed_information(mixture, problem.data, prior)
    if not information.stationary or information.is_maximum is False:
        return None
    return refits(problem.data, mixture, prior, engine=engine, information=information)


def too_large(problem: Problem) -> bool:
    """Whether the refits of a point would take minutes."""
    rows = float(problem.data.n_rows)
    return (rows if rows <= MOST_ROWS else FOLDS) * rows * problem.n_components * problem.data.n_features > MOST_CELLS


def refits(
    data: Dataset, mixture: Mixture, prior: Prior | None = None, *, engine: Engine = BOOK, information: Information | None = None
) -> LeaveOneOutRefits:
    """Fit ``mixture`` again without each row, by EM from ``mixture``, to the same objective.

    EM's steps are stretched by I_obs^-1 I_complete of the full fit (Louis 1982, section 5), which turns them into Newton's but
    for the row that is missing, and mended for that by Anderson's mixing of the last few (Walker & Ni 2011): a handful of
    iterations, whatever EM's own rate. A step that leaves the parameter space or lowers the objective is taken back for EM's
    own, and a refit that is not done after a dozen starts again with EM's own alone, so every limit is EM's. From a probability
    of 0 or 1, a rate or a weight of 0 at which the objective without the row rises into the interior, EM goes on from slightly
    inside (:mod:`workbench.inference.boundary`).

    Parameters
    ----------
    mixture : an optimum of the likelihood, or with ``prior`` (whose numbers stay as they are) of the posterior
    information : of the mixture, if it is at hand
    """
    import threadpoolctl

    with threadpoolctl.threadpool_limits(1, user_api="blas"):  # small products only wait for each other on several; and the same bits
        return _refits(data, mixture, prior, engine, information)


def _refits(data: Dataset, mixture: Mixture, prior: Prior | None, engine: Engine, information: Information | None) -> LeaveOneOutRefits:
    info = observed_information(mixture, data, prior) if information is None else information
    distinct, group = data.distinct()
    seen = ~np.isnan(distinct.x).all(axis=1)
    left = _left_out(distinct, seen)
    folded = left.shape[0] != int(seen.sum())
    refitting = Refitting(info, distinct, prior, engine)
    size = max(1, AT_ONCE // distinct.n_rows)
    parts = [refitting.run(left[i : i + size]) for i in range(0, left.shape[0], size)]
    ends = [part.mixture for part in parts]
    codes = np.concatenate([part.codes for part in parts])
    fewer = np.concatenate([_lost(end, refitting.alive, distinct) for end in ends]) & (codes == DONE)
    ends_elpd = _folded(ends, codes, distinct, left) if folded else _single(ends, codes, distinct.x[seen], size)
    elpd = np.zeros(distinct.n_rows)
    elpd[seen] = ends_elpd[seen] if folded else ends_elpd
    return LeaveOneOutRefits(
        elpd=elpd[group],
        refits=left.shape[0],
        folds=FOLDS if folded else 0,
        singular=int((codes == SINGULAR).sum()),
        lost=int(fewer.sum()),
        impossible=int(np.isneginf(elpd).sum()),
        unfinished=int((codes == GOING).sum()),
        iterations=max(part.iterations for part in parts),
    )


def _left_out(distinct: Dataset, seen: np.ndarray) -> np.ndarray:
    """Units of each distinct row that each refit leaves out, (refit, row)."""
    if seen.sum() <= MOST_ROWS:
        return np.asarray(np.eye(distinct.n_rows)[seen])
    rng = np.random.default_rng(int(distinct.fingerprint[:15], 16))
    whole = np.where(seen, np.round(distinct.counts), 0.0).astype(np.int64)
    sizes = np.diff(np.linspace(0, whole.sum(), FOLDS + 1).round().astype(np.int64))
    left = np.zeros((FOLDS, distinct.n_rows))
    for fold, size in enumerate(sizes):
        chosen = rng.multivariate_hypergeometric(whole, int(size), method="marginals")
        left[fold], whole = chosen, whole - chosen
    return left


def _single(ends: list[Mixture], codes: np.ndarray, x: np.ndarray, size: int) -> np.ndarray:
    """log p(x_i | end i); nan where there is no end."""
    parts = zip(range(0, x.shape[0], size), ends, strict=True)
    values = np.concatenate([each_its_own(end, x[at : at + end.batch_shape[0]]) for at, end in parts])
    return np.asarray(np.where(codes == SINGULAR, np.nan, values))


def _lost(ends: Mixture, alive: np.ndarray, distinct: Dataset) -> np.ndarray:
    """Which refits have no rows left for a component that the full fit had."""
    return np.asarray((ends.weights[:, alive] * distinct.counts.sum() < GONE).any(axis=-1))


def _folded(ends: list[Mixture], codes: np.ndarray, distinct: Dataset, left: np.ndarray) -> np.ndarray:
    """Each row's mean log density over the folds that its units are in."""
    total = np.zeros(distinct.n_rows)
    mixture = gathered(ends)
    for fold, units in enumerate(left):
        rows = np.flatnonzero(units)
        bad = codes[fold] == SINGULAR
        for chosen in np.array_split(rows, max(1, rows.size // 10_000)):
            density = np.full(chosen.size, np.nan) if bad else mixture.take(fold).log_density(distinct.x[chosen])
            total[chosen] += units[chosen] * density
    units = left.sum(axis=0)
    return np.asarray(np.divide(total, units, out=np.full(units.shape, np.nan), where=units > 0))
