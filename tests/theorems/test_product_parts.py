"""A block's columns are one dataset however often they are asked for, and go with the whole."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pandas as pd
import pytest
from examples import BLOCKS, mixtures_of, problem_of

from workbench.data import Dataset
from workbench.models.families.gaussian import moments
from workbench.models.families.product.components import block_data


def test_moments_of_a_block_are_worked_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regularity is asked for often, and its covariance of the data costs a pass over the rows."""
    problem, asked = problem_of("product", {"blocks": BLOCKS}, 0.1), []
    mixtures = mixtures_of(problem)[1]
    real = moments.covariance

    def seen(data: Dataset) -> np.ndarray:
        asked.append(data)
        return real(data)

    monkeypatch.setattr(moments, "covariance", seen)
    first, second = (mixtures.components.regularity(mixtures.weights, problem.data) for _ in range(2))
    np.testing.assert_array_equal(first.singular, second.singular)
    assert asked
    assert len({id(data) for data in asked}) == 1
    assert asked[0].features == ("a", "b")
    np.testing.assert_array_equal(asked[0].x, problem.data.x[:, :2])
    np.testing.assert_array_equal(asked[0].counts, problem.data.counts)


def test_parts_go_with_the_whole() -> None:
    data = Dataset.of(pd.DataFrame({"a": [1.0, 2.0], "b": [0.0, 1.0]}))
    own, whole = block_data(data, ("a",)), block_data(data, ("a", "b"))
    assert own is block_data(data, ["a"])
    assert whole is data
    gone = weakref.ref(data)
    del data, whole
    gc.collect()
    assert gone() is None
    assert own.n_rows == 2
