"""Calls of compiled code through its address."""

import numba
import numpy as np
import pytest
from numba.core.runtime import _nrt_python, rtsys

from workbench.fast.apart import apart
from workbench.fast.compiled import DIGEST, compiled

MATRIX = numba.types.Array(numba.types.float64, 2, "C")


@compiled
def scaled(size, array):
    if array.size == 0:
        raise ValueError("nothing in it")
    return array.sum() * len(size), array * 2.0


def call_of(name):
    call = apart(scaled, [numba.types.UniTuple(numba.types.int64, 3), MATRIX], f"{name}_{DIGEST}")

    @numba.njit
    def caller(*arguments):
        return call(arguments)

    return caller


@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_in_any_order_give_what_a_direct_call_gives(order):
    array = np.asarray(np.random.default_rng(0).normal(size=(4, 3)), order=order)
    total, doubled = call_of("test_order")((0, 0, 0), array)
    assert total == pytest.approx(3.0 * array.sum(), rel=1e-14)
    np.testing.assert_array_equal(doubled, 2.0 * array)


def test_arrays_that_may_not_be_written_to_are_taken():
    array = np.ones((2, 2))
    array.flags.writeable = False
    assert call_of("test_fixed")((0, 0, 0), array)[0] == 12.0


def test_errors_come_through():
    with pytest.raises(ValueError, match="nothing in it"):
        call_of("test_error")((0, 0, 0), np.empty((0, 2)))


@pytest.mark.parametrize("array", [np.ones(3), np.ones((2, 2), dtype=np.float32)])
def test_other_types_are_refused(array):
    with pytest.raises(numba.TypingError):
        call_of("test_types")((0, 0, 0), array)


@pytest.fixture
def allocations():
    _nrt_python.memsys_enable_stats()
    yield rtsys.get_allocation_stats
    _nrt_python.memsys_disable_stats()


def test_copies_and_results_are_freed(allocations):
    caller, array = call_of("test_memory"), np.asfortranarray(np.ones((3, 2)))
    caller((0, 0, 0), array)
    before = allocations()
    for _ in range(5):
        caller((0, 0, 0), array)
    after = allocations()
    assert after.mi_alloc - before.mi_alloc == after.mi_free - before.mi_free >= 10
