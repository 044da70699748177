"""Assembly: every table of a run from the fits of its cells (design, section 12)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.compare import tables
from workbench.compare.basins import Basins, agreement_checks, basin_rows, basins, weighing
from workbench.compare.calibration import rows as calibration
from workbench.compare.cell import Cell
from workbench.compare.coclustering import coclustering_rows, ordered_rows
from workbench.compare.curvature import Curvature, curvature
from workbench.compare.diagnostics import diagnostic_rows, unmixed
from workbench.compare.differences import agreement_rows, parameter_rows
from workbench.compare.evidence import estimates, evidence_rows
from workbench.compare.imputations import imputation_rows
from workbench.compare.invariants import label_free_rows
from workbench.compare.optima import Optimum, optima
from workbench.compare.predictive import leave_one_out, of_left_out_draws
from workbench.compare.probabilities import model_probability_rows
from workbench.compare.replicated import replicated
from workbench.compare.scoring import failure_row, likelihood_row
from workbench.compare.sensitivity import Finder, here, sensitivity_rows
from workbench.compare.settled import Settled, settle
from workbench.fit import Evidence, Fit
from workbench.inference.advice import Advice

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = {
    "likelihoods": "method kind estimate n_components log_likelihood log_likelihood_best log_posterior elbo elbo_mcse log_evidence "
    "log_evidence_mcse elpd_loo elpd_loo_se pareto_k_max held_out_lpd n_parameters aic bic icl entropy relative_entropy status "
    "seconds_compile seconds_run",
    "restarts": "method restart start_seed init iterations objective_name objective polished_objective gain_left log_likelihood "
    "log_posterior status optimum",
    "components": "method component weight count rows_assigned mean_responsibility_assigned",
    "assignments": "method row id label responsibility",
    "path": "method restart iteration parameter component feature feature_2 level value",
    "optima": "method optimum objective log_likelihood log_posterior gap restarts share local_maximum singular spurious posterior_share "
    "posterior_share_method lost_components",
    "responsibilities": "method row component mean sd",
    "imputations": "method row feature level mean sd",
    "agreement": "method_a method_b mean_total_variation max_total_variation adjusted_rand rows_with_other_label coclustering_difference",
    "parameters": "method parameter component feature feature_2 level row mean sd lower upper truth",
    "label_free": "method quantity order feature level mean sd lower upper rhat ess_bulk ess_tail",
    "coclustering": "method row row_2 probability",
    "trace": "method restart iteration seconds objective_name objective",
    "basins": "method chain climbs optimum missed objective share draws",
    "replicated": "method quantity feature feature_2 level observed mean sd lower upper distance tail_share",
    "evidence": "method estimator log_evidence mcse kl kl_mcse reference reference_method trusted standing note",
    "model_probabilities": "method estimator log_evidence mcse gap probability lower upper among_known bound bound_method bound_estimator "
    "bic_probability bic bic_method icl icl_method elpd_loo elpd_loo_method held_out_lpd held_out_lpd_method preferred_by note",
    "prior_sensitivity": "prior numbers change change_mcse log_evidence mcse by probability lower upper among_known bound note",
    "diagnostics": "method quantity value threshold verdict advice",
}
WHOLE = frozenset(
    [
        "n_components",
        "restart",
        "chain",
        "draws",
        "start_seed",
        "iterations",
        "optimum",
        "missed",
        "component",
        "order",
        "row",
        "row_2",
        "label",
        "restarts",
        "rows_assigned",
        "n_parameters",
        "iteration",
        "rows_with_other_label",
        "lost_components",
        "replicate",
        "rank",
        "ranks",
        "covered",
        "intervals",
    ]
)
"""Columns of whole numbers, which stay whole beside empty cells."""

Rows = dict[str, list[dict[str, Any]]]


def assemble(cells: Sequence[Cell], find: Finder = here) -> dict[str, pd.DataFrame]:
    """Every table but the ledger, which belongs to the study of EM; swept keys are the first columns. Those of a calibration are
    there where there was one. What takes seconds is answered by ``find``.

    A cell that a method cannot have is missing (``<NA>`` or nan), which is written as an empty cell.
    """
    columns = {**COLUMNS, **(calibration.COLUMNS if any(cell.checked for cell in cells) else {})}
    rows: Rows = {name: [] for name in columns}
    for cell in cells:
        for name, row in _of_cell(cell):
            rows[name].append({**cell.values, **row})
    swept = list(cells[0].values) if cells else []
    rows["model_probabilities"] += model_probability_rows(swept, rows["likelihoods"], rows["evidence"])
    rows["prior_sensitivity"] += sensitivity_rows(cells, rows["model_probabilities"], find)
    return {name: frame(rows[name], words.split(), swept) for name, words in columns.items()}


def frame(blocks: list[dict[str, Any]], columns: Sequence[str], swept: Sequence[str] = ()) -> pd.DataFrame:
    """Rows, or blocks of rows, as a DataFrame with just the swept keys and these columns; infinite numbers are missing."""
    import pandas as pd

    sizes = [max((value.size for value in block.values() if isinstance(value, np.ndarray)), default=1) for block in blocks]
    values = {column: [block.get(column) for block in blocks] for column in (*swept, *columns)}
    whole = WHOLE | {key for key in swept if all(type(value) is int for value in values[key])}  # as in the names of fits
    return pd.DataFrame({column: _column(own, sizes, whole=column in whole) for column, own in values.items()}, columns=[*swept, *columns])


def _column(values: list[Any], sizes: list[int], *, whole: bool) -> pd.Series[Any]:
    """The values of all blocks, each as long as its block, as whole numbers, numbers or words."""
    import pandas as pd

    parts = [value if isinstance(value, np.ndarray) else np.full(size, value, object) for value, size in zip(values, sizes, strict=True)]
    if not parts:
        return pd.Series(dtype="Int64" if whole else object)
    merged = _merged(parts)
    if whole:
        return pd.concat([pd.Series(part).astype("Int64") for part in merged], ignore_index=True)
    if not all(part.dtype.kind in "fi" or _numeric(part) for part in merged):
        return pd.Series(np.concatenate(merged), dtype=object)
    numbers = pd.Series(np.concatenate([part.astype(float) for part in merged]))
    return numbers.where(np.isfinite(numbers))


def _merged(parts: list[np.ndarray]) -> list[np.ndarray]:
    """Neighbours of mixed objects as one array: tables of single rows are many."""
    merged: list[list[np.ndarray]] = []
    for part in parts:
        if merged and part.dtype == object and merged[-1][0].dtype == object:
            merged[-1].append(part)
        else:
            merged.append([part])
    return [group[0] if len(group) == 1 else np.concatenate(group) for group in merged]


def _numeric(part: np.ndarray) -> bool:
    """Numbers or nothing, and no flags; what stands in every row of a block is looked at once."""
    return all(value is None or (isinstance(value, float | int | np.number) and not isinstance(value, bool)) for value in part)


def _of_cell(cell: Cell) -> Iterator[tuple[str, dict[str, Any]]]:
    settled = settle(cell)
    known = {label: estimates(cell, fit, settled.get(label)) for label, fit in cell.fits.items()}
    facts = {label: _facts(label, cell, fit, settled.get(label), known[label]) for label, fit in cell.fits.items()}
    held, shown = basins(cell, {label: each.optima for label, each in facts.items()}), ordered_rows(settled)
    doubted = [label for label, each in facts.items() if any(unmixed(row) for row in each.checks)]
    for label in {**cell.fits, **cell.failures}:
        if label in cell.failures:
            yield "likelihoods", failure_row(label, cell, cell.failures[label])
        else:
            yield from _of_fit(label, cell, facts[label], weighing(cell, held.get(label, {}), doubted), shown)
    for row in agreement_checks(held, cell.fits):
        yield "diagnostics", row
    for row in basin_rows(held):
        yield "basins", row
    for label, trials in cell.checked.items():
        yield from calibration.calibration_rows(label, trials)
    for row in agreement_rows(cell, settled):
        yield "agreement", row
    for row in evidence_rows(known):
        yield "evidence", row


@dataclass(frozen=True, eq=False)
class _Facts:
    """What several tables say of one fit."""

    settled: Settled | None
    evidence: tuple[Evidence, ...]
    optima: list[Optimum]
    curved: Curvature
    free: list[dict[str, Any]]
    checks: list[dict[str, Any]]


def _facts(label: str, cell: Cell, fit: Fit, settled: Settled | None, evidence: tuple[Evidence, ...]) -> _Facts:
    problem, found = cell.problem, optima(cell.problem, fit)
    curved = curvature(problem, fit, found)
    free = [] if settled is None else label_free_rows(problem, settled)
    checks = diagnostic_rows(label, problem, fit, settled, found, curved, free)
    return _Facts(settled, evidence, found, curved, free, list(checks))


def _of_fit(label: str, cell: Cell, facts: _Facts, held: Basins | None, shown: np.ndarray) -> Iterator[tuple[str, dict[str, Any]]]:
    """Of one fit; ``held`` are the basins of the sample that weighs them, ``shown`` the rows of the cell's co-clustering matrices."""
    problem, fit, settled, found = cell.problem, cell.fits[label], facts.settled, facts.optima
    copies = replicated(problem, fit)
    loo = None if settled is None else leave_one_out(problem, fit)
    sources: dict[str, Any] = {
        "likelihoods": [likelihood_row(label, cell, fit, settled, facts.evidence, loo)],
        "restarts": tables.restart_rows(label, fit, found),
        "optima": tables.optimum_rows(label, problem, fit, found, facts.curved, held),
        "trace": tables.trace_rows(label, fit),
        "path": tables.path_rows(label, problem, fit.path),
        "diagnostics": facts.checks,
        "replicated": [] if copies is None else copies.rows(label),
    }
    if settled is not None:
        weights = settled.draws.weights.mean(axis=0)
        sources |= {
            "components": tables.component_rows(label, problem, weights, settled.rows),
            "assignments": tables.assignment_rows(label, problem, settled.rows),
            "responsibilities": tables.responsibility_rows(label, problem, settled.rows),
            "label_free": [{"method": label, **row} for row in facts.free],
            "coclustering": coclustering_rows(label, problem, settled, shown),
            "imputations": imputation_rows(label, problem, settled),
            "parameters": parameter_rows(label, cell, settled, facts.curved),
        }
    for name, rows in sources.items():
        for row in rows:
            yield name, row
    for row in of_left_out_draws(loo, Advice(fit.kind, fit.options, problem)):
        yield "diagnostics", {"method": label, **row}
    if copies is not None:
        yield "diagnostics", {"method": label, **copies.worst()}
