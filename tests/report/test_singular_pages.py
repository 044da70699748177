"""Data on which every fit is singular still give a page that says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import workbench

TINY = np.random.default_rng(0).normal(size=(6, 10))
CONSTANT = np.column_stack([[1.0, 2.0, 3.0, 7.0, 8.0, 9.0], np.full(6, 5.0)])


@pytest.mark.parametrize(
    ("x", "advice"),
    [(TINY, "use em with objective: posterior"), (CONSTANT, "leave out the columns at fault")],
    ids=["fewer rows than columns", "a constant column"],
)
def test_a_page_without_a_regular_optimum(x: np.ndarray, advice: str, tmp_path: Path) -> None:
    methods = {"em": {"restarts": 4}, "hard_em": {"restarts": 3}}
    run = workbench.run({"data": x, "model": {"n_components": 2}, "methods": methods}, out=tmp_path / "run", jobs=1)
    assert not run.failures
    text = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert advice in text


def test_a_page_of_starts_that_are_one_saddle(tmp_path: Path) -> None:
    methods = {"hard_em": {"init": "uniform", "restarts": 2}}
    run = workbench.run({"data": "old_faithful", "model": {"n_components": 2}, "methods": methods}, out=tmp_path / "run", jobs=1)
    assert not run.failures
    assert (tmp_path / "run" / "report.html").is_file()
