"""``likelihoods.csv``, ``evidence.csv``: one row a fit, one row an estimate; what a method cannot have is empty."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from workbench.compare.bounds import elbo, symmetrised_elbo
from workbench.compare.cell import Cell, Failure
from workbench.compare.predictive import leave_one_out
from workbench.compare.scores import entropies, held_out_lpd, information_criteria
from workbench.compare.settled import Settled
from workbench.fit import Fit

Row = dict[str, Any]


def likelihood_row(label: str, cell: Cell, fit: Fit, settled: Settled | None) -> Row:
    """Every score that this kind of estimate has."""
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
    if (loo := leave_one_out(cell.problem, fit)) is not None:
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


def evidence_rows(label: str, cell: Cell, fit: Fit) -> Iterator[Row]:
    """The bounds that a fit gives; a KL only where some estimator gives a reference, which none does yet."""
    for name, bound in (("elbo", elbo(fit)), ("elbo_symmetrised", symmetrised_elbo(cell.problem, fit))):
        if bound is not None:
            yield {"method": label, "estimator": name, "log_evidence": bound.value, "mcse": bound.mcse}


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
