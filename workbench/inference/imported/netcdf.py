"""Draws from an ArviZ DataTree or InferenceData on disk: group ``posterior``, variables and dims as every fit here has them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from workbench.inference.imported.draws import Draws, DrawsError, shapes
from workbench.problem import Problem

SUFFIXES = (".nc", ".h5", ".hdf5")
BATCH = ("chain", "draw")
OUR_OWN = ("log_likelihood_total", "log_posterior", "log_q")
"""Densities of the draws, which are worked out anew."""


def read(path: Path, problem: Problem) -> Draws:
    """Read a file.

    Raises
    ------
    DrawsError
        If it holds no posterior, or not the parameters of this problem.
    """
    posterior, statistics = _groups(path)
    parameters = {name: _values(posterior, name, shape, path.name, problem) for name, shape in shapes(problem).items()}
    n_chains, n_draws = next(iter(parameters.values())).shape[:2]
    numbers = {dim: _names(posterior, dim, size) for dim, size in zip(BATCH, (n_chains, n_draws), strict=True)}
    kept = {
        str(name): np.asarray(statistics[name].transpose(*BATCH).values)
        for name in (() if statistics is None else statistics.data_vars)
        if set(statistics[name].dims) == set(BATCH) and name not in OUR_OWN and statistics[name].dtype.kind in "biuf"
    }
    return Draws(path.name, parameters, numbers["chain"], np.broadcast_to(numbers["draw"], (n_chains, n_draws)), kept)


def _groups(path: Path) -> tuple[Any, Any]:
    """The datasets ``posterior`` and ``sample_stats``, the second None where there is none."""
    import xarray as xr

    try:
        with xr.open_datatree(path, engine="h5netcdf") as tree:
            found = {name: child.to_dataset().load() for name, child in tree.children.items() if name in ("posterior", "sample_stats")}
            groups = list(tree.children)
    except (OSError, ValueError, KeyError):
        raise DrawsError(f"{path.name}: cannot be read as netCDF 4; write it by ArviZ's to_netcdf") from None
    if "posterior" not in found:
        has = f"only {', '.join(groups)}" if groups else "none at all"
        raise DrawsError(f"{path.name}: there is no group posterior, {has}; write the draws by ArviZ's to_netcdf")
    return found["posterior"], found.get("sample_stats")


def _values(posterior: Any, name: str, shape: tuple[int, ...], file: str, problem: Problem) -> np.ndarray:
    """A parameter (chain, draw, ...) in the order of the problem's own names."""
    if name not in posterior.data_vars:
        known = ", ".join(map(str, posterior.data_vars)) or "nothing"
        raise DrawsError(f"{file}: posterior has no {name}, only {known}; name the parameters {', '.join(problem.family.dims)}")
    array, dims = posterior[name], (*BATCH, *problem.family.dims[name])
    if sorted(map(str, array.dims)) != sorted(dims):
        raise DrawsError(f"{file}: {name} has the dims {', '.join(map(str, array.dims))}; rename them to {', '.join(dims)}")
    array = array.transpose(*dims)
    for dim, size in zip(dims[2:], shape, strict=True):
        if array.sizes[dim] != size:
            raise DrawsError(f"{file}: {name} has {array.sizes[dim]} along {dim} and the problem {size}; {_advice(dim)}")
        array = _ordered(array, dim, problem.family.coords(problem.data).get(dim), f"{file}: {name}")
    if array.dtype.kind not in "biuf":
        raise DrawsError(f"{file}: {name} holds no numbers ({array.dtype}); give floats")
    return np.ascontiguousarray(array.values, dtype=float)


def _ordered(array: Any, dim: str, names: Sequence[Any] | None, what: str) -> Any:
    """The entries along ``dim`` in the order of ``names``, where the file names them."""
    if names is None or dim not in array.coords:
        return array
    own, wanted = [str(name) for name in array.coords[dim].values], [str(name) for name in names]
    if sorted(own) != sorted(wanted):
        other = next((name for name in own if name not in wanted), own[0])
        raise DrawsError(f"{what} names {other!r} along {dim}; the problem has {', '.join(wanted)}")
    return array.isel({dim: [own.index(name) for name in wanted]})


def _advice(dim: str) -> str:
    if dim == "component":
        return "set n_components to that, or take other draws"
    return "the levels are those of the fitted column, padded to the longest" if dim.endswith("level") else "fit the same columns"


def _names(posterior: Any, dim: str, size: int) -> np.ndarray:
    return np.asarray(posterior[dim].values) if dim in posterior.coords else np.arange(size)
