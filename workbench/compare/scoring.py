"""``likelihoods.csv``: one row a fit; what a method cannot have is empty."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.compare.bounds import elbo
from workbench.compare.cell import Cell, Failure
from workbench.compare.evidence import best_estimate
from workbench.compare.predictive import LeaveOneOut
from workbench.compare.scores import entropies, held_out_lpd, information_criteria
from workbench.compare.settled import Settled
from workbench.fit import Evidence, Fit

Row = dict[str, Any]


def likelihood_row(label: str, cell: Cell, fit: Fit, settled: Settled | None, known: tuple[Evidence, ...], loo: LeaveOneOut | None) -> Row:
    """Every score that this kind of estimate has; ``known`` is what it says of the log evidence, ``loo`` of each row left out."""
    row: Row = {
        "method": label,
        "kind": fit.kind,
        "estimate": fit.estimate,
        "n_components": cell.problem.n_components,
        "n_parameters": cell.problem.n_parameters,
        "status": fit.status.value,
        "seconds_compile": fit.seconds["compile"],
        "seconds_run": fit.seconds["run"],
    }
    if settled is None:
        return row
    row |= {
        "log_likelihood": float(fit.log_likelihood.mean()),
        "log_likelihood_best": float(fit.log_likelihood.max()),
        "log_posterior": _finite(float(fit.log_posterior.mean())),
        **information_criteria(cell.problem, fit, settled.rows.mean),
        **entropies(cell.problem, settled.rows.mean),
    }
    if (bound := elbo(fit)) is not None:
        row |= {"elbo": bound.value, "elbo_mcse": bound.mcse}
    if fit.estimate != "point" and (own := best_estimate(known)) is not None:
        row |= {"log_evidence": own.log_evidence, "log_evidence_mcse": own.mcse}
    if loo is not None:
        row |= {"elpd_loo": loo.elpd, "elpd_loo_se": loo.se, "pareto_k_max": loo.pareto_k_max}
    if cell.held_out is not None:
        row["held_out_lpd"] = held_out_lpd(fit, cell.held_out)
    return row


def failure_row(label: str, cell: Cell, failure: Failure) -> Row:
    """A method without a fit: its reason, and nothing else."""
    return {
        "method": label,
        "kind": failure.kind,
        "estimate": failure.estimate,
        "n_components": cell.problem.n_components,
        "n_parameters": cell.problem.n_parameters,
        "status": failure.status,
        "seconds_run": failure.seconds,
    }


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
