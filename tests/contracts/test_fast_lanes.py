"""The fast room's own exponential and logarithm, over the whole range of doubles."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest

from workbench.fast.assign import BLOCK, columns, scratch
from workbench.fast.lanes import WIDTH
from workbench.fast.writer import Writer, kernel


@kernel
def _exp(code: Writer, x: Any, out: Any, n: Any) -> None:
    with code.loop(n, step=WIDTH) as i:
        code.store(code.load(x, i).exp(), out, i)


@kernel
def _decay(code: Writer, x: Any, out: Any, n: Any) -> None:
    with code.loop(n, step=WIDTH) as i:
        code.store(code.load(x, i).decay(), out, i)


@kernel
def _log(code: Writer, x: Any, out: Any, n: Any) -> None:
    with code.loop(n, step=WIDTH) as i:
        code.store(code.load(x, i).log(), out, i)


@numba.njit
def exp(x, out):
    _exp(x, out, x.size)


@numba.njit
def decay(x, out):
    _decay(x, out, x.size)


@numba.njit
def log(x, out):
    _log(x, out, x.size)


def applied(function: Any, x: np.ndarray) -> np.ndarray:
    padded = np.concatenate([x, np.ones(-x.size % WIDTH)])
    out = np.empty_like(padded)
    function(padded, out)
    return out[: x.size]


def ulps(found: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Distance from a result known to more digits, in units of the last place."""
    return np.abs(found - exact) / np.spacing(np.abs(exact).astype(float))


def test_exp_is_right_to_about_an_ulp_over_the_whole_range() -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-745.1, 709.7, 100_000), rng.uniform(-1, 1, 100_000), rng.normal(size=10_000) * 1e-8, [0.0, -0.0]])
    assert ulps(applied(exp, x), np.exp(x.astype(np.longdouble))).max() < 1.1


def test_exp_at_the_edges() -> None:
    x = np.array([-np.inf, np.inf, np.nan, -1e300, 1e300, -745.2, 709.79, 720.0, -750.0])
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(applied(exp, x), np.exp(x))


def test_decay_is_exp_below_zero_and_nothing_where_that_is_below_1e_307() -> None:
    x = -np.random.default_rng(1).uniform(0, 706.9, 100_000)
    assert ulps(applied(decay, x), np.exp(x.astype(np.longdouble))).max() < 1.1
    np.testing.assert_array_equal(applied(decay, np.array([-np.inf, -708.5, -1e9, 0.0, np.nan])), [0.0, 0.0, 0.0, 1.0, np.nan])


def test_log_is_right_to_an_ulp_over_the_whole_range() -> None:
    rng = np.random.default_rng(2)
    parts = [np.exp(rng.uniform(-744, 709, 100_000)), rng.uniform(1, 10, 100_000), 1 + rng.normal(size=10_000) * 1e-6, [5e-324, 1.0]]
    x = np.concatenate(parts)
    assert ulps(applied(log, x), np.log(x.astype(np.longdouble))).max() < 1.0


def test_log_at_the_edges() -> None:
    with np.errstate(divide="ignore", invalid="ignore"):
        x = np.array([0.0, -0.0, np.inf, np.nan, -1.0, -np.inf, 2.0**-1022])
        np.testing.assert_array_equal(applied(log, x), np.log(x))


@pytest.mark.parametrize("n_features", [*range(1, 20), 33])
@pytest.mark.parametrize("n_rows", [1, 7, 8, 100, BLOCK])
def test_columns_are_rows_turned_and_padded_with_the_last(n_features: int, n_rows: int) -> None:
    x = np.random.default_rng(3).normal(size=(n_rows + 5, n_features))
    for size in ((), (0,) * n_features) if n_features < WIDTH else ((),):
        block = scratch(n_features * BLOCK)
        padded = columns(size, x, 5, 5 + n_rows, block)
        assert padded == -(-n_rows // WIDTH) * WIDTH
        turned = block.reshape(n_features, BLOCK)[:, :padded].T
        np.testing.assert_array_equal(turned[:n_rows], x[5:])
        np.testing.assert_array_equal(turned[n_rows:], np.broadcast_to(x[-1], (padded - n_rows, n_features)))
