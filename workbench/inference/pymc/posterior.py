"""The log posterior of NUTS: PyMC's model as one compiled function around the E step, without PyTensor."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.fast.fisher.shown import shown_cells
from workbench.fast.gaussian.factors import UNROLLED
from workbench.fast.lanes import WIDTH
from workbench.fast.posterior.callback import callback
from workbench.fast.posterior.pointers import addresses
from workbench.inference.pymc import kernel_rows
from workbench.inference.pymc.charts import Chart
from workbench.inference.pymc.kernel_rows import DISCRETE, GAUSSIAN
from workbench.inference.pymc.numbers import NUMBERS
from workbench.inference.pymc.parts import parts_of
from workbench.models import Gaussian
from workbench.models.shapes import Coordinates
from workbench.problem import Problem

FEW_COMPONENTS, FEW_CELLS, FEW_NUMBERS = 4, 64, 1 << 17
"""Where rows side by side are quicker than components: components and cells at most, and cells times rows."""
ARRAYS = {
    "discrete": (*DISCRETE, "counts"),
    "few_cells": ("shown", "counts", "kind", "column", "value", "once"),
    **{kernel: ("turn", *own, "counts") for kernel, own in GAUSSIAN.items()},
    **{f"{kernel}_discrete": ("turn", *own, *DISCRETE, "counts") for kernel, own in GAUSSIAN.items()},
}
"""What each function of :mod:`workbench.fast.posterior.density` takes after the chart."""
WHOLE = ("codes", "members")
"""Whole numbers, where all is discrete."""


@dataclass(frozen=True, eq=False)
class Posterior:
    """log p(x, theta(u)) + log |d theta / d u| and its gradient over the coordinates of PyMC's model, compiled.

    Attributes
    ----------
    callback : C function of :mod:`workbench.fast.posterior.callback`
    data : the arrays that it takes after a factor
    """

    dim: int
    callback: Any
    data: tuple[np.ndarray, ...]

    def __call__(self, u: Coordinates, factor: np.ndarray | None = None) -> tuple[float, Coordinates]:
        """Value and gradient at one point (dim,); with a factor (dim, dim) at factor u, and by u."""
        return self._call(u, factor)[1:]

    def status(self, u: Coordinates) -> int:
        """What a sampler is told beside them: 0, or 3 where something is not finite."""
        return self._call(u, None)[0]

    def _call(self, u: Coordinates, factor: np.ndarray | None) -> tuple[int, float, Coordinates]:
        value, gradient, point = np.empty(1), np.empty(self.dim), np.array(u, dtype=np.float64)
        given = (np.zeros((0, 0)) if factor is None else np.ascontiguousarray(factor), *self.data)
        doubles, numbers = ctypes.POINTER(ctypes.c_double), ctypes.POINTER(ctypes.c_int64)
        pointers = (array.ctypes.data_as(doubles) for array in (point, gradient, value))
        status = self.callback.ctypes(self.dim, *pointers, addresses(given).ctypes.data_as(numbers))
        return int(status), float(value[0]), gradient


def posterior(problem: Problem) -> Posterior:
    """The log posterior, compiled unless this process has for the same kind of family, and the K or D that code is written for."""
    kernel, rows = _rows(problem)
    chart = Chart.of(problem)
    constant = np.array([chart.constant - float(rows.get("offset", 0.0))])
    whole = WHOLE if kernel == "discrete" else ()
    arrays = [np.ascontiguousarray(rows[name], np.int64 if name in whole else np.float64) for name in ARRAYS[kernel]]
    return Posterior(chart.dim, callback(kernel, _size(kernel, problem)), (chart.pieces, chart.numbers, chart.lengths, constant, *arrays))


def _rows(problem: Problem) -> tuple[str, dict[str, np.ndarray]]:
    """The likelihood's kind and its arrays by name."""
    kernel, rows = kernel_rows.kernel_of(tuple(part.family for part in parts_of(problem))), kernel_rows.rows(problem)
    for part in parts_of(problem):
        if isinstance(part.family, Gaussian):
            numbers = NUMBERS[type(part.prior)](part.prior, part.data)
            rows |= {"root": numbers["root"], "turn": np.atleast_2d(numbers.get("turn", np.zeros((0, 0))))}
    if kernel == "discrete":
        n_cells, n_rows = rows["kind"].size, rows["codes"].shape[0]
        if problem.n_components <= FEW_COMPONENTS and n_cells <= FEW_CELLS and n_cells * n_rows <= FEW_NUMBERS:
            return "few_cells", rows | shown_cells(rows["codes"], rows["members"], n_cells, rows["counts"])
        rows["codes"] = rows["codes"] * WIDTH
    return kernel, rows


def _size(kernel: str, problem: Problem) -> tuple[int, ...]:
    """What must be known when the code is written, as so many zeros: K, or a small D."""
    if kernel == "few_cells":
        return (0,) * problem.n_components
    features = sum(part.data.n_features for part in parts_of(problem) if isinstance(part.family, Gaussian))
    return (0,) * (features if kernel.startswith("matrices") and features <= UNROLLED else 0)
