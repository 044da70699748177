"""Small consistent tables, made with a plain EM and jittered points for draws, so that the report room is tested alone."""

from __future__ import annotations

import dataclasses
import itertools
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.data.dataset import Dataset
from workbench.report import Provenance, write

Array = NDArray[np.float64]
TINY = {"em": ("em", "point"), "em_map": ("em", "point"), "advi": ("advi", "approximation"), "nuts": ("nuts", "sample")}


@dataclasses.dataclass
class Solution:
    """One end of EM: its parameters, its way up, its responsibilities."""

    weights: Array
    means: Array
    covariances: Array
    climb: list[float]
    shares: Array


def clusters(seed: int = 1, n_rows: int = 120, n_features: int = 2, n_components: int = 2) -> Dataset:
    """Rows around `n_components` centres."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(n_components, size=n_rows)
    x = rng.normal(size=(n_rows, n_features)) + 3.0 * labels[:, None]
    return Dataset.of(x, [f"length_{d}" for d in range(n_features)], name="clusters", classes=[str(k) for k in labels])


def climbed(x: Array, n_components: int, rng: np.random.Generator, n_steps: int = 40) -> Solution:
    """Plain EM for a full-covariance Gaussian mixture from random rows."""
    n, d = x.shape
    means = x[rng.choice(n, n_components, replace=False)]
    covariances = np.repeat(np.cov(x.T).reshape(1, d, d), n_components, axis=0)
    weights = np.full(n_components, 1 / n_components)
    climb: list[float] = []
    shares = np.zeros((n, n_components))
    for _ in range(n_steps):
        joint = np.empty((n, n_components))
        for k in range(n_components):
            away = np.linalg.solve(np.linalg.cholesky(covariances[k]), (x - means[k]).T)
            logdet = np.linalg.slogdet(covariances[k])[1]
            joint[:, k] = math.log(weights[k]) - (d * math.log(2 * math.pi) + logdet + (away**2).sum(0)) / 2
        top = joint.max(1, keepdims=True)
        row = top[:, 0] + np.log(np.exp(joint - top).sum(1))
        climb.append(float(row.sum()))
        shares = np.exp(joint - row[:, None])
        counts = shares.sum(0)
        weights = counts / n
        means = (shares.T @ x) / counts[:, None]
        spread = x[None] - means[:, None]
        covariances = np.einsum("nk,kni,knj->kij", shares, spread, spread) / counts[:, None, None] + 1e-3 * np.eye(d)
    order = np.argsort(-weights)
    return Solution(weights[order], means[order], covariances[order], climb, shares[:, order])


def rows_of_parameters(method: str, fit: Solution, features: tuple[str, ...], width: float, family: str) -> list[dict[str, Any]]:
    """Rows of parameters.csv; `width` > 0 gives intervals."""
    found: list[tuple[str, int, str, str, float]] = [("weights", k, "", "", w) for k, w in enumerate(fit.weights)]
    name = "probs" if family == "bernoulli" else "means"
    found += [(name, k, f, "", fit.means[k, i]) for k in range(len(fit.weights)) for i, f in enumerate(features)]
    if family != "bernoulli":
        both = list(itertools.product(enumerate(features), repeat=2))
        found += [("covariances", k, f, g, fit.covariances[k, i, j]) for k in range(len(fit.weights)) for (i, f), (j, g) in both]
    sd = [width * max(abs(value), 0.1) if width else math.nan for *_, value in found]
    return [
        {"method": method, "parameter": p, "component": k, "feature": f, "feature_2": g, "level": "", "row": math.nan}
        | {"mean": v, "sd": s, "lower": v - 2 * s, "upper": v + 2 * s, "truth": math.nan}
        for (p, k, f, g, v), s in zip(found, sd, strict=True)
    ]


def tables_of(
    data: Dataset, n_components: int = 2, methods: dict[str, tuple[str, str]] | None = None, restarts: int = 12, family: str = "gaussian"
) -> dict[str, pd.DataFrame]:
    """Tables of one cell with the columns that the report room reads."""
    methods = TINY if methods is None else methods
    rng = np.random.default_rng(3)
    fits = sorted((climbed(data.x, n_components, rng) for _ in range(restarts)), key=lambda fit: -fit.climb[-1])
    rows: dict[str, list[dict[str, Any]]] = {
        name: []
        for name in [
            "likelihoods",
            "restarts",
            "components",
            "assignments",
            "optima",
            "responsibilities",
            "agreement",
            "parameters",
            "trace",
            "evidence",
            "diagnostics",
        ]
    }
    shares = {}
    for j, (method, (kind, estimate)) in enumerate(methods.items()):
        best, point = fits[0], estimate == "point"
        fit = (
            best
            if point
            else dataclasses.replace(best, means=best.means + 0.02 * j, shares=(best.shares + 0.01 * j) / (1 + 0.01 * j * n_components))
        )
        shares[method] = fit.shares
        p = n_components * (1 + data.n_features + data.n_features * (data.n_features + 1) // 2) - 1
        ll = best.climb[-1] - (0 if point else p / 2)
        rows["likelihoods"].append(
            {
                "method": method,
                "kind": kind,
                "estimate": estimate,
                "n_components": n_components,
                "log_likelihood": ll,
                "log_likelihood_best": best.climb[-1],
            }
            | {
                "log_posterior": ll - 26.0,
                "elbo": ll - 40.0 if estimate == "approximation" else math.nan,
                "elbo_mcse": 0.04 if estimate == "approximation" else math.nan,
            }
            | {
                "n_parameters": p,
                "bic": p * math.log(data.n_rows) - 2 * ll if point else math.nan,
                "entropy": 3.2,
                "relative_entropy": 0.98,
            }
            | {
                "status": "converged: the objective changed by less than tol",
                "seconds_compile": math.nan if point else 12.3,
                "seconds_run": 0.08 * (j + 1),
            }
        )
        rows["parameters"] += rows_of_parameters(method, fit, data.features, 0.0 if point else 0.05, family)
        labels = fit.shares.argmax(1)
        for k in range(n_components):
            rows["components"].append(
                {
                    "method": method,
                    "component": k,
                    "weight": fit.weights[k],
                    "count": fit.shares[:, k].sum(),
                    "rows_assigned": (labels == k).sum(),
                }
            )
            rows["responsibilities"] += [{"method": method, "row": n, "component": k, "mean": r} for n, r in enumerate(fit.shares[:, k])]
        rows["assignments"] += [{"method": method, "row": n, "label": k, "responsibility": fit.shares[n, k]} for n, k in enumerate(labels)]
        if point:
            climb(rows, method, fits)
    agree(rows, shares)
    if "nuts" in methods:
        rows["diagnostics"] += [
            {"method": "nuts", "quantity": "divergences", "value": "0", "threshold": "0", "verdict": "ok", "advice": ""},
            {"method": "nuts", "quantity": "rhat_aligned_parameters", "value": "1.003", "threshold": "1.01", "verdict": "ok", "advice": ""},
        ]
    return {name: pd.DataFrame(own) for name, own in rows.items()}


def climb(rows: dict[str, list[dict[str, Any]]], method: str, fits: list[Solution]) -> None:
    """Restarts, optima and trace of a point method."""
    ends = [round(fit.climb[-1], 1) for fit in fits]
    kinds = list(dict.fromkeys(ends))
    for r, fit in enumerate(fits):
        found = {"method": method, "restart": r, "objective_name": "log_likelihood"}
        rows["restarts"].append(found | {"objective": fit.climb[-1], "optimum": kinds.index(ends[r]), "status": "converged"})
        rows["trace"] += [found | {"iteration": i, "seconds": 0.001 * i, "objective": v} for i, v in enumerate(fit.climb)]
    for o, value in enumerate(kinds):
        own = ends.count(value)
        optimum = {
            "method": method,
            "optimum": o,
            "objective": fits[ends.index(value)].climb[-1],
            "restarts": own,
            "share": own / len(fits),
        }
        rows["optima"].append(optimum | {"gap": kinds[0] - value, "singular": False, "spurious": False})


def agree(rows: dict[str, list[dict[str, Any]]], shares: dict[str, Array]) -> None:
    for (a, first), (b, second) in itertools.combinations(shares.items(), 2):
        tv = np.abs(first - second).sum(1) / 2
        other = int((first.argmax(1) != second.argmax(1)).sum())
        rows["agreement"].append(
            {"method_a": a, "method_b": b, "mean_total_variation": tv.mean(), "max_total_variation": tv.max(), "adjusted_rand": 1.0}
            | {"rows_with_other_label": other, "coclustering_difference": 0.01}
        )
    rows["agreement"] += [{"method_a": a, "method_b": "classes", "adjusted_rand": 0.91} for a in shares]


def cell(data: Dataset, **values: object) -> Any:
    """As much of a `Cell` as is drawn."""
    return SimpleNamespace(
        values={key.replace("__", "."): value for key, value in values.items()}, problem=SimpleNamespace(data=data), held_out=None
    )


PROVENANCE = Provenance(
    name="clusters",
    description="Made rows.",
    config_text="name: clusters\nseed: 1\n",
    versions={"python": "3.12", "workbench": "0.1.0"},
    seed=1,
    machine="2 cores",
    seconds={"total": 12.5},
    command="workbench run clusters.yaml",
    started="2026-01-01 12:00",
    notes=("All rows were used.",),
    licence="facts",
)


def swept(folder: Path, data: Dataset, numbers: list[int]) -> Path:
    """The page of a sweep over `model.n_components`."""
    tables: dict[str, list[pd.DataFrame]] = {}
    for k in numbers:
        for name, table in tables_of(data, k).items():
            tables.setdefault(name, []).append(table.assign(**{"model.n_components": k}))
    cells = [cell(data, model__n_components=k) for k in numbers]
    return write(folder, {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}, cells, PROVENANCE)
