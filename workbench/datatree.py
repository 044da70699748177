"""A fit as an ArviZ ``xarray.DataTree`` and back: the same groups, dims and names whatever the method (design, section 4)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from workbench.data import Dataset
from workbench.fit import Evidence, Fit, LeaveOneOutRefits, Ledger, Path, Restarts, Status, Trace
from workbench.models import FAMILIES, Mixture
from workbench.problem import Problem

ROW_BUDGET = 10_000_000
"""Numbers of the per-row log likelihood kept at most; above, draws are thinned evenly."""


def to_tree(problem: Problem, fit: Fit, label: str) -> Any:
    """The fit as a DataTree.

    Groups: ``posterior`` (what is reported), ``sample_stats`` (densities of the draws and the sampler's own),
    ``log_likelihood`` (``x``: chain, draw, row), ``observed_data``, ``restarts``, ``polished``, ``trace``, ``path``, ``ledger``,
    ``left_out``, ``approximation``, ``evidence``; those that a method has.
    """
    import xarray as xr

    groups: dict[str, Any] = {
        "observed_data": xr.Dataset({"x": (("row", "feature"), problem.data.x), "counts": (("row",), problem.data.counts)})
    }
    if fit.draws is not None:
        groups["posterior"] = _mixtures(fit.draws, ("chain", "draw"))
        stats = {"log_likelihood_total": fit.log_likelihood, "log_posterior": fit.log_posterior, **fit.sample_stats}
        if fit.log_q is not None:
            stats["log_q"] = fit.log_q
        groups["sample_stats"] = xr.Dataset({name: (("chain", "draw"), value) for name, value in stats.items()})
        groups["log_likelihood"] = _row_densities(problem, fit.draws)
    groups |= _restart_groups(fit) | _step_groups(fit) | _left_out_group(fit) | _evidence_group(fit)
    if fit.approximation:
        normal = "scale_tril" in fit.approximation
        groups["approximation"] = xr.Dataset({name: (_axes(name, value, normal), value) for name, value in fit.approximation.items()})
    names = {**problem.family.coords(problem.data), "row": problem.data.rows}
    named = {group: _named(data, names) for group, data in groups.items()}
    tree = xr.DataTree.from_dict({f"/{group}": data for group, data in named.items()})
    tree.attrs.update(_attributes(problem, fit, label))
    return tree


def from_tree(tree: Any) -> Fit:
    """The fit that :func:`to_tree` wrote."""
    attrs = tree.attrs
    family = FAMILIES[attrs["family"]](**json.loads(attrs["family_options"]))
    posterior, stats = tree.children.get("posterior"), tree.children.get("sample_stats")
    missing = np.full((1, 1), np.nan)
    values = {} if stats is None else {str(name): stats[name].values for name in stats.data_vars}
    approximation = tree.children.get("approximation")
    return Fit(
        kind=attrs["kind"],
        estimate=attrs["estimate"],
        family=family,
        draws=None if posterior is None else _mixture(posterior, family),
        log_likelihood=values.pop("log_likelihood_total", missing),
        log_posterior=values.pop("log_posterior", missing),
        log_q=values.pop("log_q", None),
        sample_stats=values,
        objective_name=attrs["objective_name"],
        status=Status[attrs["status_name"]],
        seconds={"compile": attrs["seconds_compile"], "run": attrs["seconds_run"]},
        options=json.loads(attrs["options"]),
        restarts=_read_restarts(tree, family),
        reported=int(attrs["reported"]),
        trace=_read_trace(tree),
        path=_read_path(tree, family),
        ledger=_read_ledger(tree),
        left_out=_read_left_out(tree),
        approximation={} if approximation is None else {str(name): approximation[name].values for name in approximation.data_vars},
        evidence=_read_evidence(tree),
        messages=tuple(json.loads(attrs["messages"])),
    )


def _axes(name: str, value: np.ndarray, normal: bool) -> tuple[str, ...]:
    """Dims of a number of q: coordinates where it is a normal in those, its own where it is of the prior's form."""
    return ("coordinate", "coordinate_2")[: value.ndim] if normal else tuple(f"{name}_{axis}" for axis in range(value.ndim))


def problem_of(tree: Any) -> Problem:
    """The problem of the fit that :func:`to_tree` wrote: rows, family, K and prior, without the source that the rows came from.

    Raises
    ------
    ValueError
        If the fit found no point, and so says no K.
    """
    attrs, observed, posterior = tree.attrs, tree["observed_data"], tree.children.get("posterior")
    if posterior is None:
        raise ValueError(f"this fit found nothing: {attrs['status']}")
    levels = json.loads(attrs["levels"])
    data = Dataset.of(observed["x"].values, [str(name) for name in observed["feature"].values], name=attrs["data"])
    data = replace(
        data,
        counts=observed["counts"].values,
        rows=observed["row"].values,
        levels=None if levels is None else tuple(None if names is None else tuple(names) for names in levels),
    )
    family = FAMILIES[attrs["family"]](**json.loads(attrs["family_options"]))
    return Problem(data, family, int(posterior["weights"].shape[-1]), prior=json.loads(attrs["prior"]))


def _mixtures(mixture: Mixture, batch: tuple[str, ...]) -> Any:
    import xarray as xr

    return xr.Dataset({name: ((*batch, *mixture.dims[name]), value) for name, value in mixture.parameters().items()})


def _mixture(group: Any, family: Any) -> Mixture:
    mixture: Mixture = family.mixture({name: group[name].values for name in family.dims})
    return mixture


def _row_densities(problem: Problem, draws: Mixture) -> Any:
    import xarray as xr

    chains, length = draws.batch_shape
    step = max(1, -(-chains * length * problem.data.n_rows // ROW_BUDGET))
    kept = np.arange(0, length, step)
    values = np.stack([[draws.take((c, d)).log_density(problem.data.x) for d in kept] for c in range(chains)])
    return xr.Dataset({"x": (("chain", "draw", "row"), values)}, coords={"draw": kept})


def _restart_groups(fit: Fit) -> dict[str, Any]:
    import xarray as xr

    restarts = fit.restarts
    if restarts is None:
        return {}
    columns: dict[str, Any] = {
        "start_seed": restarts.start_seed,
        "init": np.array(restarts.init, dtype=object),
        "iterations": restarts.iterations,
        "objective": restarts.objective,
        "log_likelihood": restarts.log_likelihood,
        "log_posterior": restarts.log_posterior,
        "gain_left": restarts.gain_left,
        "status": np.array([status.name for status in restarts.status], dtype=object),
    }
    table = xr.Dataset({name: (("restart",), value) for name, value in columns.items()})
    groups = {"restarts": table if restarts.mixture is None else table.merge(_mixtures(restarts.mixture, ("restart",)))}
    if restarts.polished is not None and restarts.polished_objective is not None:
        flags = {"singular": restarts.singular, "spurious": restarts.spurious}
        ends = {"objective": restarts.polished_objective, **{name: np.asarray(value).astype(np.int8) for name, value in flags.items()}}
        table = xr.Dataset({name: (("restart",), value) for name, value in ends.items()})
        groups["polished"] = table.merge(_mixtures(restarts.polished, ("restart",)))
    return groups


def _read_restarts(tree: Any, family: Any) -> Restarts | None:
    group, polished = tree.children.get("restarts"), tree.children.get("polished")
    if group is None:
        return None
    names = ("start_seed", "iterations", "objective", "log_likelihood", "log_posterior", "gain_left")
    return Restarts(
        **{name: group[name].values for name in names},
        init=tuple(str(value) for value in group["init"].values),
        status=tuple(Status[str(value)] for value in group["status"].values),
        mixture=_mixture(group, family) if "weights" in group.data_vars else None,
        polished=None if polished is None else _mixture(polished, family),
        polished_objective=None if polished is None else polished["objective"].values,
        singular=None if polished is None else polished["singular"].values.astype(bool),
        spurious=None if polished is None else polished["spurious"].values.astype(bool),
    )


def _step_groups(fit: Fit) -> dict[str, Any]:
    import xarray as xr

    groups: dict[str, Any] = {}
    if (trace := fit.trace) is not None:
        columns = {name: value for name, value in vars(trace).items() if value is not None}
        groups["trace"] = xr.Dataset({name: (("step",), value) for name, value in columns.items()})
    if (path := fit.path) is not None:
        numbers = xr.Dataset({"restart": (("step",), path.restart), "iteration": (("step",), path.iteration)})
        groups["path"] = numbers.merge(_mixtures(path.mixture, ("step",)))
    if (ledger := fit.ledger) is not None:
        columns = {name: value.astype(object) if name == "half_step" else value for name, value in vars(ledger).items()}
        groups["ledger"] = xr.Dataset({name: (("half",), value) for name, value in columns.items()})
    return groups


def _read_trace(tree: Any) -> Trace | None:
    group = tree.children.get("trace")
    return None if group is None else Trace(**{str(name): group[name].values for name in group.data_vars})


def _read_path(tree: Any, family: Any) -> Path | None:
    group = tree.children.get("path")
    return None if group is None else Path(group["restart"].values, group["iteration"].values, _mixture(group, family))


def _read_ledger(tree: Any) -> Ledger | None:
    group = tree.children.get("ledger")
    if group is None:
        return None
    columns = {str(name): group[name].values for name in group.data_vars}
    return Ledger(**{**columns, "half_step": columns["half_step"].astype(str)})


def _left_out_group(fit: Fit) -> dict[str, Any]:
    import xarray as xr

    if (left_out := fit.left_out) is None:
        return {}
    return {"left_out": xr.Dataset({name: (("row",) if name == "elpd" else (), value) for name, value in vars(left_out).items()})}


def _read_left_out(tree: Any) -> LeaveOneOutRefits | None:
    group = tree.children.get("left_out")
    if group is None:
        return None
    found = {str(name): group[name].values for name in group.data_vars}
    elpd = found.pop("elpd")
    return LeaveOneOutRefits(elpd, **{name: int(value) for name, value in found.items()})


def _evidence_group(fit: Fit) -> dict[str, Any]:
    import xarray as xr

    if not fit.evidence:
        return {}
    names = ("estimator", "log_evidence", "mcse", "trusted", "note")
    kinds = {"estimator": object, "note": object, "trusted": np.int8}
    columns = {name: np.array([getattr(each, name) for each in fit.evidence], dtype=kinds.get(name, float)) for name in names}
    return {"evidence": xr.Dataset({name: (("estimate",), value) for name, value in columns.items()})}


def _read_evidence(tree: Any) -> tuple[Evidence, ...]:
    group = tree.children.get("evidence")
    if group is None:
        return ()
    rows = zip(*(group[name].values for name in ("estimator", "log_evidence", "mcse", "trusted", "note")), strict=True)
    return tuple(Evidence(str(name), float(value), float(mcse), bool(trusted), str(note)) for name, value, mcse, trusted, note in rows)


def _named(data: Any, names: Mapping[str, Any]) -> Any:
    """Coordinates for the dims that have names of their own."""
    return data.assign_coords({dim: names[dim] for dim in data.dims if dim in names})


def _attributes(problem: Problem, fit: Fit, label: str) -> dict[str, Any]:
    return {
        "method": label,
        "kind": fit.kind,
        "estimate": fit.estimate,
        "objective_name": fit.objective_name,
        "status": fit.status.value,
        "status_name": fit.status.name,
        "reported": fit.reported,
        "seconds_compile": float(fit.seconds["compile"]),
        "seconds_run": float(fit.seconds["run"]),
        "options": json.dumps(dict(fit.options), default=_plain),
        "messages": json.dumps(list(fit.messages)),
        "family": problem.family.name,
        "family_options": json.dumps(problem.family.options()),
        "prior": json.dumps(None if problem.prior is None else problem.prior.numbers()),
        "data": problem.data.name,
        "levels": json.dumps(problem.data.levels),
        "fingerprint": problem.data.fingerprint,
    }


def _plain(value: Any) -> Any:
    """An array among the options, as a start given by its parameters may hold one, is written as lists."""
    return np.asarray(value).tolist()
